import { describe, expect, test } from "bun:test";
import { expiredSegments, segmentAgeMsMax } from "../../src/log/retention.ts";
import { labels, readAll, START_MS, TestLog, temporaryDirectory } from "./harness.ts";
import { MemoryFs } from "./memory-fs.ts";

const HOUR_MS = 3_600_000;
const WINDOW_MS = 72 * HOUR_MS;

describe("expired segments", () => {
	const segments = [0, 10, 20, 30].map((hours, i) => ({ firstSeq: 1 + i * 100, createdUs: hours * HOUR_MS * 1000 }));
	const expired = (hours: number, appliedSeq = 1_000): number =>
		expiredSegments(segments, hours * HOUR_MS + WINDOW_MS, WINDOW_MS, appliedSeq);

	test("are those whose successor was begun before the window", () => {
		expect([5, 10, 11, 25, 1_000].map((hours) => expired(hours))).toEqual([0, 0, 1, 2, 3]);
	});

	test("are none that the index has not applied to their end", () => {
		expect([0, 99, 100, 199, 200].map((applied) => expired(1_000, applied))).toEqual([0, 0, 1, 1, 2]);
	});

	test("a header that can't be read makes nothing older than it is", () => {
		const unreadable = segments.map((segment, i) => (i === 1 ? { ...segment, createdUs: null } : segment));
		expect(expiredSegments(unreadable, 11 * HOUR_MS + WINDOW_MS, WINDOW_MS, 1_000)).toBe(0);
		expect(expiredSegments(unreadable, 21 * HOUR_MS + WINDOW_MS, WINDOW_MS, 1_000)).toBe(2);
	});
});

test("the age at which segments end follows the window, within bounds", () => {
	expect([WINDOW_MS, HOUR_MS / 60, 100 * WINDOW_MS].map(segmentAgeMsMax)).toEqual([3 * HOUR_MS, 60_000, 6 * HOUR_MS]);
});

describe("maintenance", () => {
	test("works on a quiet relay: an old segment ends without being full, and goes when its time has come", () => {
		let nowMs = START_MS;
		const fs = new MemoryFs();
		const log = new TestLog(temporaryDirectory(), fs, { clock: () => nowMs });
		const segments = (): number => fs.list(log.options.directory).filter((name) => name.endsWith(".seg")).length;
		log.appendLabels(["a"]);
		log.head.setApplied(1);
		log.writer.maintain();
		expect(segments()).toBe(1);
		nowMs += 3 * HOUR_MS;
		log.writer.maintain();
		log.writer.maintain();
		expect(segments()).toBe(2);
		expect(readAll(log.reader())).toEqual(["1 a"]);
		nowMs += WINDOW_MS + 1;
		log.writer.maintain();
		expect(segments()).toBe(1);
		expect(log.head.snapshot()).toMatchObject({ firstSeq: 2, lastSeq: 1 });
		expect(log.count("segments_removed_total")).toBe(1);
		expect(log.reader().read(1)).toBeNull();
		log.appendLabels(["b"]);
		expect(readAll(log.reader(), 1)).toEqual(["2 b"]);
	});

	test("tells readers before it removes, and never removes the active segment", () => {
		let nowMs = START_MS;
		const fs = new MemoryFs();
		const log = new TestLog(temporaryDirectory(), fs, { clock: () => nowMs, segmentBytes: 500 });
		for (let i = 0; i < 3; i++) log.appendLabels(labels(`${i}-`, 4), 100);
		log.head.setApplied(12);
		nowMs += 10 * WINDOW_MS;
		const published: number[] = [];
		fs.fault = (call) => {
			if (call.startsWith("remove")) published.push(log.head.snapshot().firstSeq);
		};
		log.writer.maintain();
		// The last one was old too: it ended, and the one begun for it stays.
		expect(published).toEqual([9, 9]);
		nowMs += WINDOW_MS + 1;
		log.writer.maintain();
		expect(published).toEqual([9, 9, 13]);
		expect(log.head.snapshot().activeFirstSeq).toBe(13);
	});

	test("a start finds what is left", () => {
		let nowMs = START_MS;
		const fs = new MemoryFs();
		const directory = temporaryDirectory();
		const log = new TestLog(directory, fs, { clock: () => nowMs, segmentBytes: 500 });
		for (let i = 0; i < 3; i++) log.appendLabels(labels(`${i}-`, 4), 100);
		log.head.setApplied(12);
		nowMs += WINDOW_MS * 2;
		log.writer.maintain();
		log.stop();
		const again = new TestLog(directory, fs.afterKill());
		expect(again.head.snapshot()).toMatchObject({ firstSeq: 9, lastSeq: 12 });
		expect(again.count("log_gaps_total")).toBe(0);
		expect(readAll(again.reader(), 8).length).toBe(4);
	});
});
