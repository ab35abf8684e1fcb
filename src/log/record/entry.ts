import { CONTROL_CODES, CONTROL_KINDS, type ControlFacts, type ControlKind } from "./control.ts";
import type { PolicyFacts, PolicyKind, PolicyValues } from "./policy-facts.ts";
import { RecordFlag, type RecordKind } from "./record.ts";

/**
 * The layout of an entry, which a thread hands to the sequencer through its ring. It becomes one record of the log.
 *
 * | offset | field        | type |                                                         |
 * |-------:|--------------|------|---------------------------------------------------------|
 * |      0 | upstreamSeq  | f64  | 0 for control records                                   |
 * |      8 | host         | u32  | 0 for control records                                   |
 * |     12 | seqStart     | u32  | byte range of `seq` within the frame; both 0 if         |
 * |     16 | seqEnd       | u32  | there is no frame                                       |
 * |     20 | kind         | u8   |                                                         |
 * |     21 | flags        | u8   |                                                         |
 * |     22 | factsLength  | u16  |                                                         |
 * |     24 | ops          | u16  | of a commit; 0 for everything else                      |
 * |     26 | receivedMs   | f64  | of `steadyMs`, as the next one; both 0 if they are not  |
 * |     34 | handedOverMs | f64  | known, as for control records. The log does not get them |
 * |     42 | facts, then the frame with the host's seq in it                               |||
 */
export const ENTRY_HEADER_BYTES = 42;

/** When a message came from its host, and when the thread of its DID has handed it over. Both are 0 if they are not known. */
export interface EntryTimes {
	receivedMs: number;
	handedOverMs: number;
}

const UNTIMED: EntryTimes = { receivedMs: 0, handedOverMs: 0 };

export interface Entry {
	kind: RecordKind;
	flags: number;
	host: number;
	upstreamSeq: number;
	/** Ops of a commit, up to `RECORD_OPS_MAX`; 0 for everything else. */
	ops: number;
	seqStart: number;
	seqEnd: number;
	facts: Uint8Array;
	frame: Uint8Array;
}

/**
 * The entry of a control record.
 *
 * @throws RangeError if its facts don't fit a record
 */
export function controlEntry<K extends ControlKind>(kind: K, facts: ControlFacts[K]): Entry {
	return {
		kind: CONTROL_CODES[kind],
		flags: CONTROL_KINDS[kind].isState ? RecordFlag.state : 0,
		host: 0,
		upstreamSeq: 0,
		ops: 0,
		seqStart: 0,
		seqEnd: 0,
		facts: CONTROL_KINDS[kind].encode(facts),
		frame: new Uint8Array(0),
	};
}

/**
 * The entry of a policy.
 *
 * @param value null takes the key's value away
 * @throws RangeError for a key that is empty or too long
 */
export function policyEntry<K extends PolicyKind>(kind: K, key: string, value: PolicyValues[K] | null): Entry {
	const facts: PolicyFacts<K> = { key, value };
	// The compiler does not see that this is what `ControlFacts` has for each of these kinds.
	return controlEntry<PolicyKind>(kind, facts as ControlFacts[PolicyKind]);
}

/** Bytes that `writeEntry` will fill. */
export function entryBytes(entry: Entry): number {
	return ENTRY_HEADER_BYTES + entry.facts.length + entry.frame.length;
}

/** Writes an entry into a ring's reserved bytes. @param target as long as `entryBytes` says */
export function writeEntry(target: Buffer, entry: Entry, times: EntryTimes = UNTIMED): void {
	target.writeDoubleLE(entry.upstreamSeq, 0);
	target.writeUInt32LE(entry.host, 8);
	target.writeUInt32LE(entry.seqStart, 12);
	target.writeUInt32LE(entry.seqEnd, 16);
	target[20] = entry.kind;
	target[21] = entry.flags;
	target.writeUInt16LE(entry.facts.length, 22);
	target.writeUInt16LE(entry.ops, 24);
	target.writeDoubleLE(times.receivedMs, 26);
	target.writeDoubleLE(times.handedOverMs, 34);
	target.set(entry.facts, ENTRY_HEADER_BYTES);
	target.set(entry.frame, ENTRY_HEADER_BYTES + entry.facts.length);
}

/** When the message of an entry was received; 0 if that is not known. */
export function entryReceivedMs(source: Buffer): number {
	return source.readDoubleLE(26);
}

/** When an entry was handed over; 0 if that is not known. */
export function entryHandedOverMs(source: Buffer): number {
	return source.readDoubleLE(34);
}

/** Reads an entry; its facts and frame are views into `source`. */
export function readEntry(source: Buffer): Entry {
	const frameStart = ENTRY_HEADER_BYTES + source.readUInt16LE(22);
	return {
		upstreamSeq: source.readDoubleLE(0),
		host: source.readUInt32LE(8),
		ops: source.readUInt16LE(24),
		seqStart: source.readUInt32LE(12),
		seqEnd: source.readUInt32LE(16),
		// Only this process writes to the ring, so the kind is one that it knows.
		kind: source[20] as RecordKind,
		flags: source[21] ?? 0,
		facts: source.subarray(ENTRY_HEADER_BYTES, frameStart),
		frame: source.subarray(frameStart),
	};
}
