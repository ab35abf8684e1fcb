import { beforeEach, describe, expect, test } from "bun:test";
import { diskFaultReason } from "../../src/disk/fault.ts";
import { Stall } from "../../src/disk/stall.ts";
import { type FollowedLog, Follower, type Sink, type SinkStart } from "../../src/log/follower.ts";
import { createMarksBuffer, type Mark, Marks } from "../../src/log/marks.ts";
import { Gap } from "../../src/log/record/batch.ts";
import type { StoredRecord } from "../../src/log/record/stored-record.ts";
import { Counters } from "../../src/observe/counters.ts";
import { Rng } from "../../src/sim/rng.ts";
import { controlOf, messageEntry, TestLog, temporaryDirectory } from "./harness.ts";
import { MemoryFs } from "./local/memory-fs.ts";

const DISK_FULL = Object.assign(new Error("by the test"), { code: "ENOSPC" });

/** A sink in memory, which fails when the test says so. */
class FakeSink implements Sink {
	readonly name = "sink";
	canGoBack = true;
	readonly lsns: number[] = [];
	readonly gaps: [from: number, to: number][] = [];
	readonly starts: SinkStart[] = [];
	kept = 0;
	/** Set if a crash of its database has undone what came after `kept`. */
	hasGoneBack = false;
	/** Called before each call of the sink; what it throws, the call throws. */
	before: (call: "cursor" | "apply" | "gap" | "caughtUp") => void = () => {};

	async cursor(): Promise<number> {
		this.before("cursor");
		return this.kept;
	}

	async apply(records: readonly StoredRecord[]): Promise<number> {
		this.before("apply");
		if (this.hasGoneBack) {
			this.hasGoneBack = false;
			return this.kept;
		}
		for (const { lsn, frame } of records) {
			expect(frame).toHaveLength(0);
			this.lsns.push(lsn);
			this.kept = lsn;
		}
		return this.kept;
	}

	async gap(from: number, to: number): Promise<void> {
		this.before("gap");
		expect(from).toBe((this.lsns.at(-1) ?? 0) + 1);
		this.gaps.push([from, to]);
	}

	async caughtUp(start: SinkStart): Promise<void> {
		this.before("caughtUp");
		this.starts.push(start);
	}
}

let log: TestLog;
let sink: FakeSink;
let marks: number[];
/** Called in each wait of the follower. */
let onSleep: () => void;

beforeEach(() => {
	log = new TestLog(temporaryDirectory(), new MemoryFs());
	sink = new FakeSink();
	marks = [];
	onSleep = () => {};
});

function followerOf(source: FollowedLog, mark: Pick<Mark, "move"> = { move: (lsn) => marks.push(lsn) }): Follower {
	return new Follower({
		sink,
		log: source,
		position: log.position,
		mark,
		stall: new Stall({
			part: "index",
			counters: new Counters(),
			reasonOf: diskFaultReason,
			clock: () => 0,
			onChange: () => {},
		}),
		sleep: async () => {
			onSleep();
			await new Promise((resolve) => setImmediate(resolve));
		},
	});
}

function append(count: number): void {
	// A sink gets every record, whether it has a seq of its own or not.
	for (let at = 0; at < count; at++) log.append(at % 2 === 0 ? messageEntry(`record ${at}`) : controlOf());
}

const upTo = (lsn: number): number[] => Array.from({ length: lsn }, (_, at) => at + 1);

test("a sink is told where it began, each record once, and when it has caught up", async () => {
	append(3);
	const follower = followerOf(log.reader());
	await follower.catchUp();
	expect([sink.lsns, sink.starts]).toEqual([upTo(3), [{ cursor: 0, firstLsn: 1, lastLsn: 3 }]]);
	append(2);
	follower.stop();
	await follower.run();
	expect(sink.lsns).toEqual(upTo(5));
	const again = followerOf(log.reader());
	await again.catchUp();
	expect(sink.lsns).toEqual(upTo(5));
	expect(sink.starts.at(-1)).toEqual({ cursor: 5, firstLsn: 1, lastLsn: 5 });
});

