import { beforeEach, describe, expect, test } from "bun:test";
import { decode, decodeFirst } from "@atcute/cbor";
import {
	BACKPRESSURE_BYTES_MAX,
	CLOSE_MS_MAX,
	CLOSE_MS_MIN,
	Consumer,
	type ConsumerSocket,
	FAR_BEHIND_RECORDS,
	TURN_BYTES_MAX,
	WATERMARK_BYTES,
} from "../../src/fanout/consumer.ts";
import { HEARD_INTERVAL_MS, HEARD_MAX, PING_AFTER_MS, PONG_MS_MAX, STALL_MS_MAX } from "../../src/fanout/liveness.ts";
import { Pump } from "../../src/fanout/pump.ts";
import { subscribeRepos } from "../../src/fanout/subscribe-repos.ts";
import { Takedowns } from "../../src/fanout/takedowns.ts";
import { RecordKind } from "../../src/log/record/record.ts";
import { Counters } from "../../src/observe/counters.ts";
import { FRAME_BYTES_MAX } from "../../src/protocol/limits.ts";
import { Rng } from "../../src/sim/rng.ts";
import { counted } from "../observe/counted.ts";
import { MemoryLog, seqOf, seqs } from "./memory-log.ts";

/** A socket whose kernel takes `kernelBytes`. Then it queues, as Bun's does, and drops frames beyond the limit. */
class FakeSocket implements ConsumerSocket {
	frames: Uint8Array[] = [];
	kernelBytes = Number.POSITIVE_INFINITY;
	buffered = 0;
	bufferedMax = 0;
	pings = 0;
	closed: [number, string] | null = null;
	terminated = false;

	sendBinary(frame: Uint8Array<ArrayBuffer>): number {
		if (this.buffered > BACKPRESSURE_BYTES_MAX) return 0;
		this.frames.push(frame);
		const written = Math.min(this.kernelBytes, frame.length);
		this.kernelBytes -= written;
		if (written === frame.length) return frame.length;
		this.buffered += frame.length - written;
		this.bufferedMax = Math.max(this.bufferedMax, this.buffered);
		return -1;
	}

	/** Lets the peer read. */
	write(bytes: number): void {
		this.buffered = Math.max(0, this.buffered - bytes);
	}

	getBufferedAmount(): number {
		return this.buffered;
	}

	cork<Result>(callback: () => Result): Result {
		return callback();
	}

	ping(): number {
		this.pings++;
		return 1;
	}

	close(code: number, reason: string): void {
		this.closed = [code, reason];
	}

	terminate(): void {
		this.terminated = true;
	}
}

const FLOOR = { bytesPerS: 16 * 1024, windowMs: 60_000 };

let log: MemoryLog;
let socket: FakeSocket;
let nowMs: number;
let counters: Counters;
let takedowns: Takedowns;

beforeEach(() => {
	log = new MemoryLog();
	socket = new FakeSocket();
	nowMs = 1_000_000;
	counters = new Counters();
	takedowns = new Takedowns(counters);
});

function consumerAt(cursor: number | "live"): Consumer {
	return new Consumer({
		socket,
		stream: subscribeRepos,
		cursor,
		span: log.snapshot(),
		floor: FLOOR,
		takedowns,
		counters,
		clock: () => nowMs,
	});
}

const count = (name: string): number => counted(counters).of(name);

/** Seq of the last message that the consumer has passed. */
const passedSeq = (consumer: Consumer): number => log.seqAt(consumer.lsn ?? 0);

describe("what a consumer sends", () => {
	test("closes it when it is too much in too little time, and cuts it off when it goes on", () => {
		const consumer = consumerAt(0);
		for (let count = 0; count < HEARD_MAX; count++) consumer.heard();
		nowMs += HEARD_INTERVAL_MS;
		for (let count = 0; count < HEARD_MAX; count++) consumer.heard();
		expect(socket.closed).toBeNull();
		nowMs += HEARD_INTERVAL_MS - 1;
		consumer.heard();
		expect(socket.closed).toEqual([1008, "too many messages"]);
		expect(socket.terminated).toBe(false);
		for (let count = 0; count < HEARD_MAX; count++) consumer.heard();
		expect(socket.terminated).toBe(true);
		expect(count("consumers_noisy_total")).toBe(1);
	});
});

