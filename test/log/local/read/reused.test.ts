import { describe, expect, test } from "bun:test";
import { BackgroundReader } from "../../../../src/log/local/read/background-reader.ts";
import { labels, readAll, START_MS, TestLog, temporaryDirectory } from "../../harness.ts";
import { MemoryFs } from "../memory-fs.ts";

const WINDOW_MS = 3_600_000;
const SEGMENT_BYTES = 8_192;
const PAD_BYTES = 1_500;
const OLD = labels("old-", 40);
const NEW = labels("new-", 3);

/** A disk in memory that lets something happen right before a call that reads. */
class HookedFs extends MemoryFs {
	/** Called with the number of such calls before. */
	before: (call: number) => void = () => {};
	#calls = 0;

	override open(path: string, mode: "read" | "update" | "create"): number {
		if (mode === "read") this.#tell();
		return super.open(path, mode);
	}

	override sizeBytes(file: number): number {
		this.#tell();
		return super.sizeBytes(file);
	}

	override read(file: number, target: Buffer, position: number): number {
		this.#tell();
		return super.read(file, target, position);
	}

	watch(before: (call: number) => void): void {
		this.#calls = 0;
		this.before = before;
	}

	#tell(): void {
		const call = this.#calls++;
		const { before } = this;
		// Not called for the reads that it makes itself.
		this.before = () => {};
		before(call);
		this.before = before;
	}
}

/** A log of several segments, whose oldest may go and become another segment's file at any moment. */
class ReusedLog {
	readonly fs = new HookedFs();
	readonly directory = temporaryDirectory();
	readonly log: TestLog;
	#nowMs = START_MS;

	constructor() {
		this.log = new TestLog(this.directory, this.fs, {
			clock: () => this.#nowMs,
			segmentBytes: SEGMENT_BYTES,
			replayWindowMs: WINDOW_MS,
		});
		for (const label of OLD) this.log.appendLabels([label], PAD_BYTES);
		this.log.setApplied(OLD.length);
	}

	/** Retention removes all but the active segment, and another segment takes over the file of the oldest. */
	reuse(): void {
		const other = new ReusedContent().segment;
		this.#nowMs += 2 * WINDOW_MS;
		this.log.writer.maintain();
		for (const label of NEW) this.log.appendLabels([label], PAD_BYTES);
		const reused = this.fs.files.get(`${this.directory}/prepared`);
		if (reused === undefined) throw new Error("no file is reused");
		reused.content = other;
	}
}

/** A segment as it would be written over another: newer records, under another epoch. */
class ReusedContent {
	readonly segment: Buffer;

	constructor() {
		const fs = new MemoryFs();
		const log = new TestLog(temporaryDirectory(), fs, { initialSeq: OLD.length + 1 });
		for (const label of OLD) log.appendLabels([`other-${label}`], PAD_BYTES);
		const [segment] = [...fs.files].filter(([path]) => path.endsWith(".seg"));
		if (segment === undefined) throw new Error("there is no segment");
		this.segment = segment[1].content;
	}
}

/** Expects that what is read comes from the log as it was before or after, and that nothing is reported as damaged. */
function check(reused: ReusedLog, seen: readonly string[], isReused: boolean): void {
	const numbered = [...OLD, ...(isReused ? NEW : [])].map((label, at) => `${at + 1} ${label}`);
	const gaps = seen.filter((line) => line.startsWith("gap"));
	const { firstSeq } = reused.log.position.snapshot();
	expect(gaps.every((line) => line === `gap to ${firstSeq}`)).toBe(true);
	expect(gaps.length).toBeLessThanOrEqual(isReused ? 1 : 0);
	const gapAt = seen.findIndex((line) => line.startsWith("gap"));
	const before = gapAt === -1 ? seen : seen.slice(0, gapAt);
	const after = gapAt === -1 ? [] : seen.slice(gapAt + 1);
	expect(before).toEqual(numbered.slice(0, before.length));
	if (gapAt === -1) expect(before.length).toBeGreaterThanOrEqual(OLD.length);
	else expect(after).toEqual(numbered.slice(firstSeq - 1));
	expect(reused.log.count("log_gaps_total")).toBe(0);
}

describe("a segment whose file becomes another's while it is read", () => {
	/** As a reader that opens the segment, and as one that has it open. */
	for (const isOpen of [false, true]) {
		test(`at any call, ${isOpen ? "by a reader that has it open" : "by a reader that opens it"}: what it had, or a gap`, () => {
			let calls = 0;
			for (let at = 0; at <= calls; at++) {
				const reused = new ReusedLog();
				// Without a cache, each look is at the file.
				const reader = reused.log.reader(1);
				if (isOpen) readAll(reader);
				let isReused = false;
				reused.fs.watch((call) => {
					calls = Math.max(calls, call + 1);
					if (call !== at) return;
					isReused = true;
					reused.reuse();
				});
				check(reused, readAll(reader), isReused);
				reader.closeRemoved();
			}
			expect(calls).toBeGreaterThan(8);
		});
	}

	test("at any call, by a reader that looks for a place in it: where it was, or where it would be now", () => {
		for (const place of [{ seq: 3 }, { seq: OLD.length - 1 }, { timeUs: START_MS * 1000 + 5 }]) {
			let calls = 0;
			for (let at = 0; at <= calls; at++) {
				const reused = new ReusedLog();
				const before = reused.log.reader(1).find(place);
				const reader = reused.log.reader(1);
				reused.fs.watch((call) => {
					calls = Math.max(calls, call + 1);
					if (call === at) reused.reuse();
				});
				const found = reader.find(place);
				reused.fs.watch(() => {});
				expect([before, reused.log.reader(1).find(place)]).toContain(found);
				expect(reused.log.count("log_gaps_total")).toBe(0);
			}
			expect(calls).toBeGreaterThan(2);
		}
	});

	test("off the thread, at any call: what it had, or a gap", async () => {
		let calls = 0;
		for (let at = 0; at <= calls; at++) {
			const reused = new ReusedLog();
			const reader = new BackgroundReader(reused.log.reader(1));
			let isReused = false;
			reused.fs.watch((call) => {
				calls = Math.max(calls, call + 1);
				if (call !== at) return;
				isReused = true;
				reused.reuse();
			});
			check(reused, await readAllShared(reader), isReused);
		}
		expect(calls).toBeGreaterThan(8);
	});
});

/** As `readAll`, by a reader that asks to be called again. */
async function readAllShared(reader: BackgroundReader): Promise<string[]> {
	const seen: string[] = [];
	let waiting: Promise<void> | null = null;
	const read = (cursor: number) => {
		const part = reader.read(cursor);
		waiting = part instanceof Promise ? part : null;
		return part instanceof Promise ? null : part;
	};
	do {
		await waiting;
		const last = seen.at(-1);
		const cursor =
			last === undefined ? 0 : last.startsWith("gap") ? Number(last.slice(7)) - 1 : Number(last.split(" ")[0]);
		seen.push(...readAll({ read }, cursor));
	} while (waiting !== null);
	return seen;
}
