import { FRAME_CONTAINER_ITEMS_MAX, STATUS_CHARS_MAX } from "../limits.ts";
import { Rejection } from "../rejection.ts";
import { type Fields, type MessageCommon, type MessageKind, required, skipNull } from "./kind.ts";

export interface AccountMessage extends MessageCommon {
	type: "account";
	active: boolean;
	status: string | null;
}

interface AccountFields extends Fields {
	active?: boolean;
	status?: string;
}

/** `#account`: the account's status at its host. */
export const account = {
	code: 4,
	tells: "status",
	didField: "did",
	fieldNames: ["did", "seq", "time", "active", "status"],
	readField(scanner, name, fields) {
		if (name === "active") fields.active = scanner.readBoolean();
		else if (!skipNull(scanner, name, fields)) fields.status = scanner.readText(STATUS_CHARS_MAX);
	},
	toMessage(common, { active, status = null, count }): AccountMessage {
		if (status === null && count === FRAME_CONTAINER_ITEMS_MAX) {
			throw new Rejection("message-schema", "so many fields that there is no room for a status");
		}
		return { type: "account", ...common, active: required(active, "active"), status };
	},
} as const satisfies MessageKind<AccountMessage, AccountFields, "active" | "status">;