describe("a turn", () => {
	test("sends what is after the cursor, in order, and counts it", () => {
		log.appendFrames(120, 100);
		const consumer = consumerAt(7);
		expect(consumer.turn(log)).toBe("caught-up");
		expect(socket.frames.map(seqOf)).toEqual(seqs(8, 120));
		expect(passedSeq(consumer)).toBe(120);
		expect(count("frames_sent_total")).toBe(113);
		expect(count("bytes_sent_total")).toBe(11_300);
		expect(consumer.turn(log)).toBe("caught-up");
		expect(socket.frames.length).toBe(113);
	});

	test("passes over control records", () => {
		log.appendFrame();
		log.appendControl();
		log.appendFrame();
		log.appendControl();
		const consumer = consumerAt(0);
		expect(consumer.turn(log)).toBe("caught-up");
		expect(socket.frames.map(seqOf)).toEqual([1, 2]);
		expect(consumer.lsn).toBe(log.snapshot().lastLsn);
	});

	test("passes over commits from before a takedown", () => {
		log.appendFrames(3);
		log.appendFrame(64, "did:plc:gone");
		log.appendFrames(2);
		const takenDownSinceLsn = log.appendFrame(64, "did:plc:gone", RecordKind.account);
		takedowns.update([{ did: "did:plc:gone", takenDownSinceLsn }], 1);
		const consumer = consumerAt(0);
		expect(consumer.turn(log)).toBe("caught-up");
		expect(socket.frames.map(seqOf)).toEqual([1, 2, 3, 5, 6, 7]);
		expect(passedSeq(consumer)).toBe(7);
		expect(count("frames_taken_down_total")).toBe(1);
	});

	test("ends when its budget is used up, and the next one goes on from there", () => {
		log.appendFrames(40, TURN_BYTES_MAX / 16);
		const consumer = consumerAt(0);
		expect(consumer.turn(log)).toBe("more");
		expect(socket.frames.length).toBeLessThanOrEqual(16);
		while (consumer.turn(log) === "more");
		expect(socket.frames.map(seqOf)).toEqual(seqs(1, 40));
	});

	test("announces a hole before what follows it", () => {
		log.appendFrames(10);
		log.lose(log.lsnOf(4), log.lsnOf(6));
		const consumer = consumerAt(0);
		expect(consumer.turn(log)).toBe("caught-up");
		const info = decodeFirst(socket.frames[3] ?? new Uint8Array());
		expect(info[0]).toEqual({ op: 1, t: "#info" });
		expect(decode(info[1])).toMatchObject({ name: "OutdatedCursor", message: expect.stringContaining("seq 7") });
		socket.frames.splice(3, 1);
		expect(socket.frames.map(seqOf)).toEqual([1, 2, 3, 7, 8, 9, 10]);
	});
});

/** What the socket got: the seq of a message, or the seq at which an `#info` said that the stream goes on. */
function gotten(): ({ seq: number } | { goesOnAt: number })[] {
	return socket.frames.map((frame) => {
		if (frame.length === 64) return { seq: seqOf(frame) };
		const { message } = decode(decodeFirst(frame)[1]) as { message: string };
		return { goesOnAt: Number(/seq (\d+)/.exec(message)?.[1]) };
	});
}

