import { expect, test } from "bun:test";
import { Consumer, TURN_BYTES_MAX } from "../../src/fanout/consumer.ts";
import { Deliveries } from "../../src/fanout/deliveries.ts";
import { Pump } from "../../src/fanout/pump.ts";
import { subscribeRepos } from "../../src/fanout/subscribe-repos.ts";
import { Takedowns } from "../../src/fanout/takedowns.ts";
import { MessageTimes } from "../../src/log/message-times.ts";
import { Counters } from "../../src/observe/counters.ts";
import { Rng } from "../../src/sim/rng.ts";
import type { Note } from "../../src/tracing/note.ts";
import { observed } from "../observe/counted.ts";
import { EndlessSocket } from "./endless-socket.ts";
import { MemoryLog } from "./memory-log.ts";

const RECEIVED_MS = 1_700_000_000_000;

/** A log whose messages have times, and a pump whose clock the test moves. */
class Rig {
	readonly log = new MemoryLog();
	readonly counters = new Counters();
	readonly times = new MessageTimes();
	nowMs = RECEIVED_MS;
	readonly #pump: Pump;

	/** @param notes gets what is noted of traced messages; null if messages are not traced */
	constructor(notes: Note[] | null = null) {
		const tracing = notes && { tracer: { note: (note: Note) => void notes.push(note) }, thread: 3 };
		const deliveries = new Deliveries(this.times, this.counters, { tracing, clock: () => this.nowMs });
		this.#pump = new Pump(this.log, this.log, { deliveries });
		void this.#pump.follow();
	}

	/** Appends a message that was received and published at these times after `RECEIVED_MS`. */
	append(receivedMs: number, publishedMs: number, frameBytes = 64, isTraced = false): number {
		const lsn = this.log.appendFrame(frameBytes);
		this.times.note(lsn, RECEIVED_MS + receivedMs, RECEIVED_MS + receivedMs, isTraced);
		this.times.notePublished(lsn, RECEIVED_MS + publishedMs);
		return lsn;
	}

	join(cursor: number | "live"): EndlessSocket {
		const { log, counters } = this;
		const socket = new EndlessSocket(cursor === "live" ? log.snapshot().lastSeq : cursor);
		const floor = { bytesPerS: 1, windowMs: 60_000 };
		this.#pump.add(
			new Consumer({
				...{ socket, stream: subscribeRepos, cursor, span: log.snapshot(), floor, counters },
				takedowns: new Takedowns(counters),
				clock: () => 0,
			}),
		);
		return socket;
	}

	async slices(): Promise<void> {
		for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
	}

	/** How often messages were counted, and the sum of their times in seconds. */
	counted(name: string): { total: number; sum: number } {
		const { total, distributions } = observed(this.counters, name);
		return { total, sum: distributions[0]?.sum ?? 0 };
	}
}

test("a replay is not counted; from when a consumer has caught up on, each of its turns counts its oldest message", async () => {
	const rig = new Rig();
	// A replay of several turns.
	for (let message = 0; message < 30; message++) rig.append(0, 0, TURN_BYTES_MAX / 8);
	const replaying = rig.join(0);
	const live = rig.join("live");
	rig.nowMs = RECEIVED_MS + 60_000;
	await rig.slices();
	expect(replaying.frames).toBe(30);
	expect(replaying.turns).toBeGreaterThan(2);
	expect(rig.counted("host_to_consumer_seconds").total).toBe(0);

	// Control records have no times.
	rig.log.appendControl();
	rig.append(60_000, 60_250);
	rig.append(60_100, 60_250);
	rig.nowMs = RECEIVED_MS + 60_500;
	await rig.slices();
	expect([replaying.frames, live.frames]).toEqual([32, 2]);
	expect(rig.counted("host_to_consumer_seconds")).toEqual({ total: 2, sum: 1 });
	expect(rig.counted("message_fanout_seconds")).toEqual({ total: 2, sum: 0.5 });
});

test("a message that the sequencer has not noted as published yet took no time", async () => {
	const rig = new Rig();
	rig.join("live");
	const lsn = rig.log.appendFrame();
	rig.times.note(lsn, RECEIVED_MS, RECEIVED_MS);
	rig.nowMs = RECEIVED_MS + 2_000;
	await rig.slices();
	expect(rig.counted("message_fanout_seconds")).toEqual({ total: 1, sum: 0 });
	expect(rig.counted("host_to_consumer_seconds")).toEqual({ total: 1, sum: 2 });
});

test("each traced message is noted once, when the first live consumer of the thread gets it, and no other message", async () => {
	const notes: Note[] = [];
	const rig = new Rig(notes);
	const rng = new Rng("traced deliveries");
	rig.append(0, 0, 64, true);
	for (let consumer = 0; consumer < 3; consumer++) rig.join("live");
	rig.join(0);
	await rig.slices();
	// It was there before the live consumers, and the other one replays it.
	expect(notes).toEqual([]);
	const expected: Note[] = [];
	for (let batch = 0; batch < 50; batch++) {
		const publishedMs = 10 * batch + 4;
		rig.nowMs = RECEIVED_MS + publishedMs + 3;
		for (let message = 0; message <= rng.int(5); message++) {
			const isTraced = rng.int(3) === 0;
			const lsn = rig.append(10 * batch, publishedMs, 64, isTraced);
			const times = { beganMs: RECEIVED_MS + publishedMs, endedMs: rig.nowMs };
			if (isTraced) expected.push({ type: "delivered", lsn, thread: 3, ...times });
		}
		if (rng.int(2) === 0) rig.log.appendControl();
		await rig.slices();
		if (batch === 20) rig.join("live");
	}
	expect(expected.length).toBeGreaterThan(20);
	expect(notes).toEqual(expected);
});
