import { describe, expect, test } from "bun:test";
import { RETRY_MS } from "../../../src/disk/stall.ts";
import { SEGMENT_HEADER_BYTES } from "../../../src/log/local/segment/segment.ts";
import { AHEAD_MAX, AHEAD_MIN, type SyncMode } from "../../../src/log/local/write/numbers-in-use.ts";
import { LogPosition } from "../../../src/log/position.ts";
import { Batch } from "../../../src/log/record/batch.ts";
import type { Entry } from "../../../src/log/record/entry.ts";
import { isMessageKind } from "../../../src/log/record/record.ts";
import { Rng } from "../../../src/sim/rng.ts";
import { countedBy } from "../../observe/counted.ts";
import { controlOf, decodeFrame, messageEntry, START_MS, TestLog, temporaryDirectory } from "../harness.ts";
import { MemoryFs } from "./memory-fs.ts";

/** A record as a reader gets it: a message has a text, a control record has none. */
interface Seen {
	lsn: number;
	seq: number;
	text: string | null;
}

/** All records that are there, as the log has them. */
function recordsOf(log: TestLog, cursor = 0): Seen[] {
	const reader = log.reader();
	const seen: Seen[] = [];
	for (let at = cursor; ; ) {
		const part = reader.read(at);
		if (part === null) break;
		at = part.lastLsn;
		// If nothing is damaged, the only gap is the one before the oldest record.
		if (!(part instanceof Batch)) continue;
		for (let i = part.indexAfter(cursor); i < part.count; i++) {
			const text = isMessageKind(part.kind(i)) ? decodeFrame(part.frame(i)).text : null;
			seen.push({ lsn: part.lsn(i), seq: part.seq(i), text });
		}
		cursor = at;
	}
	reader.close();
	return seen;
}

type End = "stop" | "kill" | "power";

/** Segments that are worth a prepared file, and room for few of them. */
const PREPARED_SIZES = { segmentBytes: 12_288, replayBytesMax: 9 * 12_288, diskReserveBytes: 1 };

/** A log through many lives of its process, and all that its readers were ever shown. */
class History {
	readonly rng: Rng;
	readonly #syncMode: SyncMode;
	readonly #ends: readonly End[];
	readonly #isPreparing: boolean;
	readonly #directory = temporaryDirectory();
	/** What was published, by lsn and by seq. */
	readonly byLsn = new Map<number, string>();
	readonly bySeq = new Map<number, string>();
	#fs = new MemoryFs();
	#nowMs = START_MS;
	#made = 0;
	/** How the last process ended. */
	#end: End = "stop";
	#hadPowerCut = false;
	/** The next seq after a clean stop. */
	#settled = 1;
	/** Greatest numbers that were shown, or are in the log. */
	lastLsn = 0;
	lastSeq = 0;
	lifes = 0;
	faults = 0;
	deathsInCalls = 0;
	/** Most segments of a life that were begun in a prepared file. */
	prepared = 0;

	/** @param isPreparing whether segments are long enough to be prepared, and retention gives their files to new ones */
	constructor(seed: string, syncMode: SyncMode, ends: readonly End[], isPreparing = false) {
		this.rng = new Rng(seed);
		this.#syncMode = syncMode;
		this.#ends = ends;
		this.#isPreparing = isPreparing;
	}

