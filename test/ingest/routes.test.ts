import { describe, expect, test } from "bun:test";
import { arrivalOf, type Sender } from "../../src/ingest/arrival.ts";
import { FAILED, type Outcome, REJECTED, REPEATED } from "../../src/ingest/outcome.ts";
import { PEER_RINGS_BYTES_MAX, type Peer, PeerLink, peerRingBytes } from "../../src/ingest/peer-link.ts";
import { Routes } from "../../src/ingest/routes.ts";
import { scanFrame } from "../../src/protocol/frame.ts";
import type { Message } from "../../src/protocol/kinds/table.ts";
import { FRAME_BYTES_MAX } from "../../src/protocol/limits.ts";
import { Damage } from "../../src/runtime/boundary.ts";
import { Doorbell } from "../../src/runtime/doorbell.ts";
import { createRingBuffer, RingReader, RingWriter } from "../../src/runtime/ring.ts";
import { workerOf } from "../../src/runtime/worker-of.ts";
import { encodeFrame } from "../../src/sim/message.ts";
import { Rng } from "../../src/sim/rng.ts";

/** The names of the hosts that the routed frames come from. */
const HOSTNAMES = ["a.b", "localhost:65535", `${"long.".repeat(50)}com`];

/** The rings between every two of this many workers, all in this thread. */
function peersOf(workers: number, ringBytes: number): Peer[][] {
	const doorbells = Array.from({ length: workers }, () => new Doorbell());
	const rings = doorbells.map(() => doorbells.map(() => createRingBuffer(ringBytes)));
	const ringOf = (from: number, to: number): SharedArrayBuffer => rings[from]?.[to] ?? new SharedArrayBuffer(0);
	return doorbells.map((_, worker) =>
		doorbells.flatMap((doorbell, other) =>
			other === worker
				? []
				: [
						{
							worker: other,
							outbound: new RingWriter(ringOf(worker, other)),
							inbound: new RingReader(ringOf(other, worker)),
							doorbell,
						},
					],
		),
	);
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

interface Routed {
	sender: Sender;
	frame: Uint8Array;
	message: Message;
	receivedMs: number;
}

function frameOf(did: string, seq: number, padding: number): Uint8Array {
	const body = { did, time: "2026-07-04T12:00:00.000Z", padding: "x".repeat(padding) };
	return encodeFrame({ type: "identity", did, rev: null, body }, seq);
}

function messageOf(frame: Uint8Array): Message {
	const scanned = scanFrame(frame);
	if (scanned.kind !== "message") throw new Error("the frame is no message");
	return scanned.message;
}

/** Workers that route messages to each other. Their turns come in any order, and arrivals are settled at any later time. */
class Workers {
	readonly #rng: Rng;
	readonly #routes: Routes[];
	/** By DID: the seqs in the order in which they were routed, and in the order in which they arrived. */
	readonly sent = new Map<string, number[]>();
	readonly arrived = new Map<string, number[]>();
	readonly #unsettled: { outcome: Outcome; settle: (outcome: Outcome) => void }[] = [];
	/** Outcomes by the seq of the frame: as they were given, and as they came back. */
	readonly given = new Map<number, Outcome>();
	readonly cameBack = new Map<number, Outcome>();
	readonly #frames = new Map<number, Routed>();

	constructor(seed: string, workers: number, ringBytes: number) {
		this.#rng = new Rng(seed);
		this.#routes = peersOf(workers, ringBytes).map(
			(peers, worker) =>
				new Routes(worker, peers, ({ sender, frame, message, receivedMs, settle }) => {
					expect(workerOf(message.did, workers)).toBe(worker);
					const routed = this.#frames.get(message.seq);
					expect(routed?.sender).toEqual(sender);
					expect(receivedMs).toBe(routed?.receivedMs ?? 0);
					expect(Buffer.compare(frame, routed?.frame ?? Buffer.of())).toBe(0);
					this.arrived.set(message.did, [...(this.arrived.get(message.did) ?? []), message.seq]);
					const outcomes: Outcome[] = [
						REJECTED,
						FAILED,
						REPEATED,
						{ rejected: false, ring: worker, position: message.seq * 8 },
					];
					const outcome = outcomes[this.#rng.int(outcomes.length)] ?? REJECTED;
					this.given.set(message.seq, outcome);
					if (this.#rng.int(4) === 0) settle(outcome);
					else this.#unsettled.push({ outcome, settle });
				}),
		);
	}

	/** Routes a frame from the worker that has the DID's host. */
	route(did: string, seq: number, padding: number): void {
		const worker = Bun.hash.crc32(`host of ${did}`) % this.#routes.length;
		const hostname = HOSTNAMES[Bun.hash.crc32(did) % HOSTNAMES.length] ?? "";
		const frame = frameOf(did, seq, padding);
		const sender = { hostId: worker + 1, hostname };
		const routed = { sender, frame, message: messageOf(frame), receivedMs: 1_700_000_000_000 + seq / 7 };
		this.#frames.set(seq, routed);
		this.sent.set(did, [...(this.sent.get(did) ?? []), seq]);
		const settle = (outcome: Outcome): void => {
			expect(this.cameBack.has(seq)).toBe(false);
			this.cameBack.set(seq, outcome);
		};
		this.#routes[worker]?.route(arrivalOf(routed.sender, frame, routed.message, settle, routed.receivedMs));
	}

	/** Gives a random worker a turn, or settles a message. */
	async turn(): Promise<void> {
		const move = this.#rng.int(4);
		if (move === 0) await settled();
		else if (move === 1) {
			const [next] = this.#unsettled.splice(this.#rng.int(this.#unsettled.length), 1);
			next?.settle(next.outcome);
		} else this.#routes[this.#rng.int(this.#routes.length)]?.receive();
	}

	/** Goes on until all outcomes have come back. */
	async finish(): Promise<void> {
		for (let turns = 0; this.cameBack.size < this.#frames.size; turns++) {
			if (turns > 1_000_000) throw new Error(`${this.cameBack.size} of ${this.#frames.size} outcomes came back`);
			await this.turn();
		}
	}

	expectWhole(): void {
		expect(this.arrived).toEqual(new Map([...this.arrived.keys()].map((did) => [did, this.sent.get(did) ?? []])));
		expect(this.arrived.size).toBe(this.sent.size);
		expect([...this.cameBack].sort(([a], [b]) => a - b)).toEqual([...this.given].sort(([a], [b]) => a - b));
	}
}

describe("frames between workers", () => {
	test.each([
		[2, 2_048],
		[3, 2_048],
		[5, 4_096],
		[4, 65_536],
	])(
		"%d of them, over rings of %d bytes: whatever the lengths, each DID's order and every outcome is kept",
		async (count, ringBytes) => {
			for (let run = 0; run < 3; run++) {
				const rng = new Rng(`routes ${count} ${ringBytes} ${run}`);
				const workers = new Workers(`workers ${run}`, count, ringBytes);
				// Lengths around what a record holds, around what a ring holds, and far longer.
				const limits = [ringBytes / 4, ringBytes / 2, ringBytes, 3 * ringBytes];
				for (let seq = 1; seq <= 400; seq++) {
					const did = `did:plc:${rng.int(12)}`;
					const limit = limits[rng.int(limits.length)] ?? 0;
					const padding = rng.int(3) === 0 ? rng.int(300) : Math.max(0, limit - 400 + rng.int(450));
					workers.route(did, seq, padding);
					for (let turns = rng.int(8); turns > 0; turns--) await workers.turn();
				}
				await workers.finish();
				workers.expectWhole();
			}
		},
	);

	test("the longest frame passes through the smallest ring that a relay makes, and nothing overtakes it", async () => {
		const workers = new Workers("longest", 3, peerRingBytes(64));
		const overhead = frameOf("did:plc:long", 1, 2 ** 22).length - 2 ** 22;
		for (let seq = 1; seq <= 30; seq++) {
			const did = `did:plc:${seq % 5}`;
			workers.route(did, seq, seq % 10 === 1 ? FRAME_BYTES_MAX - overhead - 10 : 100 * seq);
		}
		await workers.finish();
		workers.expectWhole();
	});
});

test("a ring that could not hold the header of a frame is refused", () => {
	const [[small] = []] = peersOf(2, 1_024);
	if (small === undefined) throw new Error("no peer");
	expect(() => new PeerLink(small)).toThrow(RangeError);
});

test("a record that no worker of ours could have sent is damage", () => {
	const [[peer] = [], [other] = []] = peersOf(2, 2_048);
	if (peer === undefined || other === undefined) throw new Error("no peers");
	const routes = new Routes(0, [peer], () => {});
	for (const first of [1, 2]) {
		// An outcome for a ticket that nobody has, and a part without a beginning.
		other.outbound.reserve(24)?.fill(0).writeUInt8(first, 0);
		other.outbound.publish();
		expect(() => routes.receive()).toThrow(Damage);
	}
});

test("the rings between any number of workers take no more than their limit, and at least a useful part of it", () => {
	for (let workers = 2; workers <= 64; workers++) {
		const bytes = peerRingBytes(workers);
		// Memory comes in pages.
		const pages = Math.ceil(createRingBuffer(bytes).byteLength / 4_096);
		const total = workers * (workers - 1) * pages * 4_096;
		expect(total).toBeLessThanOrEqual(PEER_RINGS_BYTES_MAX);
		// Rings of twice the size would exceed the limit, unless they have the largest useful size already.
		expect(bytes >= 4 * 1024 * 1024 || total > PEER_RINGS_BYTES_MAX * 0.45).toBe(true);
	}
	expect([2, 4, 8, 16, 64].map((workers) => peerRingBytes(workers) / 1024)).toEqual([4096, 4096, 1024, 256, 8]);
});
