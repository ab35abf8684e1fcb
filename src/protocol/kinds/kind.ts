import type { CborScanner } from "../cbor.ts";
import { Rejection } from "../rejection.ts";

/**
 * What one scan finds in every message (rulebook 2.1 to 2.4). Offsets are into the frame; nothing of it is copied.
 * DID, rev and the other strings are present and strings, but their syntax is checked later, in the order of table 2.6.
 */
export interface MessageCommon {
	did: string;
	/** The host's seq. */
	seq: number;
	/** Byte range of the CBOR integer that holds `seq`, which is the only thing the relay rewrites. */
	seqStart: number;
	seqEnd: number;
	time: string;
}

/** What a scan has read of a payload so far. Undefined: not there. A kind adds the fields of its own. */
export interface Fields {
	did?: string;
	seq?: number;
	seqStart?: number;
	seqEnd?: number;
	time?: string;
	/** How many fields there are. */
	count?: number;
	/** What has to be changed so that every consumer can read the message. */
	repairs?: Map<string, Uint8Array | null>;
}

/**
 * What the relay has to know of a kind of message to read it and to keep it. Whoever may send it, and what comes of it, is
 * in `ingest/did/admit/`.
 */
export interface MessageKind<
	M extends MessageCommon = MessageCommon,
	F extends Fields = Fields,
	Name extends string = string,
> {
	/** Stands for the kind in the records of the log: below 16, no other kind's, and never changed. */
	code: number;
	/** What it says of its account (`account/next.ts`), and so what the index reads in its records. */
	tells: "repo" | "status" | "identity";
	/** The field that holds the DID. */
	didField: "did" | "repo";
	/** The fields that are read, `seq`, `time` and that of the DID among them. All others pass unread. */
	fieldNames: readonly (Name | "seq" | "time" | "did" | "repo")[];
	/** Reads the value of a field of the kind's own. Throws `CborError` if it is not what the field holds. */
	readField(scanner: CborScanner, name: Name, fields: F): void;
	/**
	 * Makes the message of what was read.
	 *
	 * @throws Rejection `message-schema` if something is absent that it can't do without
	 */
	toMessage(common: MessageCommon, fields: F): M;
}

/** Passes over the null of a field that may be absent, if there is one: it means the same, but not every consumer knows that. */
export function skipNull(scanner: CborScanner, name: string, fields: Fields): boolean {
	if (!scanner.readNull()) return false;
	fields.repairs ??= new Map();
	fields.repairs.set(name, null);
	return true;
}

/** The value of a field that must be there. Throws `message-schema` if it is not. */
export function required<T>(value: T | undefined, name: string): T {
	if (value === undefined) throw new Rejection("message-schema", `no ${name}`);
	return value;
}