describe("a hole in the log", () => {
	test("with control records only is not announced", () => {
		log.appendFrames(2);
		const first = log.appendControl();
		const last = log.appendControl();
		log.appendFrames(2);
		log.lose(first, last);
		consumerAt(0).turn(log);
		expect(gotten()).toEqual(seqs(1, 4).map((seq) => ({ seq })));
	});

	test("is announced once, although a control record follows it", () => {
		log.appendFrames(4);
		log.appendControl();
		log.appendFrame();
		log.lose(log.lsnOf(2), log.lsnOf(4));
		consumerAt(0).turn(log);
		expect(gotten()).toEqual([{ seq: 1 }, { goesOnAt: 5 }, { seq: 5 }]);
	});

	test("is announced to a consumer whose cursor is in it, unless the cursor is the last seq lost", () => {
		log.appendFrames(9);
		log.lose(log.lsnOf(4), log.lsnOf(8));
		consumerAt(7).turn(log);
		expect(gotten()).toEqual([{ goesOnAt: 9 }, { seq: 9 }]);
		socket.frames = [];
		consumerAt(8).turn(log);
		expect(gotten()).toEqual([{ seq: 9 }]);
	});

	test("that retention makes before the consumer's start is found is announced too", () => {
		log.appendFrames(6);
		const consumer = consumerAt(2);
		log.retainFrom(5);
		consumer.turn(log);
		expect(gotten()).toEqual([{ goesOnAt: 5 }, { seq: 5 }, { seq: 6 }]);
	});

	test("is not the same as numbers that a crash left out", () => {
		log.appendFrames(3);
		log.leaveOut(100);
		log.appendFrames(1);
		for (const cursor of [2, 3, 50, 103]) {
			socket.frames = [];
			consumerAt(cursor).turn(log);
			expect(gotten()).toEqual([{ seq: 3 }, { seq: 104 }].filter(({ seq }) => seq > cursor));
		}
	});

	test("of any kind: each remaining message comes once, and each loss is announced, over 500 logs", () => {
		const rng = new Rng("holes");
		for (let round = 0; round < 500; round++) {
			log = new MemoryLog();
			socket = new FakeSocket();
			for (let left = rng.int(200); left > 0; left--) rng.int(3) === 0 ? log.appendControl() : log.appendFrame();
			const { firstLsn, lastLsn, lastSeq } = log.snapshot();
			for (let holes = rng.int(4); holes > 0; holes--) {
				const from = firstLsn + rng.int(lastLsn - firstLsn + 1);
				log.lose(from, from + rng.int(10));
			}
			const cursor = rng.int(lastSeq + 1);
			const consumer = consumerAt(cursor);
			consumer.turn(log);
			log.appendFrame();
			consumer.turn(log);
			const expected: ReturnType<typeof gotten> = [];
			let before = cursor;
			for (const seq of log.seqs().filter((each) => each > cursor)) {
				if (seq > before + 1) expected.push({ goesOnAt: seq });
				expected.push({ seq });
				before = seq;
			}
			expect(gotten()).toEqual(expected);
		}
	});
});

test.each(["message", "control"])("a live consumer begins after the last record, a %s", (last) => {
	log.appendFrames(3);
	if (last === "control") log.appendControl();
	const consumer = consumerAt("live");
	expect(consumer.turn(log)).toBe("caught-up");
	log.lose(log.appendControl(), log.appendControl());
	log.appendFrames(2);
	consumer.turn(log);
	expect(gotten()).toEqual([{ seq: 4 }, { seq: 5 }]);
});

test("a pump gives turns as long as there is something to send, even if the log does not grow", async () => {
	const frames = Math.ceil((3 * TURN_BYTES_MAX) / 1000);
	log.appendFrames(frames, 1000);
	const pump = new Pump(log, log);
	pump.add(consumerAt(0));
	// A slice of the pump's work has ended when the next callback runs, so this is far more slices than needed.
	for (let i = 0; i < 1_000 && socket.frames.length < frames; i++) await new Promise(setImmediate);
	expect(socket.frames.map(seqOf)).toEqual(seqs(1, frames));
});

