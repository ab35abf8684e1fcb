import type { Database } from "bun:sqlite";
import { afterEach, beforeEach, describe, expect, spyOn, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Stall } from "../../src/disk/stall.ts";
import { INDEX_MARK } from "../../src/index/mark.ts";
import { IndexSink } from "../../src/index/sink.ts";
import type { Takedown } from "../../src/index/store.ts";
import { type StoreFaultReason, StoreUnavailable, storeFaultReason } from "../../src/index/store-fault.ts";
import type { IndexWriter } from "../../src/index/writer.ts";
import { CheckpointError, type FollowedLog, Follower } from "../../src/log/follower.ts";
import { ActiveSegment } from "../../src/log/local/active-segment.ts";
import { systemLogFs } from "../../src/log/local/log-fs.ts";
import { LogReader } from "../../src/log/local/read/reader.ts";
import { LogWriter } from "../../src/log/local/write/log-writer.ts";
import { createMarksBuffer, type Mark, Marks } from "../../src/log/marks.ts";
import { LogPosition } from "../../src/log/position.ts";
import { Counters } from "../../src/observe/counters.ts";
import { batchOf } from "../log/batches.ts";
import { counted } from "../observe/counted.ts";
import * as records from "./records.ts";
import { openWriter } from "./writer.ts";

let folder: string;
let position: LogPosition;
let mark: Mark;
let log: LogWriter;
let reader: LogReader;
let writer: IndexWriter;
let counters: Counters;
let follower: Follower;
/** Stalls that the follower reported. */
let stalls: (StoreFaultReason | null)[];
let told: Takedown[];

beforeEach(async () => {
	stalls = [];
	folder = mkdtempSync(join(tmpdir(), "standpipe-follower-"));
	openLog("log", 1);
	writer = await openWriter(join(folder, "index.sqlite"));
	follower = follow();
	told = [];
});
afterEach(async () => {
	closeLog();
	await writer.store.close();
	rmSync(folder, { recursive: true });
});

function openLog(name: string, initialSeq: number): void {
	const directory = join(folder, name);
	position = new LogPosition();
	const active = new ActiveSegment();
	const marks = new Marks(createMarksBuffer([INDEX_MARK]));
	mark = marks.mark(INDEX_MARK.name);
	counters = new Counters();
	log = new LogWriter({
		directory,
		fs: systemLogFs,
		position,
		active,
		marks,
		counters,
		clock: Date.now,
		elapsedMs: () => performance.now(),
		syncMode: "always",
		segmentBytes: 1024 * 1024,
		replayWindowMs: 3_600_000,
		initialSeq,
	});
	reader = new LogReader({ directory, active, fs: systemLogFs, cacheBytesMax: 1024 * 1024, counters });
}

function closeLog(): void {
	reader.close();
	log.close();
}

function follow(): Follower {
	return followerOf(reader);
}

/** Waits for one turn of the event loop before the next try. A test ends the fault in that turn. */
function followerOf(source: FollowedLog): Follower {
	const stall = new Stall({
		part: "index",
		counters,
		reasonOf: storeFaultReason,
		clock: Date.now,
		onChange: (reason) => stalls.push(reason),
	});
	const sleep = () => new Promise<void>((resolve) => setImmediate(resolve));
	return new Follower({
		sink: new IndexSink({
			writer,
			counters,
			onTakedowns: (takedowns) => told.push(...takedowns),
			onRecounts: () => {},
		}),
		log: source,
		position,
		mark,
		stall,
		sleep,
	});
}

/** Appends one batch, as the sequencer does. */
function append(...list: records.Unsequenced[]): void {
	log.prepare();
	log.append(batchOf(log, list));
}

/** Appends commits of one account, each in a batch of its own. */
function appendCommits(from: number, to: number): void {
	for (let at = from; at <= to; at++) append(records.commit([1, at], "did:plc:a", at));
}

