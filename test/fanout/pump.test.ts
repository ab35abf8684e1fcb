import { beforeEach, describe, expect, test } from "bun:test";
import { Consumer, TURN_BYTES_MAX } from "../../src/fanout/consumer.ts";
import { Pump, SLICE_MS } from "../../src/fanout/pump.ts";
import { subscribeRepos } from "../../src/fanout/subscribe-repos.ts";
import { Takedowns } from "../../src/fanout/takedowns.ts";
import type { LogPlace, RecordBatch, RecordGap, RecordReader } from "../../src/log/log.ts";
import { Counters } from "../../src/observe/counters.ts";
import { EndlessSocket } from "./endless-socket.ts";
import { MemoryLog } from "./memory-log.ts";

let log: MemoryLog;
let pump: Pump;

beforeEach(() => {
	log = new MemoryLog();
	pump = new Pump(log, log);
});

function join(cursor: number, onTurn?: () => void): EndlessSocket {
	return joinAs(cursor, onTurn).socket;
}

function joinAs(cursor: number, onTurn?: () => void): { socket: EndlessSocket; consumer: Consumer } {
	const counters = new Counters();
	const socket = new EndlessSocket(cursor, onTurn);
	const floor = { bytesPerS: 1, windowMs: 60_000 };
	const takedowns = new Takedowns(counters);
	const span = log.snapshot();
	const consumer = new Consumer({
		...{ socket, stream: subscribeRepos, cursor, span, floor, takedowns, counters },
		clock: () => 0,
	});
	pump.add(consumer);
	return { socket, consumer };
}

const slice = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Lets the pump work until the condition holds, or for so many slices that it never will. */
async function slicesUntil(holds: () => boolean): Promise<void> {
	for (let slices = 0; slices < 10_000 && !holds(); slices++) await slice();
}

/** How long one turn takes: many fit a slice, a few do, or one is longer than a slice. */
describe.each([0.02, 1, 7])("fairness, with turns of %d ms", (turnMs) => {
	const HISTORY = 4_000;
	const FRAME_BYTES = 10_000;
	const MESSAGES = 10;
	const LIVE = 10;
	/** Messages of one turn: those within its budget, and the one that ends it. */
	const TURN_FRAMES_MAX = Math.ceil(TURN_BYTES_MAX / FRAME_BYTES) + 1;
	/** Time of the live turns, one other turn in each slice that they fill, a slice under way, and a slice that a turn overruns. */
	const LIVE_MS_MAX = LIVE * turnMs + Math.ceil((LIVE * turnMs) / SLICE_MS) * turnMs + 2 * (SLICE_MS + turnMs);
	/** The clock moves only by turns, so that the machine's speed decides nothing. */
	let nowMs: number;

	beforeEach(() => {
		nowMs = 0;
		pump = new Pump(log, log, { clock: () => nowMs });
		log.appendFrames(HISTORY, FRAME_BYTES);
	});

	const takeTurn = (): void => {
		nowMs += turnMs;
	};

	test("while a crowd replays, live consumers get every message within a few slices, and the crowd takes turns", async () => {
		let lastLiveMs = 0;
		const takeLiveTurn = (): void => {
			takeTurn();
			lastLiveMs = nowMs;
		};
		const live = Array.from({ length: LIVE }, () => join(HISTORY, takeLiveTurn));
		const crowd = Array.from({ length: 30 }, () => join(0, takeTurn));
		const all = [...live, ...crowd];
		const following = pump.follow();
		// The crowd has work for many slices. A slice is its time, a turn that overruns it, and at least one turn of those behind.
		await slice();
		expect(nowMs).toBeLessThanOrEqual(SLICE_MS + 2 * turnMs);
		for (let message = 1; message <= MESSAGES; message++) {
			const appendedMs = nowMs;
			log.appendFrame(FRAME_BYTES);
			while (live.some(({ lastSeq }) => lastSeq < HISTORY + message)) await slice();
			expect(lastLiveMs - appendedMs).toBeLessThanOrEqual(LIVE_MS_MAX);
			const turns = crowd.map((socket) => socket.turns);
			// A consumer that has caught up is no longer part of the crowd.
			if (crowd.every(({ lastSeq }) => lastSeq < HISTORY)) {
				expect(Math.max(...turns) - Math.min(...turns)).toBeLessThanOrEqual(1);
			}
			for (const { frames, turns } of crowd) expect(frames).toBeLessThanOrEqual(turns * TURN_FRAMES_MAX);
		}
		expect(Math.max(...crowd.map(({ turns }) => turns))).toBeGreaterThan(0);
		while (all.some(({ lastSeq }) => lastSeq < HISTORY + MESSAGES)) await slice();
		expect(all.every(({ inOrder }) => inOrder)).toBe(true);
		await pump.drain(1001, "", 0);
		await following;
	});

	test("while the log grows without end, a consumer that replays gets on as fast as its turns allow", async () => {
		const live = Array.from({ length: 50 }, () => join(HISTORY, takeTurn));
		const replaying = join(0, takeTurn);
		const following = pump.follow();
		while (replaying.frames < HISTORY) {
			log.appendFrame(FRAME_BYTES);
			const before = Math.max(...live.map(({ turns }) => turns));
			const own = replaying.turns;
			while (replaying.turns === own) await slice();
			// The live consumers had a turn each, or two if the log grew meanwhile, but not one more before this consumer's turn.
			expect(Math.max(...live.map(({ turns }) => turns)) - before).toBeLessThanOrEqual(2);
		}
		expect(replaying.turns).toBeLessThanOrEqual(Math.ceil((HISTORY * FRAME_BYTES) / TURN_BYTES_MAX) + 2);
		await pump.drain(1001, "", 0);
		await following;
	});
});