describe("backpressure", () => {
	test("pauses at the watermark, goes on below its half, and loses nothing", () => {
		log.appendFrames(3_000, 5_500);
		socket.kernelBytes = 100_000;
		const consumer = consumerAt(0);
		while (consumer.turn(log) === "more");
		expect(count("consumers_slow_total")).toBe(1);
		expect(socket.buffered).toBeGreaterThanOrEqual(WATERMARK_BYTES);
		const sent = socket.frames.length;
		expect(passedSeq(consumer)).toBe(sent);

		socket.write(WATERMARK_BYTES / 4);
		expect(consumer.drained()).toBe(false);
		expect(consumer.turn(log)).toBe("blocked");
		expect(socket.frames.length).toBe(sent);

		while (passedSeq(consumer) < 3_000) {
			socket.write(WATERMARK_BYTES / 3);
			if (consumer.drained()) while (consumer.turn(log) === "more");
		}
		expect(socket.frames.map(seqOf)).toEqual(seqs(1, 3_000));
		expect(socket.bufferedMax).toBeLessThan(WATERMARK_BYTES + 5_500);
	});

	test("stays below the limit where frames are dropped, even with the longest frames", () => {
		log.appendFrames(5, FRAME_BYTES_MAX);
		socket.kernelBytes = FRAME_BYTES_MAX + 10;
		const consumer = consumerAt(0);
		while (passedSeq(consumer) < 5) {
			while (consumer.turn(log) === "more");
			socket.write(FRAME_BYTES_MAX);
			consumer.drained();
		}
		expect(socket.frames.map(seqOf)).toEqual(seqs(1, 5));
		expect(socket.bufferedMax).toBeGreaterThan(WATERMARK_BYTES);
		expect(socket.bufferedMax).toBeLessThan(BACKPRESSURE_BYTES_MAX);
	});

	test("resumes at once if the socket wrote its buffer before the turn was over", () => {
		log.appendFrames(20, 300_000);
		socket.kernelBytes = 0;
		socket.cork = (callback) => {
			const result = callback();
			socket.write(socket.buffered);
			return result;
		};
		const consumer = consumerAt(0);
		while (consumer.turn(log) === "more");
		expect(socket.frames.map(seqOf)).toEqual(seqs(1, 20));
		expect(count("consumers_slow_total")).toBeGreaterThan(0);
	});

	test("a dropped frame ends the stream, with the cursor before it", () => {
		log.appendFrames(10);
		const taken = socket.sendBinary.bind(socket);
		socket.sendBinary = (frame) => (seqOf(frame) === 6 ? 0 : taken(frame));
		const consumer = consumerAt(0);
		expect(consumer.turn(log)).toBe("blocked");
		expect(socket.frames.map(seqOf)).toEqual(seqs(1, 5));
		expect(passedSeq(consumer)).toBe(5);
		expect(socket.closed).toEqual([1011, "a frame could not be queued"]);
		expect(consumer.turn(log)).toBe("blocked");
	});
});

/** Lets a consumer's buffer fill up, while the kernel takes nothing. */
function filledConsumer(): Consumer {
	log.appendFrames(1_000, 5_500);
	socket.kernelBytes = 0;
	const consumer = consumerAt(0);
	while (consumer.turn(log) === "more");
	return consumer;
}

const CHECK_MS = 5_000;

/** Checks the consumer every few seconds, and lets it take this many bytes between two checks. */
function watch(consumer: Consumer, durationMs: number, bytesPerS: number, lastLsn: number): void {
	for (let passedMs = 0; passedMs < durationMs; passedMs += CHECK_MS) {
		nowMs += CHECK_MS;
		if (bytesPerS > 0) {
			socket.write((bytesPerS * CHECK_MS) / 1000);
			if (consumer.drained()) while (consumer.turn(log) === "more");
		}
		consumer.check(lastLsn);
	}
}

const isToldToBeTooSlow = (): boolean => {
	const [header, payload] = decodeFirst(socket.frames.at(-1) ?? new Uint8Array());
	return (header as { op?: number }).op === -1 && (decode(payload) as { error?: string }).error === "ConsumerTooSlow";
};