async function untilApplied(lsn: number): Promise<void> {
	while ((mark.lsn ?? 0) < lsn) await new Promise((resolve) => setImmediate(resolve));
}

describe("catching up", () => {
	test("applies what the log has, and says how far", async () => {
		append(records.host(1), records.commit([1, 1], "did:plc:a", 1));
		appendCommits(2, 20);
		await follower.catchUp();
		expect(mark.lsn).toBe(21);
		expect(await writer.store.checkpoint()).toBe(21);
		expect(await writer.store.account("did:plc:a")).toMatchObject({ hostSeq: 20 });
		expect(counted(counters).of("index_records_total")).toBe(21);
	});

	test("counts the records that name unknown hosts", async () => {
		append(records.host(1), records.commit([1, 1], "did:plc:a", 1), records.commit([7, 1], "did:plc:b", 1));
		append(records.cursors([1, 1], [7, 1], [8, 1]));
		await follower.catchUp();
		expect(counted(counters).of("index_unknown_host_records_total")).toBe(3);
		expect(await writer.store.hosts(0, 10)).toMatchObject([{ id: 1, cursor: 1 }]);
		expect(await writer.store.hostIdMax()).toBe(8);
	});

	test("says how many hosts were lost if the index is new and the log's beginning is gone, and not otherwise", async () => {
		const hostsLost = (): number => counted(counters).of("hosts_lost");
		append(records.host(1), records.commit([1, 1], "did:plc:a", 1), records.commit([7, 1], "did:plc:b", 1));
		await follower.catchUp();
		expect(hostsLost()).toBe(0);
		closeLog();
		await writer.store.close();
		openLog("later", 1_000);
		writer = await openWriter(join(folder, "later.sqlite"));
		await follow().catchUp();
		expect(hostsLost()).toBe(0);
		append(records.host(5), records.commit([5, 1], "did:plc:a", 1), records.commit([7, 1], "did:plc:b", 1));
		await follow().catchUp();
		// One of the ids up to 7 has a row.
		expect(hostsLost()).toBe(6);
		await follow().catchUp();
		expect(hostsLost()).toBe(6);
		expect(await writer.store.hosts(0, 10)).toMatchObject([{ id: 5 }]);
	});

	test("reports statuses after the index has them", async () => {
		append(records.host(1), records.commit([1, 1], "did:plc:a", 1), records.account([1, 2], "did:plc:a", "takendown"));
		append(records.commit([1, 3], "did:plc:b", 1), records.account([1, 4], "did:plc:b", null));
		await follower.catchUp();
		expect(told).toEqual([
			{ did: "did:plc:a", takenDownSinceLsn: 3 },
			{ did: "did:plc:b", takenDownSinceLsn: null },
		]);
		expect(await writer.store.takenDownSince(1, 10)).toEqual([{ did: "did:plc:a", takenDownSinceLsn: 3 }]);
		expect(await writer.store.takenDownSince(4, 10)).toEqual([]);
	});

	test("goes on from the checkpoint, although a batch of the log begins before it", async () => {
		append(records.host(1), records.commit([1, 1], "did:plc:a", 1), records.commit([1, 2], "did:plc:a", 2));
		await writer.apply(records.sequence([records.host(1), records.commit([1, 1], "did:plc:a", 1)]));
		await follower.catchUp();
		expect(counted(counters).of("index_records_total")).toBe(1);
		expect(await writer.store.checkpoint()).toBe(3);
	});

	test("says how far it is only when the database has it", async () => {
		appendCommits(1, 3);
		const saidBefore: (number | null)[] = [];
		const apply = writer.apply.bind(writer);
		spyOn(writer, "apply").mockImplementation((list) => {
			if (list.length > 0) saidBefore.push(mark.lsn);
			return apply(list);
		});
		await follower.catchUp();
		expect(saidBefore).toEqual([0]);
		expect(mark.lsn).toBe(3);
	});

	test("ends at once with an empty log", async () => {
		await follower.catchUp();
		expect([mark.lsn, await writer.store.checkpoint()]).toEqual([0, 0]);
	});

	test("applies all records of a log that needs more than one transaction", async () => {
		const list = Array.from({ length: 6000 }, (_, at) => records.commit([1, at + 1], `did:plc:${at % 300}`, at));
		for (let at = 0; at < list.length; at += 1000) append(...list.slice(at, at + 1000));
		await follower.catchUp();
		expect(await writer.store.checkpoint()).toBe(6000);
		expect(await writer.store.repos(0, 1_000)).toHaveLength(300);
	});

	test("treats the missing beginning of a log as a gap", async () => {
		closeLog();
		openLog("later", 1000);
		appendCommits(1, 3);
		follower = follow();
		await follower.catchUp();
		expect(await writer.store.checkpoint()).toBe(1002);
		expect(mark.lsn).toBe(1002);
	});
});

