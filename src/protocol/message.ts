import type { FieldChanges } from "./patch.ts";

/**
 * What one scan of a frame finds (rulebook 2.1 to 2.4). Offsets are into the frame; nothing of it is copied.
 * DID, rev and the other strings are present and strings, but their syntax is checked later, in the order of table 2.6.
 */
interface MessageCommon {
	did: string;
	/** The host's seq. */
	seq: number;
	/** Byte range of the CBOR integer that holds `seq`, which is the only thing the relay rewrites. */
	seqStart: number;
	seqEnd: number;
	time: string;
}

export interface CommitMessage extends MessageCommon {
	type: "commit";
	rev: string;
	/** Null where the field is null or absent. */
	since: string | null;
	/** Binary CID of the commit block. */
	commit: Uint8Array;
	/** Byte range of the CAR slice. */
	blocksStart: number;
	blocksEnd: number;
	/** Offset of the first op (behind the array's head), and how many there are: not yet checked against the limit. */
	opsStart: number;
	opsCount: number;
	/** Binary CID of the previous MST root, or null where the field is absent or null. */
	prevData: Uint8Array | null;
	/** False where the field is absent or null, as `rebase`. */
	tooBig: boolean;
	rebase: boolean;
}

export interface SyncMessage extends MessageCommon {
	type: "sync";
	rev: string;
	blocksStart: number;
	blocksEnd: number;
}

export interface IdentityMessage extends MessageCommon {
	type: "identity";
	handle: string | null;
}

export interface AccountMessage extends MessageCommon {
	type: "account";
	active: boolean;
	status: string | null;
}

/** The messages that have a seq, are kept in the log and go to consumers. */
export type Message = CommitMessage | SyncMessage | IdentityMessage | AccountMessage;

export type MessageType = Message["type"];

/**
 * What a frame is. `ignored` is an op or a message type that we don't know, which the specification says to skip.
 *
 * `repairs` says how the payload has to be changed so that every consumer can read it; null for a frame that may pass as it
 * is, empty where only the header is not the plain one.
 */
export type ScannedFrame =
	| { kind: "message"; message: Message; repairs: FieldChanges | null }
	| { kind: "info"; name: string; text: string | null }
	| { kind: "error"; error: string; text: string | null }
	| { kind: "ignored" };
