import { describe, expect, test } from "bun:test";
import { Holds } from "../../../../src/log/local/retention/holds.ts";
import type { Segment } from "../../../../src/log/local/retention/retention.ts";
import { createMarksBuffer, type Mark, type MarkRule, Marks } from "../../../../src/log/marks.ts";
import { Counters } from "../../../../src/observe/counters.ts";
import { Rng } from "../../../../src/sim/rng.ts";
import { counted } from "../../../observe/counted.ts";
import { labels, readAll, TestLog, temporaryDirectory } from "../../harness.ts";
import { MemoryFs } from "../memory-fs.ts";

const BYTES_MAX = 400;

/** A reader that works, stalls, dies and comes back. */
interface Reader {
	mark: Mark;
	/** Lsn of the last record that it has kept. */
	cursor: number;
	isDead: boolean;
	/** Whether what it needed was removed, and it has not come back since: to what is there, within its limit. */
	isLost: boolean;
	/** How often it was lost since it moved last. */
	lossesSinceMove: number;
}

/** A log of which only the segments' sizes matter, with its readers. */
class Network {
	readonly rng: Rng;
	readonly segments: Segment[] = [{ firstLsn: 1, firstSeq: 1, bornMs: 0, bytes: 0 }];
	readonly readers: Reader[];
	lastLsn = 0;
	losses = 0;
	removed = 0;
	/** How often a reader kept segments that were to go. */
	held = 0;
	readonly #counters = new Counters();
	readonly #holds: Holds;

	constructor(seed: string) {
		this.rng = new Rng(seed);
		const rules = Array.from(
			{ length: this.rng.int(5) },
			(_, at): MarkRule => ({
				name: `reader ${at}`,
				lagBytesMax: this.rng.int(4) === 0 ? null : this.rng.int(2 * BYTES_MAX),
			}),
		);
		const marks = new Marks(createMarksBuffer(rules));
		this.readers = marks.all.map((mark) => ({ mark, cursor: 0, isDead: false, isLost: false, lossesSinceMove: 0 }));
		this.#holds = new Holds(marks.all, this.#counters);
	}

	counted(name: string): number {
		return counted(this.#counters).of(name);
	}

	/** Fills the active segment, and begins another. */
	grow(): void {
		const active = this.segments.at(-1);
		if (active === undefined) throw new Error("there is always an active segment");
		this.lastLsn += 1 + this.rng.int(20);
		active.bytes = 1 + this.rng.int(100);
		this.segments.push({ firstLsn: this.lastLsn + 1, firstSeq: 1, bornMs: 0, bytes: 0 });
	}

	/** One reader gets on, dies or comes back. */
	move(): void {
		const reader = this.readers[this.rng.int(Math.max(this.readers.length, 1))];
		if (reader === undefined) return;
		if (this.rng.int(12) === 0) reader.isDead = !reader.isDead;
		if (reader.isDead) return;
		// It skips what is gone, and goes on with what is there.
		const firstLsn = this.segments[0]?.firstLsn ?? 1;
		reader.cursor = Math.max(reader.cursor, firstLsn - 1);
		reader.cursor += this.rng.int(this.lastLsn - reader.cursor + 1);
		reader.mark.move(reader.cursor);
		reader.lossesSinceMove = 0;
	}

	/** Bytes of whole segments that hold something that the reader has not kept. */
	lagOf({ mark }: Reader): number {
		return this.#full().reduce((sum, { bytes, lastLsn }) => sum + (lastLsn > (mark.lsn ?? 0) ? bytes : 0), 0);
	}

	#full(): { firstLsn: number; lastLsn: number; bytes: number }[] {
		return this.segments.slice(0, -1).map(({ firstLsn, bytes }, at) => {
			const next = this.segments[at + 1];
			return { firstLsn, bytes, lastLsn: (next?.firstLsn ?? 0) - 1 };
		});
	}

	/** Retention, as `KeptSegments` does it for a limit in bytes, checked against what each reader may keep. */
	retain(isShort: boolean): void {
		const full = this.#full();
		const bytes = full.reduce((sum, segment) => sum + segment.bytes, 0);
		let wanted = 0;
		for (let left = bytes; left > BYTES_MAX; wanted++) left -= full[wanted]?.bytes ?? left;
		const lags = new Map(this.readers.map((reader) => [reader, this.lagOf(reader)]));
		for (const reader of this.readers) {
			const { lagBytesMax, lsn } = reader.mark;
			const isBack = (lsn ?? 0) >= (full[0]?.firstLsn ?? 1) - 1;
			if (isBack && lagBytesMax !== null && (lags.get(reader) ?? 0) <= lagBytesMax) reader.isLost = false;
		}
		const isWaitedFor = (reader: Reader): boolean => {
			const { lagBytesMax } = reader.mark;
			if (lagBytesMax === null) return true;
			return !(isShort || reader.isLost) && (lags.get(reader) ?? 0) <= lagBytesMax;
		};

		const count = this.#holds.release(this.segments, wanted, isShort);
		const removedLsn = full[count - 1]?.lastLsn ?? 0;
		expect(count).toBeGreaterThanOrEqual(0);
		expect(count).toBeLessThanOrEqual(wanted);
		for (const reader of this.readers) {
			const { lsn } = reader.mark;
			if (isWaitedFor(reader)) expect(removedLsn).toBeLessThanOrEqual(lsn ?? 0);
			if (lsn === null || removedLsn <= lsn || reader.isLost) continue;
			reader.isLost = true;
			this.losses++;
			expect(++reader.lossesSinceMove).toBe(1);
		}
		if (count < wanted) {
			this.held++;
			const left = full.slice(count).reduce((sum, segment) => sum + segment.bytes, 0);
			const first = full[count]?.lastLsn ?? 0;
			// Somebody within its limit needs the oldest that is left, or has not said yet that it doesn't.
			const holders = this.readers.filter((reader) => {
				const { lagBytesMax, lsn } = reader.mark;
				if (first <= (lsn ?? 0)) return false;
				if (lsn === null && !isShort && lagBytesMax !== null) return left <= lagBytesMax;
				return isWaitedFor(reader);
			});
			expect(holders).not.toEqual([]);
		}
		this.segments.splice(0, count);
		this.removed += count;
		expect(this.counted("log_marks_lost_total")).toBe(this.losses);
	}
}

