import { beforeEach, describe, expect, test } from "bun:test";
import { decode, decodeFirst } from "@atcute/cbor";
import {
	BACKPRESSURE_BYTES_MAX,
	CLOSE_GRACE_MS,
	Consumer,
	type ConsumerSocket,
	PING_AFTER_MS,
	TURN_BYTES_MAX,
	UNRESPONSIVE_MS_MAX,
	WATERMARK_BYTES,
} from "../../src/fanout/consumer.ts";
import { Pump } from "../../src/fanout/pump.ts";
import { Counters, createCounterBuffer, readCounters } from "../../src/observe/counters.ts";
import { FRAME_BYTES_MAX } from "../../src/protocol/limits.ts";
import { MemoryLog, seqOf, seqs } from "./memory-log.ts";

/** A socket whose kernel takes `kernelBytes` and then queues, as Bun's does: up to a limit, and then it drops. */
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

	/** The peer reads. */
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

let log: MemoryLog;
let socket: FakeSocket;
let nowMs: number;
let counterBuffer: SharedArrayBuffer;

beforeEach(() => {
	log = new MemoryLog();
	socket = new FakeSocket();
	nowMs = 1_000_000;
	counterBuffer = createCounterBuffer(1);
});

function consumerAt(cursor: number): Consumer {
	return new Consumer({ socket, cursor, counters: new Counters(counterBuffer), clock: () => nowMs });
}

const counted = (name: "frames_sent_total" | "bytes_sent_total" | "consumers_slow_total"): number =>
	readCounters(counterBuffer).counters[name];

const nameOfLastFrame = (): unknown => decode(decodeFirst(socket.frames.at(-1) ?? new Uint8Array())[1]);

describe("a turn", () => {
	test("sends what lies behind the cursor, in order, and counts it", () => {
		log.appendFrames(120, 100);
		const consumer = consumerAt(7);
		expect(consumer.turn(log)).toBe("caught-up");
		expect(socket.frames.map(seqOf)).toEqual(seqs(8, 120));
		expect(consumer.cursor).toBe(120);
		expect(counted("frames_sent_total")).toBe(113);
		expect(counted("bytes_sent_total")).toBe(11_300);
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
		expect(socket.frames.map(seqOf)).toEqual([1, 3]);
		expect(consumer.cursor).toBe(4);
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
		log.lose(4, 6);
		const consumer = consumerAt(0);
		expect(consumer.turn(log)).toBe("caught-up");
		const info = decodeFirst(socket.frames[3] ?? new Uint8Array());
		expect(info[0]).toEqual({ op: 1, t: "#info" });
		expect(decode(info[1])).toMatchObject({ name: "OutdatedCursor", message: expect.stringContaining("seq 7") });
		socket.frames.splice(3, 1);
		expect(socket.frames.map(seqOf)).toEqual([1, 2, 3, 7, 8, 9, 10]);
	});
});

test("a pump gives turns for as long as there is something to send, though the log does not grow", async () => {
	const frames = Math.ceil((3 * TURN_BYTES_MAX) / 1000);
	log.appendFrames(frames, 1000);
	const pump = new Pump(log, log);
	pump.add(consumerAt(0));
	// A slice of the pump's work has ended when the next callback runs, so this is far more of them than it takes.
	for (let i = 0; i < 1_000 && socket.frames.length < frames; i++) await new Promise(setImmediate);
	expect(socket.frames.map(seqOf)).toEqual(seqs(1, frames));
});

