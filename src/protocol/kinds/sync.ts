import type { CborScanner } from "../cbor.ts";
import { FRAME_BYTES_MAX } from "../limits.ts";
import { type Fields, type MessageCommon, type MessageKind, required } from "./kind.ts";

export interface SyncMessage extends MessageCommon {
	type: "sync";
	rev: string;
	/** Byte range of the CAR slice. */
	blocksStart: number;
	blocksEnd: number;
}

export interface SyncFields extends Fields {
	rev?: string;
	blocksStart?: number;
	blocksEnd?: number;
}

/** Longer than any TID. That `rev` is a TID is checked later: rulebook 2.6, check 7. */
export const REV_BYTES_MAX = 64;

/** `#sync`: the current state of the repo, without the ops that led to it. */
export const sync = {
	code: 2,
	tells: "repo",
	didField: "did",
	fieldNames: ["did", "rev", "seq", "time", "blocks"],
	readField: readSyncField,
	toMessage: (common, fields): SyncMessage => ({ type: "sync", ...common, ...revAndBlocks(fields) }),
} as const satisfies MessageKind<SyncMessage, SyncFields, SyncField>;

export type SyncField = "rev" | "blocks";

/** Reads `rev` or `blocks`, which commits have too. */
export function readSyncField(scanner: CborScanner, name: SyncField, fields: SyncFields): void {
	if (name === "rev") fields.rev = scanner.readText(REV_BYTES_MAX);
	else {
		fields.blocksStart = scanner.readBytes(FRAME_BYTES_MAX);
		fields.blocksEnd = scanner.offset;
	}
}

/** The fields that commits have too. Throws `message-schema` if one is absent. */
export function revAndBlocks(fields: SyncFields): Pick<SyncMessage, "rev" | "blocksStart" | "blocksEnd"> {
	return {
		rev: required(fields.rev, "rev"),
		blocksStart: required(fields.blocksStart, "blocks"),
		blocksEnd: required(fields.blocksEnd, "blocks"),
	};
}
