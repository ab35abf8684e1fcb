/**
 * A record of the log: fixed little-endian header, then the facts that the index needs, then the frame's wire bytes.
 *
 * | offset | field         | type |                                                              |
 * |-------:|---------------|------|--------------------------------------------------------------|
 * |      0 | crc           | u32  | CRC-32 of the record's bytes from offset 4 to its end        |
 * |      4 | length        | u32  | of the whole record, header included                         |
 * |      8 | seq           | u64  | ours                                                         |
 * |     16 | time          | u64  | when it was sequenced, microseconds since 1970               |
 * |     24 | upstreamSeq   | u64  | the host's seq; 0 for control records                        |
 * |     32 | host          | u32  | id of the host it came from; 0 for control records           |
 * |     36 | epoch         | u32  | the segment's epoch: tells our records from a ghost's        |
 * |     40 | kind          | u8   |                                                              |
 * |     41 | flags         | u8   |                                                              |
 * |     42 | factsLength   | u16  | bytes of facts, right behind the header                      |
 * |     44 | reserved      | u32  | zero                                                         |
 *
 * Control records take a seq of their own, so that one number addresses every record; consumers see a gap there, which
 * the protocol allows (rulebook 1.5).
 */
export const RECORD_HEADER_BYTES = 48;

/** Facts must fit their u16 length. */
export const RECORD_FACTS_BYTES_MAX = 65_535;

/** What a record holds. Kinds below 16 are messages and go to consumers; the others are control records, for the index. */
export const RecordKind = {
	commit: 1,
	sync: 2,
	identity: 3,
	account: 4,
	/** Low-water cursors of hosts, behind the messages that they cover. */
	cursors: 16,
	/** A host was added or its state changed. */
	host: 17,
	/** A DID document was resolved. */
	didDocument: 18,
} as const;
export type RecordKind = (typeof RecordKind)[keyof typeof RecordKind];

/** Whether records of this kind are sent to consumers. */
export function isMessageKind(kind: number): boolean {
	return kind < 16;
}

/** Record flags. */
export const RecordFlag = {
	/** The message did not chain to the state we had of the account (rulebook 2.6, check 14). */
	discontinuous: 1,
	/** Only the strict rules would have dropped it. */
	lenient: 2,
} as const;