describe("backpressure", () => {
	test("pauses at the watermark, goes on below its half, and loses nothing", () => {
		log.appendFrames(3_000, 5_500);
		socket.kernelBytes = 100_000;
		const consumer = consumerAt(0);
		while (consumer.turn(log) === "more");
		expect(counted("consumers_slow_total")).toBe(1);
		expect(socket.buffered).toBeGreaterThanOrEqual(WATERMARK_BYTES);
		const sent = socket.frames.length;
		expect(consumer.cursor).toBe(sent);

		socket.write(WATERMARK_BYTES / 4);
		expect(consumer.drained()).toBe(false);
		expect(consumer.turn(log)).toBe("blocked");
		expect(socket.frames.length).toBe(sent);

		while (consumer.cursor < 3_000) {
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
		while (consumer.cursor < 5) {
			while (consumer.turn(log) === "more");
			socket.write(FRAME_BYTES_MAX);
			consumer.drained();
		}
		expect(socket.frames.map(seqOf)).toEqual(seqs(1, 5));
		expect(socket.bufferedMax).toBeGreaterThan(WATERMARK_BYTES);
		expect(socket.bufferedMax).toBeLessThan(BACKPRESSURE_BYTES_MAX);
	});

	test("resumes at once where the socket wrote its buffer before the turn was over", () => {
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
		expect(counted("consumers_slow_total")).toBeGreaterThan(0);
	});

	test("a dropped frame ends the stream, with the cursor before it", () => {
		log.appendFrames(10);
		const taken = socket.sendBinary.bind(socket);
		socket.sendBinary = (frame) => (seqOf(frame) === 6 ? 0 : taken(frame));
		const consumer = consumerAt(0);
		expect(consumer.turn(log)).toBe("blocked");
		expect(socket.frames.map(seqOf)).toEqual(seqs(1, 5));
		expect(consumer.cursor).toBe(5);
		expect(socket.closed).toEqual([1011, "a frame could not be queued"]);
		expect(consumer.turn(log)).toBe("blocked");
	});

	test("a consumer that takes nothing for a minute is told so and closed", () => {
		log.appendFrames(1_000, 5_500);
		socket.kernelBytes = 0;
		const consumer = consumerAt(0);
		while (consumer.turn(log) === "more");
		nowMs += UNRESPONSIVE_MS_MAX - 1;
		consumer.check();
		expect(socket.closed).toBeNull();
		socket.write(1);
		consumer.drained();
		nowMs += UNRESPONSIVE_MS_MAX - 1;
		consumer.check();
		const sent = socket.frames.length;
		nowMs += 1;
		consumer.check();
		expect(socket.frames.length).toBe(sent + 1);
		expect(nameOfLastFrame()).toMatchObject({ error: "ConsumerTooSlow" });
		// The error frame waits behind what is buffered, and so does the close.
		expect(socket.closed).toBeNull();
		socket.write(socket.buffered);
		consumer.drained();
		expect(socket.closed).toEqual([1008, "ConsumerTooSlow"]);
	});

	test("one that doesn't take the error frame either is cut off", () => {
		log.appendFrames(1_000, 5_500);
		socket.kernelBytes = 0;
		const consumer = consumerAt(0);
		while (consumer.turn(log) === "more");
		nowMs += UNRESPONSIVE_MS_MAX;
		consumer.check();
		nowMs += CLOSE_GRACE_MS - 1;
		consumer.check();
		expect(socket.terminated).toBe(false);
		nowMs += 1;
		consumer.check();
		expect(socket.terminated).toBe(true);
		expect(socket.closed).toBeNull();
	});
});

describe("a quiet stream", () => {
	test("is pinged, and stays open as long as there are answers", () => {
		const consumer = consumerAt(0);
		nowMs += PING_AFTER_MS - 1;
		consumer.check();
		expect(socket.pings).toBe(0);
		for (let round = 1; round <= 10; round++) {
			nowMs += PING_AFTER_MS;
			consumer.check();
			expect(socket.pings).toBe(round);
			consumer.heard();
		}
		expect(socket.terminated).toBe(false);
	});

	test("without an answer ends after a minute", () => {
		const consumer = consumerAt(0);
		nowMs += PING_AFTER_MS;
		consumer.check();
		nowMs += UNRESPONSIVE_MS_MAX - 1;
		consumer.check();
		expect(socket.terminated).toBe(false);
		nowMs += 1;
		consumer.check();
		expect(socket.terminated).toBe(true);
		expect(socket.pings).toBe(1);
	});

	test("is not pinged where frames were sent", () => {
		const consumer = consumerAt(0);
		nowMs += PING_AFTER_MS - 1;
		log.appendFrame();
		consumer.turn(log);
		nowMs += PING_AFTER_MS - 1;
		consumer.check();
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
