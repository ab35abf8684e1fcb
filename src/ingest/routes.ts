import { reportFailure } from "../boundary.ts";
import { scanFrame } from "../protocol/frame.ts";
import type { Message } from "../protocol/message.ts";
import type { Doorbell } from "../ring/doorbell.ts";
import type { RingReader, RingWriter } from "../ring/ring.ts";
import type { Sender } from "./arrival.ts";
import { FAILED, type Outcome, REJECTED } from "./window.ts";

/** The rings between this worker and one other. */
export interface Peer {
	/** Its number. */
	worker: number;
	outbound: RingWriter;
	inbound: RingReader;
	doorbell: Doorbell;
}

/** Kinds of ring records, in their first byte. */
const FRAME = 0;
const OUTCOME = 1;

/** FRAME: kind u8, unused u8, hostname length u16, host u32, ticket f64, hostname, frame. */
const FRAME_HEADER_BYTES = 16;
/** OUTCOME: kind u8, verdict u8, unused u16, ring u32, position f64, ticket f64. */
const OUTCOME_BYTES = 24;

/** Verdicts of an OUTCOME. */
const Verdict = { passed: 0, rejected: 1, failed: 2 } as const;

type Settle = (outcome: Outcome) => void;
type Deliver = (sender: Sender, frame: Uint8Array, message: Message, settle: Settle) => void;

/** Which worker has a DID. Any fixed hash does; it may differ between starts with another number of workers. */
export function shardOf(did: string, workers: number): number {
	return workers === 1 ? 0 : Bun.hash.crc32(did) % workers;
}

/**
 * Takes each message to the worker that has its DID, and brings the outcome back to the one that has its host. What finds
 * a ring full waits in memory: the sender's budget limits that too.
 */
export class Routes {
	readonly #worker: number;
	readonly #peers: readonly Peer[];
	readonly #deliver: Deliver;
	readonly #settles = new Map<number, Settle>();
	readonly #unsent = new Map<Peer, ((target: RingWriter) => boolean)[]>();
	#ticket = 0;
	#flushScheduled = false;

	/** @param deliver takes a message to this worker's own shard */
	constructor(worker: number, peers: readonly Peer[], deliver: Deliver) {
		this.#worker = worker;
		this.#peers = peers;
		this.#deliver = deliver;
		for (const peer of peers) this.#unsent.set(peer, []);
	}

	/** Routes a message that came from one of this worker's hosts. */
	route(sender: Sender, frame: Uint8Array, message: Message, settle: Settle): void {
		const worker = shardOf(message.did, this.#peers.length + 1);
		if (worker === this.#worker) {
			this.#deliver(sender, frame, message, settle);
			return;
		}
		const ticket = ++this.#ticket;
		this.#settles.set(ticket, settle);
		this.#send(this.#peer(worker), (ring) => writeFrame(ring, sender, ticket, frame));
	}

	/** Does what the other workers ask for. Returns whether there was anything. */
	receive(): boolean {
		let received = false;
		for (const peer of this.#peers) {
			for (let record = peer.inbound.next(); record !== null; record = peer.inbound.next()) {
				received = true;
				if (record[0] === FRAME) this.#receiveFrame(peer, record);
				else this.#receiveOutcome(record);
			}
			peer.inbound.release();
		}
		// A release may be what another worker waits for.
		if (received) for (const peer of this.#peers) peer.doorbell.ring();
		this.#retry();
		return received;
	}

	#peer(worker: number): Peer {
		const peer = this.#peers.find((candidate) => candidate.worker === worker);
		if (peer === undefined) throw new RangeError(`no worker ${worker}`);
		return peer;
	}

	#receiveFrame(peer: Peer, record: Buffer): void {
		const hostnameEnd = FRAME_HEADER_BYTES + record.readUInt16LE(2);
		const sender = {
			hostId: record.readUInt32LE(4),
			hostname: record.toString("latin1", FRAME_HEADER_BYTES, hostnameEnd),
		};
		const ticket = record.readDoubleLE(8);
		// A copy, since a message may have to wait, and the ring must go on.
		const frame = Buffer.copyBytesFrom(record, hostnameEnd);
		const settle = (outcome: Outcome): void => this.#send(peer, (ring) => writeOutcome(ring, ticket, outcome));
		let message: Message;
		try {
			message = messageOf(frame);
		} catch (error) {
			reportFailure("a routed frame", error, { host: sender.hostname }, frame);
			settle(FAILED);
			return;
		}
		this.#deliver(sender, frame, message, settle);
	}

	#receiveOutcome(record: Buffer): void {
		const ticket = record.readDoubleLE(16);
		const settle = this.#settles.get(ticket);
		if (settle === undefined) throw new Error(`no message has the ticket ${ticket}`);
		this.#settles.delete(ticket);
		settle(readOutcome(record));
	}

	#send(peer: Peer, write: (target: RingWriter) => boolean): void {
		const unsent = this.#unsent.get(peer);
		if (unsent === undefined) throw new RangeError("not a peer of this worker");
		if (unsent.length > 0 || !write(peer.outbound)) unsent.push(write);
		this.#scheduleFlush();
	}

	#retry(): void {
		for (const [peer, unsent] of this.#unsent) {
			let sent = 0;
			while (unsent[sent]?.(peer.outbound) === true) sent++;
			if (sent === 0) continue;
			unsent.splice(0, sent);
			this.#scheduleFlush();
		}
	}

	#scheduleFlush(): void {
		if (this.#flushScheduled) return;
		this.#flushScheduled = true;
		setImmediate(() => {
			this.#flushScheduled = false;
			for (const peer of this.#peers) if (peer.outbound.publish()) peer.doorbell.ring();
		});
	}
}

function writeFrame(ring: RingWriter, sender: Sender, ticket: number, frame: Uint8Array): boolean {
	const target = ring.reserve(FRAME_HEADER_BYTES + sender.hostname.length + frame.length);
	if (target === null) return false;
	target[0] = FRAME;
	target.writeUInt16LE(sender.hostname.length, 2);
	target.writeUInt32LE(sender.hostId, 4);
	target.writeDoubleLE(ticket, 8);
	target.write(sender.hostname, FRAME_HEADER_BYTES, "latin1");
	target.set(frame, FRAME_HEADER_BYTES + sender.hostname.length);
	return true;
}

/** Scans a frame that the worker of its host has scanned before. */
function messageOf(frame: Uint8Array): Message {
	const scanned = scanFrame(frame);
	if (scanned.kind !== "message") throw new Error("a routed frame is not a message");
	return scanned.message;
}

function readOutcome(record: Buffer): Outcome {
	if (record[1] === Verdict.rejected) return REJECTED;
	if (record[1] === Verdict.failed) return FAILED;
	return { rejected: false, ring: record.readUInt32LE(4), position: record.readDoubleLE(8) };
}

function writeOutcome(ring: RingWriter, ticket: number, outcome: Outcome): boolean {
	const target = ring.reserve(OUTCOME_BYTES);
	if (target === null) return false;
	target[0] = OUTCOME;
	target[1] = !outcome.rejected ? Verdict.passed : outcome.internalError ? Verdict.failed : Verdict.rejected;
	target.writeUInt32LE(outcome.rejected ? 0 : outcome.ring, 4);
	target.writeDoubleLE(outcome.rejected ? 0 : outcome.position, 8);
	target.writeDoubleLE(ticket, 16);
	return true;
}