describe("a checkpoint beyond the log's end", () => {
	beforeEach(async () => {
		await writer.apply(records.sequence([records.commit([1, 1], "did:plc:a", 1)], 900));
	});

	test("is refused, with both numbers", async () => {
		appendCommits(1, 5);
		const catchingUp = follower.catchUp();
		await expect(catchingUp).rejects.toBeInstanceOf(CheckpointError);
		await expect(catchingUp).rejects.toThrow("up to record 900, but the log ends at record 5");
		expect(await writer.store.checkpoint()).toBe(900);
	});

	test("is passed if the log begins again above it", async () => {
		closeLog();
		openLog("again", 901);
		appendCommits(1, 2);
		follower = follow();
		await follower.catchUp();
		expect(await writer.store.checkpoint()).toBe(902);
	});
});

describe("following", () => {
	test("applies each batch as it is published", async () => {
		await follower.catchUp();
		const running = follower.run();
		appendCommits(1, 1);
		await untilApplied(1);
		expect(await writer.store.account("did:plc:a")).toMatchObject({ hostSeq: 1 });
		appendCommits(2, 40);
		await untilApplied(40);
		expect(await writer.store.account("did:plc:a")).toMatchObject({ hostSeq: 40 });
		follower.stop();
		await running;
	});

	test("waits for a disk that does not let it read the log, or the checkpoint", async () => {
		append(records.host(1), records.commit([1, 1], "did:plc:a", 1));
		let faults = 3;
		const failing = (): void => {
			if (faults-- > 0) throw Object.assign(new Error("EIO: i/o error"), { code: "EIO" });
		};
		const checkpoint = spyOn(writer.store, "checkpoint").mockImplementation(async () => {
			failing();
			return 0;
		});
		await followerOf({
			read: (cursor) => {
				failing();
				return reader.read(cursor);
			},
		}).catchUp();
		checkpoint.mockRestore();
		expect(faults).toBeLessThan(0);
		expect(await writer.store.checkpoint()).toBe(2);
		expect(stalls).toEqual(["io-error", null]);
		faults = 2;
		appendCommits(2, 5);
		await followerOf({
			read: (cursor) => {
				failing();
				return reader.read(cursor);
			},
		}).catchUp();
		expect(await writer.store.checkpoint()).toBe(6);
		expect(stalls).toEqual(["io-error", null, "io-error", null]);
	});

	test("stops at the log's end, not before", async () => {
		await follower.catchUp();
		appendCommits(1, 30);
		const running = follower.run();
		appendCommits(31, 60);
		follower.stop();
		await running;
		expect(await writer.store.checkpoint()).toBe(60);
	});

	test("lets the event loop run while the log is busy", async () => {
		await follower.catchUp();
		appendCommits(1, 1);
		let stretchesLeft = 12;
		const busyLog = {
			read: (cursor: number) => {
				if (stretchesLeft > 0) {
					append(...Array.from({ length: 1000 }, (_, at) => records.commit([1, at + 1], "did:plc:a", at)));
					stretchesLeft--;
				}
				return reader.read(cursor);
			},
		};
		follower = followerOf(busyLog);
		const leftAtFirstTurn = new Promise<number>((resolve) => setImmediate(() => resolve(stretchesLeft)));
		const running = follower.run();
		expect(await leftAtFirstTurn).toBeGreaterThan(0);
		follower.stop();
		await running;
		expect(await writer.store.checkpoint()).toBe(12_001);
	});

	test("fails if the database does", async () => {
		await follower.catchUp();
		append(records.host(1));
		append(records.host(2, { hostname: "pds1.example.com" }));
		await expect(follower.run()).rejects.toThrow("UNIQUE");
	});

	for (const [code, reason] of [
		["SQLITE_FULL", "disk-full"],
		["SQLITE_IOERR_WRITE", "io-error"],
		["SQLITE_READONLY", "read-only"],
		["SQLITE_CANTOPEN", "io-error"],
	] as const) {
		test(`waits if the disk fails with ${code}, and goes on with the same records`, async () => {
			await follower.catchUp();
			const { apply } = writer;
			let failures = 0;
			writer.apply = async (list) => {
				if (failures === 3) return apply.call(writer, list);
				failures += 1;
				throw Object.assign(new Error("by the test"), { code });
			};
			const running = follower.run();
			appendCommits(1, 3);
			await untilApplied(3);
			expect(failures).toBe(3);
			expect(stalls).toEqual([reason, null]);
			expect(await writer.store.account("did:plc:a")).toMatchObject({ hostSeq: 3 });
			expect(counted(counters).all).toMatchObject({ index_stalls_total: 1, index_stalled: 0 });
			follower.stop();
			await running;
		});
	}

	test("a database that never finishes a large batch gets smaller ones, until it has all", async () => {
		await follower.catchUp();
		const { apply } = writer;
		const sizes: number[] = [];
		let tries = 0;
		writer.apply = async (list) => {
			if (++tries > 100) throw new Error("the batches stay as large as they are");
			if (list.length > 300) throw new StoreUnavailable("database-slow", "by the test");
			sizes.push(list.length);
			return await apply.call(writer, list);
		};
		const running = follower.run();
		append(...Array.from({ length: 2_000 }, (_, at) => records.commit([1, at + 1], `did:plc:${at}`, at)));
		await Promise.race([untilApplied(2_000), running]);
		expect(await writer.store.repos(0, 10_000)).toHaveLength(2_000);
		expect(sizes.reduce((sum, size) => sum + size)).toBe(2_000);
		follower.stop();
		await running;
	});

	test("a stop ends although the disk still fails, and leaves the checkpoint where it is", async () => {
		await follower.catchUp();
		writer.apply = () => Promise.reject(Object.assign(new Error("by the test"), { code: "SQLITE_FULL" }));
		appendCommits(1, 3);
		follower.stop();
		await follower.run();
		expect(stalls).toEqual(["disk-full"]);
		expect([mark.lsn, await writer.store.checkpoint()]).toEqual([0, 0]);
	});

	test("a database that may grow no more is waited for, and its failed transaction leaves nothing", async () => {
		await follower.catchUp();
		const { database } = writer.store as unknown as { database: Database };
		// Beyond it SQLite fails with SQLITE_FULL, as it does if the disk is full.
		const limitPages = (pages: number) => database.run(`PRAGMA max_page_count = ${pages}`);
		limitPages(1);
		const running = follower.run();
		append(...Array.from({ length: 2_000 }, (_, at) => records.commit([1, at + 1], `did:plc:${at}`, at)));
		while (stalls.length === 0) await new Promise((resolve) => setImmediate(resolve));
		expect(stalls).toEqual(["disk-full"]);
		expect(await writer.store.checkpoint()).toBe(0);
		limitPages(1_000_000);
		await untilApplied(2_000);
		expect(stalls).toEqual(["disk-full", null]);
		expect(await writer.store.repos(0, 10_000)).toHaveLength(2_000);
		follower.stop();
		await running;
	});
});