describe("a consumer that reads slowly", () => {
	/** An end of the log at which the consumer stays far behind, whatever it reads of the frames above. */
	let farLsn: number;

	beforeEach(() => {
		farLsn = log.snapshot().lastLsn + 1_000 + FAR_BEHIND_RECORDS;
	});

	test("and is far behind gets an error frame after its buffer, and is closed when it has taken that", () => {
		const consumer = filledConsumer();
		watch(consumer, FLOOR.windowMs - CHECK_MS, FLOOR.bytesPerS - 1, farLsn);
		const sent = socket.frames.length;
		expect(count("consumers_too_slow_total")).toBe(0);
		watch(consumer, CHECK_MS, FLOOR.bytesPerS - 1, farLsn);
		expect(socket.frames.length).toBe(sent + 1);
		expect(isToldToBeTooSlow()).toBe(true);
		expect(count("consumers_too_slow_total")).toBe(1);
		// At two thirds of the floor rate, the consumer needs far more than the minimum time for its buffer, and gets it.
		expect(socket.closed).toBeNull();
		while (socket.closed === null && !socket.terminated) watch(consumer, CHECK_MS, (FLOOR.bytesPerS * 2) / 3, farLsn);
		expect(socket.closed).toEqual([1008, "ConsumerTooSlow"]);
		expect(socket.terminated).toBe(false);
		expect(socket.frames.length).toBe(sent + 1);
	});

	test("but keeps to the floor rate stays, however far behind", () => {
		const consumer = filledConsumer();
		watch(consumer, 4 * FLOOR.windowMs, FLOOR.bytesPerS, 2 * farLsn);
		expect(count("consumers_too_slow_total")).toBe(0);
		expect([socket.closed, socket.terminated]).toEqual([null, false]);
		expect(passedSeq(consumer)).toBeLessThan(1_000);
	});

	test("but is not far behind stays", () => {
		const consumer = filledConsumer();
		watch(consumer, 3 * FLOOR.windowMs, 100, (consumer.lsn ?? 0) + FAR_BEHIND_RECORDS - 1);
		expect([socket.closed, socket.terminated]).toEqual([null, false]);
	});

	test("is measured from when it fell far behind, over whole windows", () => {
		const consumer = filledConsumer();
		watch(consumer, 3 * FLOOR.windowMs, 100, log.snapshot().lastLsn);
		watch(consumer, FLOOR.windowMs - CHECK_MS, 100, farLsn);
		expect(count("consumers_too_slow_total")).toBe(0);
		watch(consumer, CHECK_MS, 100, farLsn);
		expect(count("consumers_too_slow_total")).toBe(1);
	});

	test("is measured in each window, however fast it was before", () => {
		const consumer = filledConsumer();
		watch(consumer, 2 * FLOOR.windowMs, 2 * FLOOR.bytesPerS, farLsn);
		watch(consumer, FLOOR.windowMs - CHECK_MS, 100, farLsn);
		expect(count("consumers_too_slow_total")).toBe(0);
		watch(consumer, CHECK_MS, 100, farLsn);
		expect(count("consumers_too_slow_total")).toBe(1);
	});

	test("is not one that has taken all that it was given: then its turns are slow", () => {
		log.appendFrames(3);
		const consumer = consumerAt(0);
		consumer.turn(log);
		for (let round = 0; round < 100; round++) {
			consumer.heard();
			watch(consumer, CHECK_MS, 0, farLsn);
		}
		expect([socket.closed, socket.terminated]).toEqual([null, false]);
	});

	test("too slow for the error frame is cut off when its time is over", () => {
		const consumer = filledConsumer();
		watch(consumer, FLOOR.windowMs, 1_000, farLsn);
		const neededMs = (socket.buffered / FLOOR.bytesPerS) * 2_000;
		expect(neededMs).toBeWithin(CLOSE_MS_MIN, CLOSE_MS_MAX);
		watch(consumer, Math.floor(neededMs / CHECK_MS) * CHECK_MS, 1_000, farLsn);
		expect(socket.terminated).toBe(false);
		watch(consumer, CHECK_MS, 1_000, farLsn);
		expect(socket.terminated).toBe(true);
		expect(socket.closed).toBeNull();
	});
});