test("each call of a sink that fails is made again until it succeeds, and the mark waits for it", async () => {
	append(2);
	const failed: string[] = [];
	sink.before = (call) => {
		if (failed.filter((one) => one === call).length === 2) return;
		failed.push(call);
		throw DISK_FULL;
	};
	const reader = log.reader();
	let hasGap = true;
	await followerOf({
		read(cursor) {
			if (cursor > 0 || !hasGap) return reader.read(cursor);
			hasGap = false;
			return new Gap(2);
		},
	}).catchUp();
	expect(failed).toEqual(["cursor", "cursor", "gap", "gap", "apply", "apply", "caughtUp", "caughtUp"]);
	expect([sink.gaps, sink.lsns, marks]).toEqual([[[1, 1]], [2], [0, 1, 2]]);
});

test("a sink that goes back while no record comes is brought up again, and a lost record at the log's end is told once", async () => {
	append(5);
	const reader = log.reader();
	const follower = followerOf({
		read: (cursor) => (cursor < 3 ? reader.read(cursor) : cursor === 3 ? new Gap(6) : null),
	});
	let looks = 0;
	sink.before = (call) => {
		if (call === "cursor") looks++;
	};
	// Whole waits would take the test seconds.
	const real = log.position.wait.bind(log.position);
	log.position.wait = (lsn, timeoutMs, end) => real(lsn, Math.min(timeoutMs, 1), end);
	await followerOf(reader).catchUp();
	sink.lsns.length = sink.kept = 3;
	await follower.catchUp();
	expect(sink.gaps).toEqual([[4, 5]]);
	const running = follower.run();
	while (looks < 4) await new Promise((resolve) => setImmediate(resolve));
	expect(sink.gaps).toEqual([[4, 5]]);
	sink.lsns.length = sink.kept = 1;
	while (sink.kept < 3 && looks < 20) await new Promise((resolve) => setImmediate(resolve));
	expect(sink.kept).toBeGreaterThanOrEqual(3);
	follower.stop();
	await running;
	expect(sink.lsns).toEqual(upTo(sink.kept));
});

test("a sink that can't go back is not asked while no record comes, and no timer runs: a record or a stop ends the wait", async () => {
	sink.canGoBack = false;
	let looks = 0;
	sink.before = (call) => {
		if (call === "cursor") looks++;
	};
	const waits: number[] = [];
	const real = log.position.wait.bind(log.position);
	log.position.wait = (lsn, timeoutMs, end) => {
		waits.push(timeoutMs);
		return real(lsn, timeoutMs, end);
	};
	const follower = followerOf(log.reader());
	await follower.catchUp();
	const running = follower.run();
	const turns = async (): Promise<void> => {
		for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
	};
	await turns();
	for (let count = 1; count <= 5; count++) {
		append(1);
		while (sink.kept < log.position.snapshot().lastLsn) await new Promise((resolve) => setImmediate(resolve));
		await turns();
		expect(waits).toHaveLength(count + 1);
	}
	follower.stop();
	await running;
	expect(looks).toBe(1);
	expect(new Set(waits)).toEqual(new Set([Number.POSITIVE_INFINITY]));
});

test("a sink that has gone back gets again what it has lost, and the mark stays", async () => {
	const rng = new Rng("a sink that goes back");
	const mark = new Marks(createMarksBuffer([{ name: "sink", lagBytesMax: null }])).mark("sink");
	const follower = followerOf(log.reader(), mark);
	await follower.catchUp();
	const running = follower.run();
	for (let round = 0; round < 100; round++) {
		append(1 + rng.int(5));
		const { lastLsn } = log.position.snapshot();
		while (sink.kept < lastLsn) await new Promise((resolve) => setImmediate(resolve));
		expect(mark.lsn).toBe(lastLsn);
		expect(sink.lsns).toEqual(upTo(lastLsn));
		sink.hasGoneBack = true;
		sink.kept = rng.int(lastLsn);
		sink.lsns.length = sink.kept;
	}
	follower.stop();
	append(1);
	await running;
	expect(sink.lsns).toEqual(upTo(log.position.snapshot().lastLsn));
});

