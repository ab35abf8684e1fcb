import { FRAME_BYTES_MAX, HOSTNAME_CHARS_MAX } from "../protocol/limits.ts";
import { Damage } from "../runtime/boundary.ts";
import type { Doorbell } from "../runtime/doorbell.ts";
import type { RingReader, RingWriter } from "../runtime/ring.ts";
import type { Sender } from "./arrival.ts";
import { FAILED, type Outcome, REJECTED } from "./outcome.ts";

/** All rings between workers together take no more memory than this, however many workers there are. */
export const PEER_RINGS_BYTES_MAX = 64 * 1024 * 1024;
/** More for one ring gains nothing. */
const PEER_RING_BYTES_MAX = 4 * 1024 * 1024;
/** What a ring takes beside its capacity: its control words begin a page. */
const RING_OVERHEAD_BYTES = 4_096;

/** Capacity of the ring from one worker to another, a power of two. Their number grows with the square of the workers'. */
export function peerRingBytes(workers: number): number {
	const rings = Math.max(workers * (workers - 1), 1);
	const shareBytes = PEER_RINGS_BYTES_MAX / rings - RING_OVERHEAD_BYTES;
	return Math.min(2 ** Math.floor(Math.log2(shareBytes)), PEER_RING_BYTES_MAX);
}

/** The rings between this worker and one other. */
export interface Peer {
	/** Its number. */
	worker: number;
	outbound: RingWriter;
	inbound: RingReader;
	doorbell: Doorbell;
}

/** What the other worker sends. */
export interface PeerEvents {
	/** A frame for a DID of this worker's, in memory of its own. Its outcome goes back under the ticket. */
	frame(sender: Sender, ticket: number, frame: Buffer): void;
	/** What came of the frame that was sent under the ticket. */
	outcome(ticket: number, outcome: Outcome): void;
}

/** Kinds of ring records, in their first byte. */
const Kind = { frame: 0, outcome: 1, part: 2 } as const;

/** Kind u8, unused u8, hostname length u16, host u32, ticket f64, frame length u32; then the hostname, and what fits of the frame. */
const FRAME_HEADER_BYTES = 20;
/** Kind u8, unused (3 bytes); then the next bytes of the frame that was begun before. */
const PART_HEADER_BYTES = 4;
/** Kind u8, verdict u8, unused u16, ring u32, position f64, ticket f64. */
const OUTCOME_BYTES = 24;

/** Verdicts of an outcome. */
const Verdict = { passed: 0, rejected: 1, failed: 2 } as const;

/** What waits for room. A frame may have been written in part. */
type Outgoing =
	| { type: "frame"; sender: Sender; ticket: number; frame: Uint8Array; written: number }
	| { type: "outcome"; ticket: number; outcome: Outcome };

/**
 * This worker's end of the way to another one and back. Whatever is sent arrives, in order: what finds the ring full waits in
 * memory, which the budget of its host limits too. A frame that is long for the ring goes in parts, and so as large as it
 * likes; nothing overtakes it.
 */
export class PeerLink {
	readonly #peer: Peer;
	/** The longest record. Several fit the ring at once, so that one can be read while the next one is written. */
	readonly #recordBytesMax: number;
	#unsent: Outgoing[] = [];
	/** The frame that the other worker has sent in part. */
	#incoming: { sender: Sender; ticket: number; frame: Buffer; received: number } | null = null;

