import { FRAME_BYTES_MAX, HOSTNAME_CHARS_MAX } from "../protocol/limits.ts";
import { Damage } from "../runtime/boundary.ts";
import type { Doorbell } from "../runtime/doorbell.ts";
import type { RingReader, RingWriter } from "../runtime/ring.ts";
import type { Sender } from "./arrival.ts";
import { FAILED, type Outcome, REJECTED, REPEATED } from "./outcome.ts";

/** Memory of all rings between workers together, however many workers there are. */
export const PEER_RINGS_BYTES_MAX = 64 * 1024 * 1024;
/** The largest useful size of one ring. */
const PEER_RING_BYTES_MAX = 4 * 1024 * 1024;
/** Memory of a ring besides its capacity: one page for its control words. */
const RING_OVERHEAD_BYTES = 4_096;

/** Capacity of the ring from one worker to another: a power of two. The number of rings grows with the square of the workers. */
export function peerRingBytes(workers: number): number {
	const rings = Math.max(workers * (workers - 1), 1);
	const shareBytes = PEER_RINGS_BYTES_MAX / rings - RING_OVERHEAD_BYTES;
	return Math.min(2 ** Math.floor(Math.log2(shareBytes)), PEER_RING_BYTES_MAX);
}

/** The rings between this worker and one other. */
export interface Peer {
	/** Number of the other worker. */
	worker: number;
	outbound: RingWriter;
	inbound: RingReader;
	doorbell: Doorbell;
}

/** The messages from the other worker. */
export interface PeerEvents {
	/**
	 * A frame for a DID of this worker, in newly allocated memory. The answer is `sendOutcome` with the same ticket.
	 *
	 * @param receivedMs as it was sent
	 */
	frame(sender: Sender, ticket: number, frame: Buffer, receivedMs: number): void;
	/** The outcome of the frame that was sent with this ticket. */
	outcome(ticket: number, outcome: Outcome): void;
}

/** The kinds of records in these rings, in the first byte of each. */
const Kind = { frame: 0, outcome: 1, part: 2 } as const;

/**
 * Layout of a frame: kind u8, unused u8, hostname length u16, host u32, ticket f64, frame length u32, time of receipt f64; then the hostname,
 * and as much of the frame as fits.
 */
const FRAME_HEADER_BYTES = 28;
/** Layout of a part: kind u8, unused (3 bytes); then the next bytes of the frame that was begun before. */
const PART_HEADER_BYTES = 4;
/** Layout of an outcome: kind u8, verdict u8, unused u16, ring u32, position f64, ticket f64. */
const OUTCOME_BYTES = 24;

/** Values of the verdict in an outcome. */
const Verdict = { passed: 0, rejected: 1, failed: 2, repeated: 3 } as const;

/** Something that waits for room in the ring. A frame may have been written in part. */
type Outgoing =
	| { type: "frame"; sender: Sender; ticket: number; frame: Uint8Array; receivedMs: number; written: number }
	| { type: "outcome"; ticket: number; outcome: Outcome };

/**
 * This worker's end of the link to another worker. All that is sent arrives, and in order. If the ring is full, frames and outcomes
 * wait in memory, which the hosts' budgets limit. A frame of any length can be sent: a long one goes in parts, and nothing is sent
 * between them.
 */
export class PeerLink {
	readonly #peer: Peer;
	/** The longest record. Several of them fit in the ring, so that one can be read while the next one is written. */
	readonly #recordBytesMax: number;
	#unsent: Outgoing[] = [];
	/** The frame of which the other worker has sent a part so far. */
	#incoming: { sender: Sender; ticket: number; frame: Buffer; receivedMs: number; received: number } | null = null;