describe("a dead consumer", () => {
	test("with a full buffer is cut off a minute after its last sign of life", () => {
		const consumer = filledConsumer();
		watch(consumer, STALL_MS_MAX - CHECK_MS, 0, log.snapshot().lastLsn);
		consumer.heard();
		watch(consumer, STALL_MS_MAX - CHECK_MS, 0, log.snapshot().lastLsn);
		socket.write(1);
		consumer.drained();
		watch(consumer, STALL_MS_MAX - CHECK_MS, 0, log.snapshot().lastLsn);
		expect(socket.terminated).toBe(false);
		watch(consumer, CHECK_MS, 0, log.snapshot().lastLsn);
		expect(socket.terminated).toBe(true);
		expect(count("consumers_dead_total")).toBe(1);
	});

	test("that is far behind has one more minute to take the error frame", () => {
		const consumer = filledConsumer();
		const farLsn = log.snapshot().lastLsn + FAR_BEHIND_RECORDS;
		watch(consumer, FLOOR.windowMs, 0, farLsn);
		expect(isToldToBeTooSlow()).toBe(true);
		watch(consumer, STALL_MS_MAX - CHECK_MS, 0, farLsn);
		expect(socket.terminated).toBe(false);
		watch(consumer, CHECK_MS, 0, farLsn);
		expect(socket.terminated).toBe(true);
	});
});

describe("a silent consumer", () => {
	test("is pinged, and stays as long as it answers", () => {
		const consumer = consumerAt(0);
		nowMs += PING_AFTER_MS - 1;
		consumer.check(log.snapshot().lastLsn);
		expect(socket.pings).toBe(0);
		for (let round = 1; round <= 10; round++) {
			nowMs += PING_AFTER_MS;
			consumer.check(log.snapshot().lastLsn);
			expect(socket.pings).toBe(round);
			consumer.heard();
		}
		expect(socket.terminated).toBe(false);
	});

	test("that does not answer is cut off, even if the kernel takes every frame", () => {
		const consumer = consumerAt(0);
		nowMs += PING_AFTER_MS;
		consumer.check(log.snapshot().lastLsn);
		for (let passedMs = CHECK_MS; passedMs < PONG_MS_MAX; passedMs += CHECK_MS) {
			log.appendFrame();
			consumer.turn(log);
			watch(consumer, CHECK_MS, 0, log.snapshot().lastLsn);
		}
		expect(socket.terminated).toBe(false);
		watch(consumer, CHECK_MS, 0, log.snapshot().lastLsn);
		expect(socket.terminated).toBe(true);
		expect(socket.pings).toBe(1);
		expect(count("consumers_dead_total")).toBe(1);
	});

	test("that speaks by itself is not pinged", () => {
		const consumer = consumerAt(0);
		for (let round = 0; round < 10; round++) {
			nowMs += PING_AFTER_MS - 1;
			consumer.heard();
			consumer.check(log.snapshot().lastLsn);
		}
		expect(socket.pings).toBe(0);
	});
});

describe("closing", () => {
	test("waits for the end of the log and an empty buffer", () => {
		log.appendFrames(1_000, 5_500);
		socket.kernelBytes = 0;
		const consumer = consumerAt(0);
		consumer.closeWhenCaughtUp(1001, "bye");
		while (socket.closed === null) {
			while (consumer.turn(log) === "more");
			socket.write(WATERMARK_BYTES);
			consumer.drained();
		}
		expect(socket.frames.map(seqOf)).toEqual(seqs(1, 1_000));
		expect(socket.closed).toEqual([1001, "bye"]);
	});
});