/** The log in memory, but a consumer's start, or the records up to `coldLsnMax`, have to be fetched. */
class ColdLog implements RecordReader {
	coldLsnMax: number;
	readonly #what: "start" | "records";
	readonly fetched = Promise.withResolvers<void>();
	/** The error with which reads fail at once, if any. */
	fault: Error | null = null;

	constructor(coldLsnMax: number, what: "start" | "records") {
		this.coldLsnMax = coldLsnMax;
		this.#what = what;
	}

	find(place: LogPlace): number | Promise<void> {
		const lsn = log.find(place);
		return this.#what === "start" ? (this.#fetch(lsn) ?? lsn) : lsn;
	}

	read(cursor: number): RecordBatch | RecordGap | Promise<void> | null {
		return this.#what === "records" ? (this.#fetch(cursor) ?? log.read(cursor)) : log.read(cursor);
	}

	#fetch(lsn: number): Promise<void> | null {
		if (lsn >= this.coldLsnMax) return null;
		return this.fault === null ? this.fetched.promise : Promise.reject(this.fault);
	}

	arrive(): void {
		this.coldLsnMax = 0;
		this.fetched.resolve();
	}
}

describe.each(["start", "records"] as const)("a consumer whose %s have to be fetched", (what) => {
	const HISTORY = 100;
	let cold: ColdLog;

	beforeEach(() => {
		log.appendFrames(HISTORY);
		cold = new ColdLog(log.lsnOf(HISTORY), what);
		pump = new Pump(log, cold);
	});

	const diskError = (): Error => Object.assign(new Error("EIO: i/o error"), { code: "EIO" });

	test("waits without turns while live consumers go on, and continues when they are there", async () => {
		const replaying = join(0);
		const live = join(HISTORY);
		const following = pump.follow();
		for (let message = 1; message <= 20; message++) {
			log.appendFrame();
			await slicesUntil(() => live.lastSeq === HISTORY + message);
		}
		expect([replaying.frames, replaying.turns]).toEqual([0, 1]);
		cold.arrive();
		await slicesUntil(() => replaying.lastSeq === HISTORY + 20);
		expect([replaying.frames, replaying.inOrder]).toEqual([HISTORY + 20, true]);
		await pump.drain(1001, "", 0);
		await following;
	});

	test("is closed if they can't be read, and no other consumer is", async () => {
		const replaying = join(0);
		const live = join(HISTORY);
		await slice();
		cold.fetched.reject(diskError());
		await slicesUntil(() => replaying.closedWith !== null);
		expect(replaying.closedWith).toBe(1011);
		cold.fault = diskError();
		const next = join(0);
		await slicesUntil(() => next.closedWith !== null);
		expect(next.closedWith).toBe(1011);
		log.appendFrame();
		const following = pump.follow();
		await pump.drain(1001, "", 0);
		await following;
		expect([live.frames, live.closedWith]).toEqual([1, 1001]);
		expect([replaying.frames, next.frames]).toEqual([0, 0]);
	});

	test("may disconnect before they are there", async () => {
		const { socket, consumer } = joinAs(0);
		await slice();
		expect(socket.turns).toBe(1);
		pump.remove(consumer);
		cold.arrive();
		await slice();
		await slice();
		expect(socket.turns).toBe(1);
	});
});

test("a turn that fails by a bug of the relay costs that consumer its connection, and no other", async () => {
	log.appendFrames(10);
	const failing = join(0);
	failing.sendBinary = () => {
		throw new TypeError("a bug of the relay");
	};
	const other = join(0);
	await slicesUntil(() => other.lastSeq === 10 && failing.terminated);
	expect([other.lastSeq, failing.terminated, other.terminated]).toEqual([10, true, false]);
});