	/** @throws RangeError if the ring is too small for the header of a frame */
	constructor(peer: Peer) {
		this.#peer = peer;
		this.#recordBytesMax = Math.floor(peer.outbound.recordBytesMax / 2);
		if (this.#recordBytesMax <= FRAME_HEADER_BYTES + HOSTNAME_CHARS_MAX)
			throw new RangeError(`a ring of ${peer.outbound.capacityBytes} bytes is too small for two workers`);
	}

	/** Sends a frame. Its bytes must not change until its outcome has come back. @param receivedMs when it came from the host's socket */
	sendFrame(sender: Sender, ticket: number, frame: Uint8Array, receivedMs: number): void {
		this.#send({ type: "frame", sender, ticket, frame, receivedMs, written: 0 });
	}

	sendOutcome(ticket: number, outcome: Outcome): void {
		this.#send({ type: "outcome", ticket, outcome });
	}

	/** Handles all that has arrived. Returns whether there was anything. If so, the other worker is told that it has room again. */
	receive(events: PeerEvents): boolean {
		const { inbound, doorbell } = this.#peer;
		const before = inbound.position;
		for (let record = inbound.next(); record !== null; record = inbound.next()) this.#take(record, events);
		if (inbound.position === before) return false;
		inbound.release();
		doorbell.ring();
		return true;
	}

	/** Sends what waits, as far as there is room now. */
	retry(): void {
		if (this.#unsent.length === 0) return;
		const { position } = this.#peer.outbound;
		const sent = this.#unsent.findIndex((outgoing) => !this.#write(outgoing));
		this.#unsent.splice(0, sent < 0 ? this.#unsent.length : sent);
		if (this.#peer.outbound.position > position) this.flush();
	}

	/** Makes what was sent visible to the other worker, and wakes it. A link does so by itself when its ring is full. */
	flush(): void {
		if (this.#peer.outbound.publish()) this.#peer.doorbell.ring();
	}

	#send(outgoing: Outgoing): void {
		if (this.#unsent.length === 0 && this.#write(outgoing)) return;
		this.#unsent.push(outgoing);
		this.flush();
	}

	/** Writes what is left of `outgoing`. Returns false if there was no room for all of it. */
	#write(outgoing: Outgoing): boolean {
		if (outgoing.type === "outcome") return writeOutcome(this.#peer.outbound, outgoing.ticket, outgoing.outcome);
		const { frame } = outgoing;
		const { outbound } = this.#peer;
		if (outgoing.written === 0) {
			const headBytes = FRAME_HEADER_BYTES + outgoing.sender.hostname.length;
			const target = outbound.reserve(Math.min(headBytes + frame.length, this.#recordBytesMax));
			if (target === null) return false;
			writeFrameHeader(target, outgoing);
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
		// Copied, since the message may have to wait, and its place in the ring must be given back.
		incoming.received += record.copy(incoming.frame, incoming.received, start);
		if (incoming.received < incoming.frame.length) return;
		this.#incoming = null;
		events.frame(incoming.sender, incoming.ticket, incoming.frame, incoming.receivedMs);
	}

	#begin(record: Buffer): void {
		const frameBytes = record.readUInt32LE(16);
		if (this.#incoming !== null || frameBytes > FRAME_BYTES_MAX)
			throw new Damage(`a frame of ${frameBytes} bytes can't come from another worker now`);
		const sender = {
			hostId: record.readUInt32LE(4),
			hostname: record.toString("latin1", FRAME_HEADER_BYTES, FRAME_HEADER_BYTES + record.readUInt16LE(2)),
		};
		const frame = Buffer.allocUnsafeSlow(frameBytes);
		const receivedMs = record.readDoubleLE(20);
		this.#incoming = { sender, ticket: record.readDoubleLE(8), frame, receivedMs, received: 0 };
	}
}

function writeFrameHeader(target: Buffer, outgoing: Extract<Outgoing, { type: "frame" }>): void {
	const { sender, ticket, frame, receivedMs } = outgoing;
	target[0] = Kind.frame;
	target.writeUInt16LE(sender.hostname.length, 2);
	target.writeUInt32LE(sender.hostId, 4);
	target.writeDoubleLE(ticket, 8);
	target.writeUInt32LE(frame.length, 16);
	target.writeDoubleLE(receivedMs, 20);
	target.write(sender.hostname, FRAME_HEADER_BYTES, "latin1");
}

/** Fills `target` from offset `at` on with the bytes of the frame from offset `from` on. Returns the number of bytes. */
function fill(target: Buffer, at: number, frame: Uint8Array, from: number): number {
	const bytes = target.length - at;
	target.set(from === 0 && bytes === frame.length ? frame : frame.subarray(from, from + bytes), at);
	return bytes;
}

function writeOutcome(ring: RingWriter, ticket: number, outcome: Outcome): boolean {
	const target = ring.reserve(OUTCOME_BYTES);
	if (target === null) return false;
	target[0] = Kind.outcome;
	target[1] = verdictOf(outcome);
	target.writeUInt32LE(outcome.rejected ? 0 : outcome.ring, 4);
	target.writeDoubleLE(outcome.rejected ? 0 : outcome.position, 8);
	target.writeDoubleLE(ticket, 16);
	return true;
}

function verdictOf(outcome: Outcome): number {
	if (!outcome.rejected) return Verdict.passed;
	if (outcome.internalError) return Verdict.failed;
	return outcome.isRepeat ? Verdict.repeated : Verdict.rejected;
}

function readOutcome(record: Buffer): Outcome {
	if (record[1] === Verdict.rejected) return REJECTED;
	if (record[1] === Verdict.failed) return FAILED;
	if (record[1] === Verdict.repeated) return REPEATED;
	return { rejected: false, ring: record.readUInt32LE(4), position: record.readDoubleLE(8) };
}
