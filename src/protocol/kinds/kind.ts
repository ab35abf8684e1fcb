import type { CborScanner } from "../cbor.ts";
import { Rejection } from "../rejection.ts";

/**
 * What a scan finds in every message (rulebook 2.1 to 2.4). Offsets are into the frame. DID, rev and the other strings are
 * known to be strings, but their syntax is checked later, in the order of table 2.6.
 */
export interface MessageCommon {
	did: string;
	/** The host's seq. */
	seq: number;
	/** Byte range of the CBOR integer that holds `seq`, where the relay writes its own seq. */
	seqStart: number;
	seqEnd: number;
	time: string;
}

/** What a scan has read of a payload so far. Undefined: not there. Each kind adds its own fields. */
export interface Fields {
	did?: string;
	seq?: number;
	seqStart?: number;
	seqEnd?: number;
	time?: string;
	/** Number of fields in the payload. */
	count?: number;
	/** Changes that the payload needs so that every consumer can read the message. */
	repairs?: Map<string, Uint8Array | null>;
}

/**
 * What the relay has to know of a kind of message to read it and to store it. Who may send it, and what becomes of it, is in
 * `ingest/did/admit/`.
 */
export interface MessageKind<
	M extends MessageCommon = MessageCommon,
	F extends Fields = Fields,
	Name extends string = string,
> {
	/** Stands for the kind in the records of the log. It is below 16, unique, and must never change. */
	code: number;
	/** What it says about its account (`account/next.ts`), and so what the index reads from its records. */
	tells: "repo" | "status" | "identity";
	/** The field that holds the DID. */
	didField: "did" | "repo";
	/** The fields that are read, including `seq`, `time` and `didField`. All others pass unread. */
	fieldNames: readonly (Name | "seq" | "time" | "did" | "repo")[];
	/** Reads the value of one of the kind's own fields. Throws `CborError` if it has the wrong type or breaks a limit. */
	readField(scanner: CborScanner, name: Name, fields: F): void;
	/**
	 * Makes the message from what was read.
	 *
	 * @throws Rejection `message-schema` if a required field is absent
	 */
	toMessage(common: MessageCommon, fields: F): M;
}

/**
 * Skips the null of an optional field, and has the field removed. Null means the same as an absent field, but not every consumer
 * accepts it. Returns false, having read nothing, if the value is not null.
 */
export function skipNull(scanner: CborScanner, name: string, fields: Fields): boolean {
	if (!scanner.readNull()) return false;
	fields.repairs ??= new Map();
	fields.repairs.set(name, null);
	return true;
}

/** The value of a required field. Throws `message-schema` if it is absent. */
export function required<T>(value: T | undefined, name: string): T {
	if (value === undefined) throw new Rejection("message-schema", `no ${name}`);
	return value;
}
