import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import WebSocket from "ws";
import { Consumer } from "../../src/fanout/consumer.ts";
import { ConsumerCount, createConsumerCountBuffer } from "../../src/fanout/consumer-count.ts";
import { Pump } from "../../src/fanout/pump.ts";
import { FanoutServer } from "../../src/fanout/server.ts";
import { subscribeRepos } from "../../src/fanout/subscribe-repos.ts";
import { Takedowns } from "../../src/fanout/takedowns.ts";
import { ActiveSegment } from "../../src/log/local/active-segment.ts";
import { systemLogFs } from "../../src/log/local/log-fs.ts";
import { BackgroundReader } from "../../src/log/local/read/background-reader.ts";
import { LogReader } from "../../src/log/local/read/reader.ts";
import { LogWriter } from "../../src/log/local/write/log-writer.ts";
import { createMarksBuffer, Marks } from "../../src/log/marks.ts";
import { LogPosition } from "../../src/log/position.ts";
import { RecordKind } from "../../src/log/record/record.ts";
import { Counters } from "../../src/observe/counters.ts";
import { batchOf } from "../log/batches.ts";
import { EndlessSocket } from "./endless-socket.ts";
import { seqOf, seqs } from "./memory-log.ts";

const FRAME_BYTES = 2_000;
const INITIAL_SEQ = 1_000;

let directory: string;
let writer: LogWriter;
let reader: LogReader;
let server: FanoutServer;
let position: LogPosition;
let active: ActiveSegment;

beforeEach(() => {
	directory = mkdtempSync(join(tmpdir(), "standpipe-fanout-"));
	position = new LogPosition();
	active = new ActiveSegment();
	const counters = new Counters();
	const common = { directory, fs: systemLogFs, active, counters };
	writer = new LogWriter({
		...common,
		position,
		marks: new Marks(createMarksBuffer([])),
		clock: Date.now,
		elapsedMs: () => performance.now(),
		syncMode: "write",
		segmentBytes: 1024 * 1024,
		replayWindowMs: 3_600_000,
		initialSeq: INITIAL_SEQ,
	});
	reader = new LogReader({ ...common, cacheBytesMax: 1024 * 1024 });
	server = new FanoutServer({
		host: "127.0.0.1",
		port: 0,
		thread: { worker: 0, workers: 1 },
		sharesPort: false,
		streams: [subscribeRepos],
		position,
		reader: new BackgroundReader(reader),
		app: () => new Response(),
		counters,
		floor: { bytesPerS: 16 * 1024, windowMs: 60_000 },
		takedowns: new Takedowns(counters),
		trustProxy: false,
		consumerCount: new ConsumerCount({ consumersMax: 10, consumersPerIpMax: 10 }, createConsumerCountBuffer(10)),
	});
});

afterEach(async () => {
	await server.drain(100);
	reader.close();
	writer.close();
	rmSync(directory, { recursive: true });
});

/** Appends a batch of records: a control record after every nine messages. The frames begin with their seq. */
function append(records: number): void {
	writer.prepare();
	const common = { timeUs: writer.timeUs(), upstreamSeq: 0, host: 0, flags: 0, ops: 0, facts: Buffer.alloc(0) };
	let seq = writer.nextSeq;
	const list = Array.from({ length: records }, (_, index) => {
		if (index % 10 === 9) return { ...common, kind: RecordKind.cursors, frame: Buffer.alloc(0) };
		const frame = Buffer.alloc(FRAME_BYTES);
		frame.writeBigUInt64BE(BigInt(seq++));
		return { ...common, kind: RecordKind.commit, frame };
	});
	writer.append(batchOf(writer, list));
}

/** Resolves with the seqs of the first `count` frames that a consumer gets. */
function consume(cursor: number, count: number): Promise<number[]> {
	const received: number[] = [];
	const socket = new WebSocket(`ws://127.0.0.1:${server.port}${subscribeRepos.path}?cursor=${cursor}`);
	return new Promise((resolve, reject) => {
		socket.on("error", reject);
		socket.on("message", (frame: Buffer) => {
			received.push(seqOf(frame));
			if (received.length < count) return;
			socket.close();
			resolve(received);
		});
	});
}

describe("consumers of a log on disk", () => {
	test("get every message after their cursor once, over segments and from history into live", async () => {
		for (let batch = 0; batch < 20; batch++) append(100);
		const cursors = [0, INITIAL_SEQ, 1_500, 1_999, 2_500, 2_799];
		const last = INITIAL_SEQ + 3_599;
		const consumed = cursors.map((cursor) => {
			const expected = seqs(Math.max(INITIAL_SEQ, cursor + 1), last);
			return consume(cursor, expected.length).then((received) => expect(received).toEqual(expected));
		});
		for (let batch = 0; batch < 200; batch++) {
			append(10);
			await new Promise(setImmediate);
		}
		await Promise.all(consumed);
		const segments = systemLogFs.list(directory).filter((name) => name.endsWith(".seg"));
		expect(segments.length).toBeGreaterThan(2);
	});
});

describe("two thousand consumers", () => {
	const CONSUMERS = 2_000;

	test("read the log once for all of them, in history and live, each from a cursor of its own", async () => {
		let fileReads = 0;
		const fs = {
			...systemLogFs,
			read(...args: Parameters<typeof systemLogFs.read>): number {
				fileReads++;
				return systemLogFs.read(...args);
			},
			readInBackground(...args: Parameters<typeof systemLogFs.readInBackground>): Promise<number> {
				fileReads++;
				return systemLogFs.readInBackground(...args);
			},
		};
		const openReader = (): LogReader =>
			new LogReader({ directory, active, fs, counters: new Counters(), cacheBytesMax: 8 * 1024 * 1024 });
		for (let batch = 0; batch < 10; batch++) append(100);
		const alone = openReader();
		for (let read = alone.read(0); read !== null; ) read = alone.read(read.lastLsn);
		alone.close();
		const readsAlone = fileReads;
		expect(readsAlone).toBeGreaterThan(1);

		fileReads = 0;
		const reader = openReader();
		const takedowns = new Takedowns(new Counters());
		const pump = new Pump(position, new BackgroundReader(reader));
		const following = pump.follow();
		const sockets = Array.from({ length: CONSUMERS }, (_, index) => {
			const cursor = INITIAL_SEQ - 1 + (index % 10) * 5;
			const socket = new EndlessSocket(cursor);
			const floor = { bytesPerS: 1, windowMs: 60_000 };
			pump.add(
				new Consumer({
					...{ socket, stream: subscribeRepos, cursor, floor, takedowns },
					span: position.snapshot(),
					counters: new Counters(),
					clock: () => 0,
				}),
			);
			return { socket, cursor };
		});
		const arrived = async (lastSeq: number): Promise<void> => {
			while (sockets.some(({ socket }) => socket.lastSeq < lastSeq)) await new Promise(setImmediate);
		};
		await arrived(INITIAL_SEQ + 899);
		expect(fileReads).toBeLessThanOrEqual(readsAlone);

		fileReads = 0;
		for (let batch = 1; batch <= 20; batch++) {
			append(10);
			await arrived(INITIAL_SEQ + 899 + batch * 9);
		}
		// One for each batch, and a few at the beginning of a segment.
		expect(fileReads).toBeLessThanOrEqual(20 + 10);
		const last = INITIAL_SEQ + 899 + 180;
		for (const { socket, cursor } of sockets) {
			expect(socket.inOrder).toBe(true);
			expect(socket.frames).toBe(last - cursor);
		}
		await pump.drain(1001, "", 0);
		await following;
		reader.close();
	});
});