	/** One life: a start, batches while the disk fails now and then, and an end. */
	async live(): Promise<void> {
		const log = this.#open();
		const end = this.rng.pick(this.#ends);
		try {
			for (let steps = this.rng.int(this.#isPreparing ? 40 : 12); steps > 0; steps--) await this.#step(log);
			if (end === "stop") {
				// As the relay does: its last step may replace a segment that a sync failed of.
				log.writer.retryNow();
				log.step();
				log.stop();
				this.#settled = log.writer.nextSeq;
			} else this.#dieInCalls(log);
		} catch (error) {
			if (!(error instanceof Error && error.message === "killed")) throw error;
			this.deathsInCalls += 1;
		}
		this.#fs = end === "power" ? this.#fs.afterPowerCut(() => this.rng.int(2) === 0) : this.#fs.afterKill();
		log.kill();
		this.#end = end;
		this.lifes += 1;
	}

	/** Opens the log once more, and checks what is there. */
	check(): TestLog {
		return this.#open();
	}

	#open(): TestLog {
		const position = new ShownPosition((log) => this.#show(log));
		const fs = this.#fs;
		const log = new TestLog(this.#directory, fs, {
			position,
			syncMode: this.#syncMode,
			clock: () => this.#nowMs,
			...(this.#isPreparing ? PREPARED_SIZES : { segmentBytes: 3_000 }),
		});
		this.#checkStart(log);
		position.log = log;
		this.#show(log);
		return log;
	}

	#checkStart(log: TestLog): void {
		const found = recordsOf(log);
		const messages = found.filter(({ text }) => text !== null);
		const { firstSeq, seqUsedMax, lsnUsedMax } = log.position.snapshot();
		expect(log.writer.nextSeq).toBe(seqUsedMax + 1);
		expect(log.writer.nextLsn).toBe(lsnUsedMax + 1);
		expect(log.writer.nextLsn).toBeGreaterThanOrEqual(log.writer.nextSeq);
		// What a power cut takes out of the middle, in mode `write`, looks like damage. Nothing else does.
		this.#hadPowerCut ||= this.#end === "power";
		if (this.#syncMode === "always" || !this.#hadPowerCut) expect(log.count("log_gaps_total")).toBe(0);
		for (const { lsn, seq, text } of found) this.#checkShown(lsn, seq, text);
		const kept = [...this.bySeq.keys()].filter((seq) => seq >= firstSeq);
		const lost = kept.filter((seq) => !messages.some((message) => message.seq === seq));
		if (this.#syncMode === "always") {
			// Dense from the first seq to the next one, whatever has happened.
			expect(messages.map(({ seq }) => seq)).toEqual(Array.from(messages, (_, at) => at + firstSeq));
			expect(log.writer.nextSeq).toBe(messages.length + firstSeq);
			expect(lost).toEqual([]);
		} else {
			if (!this.#hadPowerCut) expect(lost).toEqual([]);
			const lastSeq = Math.max(this.lastSeq, messages.at(-1)?.seq ?? 0);
			if (this.#end === "stop") expect(log.writer.nextSeq).toBe(this.#settled);
			expect(log.writer.nextSeq).toBeGreaterThan(lastSeq);
			expect(log.writer.nextSeq - lastSeq - 1).toBeLessThanOrEqual(2 * AHEAD_MIN);
		}
	}

	/** What readers see of a publication. */
	#show(log: TestLog): void {
		for (const { lsn, seq, text } of recordsOf(log, this.lastLsn)) {
			this.#checkShown(lsn, seq, text);
			this.byLsn.set(lsn, `${seq} ${text}`);
			if (text !== null) this.bySeq.set(seq, text);
			this.lastLsn = Math.max(this.lastLsn, lsn);
			this.lastSeq = Math.max(this.lastSeq, seq);
		}
	}

	/** No number was shown with something else. */
	#checkShown(lsn: number, seq: number, text: string | null): void {
		expect(this.byLsn.get(lsn) ?? `${seq} ${text}`).toBe(`${seq} ${text}`);
		if (text !== null) expect(this.bySeq.get(seq) ?? text).toBe(text);
	}

	async #step(log: TestLog): Promise<void> {
		const { rng } = this;
		this.#nowMs += rng.int(3) * RETRY_MS;
		if (rng.int(4) === 0) this.#failSoon();
		log.handOver(...this.#entries());
		// A fault ends after a few calls: then all of it is taken.
		for (let tries = 0; !log.step(); tries++) {
			expect(tries).toBeLessThan(10);
			this.#nowMs += RETRY_MS;
		}
		this.#fs.fault = () => {};
		if (this.#syncMode === "write" && rng.int(2) === 0) await log.writer.syncInBackground();
		if (this.#isPreparing) await this.#keepUp(log);
	}

	/** What goes on between batches: the next segment's file, retention, and syncs; on a disk that fails now and then, or is short. */
	async #keepUp(log: TestLog): Promise<void> {
		log.setApplied(log.position.snapshot().durableLsn);
		if (this.rng.int(6) === 0) this.#failSoon();
		this.#fs.freeDiskBytes = this.rng.int(15) === 0 ? 0 : Number.POSITIVE_INFINITY;
		log.writer.keepUp();
		while (log.writer.isBusy) await Promise.resolve();
		this.#fs.freeDiskBytes = Number.POSITIVE_INFINITY;
		this.#fs.fault = () => {};
		const { prepared = 0 } = countedBy(log.counters, "segments_begun_total");
		this.prepared = Math.max(this.prepared, prepared);
	}

	#entries(): Entry[] {
		return Array.from({ length: 1 + this.rng.int(5) }, () => {
			this.#made += 1;
			return this.rng.int(3) === 0
				? controlOf(this.#made)
				: messageEntry(`m${this.#made}`, this.rng.int(this.#isPreparing ? 2_500 : 400));
		});
	}

	/** Makes one to three calls of the disk fail, now or a little later. */
	#failSoon(): void {
		let before = this.rng.int(5);
		let failures = 1 + this.rng.int(3);
		this.#fs.failedWriteShare = this.rng.float();
		this.#fs.fault = () => {
			if (before-- > 0 || failures-- <= 0) return;
			this.faults += 1;
			throw Object.assign(new Error("EIO: by the test"), { code: "EIO" });
		};
	}

	/** Makes the process die at one of the calls that a few more batches make, anywhere in a write. */
	#dieInCalls(log: TestLog): void {
		let calls = this.rng.int(9);
		this.#fs.failedWriteShare = this.rng.float();
		this.#fs.fault = () => {
			if (calls-- <= 0) throw new Error("killed");
		};
		for (let batches = 0; batches < 20; batches++) log.append(...this.#entries());
	}
}

/** Calls back at each publication, when the log is open. */
class ShownPosition extends LogPosition {
	log: TestLog | null = null;
	readonly #onPublish: (log: TestLog) => void;

	constructor(onPublish: (log: TestLog) => void) {
		super();
		this.#onPublish = onPublish;
	}

	override publish(...state: Parameters<LogPosition["publish"]>): void {
		super.publish(...state);
		if (this.log !== null) this.#onPublish(this.log);
	}
}

const ALL_ENDS: readonly End[] = ["stop", "kill", "power"];

describe("seqs over generated histories", () => {
	test("mode always: are dense over stops, kills in any call and at any byte, power cuts and faults of the disk", async () => {
		let deaths = 0;
		let faults = 0;
		for (let seed = 0; seed < 60; seed++) {
			const history = new History(`always ${seed}`, "always", seed % 3 === 0 ? ["kill"] : ALL_ENDS);
			for (let life = 0; life < 8; life++) await history.live();
			const log = history.check();
			expect(history.lastSeq).toBe(log.writer.nextSeq - 1);
			log.kill();
			deaths += history.deathsInCalls;
			faults += history.faults;
		}
		expect(deaths).toBeGreaterThan(100);
		expect(faults).toBeGreaterThan(100);
	});

	test("mode write: are used once, a stop leaves none out, and a kill or a power cut few", async () => {
		for (let seed = 0; seed < 60; seed++) {
			const history = new History(`write ${seed}`, "write", ALL_ENDS);
			for (let life = 0; life < 8; life++) await history.live();
			history.check().kill();
		}
	});

	for (const syncMode of ["always", "write"] as const) {
		test(`mode ${syncMode}: with files that are prepared or were other segments', whatever fails of them`, async () => {
			let prepared = 0;
			for (let seed = 0; seed < 60; seed++) {
				const history = new History(`prepared ${syncMode} ${seed}`, syncMode, ALL_ENDS, true);
				for (let life = 0; life < 8; life++) await history.live();
				history.check().kill();
				prepared += history.prepared;
			}
			expect(prepared).toBeGreaterThan(60);
		});
	}
});

/**
 * A log in which a batch is published and the next one is not: the process dies before its numbers are noted.
 *
 * @param segmentBytes if it is only a few bytes, the batch begins a segment
 * @returns the batch's segment, and where it begins there
 */
function unpublishedBatch(
	entries: Entry[],
	segmentBytes = 1_000_000,
	before = [messageEntry("a"), controlOf(), messageEntry("b")],
): { directory: string; fs: MemoryFs; path: string; end: number } {
	const directory = temporaryDirectory();
	const fs = new MemoryFs();
	const log = new TestLog(directory, fs, { segmentBytes });
	log.append(...before);
	log.writer.prepare();
	const path =
		[...fs.files.keys()]
			.filter((name) => name.endsWith(".seg"))
			.sort()
			.at(-1) ?? "";
	const end = fs.content(path).length;
	fs.fault = (call) => {
		if (call === "write last-used") throw new Error("killed");
	};
	expect(() => log.append(...entries)).toThrow("killed");
	log.kill();
	return { directory, fs: fs.afterKill(), path, end };
}

describe("a batch that was not published when the process died", () => {
	test("cut at every byte: its whole records stay, the rest goes, and the seqs go on without a hole", () => {
		const entries = [messageEntry("c"), controlOf(), messageEntry("d"), controlOf(), messageEntry("e")];
		const { directory, fs, path, end } = unpublishedBatch(entries);
		const content = fs.content(path);
		const kept = new Set<number>();
		for (let cut = end; cut <= content.length; cut++) {
			const found = fs.afterKill();
			found.put(path, content.subarray(0, cut));
			const log = new TestLog(directory, found);
			log.append(controlOf(), messageEntry("next"));
			const seen = recordsOf(log);
			kept.add(seen.length - 5);
			expect(seen.map(({ lsn }) => lsn)).toEqual(Array.from(seen, (_, at) => at + 1));
			const messages = seen.filter(({ text }) => text !== null);
			expect(messages.map(({ seq }) => seq)).toEqual(Array.from(messages, (_, at) => at + 1));
			expect(messages.at(-1)?.text).toBe("next");
			expect(log.count("log_gaps_total")).toBe(0);
			log.kill();
		}
		expect([...kept]).toEqual([0, 1, 2, 3, 4, 5]);
	});

	test.each([
		["", 1_000_000, true],
		[", at the head of a segment", 100, false],
		[", after the state that a segment begins with", 100, true],
	])(
		"torn in its first record by a power cut, with whole ones after that%s: all of it goes, and does not come back",
		(_, segmentBytes, hasState) => {
			const entries = [messageEntry("c"), messageEntry("d"), messageEntry("e")];
			const before = [messageEntry("a"), ...(hasState ? [controlOf()] : []), messageEntry("b")];
			const { directory, fs, path, end } = unpublishedBatch(entries, segmentBytes, before);
			expect(end === SEGMENT_HEADER_BYTES).toBe(!hasState);
			const torn = Buffer.from(fs.content(path));
			torn.writeUInt8(torn.readUInt8(end + 80) ^ 1, end + 80);
			fs.put(path, torn);
			let log = new TestLog(directory, fs);
			expect(fs.content(path).length).toBe(end);
			log.appendLabels(["C"]);
			const lines = (): unknown[] =>
				recordsOf(log).flatMap(({ seq, text }) => (text === null ? [] : [`${seq} ${text}`]));
			expect(lines()).toEqual(["1 a", "2 b", "3 C"]);
			expect(log.count("log_gaps_total")).toBe(0);
			log.kill();
			log = new TestLog(directory, fs.afterKill());
			expect(lines()).toEqual(["1 a", "2 b", "3 C"]);
		},
	);

	test("the place of the end may be old after a power cut: whole records after it stay, and damage far before the end is reported", () => {
		const { directory, fs, path, end } = unpublishedBatch([messageEntry("c")]);
		// At the power cut `last-used` has what it says now, although more records are synced by then.
		const lastUsed = Buffer.from(fs.content(`${directory}/last-used`));
		let log = new TestLog(directory, fs);
		for (let i = 0; i < 6; i++) log.append(messageEntry(`long ${i}`, 3 * 1024 * 1024));
		log.kill();
		const found = fs.afterKill();
		found.put(`${directory}/last-used`, lastUsed);
		log = new TestLog(directory, found.afterKill());
		expect(recordsOf(log)).toHaveLength(10);
		expect(log.writer.nextSeq).toBe(10);
		expect(log.count("log_gaps_total")).toBe(0);
		log.kill();
		const damaged = Buffer.from(found.content(path));
		damaged.writeUInt8(damaged.readUInt8(end + 80) ^ 1, end + 80);
		found.put(path, damaged);
		log = new TestLog(directory, found);
		expect(recordsOf(log).map(({ seq }) => seq)).toEqual([1, 1, 2, 4, 5, 6, 7, 8, 9]);
		expect(log.count("log_gaps_total")).toBeGreaterThan(0);
	});
});

describe("the file of the numbers in use", () => {
	test("if its write fails after the batch is synced, nothing is published, and the batch is appended once", () => {
		for (const syncMode of ["always", "write"] as const) {
			let nowMs = START_MS;
			const fs = new MemoryFs();
			const directory = temporaryDirectory();
			const log = new TestLog(directory, fs, { syncMode, clock: () => nowMs });
			let failures = 0;
			fs.fault = (call) => {
				if (!call.includes("last-used") || failures === 4) return;
				failures += 1;
				throw Object.assign(new Error("EIO: by the test"), { code: "EIO" });
			};
			log.handOver(messageEntry("a"), controlOf(), messageEntry("b"));
			for (let tries = 0; !log.step(); tries++) {
				expect(tries).toBeLessThan(5);
				// Maintenance publishes what it has removed, and nothing of the batch.
				log.writer.maintain();
				expect(log.position.snapshot()).toMatchObject({ lastLsn: 0, lsnUsedMax: 0, lastSeq: 0, seqUsedMax: 0 });
				expect(recordsOf(log)).toEqual([]);
				expect(log.ring.acknowledged()).toBe(0);
				nowMs += RETRY_MS;
			}
			expect(failures).toBe(4);
			log.append(messageEntry("c"));
			expect(recordsOf(log).map(({ lsn, seq, text }) => [lsn, seq, text])).toEqual([
				[1, 1, "a"],
				[2, 1, null],
				[3, 2, "b"],
				[4, 3, "c"],
			]);
			expect(log.count("log_gaps_total")).toBe(0);
			log.kill();
			const again = new TestLog(directory, fs.afterKill(), { syncMode });
			expect(recordsOf(again)).toHaveLength(4);
			if (syncMode === "always") expect([again.writer.nextLsn, again.writer.nextSeq]).toEqual([5, 4]);
			again.kill();
		}
	});

	test("if its write fails, nothing of the batch is published, although something else is meanwhile", () => {
		let nowMs = START_MS;
		const fs = new MemoryFs();
		const log = new TestLog(temporaryDirectory(), fs, { clock: () => nowMs, segmentBytes: 1_000 });
		log.append(messageEntry("old", 1_000));
		log.append(messageEntry("a"));
		log.setApplied(2);
		fs.fault = (call) => {
			if (call === "write last-used") throw Object.assign(new Error("EIO: by the test"), { code: "EIO" });
		};
		log.handOver(messageEntry("b"));
		expect(log.step()).toBe(false);
		nowMs += 100 * 3_600_000;
		log.writer.maintain();
		expect(log.position.snapshot()).toMatchObject({ firstLsn: 2, lastLsn: 2 });
		expect(recordsOf(log).map(({ text }) => text)).toEqual(["a"]);
		expect(log.count("log_gaps_total")).toBe(0);
		fs.fault = () => {};
		expect(log.step()).toBe(true);
		expect(recordsOf(log).map(({ text }) => text)).toEqual(["a", "b"]);
	});

	test("mode write: is on the disk before what it covers is published, far enough ahead, and no further than needed", async () => {
		const fs = new MemoryFs();
		const directory = temporaryDirectory();
		const log = new TestLog(directory, fs, { syncMode: "write" });
		const bursts = [1, 1, 500, 500, 500, 20_000, 20_000, 3, 3, 3, 3];
		let syncs = 0;
		fs.fault = (call) => {
			if (call === "sync last-used") syncs += 1;
		};
		for (const [at, count] of bursts.entries()) {
			for (let done = 0; done < count; done += 250) {
				log.append(...Array.from({ length: Math.min(250, count - done) }, () => messageEntry("m")));
				// After a power cut now, with nothing of the segment synced, no seq that was published is used again.
				const { seqUsedMax } = log.position.snapshot();
				const elsewhere = temporaryDirectory();
				const cut = new TestLog(elsewhere, fs.afterPowerCut().moved(directory, elsewhere), { syncMode: "write" });
				expect(cut.writer.nextSeq).toBeGreaterThan(seqUsedMax);
				const largest = Math.max(...bursts.slice(0, at + 1));
				expect(cut.writer.nextSeq - seqUsedMax).toBeLessThanOrEqual(
					Math.min(Math.max(2 * largest + 1, AHEAD_MIN + 1), AHEAD_MAX),
				);
				cut.kill();
			}
			await log.writer.syncInBackground();
		}
		// Few batches wait for the bound: it is further ahead the more records come, and moves with the segments' syncs.
		expect(syncs).toBeLessThan(40);
		log.kill();
	});

	test("has two slots: with either of them damaged, at any byte, the numbers go on as they were", () => {
		const directory = temporaryDirectory();
		const fs = new MemoryFs();
		const log = new TestLog(directory, fs);
		for (const label of ["a", "b", "c"]) log.append(messageEntry(label), controlOf());
		log.kill();
		const path = `${directory}/last-used`;
		const content = fs.content(path);
		expect(content.length).toBe(1024);
		for (let at = 0; at < content.length; at++) {
			const flipped = Buffer.from(content);
			flipped.writeUInt8(flipped.readUInt8(at) ^ (1 << (at & 7)), at);
			const found = fs.afterKill();
			found.put(path, flipped);
			const again = new TestLog(directory, found);
			expect([again.writer.nextLsn, again.writer.nextSeq]).toEqual([7, 4]);
			expect(recordsOf(again)).toHaveLength(6);
			expect(again.count("log_gaps_total")).toBe(0);
			again.kill();
		}
	});

	test("after a start that ends before it has logged anything, the next one has nothing to report", () => {
		const directory = temporaryDirectory();
		let fs = new MemoryFs();
		for (const how of ["stop", "kill", "stop", "stop", "kill"] as const) {
			const log = new TestLog(directory, fs);
			expect([log.writer.nextLsn, log.writer.nextSeq]).toEqual([1, 1]);
			expect(log.count("log_gaps_total")).toBe(0);
			log[how]();
			fs = fs.afterKill();
		}
	});
});