test("a fault that is not the disk's ends the follower", async () => {
	append(1);
	sink.before = (call) => {
		if (call === "apply") throw new Error("a fault of the sink");
	};
	await expect(followerOf(log.reader()).catchUp()).rejects.toThrow("a fault of the sink");
	expect(marks).toEqual([0]);
});

test("a sink that fails for too long loses its mark, is told of the gap, and is waited for again", async () => {
	const named = new Marks(createMarksBuffer([{ name: "sink", lagBytesMax: 3_000 }]));
	log = new TestLog(temporaryDirectory(), new MemoryFs(), { segmentBytes: 1_000, replayBytesMax: 1_000, marks: named });
	const appendLarge = (): void => {
		log.append(messageEntry("large", 1_000));
		log.writer.maintain();
	};
	/** Makes the sink fail while this many more records are appended. */
	const failFor = (records: number): void => {
		sink.before = (call) => {
			if (call !== "apply" || records-- <= 0) return;
			appendLarge();
			throw DISK_FULL;
		};
	};
	const follower = followerOf(log.reader(), named.mark("sink"));
	await follower.catchUp();
	const running = follower.run();
	failFor(20);
	appendLarge();
	while (sink.kept < 21) await new Promise((resolve) => setImmediate(resolve));
	expect(log.count("log_marks_lost_total")).toBe(1);
	expect(sink.gaps).toEqual([[2, expect.any(Number)]]);
	const gapEnd = sink.gaps[0]?.[1] ?? 0;
	expect(gapEnd).toBeGreaterThan(15);
	expect(sink.lsns).toEqual([1, ...upTo(21).slice(gapEnd)]);
	failFor(2);
	appendLarge();
	while (sink.kept < 24) await new Promise((resolve) => setImmediate(resolve));
	expect(sink.lsns).toEqual([1, ...upTo(24).slice(gapEnd)]);
	expect(log.count("log_marks_lost_total")).toBe(1);
	follower.stop();
	await running;
});

describe("a stop", () => {
	test("while the sink fails never lets it pass what it did not take", async () => {
		const rng = new Rng("a stop while the sink fails");
		for (let round = 0; round < 200; round++) {
			sink = new FakeSink();
			const start = log.position.snapshot().lastSeq;
			sink.kept = start;
			sink.lsns.push(...upTo(start));
			const follower = followerOf(log.reader());
			await follower.catchUp();
			append(1 + rng.int(3));
			let calls = 0;
			const failures = 1 + rng.int(4);
			const stopAt = rng.int(failures + 2);
			sink.before = () => {
				if (calls === stopAt) follower.stop();
				// Records that come while the sink fails must not be applied before those that it failed on.
				if (rng.int(2) === 0) append(1);
				if (calls++ < failures) throw DISK_FULL;
			};
			onSleep = () => {
				if (calls > failures) follower.stop();
			};
			await follower.run();
			expect(sink.lsns).toEqual(upTo(sink.lsns.length));
			expect(marks.at(-1)).toBe(sink.kept);
		}
	});

	test("while a try is under way is followed by no other one if it fails: a server that does not answer takes its time", async () => {
		const follower = followerOf(log.reader());
		append(4);
		const begun = Promise.withResolvers<void>();
		const answer = Promise.withResolvers<never>();
		let tries = 0;
		sink.apply = () => {
			tries++;
			begun.resolve();
			return answer.promise;
		};
		const running = follower.run();
		await begun.promise;
		follower.stop();
		answer.reject(DISK_FULL);
		await running;
		expect(tries).toBe(1);
		expect(marks).toEqual([]);
	});

	test("lets the follower give what is published, and no more if the sink fails", async () => {
		const follower = followerOf(log.reader());
		append(4);
		sink.before = () => {
			throw DISK_FULL;
		};
		follower.stop();
		await follower.run();
		expect(sink.lsns).toEqual([]);
		expect(marks).toEqual([]);
		sink.before = () => {};
		await follower.run();
		expect(sink.lsns).toEqual(upTo(4));
	});
});
