import { describe, expect, test } from "bun:test";
import { RETRY_MS } from "../../../../src/disk/stall.ts";
import {
	expiredSegments,
	placeSegments,
	removableSegments,
	segmentAgeMsMax,
	segmentsOfBytes,
	stepMsMax,
} from "../../../../src/log/local/retention/retention.ts";
import type { LogWriterOptions } from "../../../../src/log/local/write/log-writer.ts";
import { Rng } from "../../../../src/sim/rng.ts";
import { labels, readAll, START_MS, segmentFile, segmentPath, TestLog, temporaryDirectory } from "../../harness.ts";
import { MemoryFs } from "../memory-fs.ts";

const HOUR_MS = 3_600_000;
const WINDOW_MS = 72 * HOUR_MS;

describe("expired segments", () => {
	const segments = [0, 10, 20, 30].map((hours, i) => ({
		firstLsn: 1 + i * 100,
		firstSeq: 1 + i,
		bornMs: hours * HOUR_MS,
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

	test("are as few as have the bytes that have to go", () => {
		expect([-5, 0, 1, 10, 11, 21, 22, 33, 34, 1_000].map((bytes) => segmentsOfBytes(segments, bytes))).toEqual([
			0, 0, 1, 1, 2, 2, 3, 3, 4, 4,
		]);
	});
});

describe("the ages of segments that a start finds", () => {
	const STEP_MS = stepMsMax(WINDOW_MS);
	/** Ages in hours of segments that were begun at these hours, at a start at hour `now`, the last record at `last`. */
	function agesOf(hours: readonly (number | null)[], last: number, now: number): number[] {
		const found = hours.map((hour, i) => ({
			firstLsn: 1 + i,
			firstSeq: 1,
			createdUs: hour === null ? null : hour * HOUR_MS * 1000,
			bytes: 1,
		}));
		const moment = { lastTimeUs: last * HOUR_MS * 1000, wallMs: now * HOUR_MS, nowMs: 77 };
		return placeSegments(found, moment, WINDOW_MS).map(({ bornMs }) => (77 - bornMs) / HOUR_MS);
	}

	test("are what the wall clock says, on a log that is busy", () => {
		expect(agesOf([1_000, 1_003, 1_005], 1_006, 1_007)).toEqual([7, 4, 2]);
	});

	test("count a step of the clock, or a time without records, as no more than a segment lasts", () => {
		const step = STEP_MS / HOUR_MS;
		expect(agesOf([1_000, 1_003, 9_005], 9_006, 9_007)).toEqual([5 + step, 2 + step, 2].map(expectedHours));
		expect(agesOf([1_000, 1_003, 1_005], 1_006, 9_000)).toEqual([6 + step, 3 + step, 1 + step].map(expectedHours));
	});

	test("count a step back as no time", () => {
		expect(agesOf([1_000, 1_003, 1_003], 1_003, 500)).toEqual([3, 0, 0]);
	});

	test("are no greater if a header can't be read", () => {
		expect(agesOf([1_000, null, 1_002], 1_003, 1_003)).toEqual([3, 1, 1]);
		expect(agesOf([1_000, null], 0, 1_000)).toEqual([STEP_MS / HOUR_MS, STEP_MS / HOUR_MS].map(expectedHours));
		expect(agesOf([], 0, 1_000)).toEqual([]);
	});
});

function expectedHours(hours: number): number {
	return expect.closeTo(hours, 6);
}

/** A relay that goes through steps of its wall clock and restarts. Only the test knows the true time. */
class ClockWalk {
	readonly window = 24 * HOUR_MS;
	readonly #rng: Rng;
	readonly #directory = temporaryDirectory();
	#fs = new MemoryFs();
	#log: TestLog;
	#trueMs = 0;
	#wallAheadMs = 0;
	#elapsedAheadMs = 0;
	/** By seq from 1, the true time of the record. */
	readonly #written: number[] = [];
	/** True times of the steps forward. */
	readonly #stepsForward: number[] = [];

	constructor(seed: string) {
		this.#rng = new Rng(seed);
		this.#log = this.#open();
	}

	#open(): TestLog {
		return new TestLog(this.#directory, this.#fs, {
			clock: () => START_MS + this.#trueMs + this.#wallAheadMs,
			elapsedMs: () => this.#trueMs + this.#elapsedAheadMs,
			replayWindowMs: this.window,
		});
	}

	/** For this long, writes a record and calls maintenance, on average each `everyMs`. */
	work(ms: number, everyMs = 600_000): void {
		for (const endMs = this.#trueMs + ms; this.#trueMs < endMs; ) {
			this.#trueMs += this.#rng.int(2 * everyMs);
			this.#log.appendLabels(["x"]);
			this.#written.push(this.#trueMs);
			this.#log.setApplied(this.#written.length);
			this.#log.writer.maintain();
			this.#check();
		}
	}

	step(ms: number): void {
		this.#wallAheadMs += ms;
		if (ms > 0) this.#stepsForward.push(this.#trueMs);
	}

	restart(downMs: number): void {
		this.#log.stop();
		this.#fs = this.#fs.afterKill();
		this.#trueMs += downMs;
		// Another process: its clock begins anywhere.
		this.#elapsedAheadMs = this.#rng.int(1_000_000) - this.#trueMs;
		if (downMs > 0) this.#stepsForward.push(this.#trueMs);
		this.#log = this.#open();
	}

	/** Age of the oldest record in hours. */
	oldestHours(): number {
		const oldest = this.#written[this.#log.position.snapshot().firstSeq - 1] ?? this.#trueMs;
		return (this.#trueMs - oldest) / HOUR_MS;
	}

	get removed(): number {
		return this.#log.position.snapshot().firstSeq - 1;
	}

	/** Expects that nothing was removed too early by more than a segment's length for each step of the clock since it was written. */
	#check(): void {
		const removedAt = this.#written[this.removed - 1];
		if (removedAt === undefined) return;
		const steps = this.#stepsForward.filter((atMs) => atMs >= removedAt).length;
		expect(this.#trueMs - removedAt).toBeGreaterThan(this.window - steps * stepMsMax(this.window));
	}
}

describe("a wall clock that steps", () => {
	test("ages nothing while the relay runs, whatever its steps", () => {
		for (let run = 0; run < 5; run++) {
			const rng = new Rng(`steps ${run}`);
			const walk = new ClockWalk(`steps ${run}`);
			for (let day = 0; day < 4; day++) {
				walk.work(rng.int(24) * HOUR_MS);
				walk.step((rng.int(2_000) - 1_000) * HOUR_MS);
				walk.work(24 * HOUR_MS);
				expect(walk.oldestHours()).toBeGreaterThan(Math.min(23.9, 24 * (day + 1) - 1));
				expect(walk.oldestHours()).toBeLessThan(24 + 3);
			}
			expect(walk.removed).toBeGreaterThan(100);
		}
	});

	test("ages the log by a segment's length at most, once the relay has started anew", () => {
		let removed = 0;
		for (let run = 0; run < 15; run++) {
			const rng = new Rng(`walk ${run}`);
			const walk = new ClockWalk(`walk ${run}`);
			for (let move = 0; move < 25; move++) {
				const moves = [
					() => walk.work(rng.int(12 * 60) * 60_000),
					() => walk.step(rng.int(200) * HOUR_MS),
					() => walk.step(-rng.int(200) * HOUR_MS),
					() => walk.restart(0),
					() => walk.restart(rng.int(100) * HOUR_MS),
				];
				moves[rng.int(moves.length)]?.();
				walk.work(HOUR_MS);
			}
			removed += walk.removed;
		}
		expect(removed).toBeGreaterThan(500);
	});

	test("a relay that is started anew again and again removes what is old, neither sooner nor much later", () => {
		const rng = new Rng("restarts");
		const walk = new ClockWalk("restarts");
		for (let hour = 0; hour < 72; hour += 2) {
			walk.work(2 * HOUR_MS, 60_000);
			if (rng.int(2) === 0) walk.restart(0);
			if (hour > 30) expect(walk.oldestHours()).toBeLessThan(24 + 3);
		}
		expect(walk.removed).toBeGreaterThan(100);
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
		log.setApplied(1);
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
		expect(log.position.snapshot()).toMatchObject({ firstSeq: 2, lastSeq: 1 });
		expect(log.count("segments_removed_total")).toBe(1);
		expect(log.reader().read(1)).toBeNull();
		log.appendLabels(["b"]);
		expect(readAll(log.reader(), 1)).toEqual(["2 b"]);
	});

	test("publishes removals before it makes them, and never removes the active segment", () => {
		let nowMs = START_MS;
		const fs = new MemoryFs();
		const log = new TestLog(temporaryDirectory(), fs, { clock: () => nowMs, segmentBytes: 500 });
		for (let i = 0; i < 3; i++) log.appendLabels(labels(`${i}-`, 4), 100);
		log.setApplied(12);
		nowMs += 10 * WINDOW_MS;
		const published: number[] = [];
		fs.fault = (call) => {
			if (call.startsWith("remove")) published.push(log.position.snapshot().firstSeq);
		};
		log.writer.maintain();
		// The last one is old too: it ends with the next step, and the one begun for it stays.
		log.sequencer.step();
		expect(published).toEqual([9, 9]);
		nowMs += WINDOW_MS + 1;
		log.writer.maintain();
		expect(published).toEqual([9, 9, 13]);
		expect(log.active.snapshot().activeFirstLsn).toBe(13);
	});

	test("leaves no hole among the files if one can't be removed: a start finds nothing damaged", () => {
		for (const stuck of [1, 2, 3, 4]) {
			let nowMs = START_MS;
			const { log, fs } = fiveSegments({ clock: () => nowMs });
			const { directory } = log.options;
			nowMs += 10 * WINDOW_MS;
			fs.fault = (call) => {
				if (call === `remove ${segmentFile(stuck)}`)
					throw Object.assign(new Error("EIO: by the test"), { code: "EIO" });
			};
			log.writer.maintain();
			expect(log.position.snapshot().firstLsn).toBe(5);
			const elsewhere = temporaryDirectory();
			const again = new TestLog(elsewhere, fs.afterKill().moved(directory, elsewhere));
			expect(again.position.snapshot().firstLsn).toBe(stuck);
			expect(again.count("log_gaps_total")).toBe(0);
			fs.fault = () => {};
			log.writer.maintain();
			expect(fs.list(directory).filter((name) => name.endsWith(".seg"))).toEqual([segmentFile(5)]);
		}
	});

	/** A log of four segments of the same size and an active one, with a record each. */
	function fiveSegments(
		changes: Partial<LogWriterOptions>,
		applied = 4,
	): { log: TestLog; fs: MemoryFs; segmentBytes: number } {
		const fs = new MemoryFs();
		const log = new TestLog(temporaryDirectory(), fs, { segmentBytes: 1_000, ...changes });
		for (let i = 0; i < 5; i++) log.appendLabels([`a${i}`], 1_000);
		log.setApplied(applied);
		return { log, fs, segmentBytes: fs.content(segmentPath(log.options.directory, 1)).length };
	}

	test("by bytes: the log never grows above them, the active segment counted as full", () => {
		const fs = new MemoryFs();
		const log = new TestLog(temporaryDirectory(), fs, { segmentBytes: 1_000, replayBytesMax: 5_000 });
		let bytesMax = 0;
		for (let i = 0; i < 40; i++) {
			log.appendLabels([`a${i}`], 200);
			log.setApplied(i + 1);
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
		const { firstSeq } = log.position.snapshot();
		expect(readAll(log.reader())[0]).toBe(`gap to ${firstSeq}`);
		expect(readAll(log.reader(), firstSeq - 1).length).toBe(41 - firstSeq);
	});

	test("metrics say what the files are, how old the log is, and what the disk has free", () => {
		let elapsedMs = 0;
		const fs = new MemoryFs();
		const options = { segmentBytes: 1_000, replayBytesMax: 5_000, elapsedMs: () => elapsedMs };
		const log = new TestLog(temporaryDirectory(), fs, options);
		const rng = new Rng("log metrics");
		for (let round = 0; round < 60; round++) {
			log.appendLabels([`a${round}`], 100 + rng.int(400));
			log.setApplied(round + 1);
			fs.freeDiskBytes = 1_000_000 + rng.int(1_000_000);
			elapsedMs += 5_000 + rng.int(5_000);
			log.writer.keepUp();
			const segments = Array.from(fs.files).filter(([path]) => path.endsWith(".seg"));
			expect(log.count("log_segments")).toBe(segments.length);
			const bytes = segments.reduce((sum, [, { content }]) => sum + content.length, 0);
			expect(log.count("log_size_bytes")).toBeLessThanOrEqual(bytes);
			// Footers are not counted.
			expect(log.count("log_size_bytes")).toBeGreaterThan(bytes - 200 * segments.length);
			expect(log.count("log_disk_free_bytes")).toBe(fs.freeDiskBytes);
			expect(log.count("log_oldest_age_seconds")).toBeGreaterThan(0);
			expect(log.count("log_oldest_age_seconds")).toBeLessThanOrEqual(elapsedMs / 1000);
		}
		expect(log.count("segments_removed_total")).toBeGreaterThan(3);
		expect(log.count("log_oldest_age_seconds")).toBeLessThan(elapsedMs / 2_000);
	});

	test("by bytes: what the index has not applied stays", () => {
		const { log } = fiveSegments({ replayBytesMax: 2_000 }, 2);
		log.writer.maintain();
		expect(log.position.snapshot().firstSeq).toBe(3);
	});

	test("for the disk's reserve, as few segments go as have what is missing", () => {
		const { log, fs, segmentBytes } = fiveSegments({ diskReserveBytes: 10_000 });
		const reasons: unknown[] = [];
		fs.freeDiskBytes = 10_000;
		log.writer.maintain();
		expect(log.position.snapshot().firstSeq).toBe(1);
		fs.freeDiskBytes = 10_000 - segmentBytes - 1;
		log.writer.maintain();
		expect(log.position.snapshot().firstSeq).toBe(3);
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
		expect(log.position.snapshot().firstSeq).toBe(5);
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

	test("on a full disk, makes room at the next try, and not a minute later", () => {
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

	test("a reader closes removed segments, although it has nothing to read", () => {
		const { log, fs } = fiveSegments({ replayBytesMax: 2_000 });
		const reader = log.reader();
		expect(readAll(reader).length).toBe(5);
		expect(fs.openFiles).toBe(7);
		log.writer.maintain();
		expect(reader.read(5)).toBeNull();
		expect(log.position.snapshot().firstSeq).toBe(5);
		expect(fs.openFiles).toBe(3);
	});

	test("a start finds what is left", () => {
		let nowMs = START_MS;
		const fs = new MemoryFs();
		const directory = temporaryDirectory();
		const log = new TestLog(directory, fs, { clock: () => nowMs, segmentBytes: 500 });
		for (let i = 0; i < 3; i++) log.appendLabels(labels(`${i}-`, 4), 100);
		log.setApplied(12);
		nowMs += WINDOW_MS * 2;
		log.writer.maintain();
		log.stop();
		const again = new TestLog(directory, fs.afterKill());
		expect(again.position.snapshot()).toMatchObject({ firstSeq: 9, lastSeq: 12 });
		expect(again.count("log_gaps_total")).toBe(0);
		expect(readAll(again.reader(), 8).length).toBe(4);
	});
});
