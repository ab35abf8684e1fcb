import { describe, expect, test } from "bun:test";
import type { LogWriterOptions } from "../../src/log/log-writer.ts";
import { expiredSegments, removableSegments, segmentAgeMsMax, segmentsOfBytes } from "../../src/log/retention.ts";
import { RETRY_MS } from "../../src/log/stall.ts";
import { labels, readAll, START_MS, segmentPath, TestLog, temporaryDirectory } from "./harness.ts";
import { MemoryFs } from "./memory-fs.ts";

const HOUR_MS = 3_600_000;
const WINDOW_MS = 72 * HOUR_MS;

describe("expired segments", () => {
	const segments = [0, 10, 20, 30].map((hours, i) => ({
		firstSeq: 1 + i * 100,
		createdUs: hours * HOUR_MS * 1000,
		bytes: 10 + i,
	}));
	const expired = (hours: number): number => expiredSegments(segments, hours * HOUR_MS + WINDOW_MS, WINDOW_MS);

	test("are those whose successor was begun before the window", () => {
		expect([5, 10, 11, 25, 1_000].map((hours) => expired(hours))).toEqual([0, 0, 1, 2, 3]);
	});

	test("are none that the index has not applied to their end, and never the active one", () => {
		const removable = (applied: number): number => removableSegments(segments, applied);
		expect([0, 99, 100, 199, 200, 300, 1_000].map(removable)).toEqual([0, 0, 1, 1, 2, 3, 3]);
		expect(removableSegments([], 1_000)).toBe(0);
	});

	test("are as few as have the bytes that are to go", () => {
		expect([-5, 0, 1, 10, 11, 21, 22, 33, 34, 1_000].map((bytes) => segmentsOfBytes(segments, bytes))).toEqual([
			0, 0, 1, 1, 2, 2, 3, 3, 4, 4,
		]);
	});

	test("a header that can't be read makes nothing older than it is", () => {
		const unreadable = segments.map((segment, i) => (i === 1 ? { ...segment, createdUs: null } : segment));
		expect(expiredSegments(unreadable, 11 * HOUR_MS + WINDOW_MS, WINDOW_MS)).toBe(0);
		expect(expiredSegments(unreadable, 21 * HOUR_MS + WINDOW_MS, WINDOW_MS)).toBe(2);
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
		log.sequencer.step();
		log.writer.maintain();
		log.sequencer.step();
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
		// The last one is old too: it ends with the next step, and the one begun for it stays.
		log.sequencer.step();
		expect(published).toEqual([9, 9]);
		nowMs += WINDOW_MS + 1;
		log.writer.maintain();
		expect(published).toEqual([9, 9, 13]);
		expect(log.head.snapshot().activeFirstSeq).toBe(13);
	});

	/** A log of four segments of the same size and an active one, all but the last record applied. */
	function fiveSegments(changes: Partial<LogWriterOptions>): { log: TestLog; fs: MemoryFs; segmentBytes: number } {
		const fs = new MemoryFs();
		const log = new TestLog(temporaryDirectory(), fs, { segmentBytes: 1_000, ...changes });
		for (let i = 0; i < 5; i++) log.appendLabels([`a${i}`], 1_000);
		log.head.setApplied(4);
		return { log, fs, segmentBytes: fs.content(segmentPath(log.options.directory, 1)).length };
	}

	test("by bytes: the log never grows above them, the active segment counted as full", () => {
		const fs = new MemoryFs();
		const log = new TestLog(temporaryDirectory(), fs, { segmentBytes: 1_000, replayBytesMax: 5_000 });
		let bytesMax = 0;
		for (let i = 0; i < 40; i++) {
			log.appendLabels([`a${i}`], 200);
			log.head.setApplied(i + 1);
			const sizes = Array.from(fs.files, ([path, { content }]) => (path.endsWith(".seg") ? content.length : 0));
			bytesMax = Math.max(
				bytesMax,
				sizes.reduce((sum, bytes) => sum + bytes, 0),
			);
		}
		// A segment ends with the record that fills it, and then gets a footer.
		expect(bytesMax).toBeLessThan(5_000 + 600);
		expect(bytesMax).toBeGreaterThan(3_500);
		expect(log.count("segments_removed_total")).toBeGreaterThan(3);
		const { firstSeq } = log.head.snapshot();
		expect(readAll(log.reader())[0]).toBe(`gap to ${firstSeq}`);
		expect(readAll(log.reader(), firstSeq - 1).length).toBe(41 - firstSeq);
	});

	test("by bytes: what the index has not applied stays", () => {
		const { log } = fiveSegments({ replayBytesMax: 2_000 });
		log.head.setApplied(2);
		log.writer.maintain();
		expect(log.head.snapshot().firstSeq).toBe(3);
	});

	test("for the disk's reserve, as few segments go as have what is missing", () => {
		const { log, fs, segmentBytes } = fiveSegments({ diskReserveBytes: 10_000 });
		const reasons: unknown[] = [];
		fs.freeDiskBytes = 10_000;
		log.writer.maintain();
		expect(log.head.snapshot().firstSeq).toBe(1);
		fs.freeDiskBytes = 10_000 - segmentBytes - 1;
		log.writer.maintain();
		expect(log.head.snapshot().firstSeq).toBe(3);
		expect(log.sequencer.step()).toBe(false);
		log.appendLabels(["next"]);
		expect(readAll(log.reader(), 5)).toEqual(["6 next"]);
		expect(reasons).toEqual([]);
	});

	test("below the reserve, with nothing more to remove, the log stalls before the disk is full, and goes on by itself", () => {
		let nowMs = START_MS;
		const reasons: unknown[] = [];
		const { log, fs } = fiveSegments({
			diskReserveBytes: 10_000,
			clock: () => nowMs,
			onStall: (reason) => reasons.push(reason),
		});
		fs.freeDiskBytes = 100;
		log.writer.maintain();
		expect(log.head.snapshot().firstSeq).toBe(5);
		log.appendLabels(["next"]);
		expect(reasons).toEqual(["disk-reserve"]);
		expect(readAll(log.reader(), 4)).toEqual(["5 a4"]);
		expect(log.ring.acknowledged()).toBeLessThan(log.ring.position);
		nowMs += RETRY_MS;
		expect(log.sequencer.step()).toBe(false);
		fs.freeDiskBytes = 10_000;
		nowMs += RETRY_MS;
		expect(log.sequencer.step()).toBe(true);
		expect(reasons).toEqual(["disk-reserve", null]);
		expect(readAll(log.reader(), 4)).toEqual(["5 a4", "6 next"]);
	});

	test("a full disk is made room on at the next try, not at the next maintenance", () => {
		let nowMs = START_MS;
		const { log, fs } = fiveSegments({ diskReserveBytes: 3_000, clock: () => nowMs });
		fs.freeDiskBytes = 0;
		fs.fault = (call) => {
			if (call.startsWith("write") && fs.freeDiskBytes === 0)
				throw Object.assign(new Error("full"), { code: "ENOSPC" });
			if (call.startsWith("remove")) fs.freeDiskBytes += 10_000;
		};
		log.appendLabels(["next"]);
		expect(log.count("log_stalled")).toBe(1);
		nowMs += RETRY_MS;
		while (log.sequencer.step());
		expect(log.count("log_stalled")).toBe(0);
		expect(readAll(log.reader(), 5)).toEqual(["6 next"]);
	});

	test("a reader lets go of what was removed, though it has nothing to read", () => {
		const { log, fs } = fiveSegments({ replayBytesMax: 2_000 });
		const reader = log.reader();
		expect(readAll(reader).length).toBe(5);
		expect(fs.openFiles).toBe(6);
		log.writer.maintain();
		expect(reader.read(5)).toBeNull();
		expect(log.head.snapshot().firstSeq).toBe(5);
		expect(fs.openFiles).toBe(2);
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