describe("what is kept for readers", () => {
	test("is what they need within their limits and nothing else, whichever readers stall, die and come back", () => {
		let [losses, removed, held] = [0, 0, 0];
		for (let run = 0; run < 300; run++) {
			const network = new Network(`holds ${run}`);
			for (let step = 0; step < 150; step++) {
				const choice = network.rng.int(10);
				if (choice < 4) network.grow();
				else if (choice < 8) network.move();
				else network.retain(network.rng.int(8) === 0);
			}
			losses += network.losses;
			removed += network.removed;
			held += network.held;
		}
		// Each case occurred many times.
		for (const count of [losses, removed, held]) expect(count).toBeGreaterThan(300);
	});

	const segments = [1, 11, 21, 31, 41].map((firstLsn) => ({
		firstLsn,
		firstSeq: 1,
		bornMs: 0,
		bytes: firstLsn === 41 ? 0 : 100,
	}));

	test("for one that has not said yet how far it is, is what its limit covers, and it loses nothing", () => {
		const counters = new Counters();
		const marks = new Marks(createMarksBuffer([{ name: "later", lagBytesMax: 250 }]));
		const holds = new Holds(marks.all, counters);
		expect(holds.release(segments, 4, false)).toBe(2);
		expect(holds.release(segments, 1, false)).toBe(1);
		expect(counted(counters).of("log_marks_lost_total")).toBe(0);
		marks.mark("later").move(10);
		expect(holds.release(segments, 4, false)).toBe(4);
		expect(holds.release(segments, 4, false)).toBe(4);
		expect(counted(counters).of("log_marks_lost_total")).toBe(1);
	});

	test("is no loss to a reader beyond its limit: a loss counts only when what it needs is removed", () => {
		const counters = new Counters();
		const rules = [
			{ name: "far behind", lagBytesMax: 50 },
			{ name: "index", lagBytesMax: null },
		];
		const marks = new Marks(createMarksBuffer(rules));
		const holds = new Holds(marks.all, counters);
		marks.mark("far behind").move(10);
		marks.mark("index").move(10);
		expect(holds.release(segments, 4, false)).toBe(1);
		expect(counted(counters).of("log_marks_lost_total")).toBe(0);
		marks.mark("index").move(20);
		expect(holds.release(segments, 4, false)).toBe(2);
		expect(counted(counters).of("log_marks_lost_total")).toBe(1);
	});
});

describe("on a log", () => {
	const rules = [
		{ name: "index", lagBytesMax: null },
		{ name: "dead", lagBytesMax: 3_000 },
	];

	test("a dead reader costs its limit at most, and finds a gap when it comes back", () => {
		const fs = new MemoryFs();
		const marks = new Marks(createMarksBuffer(rules));
		const log = new TestLog(temporaryDirectory(), fs, { segmentBytes: 1_000, replayBytesMax: 2_000, marks });
		marks.mark("dead").move(1);
		let bytesMax = 0;
		for (let at = 1; at <= 30; at++) {
			log.appendLabels(labels(`${at}-`, 1), 400);
			log.setApplied(at);
			log.writer.maintain();
			const sizes = Array.from(fs.files, ([path, { content }]) => (path.endsWith(".seg") ? content.length : 0));
			bytesMax = Math.max(
				bytesMax,
				sizes.reduce((sum, bytes) => sum + bytes, 0),
			);
		}
		expect(bytesMax).toBeGreaterThan(3_000);
		expect(bytesMax).toBeLessThan(3_000 + 2 * 2_000);
		expect(log.count("log_marks_lost_total")).toBe(1);
		const { firstSeq } = log.position.snapshot();
		expect(firstSeq).toBeGreaterThan(20);
		expect(readAll(log.reader(), 1)[0]).toBe(`gap to ${firstSeq}`);
		marks.mark("dead").move(firstSeq - 1);
		log.appendLabels(labels("more", 3), 1_000);
		log.setApplied(33);
		log.writer.maintain();
		expect(log.position.snapshot().firstSeq).toBe(firstSeq);
	});

	test("a reader with a limit never stalls a log whose disk is full", () => {
		const fs = new MemoryFs();
		const marks = new Marks(createMarksBuffer(rules));
		const log = new TestLog(temporaryDirectory(), fs, { segmentBytes: 1_000, diskReserveBytes: 10_000, marks });
		for (let at = 1; at <= 5; at++) log.appendLabels([`${at}`], 1_000);
		log.setApplied(4);
		marks.mark("dead").move(2);
		fs.freeDiskBytes = 100;
		log.writer.maintain();
		expect(log.position.snapshot().firstSeq).toBe(5);
		expect(log.count("log_marks_lost_total")).toBe(1);
	});
});
