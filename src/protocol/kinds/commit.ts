import { encode } from "@atcute/cbor";
import type { CborScanner } from "../cbor.ts";
import { isBlessedCid } from "../cid.ts";
import { skipLookingForNull, withoutNulls } from "../patch.ts";
import { Rejection } from "../rejection.ts";
import { type MessageCommon, type MessageKind, required, skipNull } from "./kind.ts";
import { REV_BYTES_MAX, readSyncField, revAndBlocks, type SyncField, type SyncFields } from "./sync.ts";

export interface CommitMessage extends MessageCommon {
	type: "commit";
	rev: string;
	/** Null if the field is null or absent. */
	since: string | null;
	/** Binary CID of the commit block. */
	commit: Uint8Array;
	/** Byte range of the CAR slice. */
	blocksStart: number;
	blocksEnd: number;
	/** Offset of the first op, after the array's head, and the number of ops, which is not yet checked against the limit. */
	opsStart: number;
	opsCount: number;
	/** Binary CID of the previous MST root, or null if the field is absent or null. */
	prevData: Uint8Array | null;
	/** False if the field is absent or null, and so is `rebase`. */
	tooBig: boolean;
	rebase: boolean;
}

interface CommitFields extends SyncFields {
	since?: string | null;
	commit?: Uint8Array;
	opsStart?: number;
	opsCount?: number;
	prevData?: Uint8Array;
	tooBig?: boolean;
	rebase?: boolean;
	blobs?: true;
}

type CommitField = SyncField | "since" | "commit" | "prevData" | "tooBig" | "rebase" | "ops" | "blobs";

/** `#commit`: a change of the account's repo. */
export const commit = {
	code: 1,
	tells: "repo",
	didField: "repo",
	fieldNames: [
		"ops",
		"rev",
		"seq",
		"repo",
		"time",
		"blobs",
		"since",
		"blocks",
		"commit",
		"rebase",
		"tooBig",
		"prevData",
	],
	readField: readCommitField,
	toMessage,
} as const satisfies MessageKind<CommitMessage, CommitFields, CommitField>;

function readCommitField(scanner: CborScanner, name: CommitField, fields: CommitFields): void {
	switch (name) {
		case "since":
			fields.since = scanner.readNull() ? null : scanner.readText(REV_BYTES_MAX);
			return;
		case "commit":
			fields.commit = scanner.readCid();
			return;
		case "prevData":
			if (!skipNull(scanner, name, fields)) fields.prevData = scanner.readCid();
			return;
		case "tooBig":
			if (!skipNull(scanner, name, fields)) fields.tooBig = scanner.readBoolean();
			return;
		case "rebase":
			if (!skipNull(scanner, name, fields)) fields.rebase = scanner.readBoolean();
			return;
		case "ops":
			scanOps(scanner, fields);
			return;
		case "blobs":
			if (!skipNull(scanner, name, fields)) scanBlobs(scanner, fields);
			return;
		default:
			readSyncField(scanner, name, fields);
	}
}

/** Finds the ops, whose contents the engine checks. A `prev` of null means the same as an absent one, and is removed. */
function scanOps(scanner: CborScanner, fields: CommitFields): void {
	const start = scanner.offset;
	const count = scanner.readArray();
	fields.opsCount = count;
	fields.opsStart = scanner.offset;
	let hasNull = false;
	for (let i = 0; i < count; i++) hasNull = skipLookingForNull(scanner, "prev", 2) || hasNull;
	if (!hasNull) return;
	fields.repairs ??= new Map();
	fields.repairs.set("ops", withoutNulls(scanner.bytes, start, "prev"));
}

function scanBlobs(scanner: CborScanner, fields: CommitFields): void {
	const count = scanner.readArray();
	for (let i = 0; i < count; i++) scanner.readCid();
	fields.blobs = true;
}

function toMessage(common: MessageCommon, fields: CommitFields): CommitMessage {
	const repo = revAndBlocks(fields);
	const { since, rebase, tooBig, blobs } = fields;
	if (since === undefined || rebase === undefined || tooBig === undefined || blobs === undefined)
		completeCommit(fields);
	return {
		type: "commit",
		...common,
		...repo,
		since: since ?? null,
		commit: blessed(required(fields.commit, "commit"), "commit"),
		opsStart: required(fields.opsStart, "ops"),
		opsCount: required(fields.opsCount, "ops"),
		prevData: fields.prevData === undefined ? null : blessed(fields.prevData, "prevData"),
		tooBig: tooBig ?? false,
		rebase: rebase ?? false,
	};
}

/**
 * Fields that the lexicon requires but that a commit may lack, with the values that the relay adds for them. The first commit
 * of a repo has no `since`; the other fields are deprecated.
 */
const COMMIT_DEFAULTS = [
	["since", encode(null)],
	["rebase", encode(false)],
	["tooBig", encode(false)],
	["blobs", encode([])],
] as const;

function completeCommit(fields: CommitFields): void {
	fields.repairs ??= new Map();
	for (const [name, value] of COMMIT_DEFAULTS) if (fields[name] === undefined) fields.repairs.set(name, value);
}

function blessed(cid: Uint8Array, field: string): Uint8Array {
	if (!isBlessedCid(cid)) throw new Rejection("message-schema", `${field} is not a CIDv1 of dag-cbor and sha-256`);
	return cid;
}