	/** @throws RangeError if the ring is too small for the beginning of any frame */
	constructor(peer: Peer) {
		this.#peer = peer;
		this.#recordBytesMax = Math.floor(peer.outbound.recordBytesMax / 2);
		if (this.#recordBytesMax <= FRAME_HEADER_BYTES + HOSTNAME_CHARS_MAX)
			throw new RangeError(`a ring of ${peer.outbound.capacityBytes} bytes is too small for two workers`);
	}

	/** Sends a frame, whose bytes must not change until its outcome has come back. */
	sendFrame(sender: Sender, ticket: number, frame: Uint8Array): void {
		this.#send({ type: "frame", sender, ticket, frame, written: 0 });
	}

	sendOutcome(ticket: number, outcome: Outcome): void {
		this.#send({ type: "outcome", ticket, outcome });
	}

	/** Takes what has arrived. Returns whether there was anything: then the other worker has room again, and was told. */
	receive(events: PeerEvents): boolean {
		const { inbound, doorbell } = this.#peer;
		const before = inbound.position;
		for (let record = inbound.next(); record !== null; record = inbound.next()) this.#take(record, events);
		if (inbound.position === before) return false;
		inbound.release();
		doorbell.ring();
		return true;
	}

	/** Sends what waits, as far as there is room by now. */
	retry(): void {
		if (this.#unsent.length === 0) return;
		const { position } = this.#peer.outbound;
		const sent = this.#unsent.findIndex((outgoing) => !this.#write(outgoing));
		this.#unsent.splice(0, sent < 0 ? this.#unsent.length : sent);
		if (this.#peer.outbound.position > position) this.flush();
	}

	/** Shows the other worker what was sent. A link does it itself when its ring is full. */
	flush(): void {
		if (this.#peer.outbound.publish()) this.#peer.doorbell.ring();
	}

	#send(outgoing: Outgoing): void {
		if (this.#unsent.length === 0 && this.#write(outgoing)) return;
		this.#unsent.push(outgoing);
		this.flush();
	}

	/** Writes all that is left of it; false if there was not room for all. */
	#write(outgoing: Outgoing): boolean {
		if (outgoing.type === "outcome") return writeOutcome(this.#peer.outbound, outgoing.ticket, outgoing.outcome);
		const { frame, sender, ticket } = outgoing;
		const { outbound } = this.#peer;
		if (outgoing.written === 0) {
			const headBytes = FRAME_HEADER_BYTES + sender.hostname.length;
			const target = outbound.reserve(Math.min(headBytes + frame.length, this.#recordBytesMax));
			if (target === null) return false;
			writeFrameHeader(target, sender, ticket, frame.length);
			outgoing.written = fill(target, headBytes, frame, 0);
		}
		while (outgoing.written < frame.length) {
			const leftBytes = frame.length - outgoing.written;
			const target = outbound.reserve(Math.min(PART_HEADER_BYTES + leftBytes, this.#recordBytesMax));
			if (target === null) return false;
			target[0] = Kind.part;
			outgoing.written += fill(target, PART_HEADER_BYTES, frame, outgoing.written);
		}
		return true;
	}

	#take(record: Buffer, events: PeerEvents): void {
		if (record[0] === Kind.outcome) {
			events.outcome(record.readDoubleLE(16), readOutcome(record));
			return;
		}
		if (record[0] === Kind.frame) this.#begin(record);
		const incoming = this.#incoming;
		if (incoming === null) throw new Damage("a part of a frame came from another worker without its beginning");
		const start = record[0] === Kind.frame ? FRAME_HEADER_BYTES + incoming.sender.hostname.length : PART_HEADER_BYTES;
		// A copy, since a message may have to wait, and the ring must go on.
		incoming.received += record.copy(incoming.frame, incoming.received, start);
		if (incoming.received < incoming.frame.length) return;
		this.#incoming = null;
		events.frame(incoming.sender, incoming.ticket, incoming.frame);
	}

	#begin(record: Buffer): void {
		const frameBytes = record.readUInt32LE(16);
		if (this.#incoming !== null || frameBytes > FRAME_BYTES_MAX)
			throw new Damage(`a frame of ${frameBytes} bytes can't come from another worker now`);
		const sender = {
			hostId: record.readUInt32LE(4),
			hostname: record.toString("latin1", FRAME_HEADER_BYTES, FRAME_HEADER_BYTES + record.readUInt16LE(2)),
		};
		this.#incoming = { sender, ticket: record.readDoubleLE(8), frame: Buffer.allocUnsafeSlow(frameBytes), received: 0 };
	}
}

function writeFrameHeader(target: Buffer, sender: Sender, ticket: number, frameBytes: number): void {
	target[0] = Kind.frame;
	target.writeUInt16LE(sender.hostname.length, 2);
	target.writeUInt32LE(sender.hostId, 4);
	target.writeDoubleLE(ticket, 8);
	target.writeUInt32LE(frameBytes, 16);
	target.write(sender.hostname, FRAME_HEADER_BYTES, "latin1");
}

/** Fills `target` from `at` on with what follows `from` in the frame. Returns how many bytes that were. */
function fill(target: Buffer, at: number, frame: Uint8Array, from: number): number {
	const bytes = target.length - at;
	target.set(from === 0 && bytes === frame.length ? frame : frame.subarray(from, from + bytes), at);
	return bytes;
}

function writeOutcome(ring: RingWriter, ticket: number, outcome: Outcome): boolean {
	const target = ring.reserve(OUTCOME_BYTES);
	if (target === null) return false;
	target[0] = Kind.outcome;
	target[1] = !outcome.rejected ? Verdict.passed : outcome.internalError ? Verdict.failed : Verdict.rejected;
	target.writeUInt32LE(outcome.rejected ? 0 : outcome.ring, 4);
	target.writeDoubleLE(outcome.rejected ? 0 : outcome.position, 8);
	target.writeDoubleLE(ticket, 16);
	return true;
}

function readOutcome(record: Buffer): Outcome {
	if (record[1] === Verdict.rejected) return REJECTED;
	if (record[1] === Verdict.failed) return FAILED;
	return { rejected: false, ring: record.readUInt32LE(4), position: record.readDoubleLE(8) };
}
