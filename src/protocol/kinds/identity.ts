import { type Fields, type MessageCommon, type MessageKind, skipNull } from "./kind.ts";

export interface IdentityMessage extends MessageCommon {
	type: "identity";
	handle: string | null;
}

interface IdentityFields extends Fields {
	handle?: string;
}

const HANDLE_BYTES_MAX = 1024;

/** `#identity`: what the DID resolves to may have changed. */
export const identity = {
	code: 3,
	tells: "identity",
	didField: "did",
	fieldNames: ["did", "seq", "time", "handle"],
	readField(scanner, name, fields) {
		if (!skipNull(scanner, name, fields)) fields.handle = scanner.readText(HANDLE_BYTES_MAX);
	},
	toMessage: (common, { handle = null }): IdentityMessage => ({ type: "identity", ...common, handle }),
} as const satisfies MessageKind<IdentityMessage, IdentityFields, "handle">;
