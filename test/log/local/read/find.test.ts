import { expect, test } from "bun:test";
import { BackgroundReader } from "../../../../src/log/local/read/background-reader.ts";
import type { LogReader } from "../../../../src/log/local/read/reader.ts";
import { listSegments, SEGMENT_HEADER_BYTES, segmentName } from "../../../../src/log/local/segment/segment.ts";
import type { LogPlace } from "../../../../src/log/log.ts";
import { Batch } from "../../../../src/log/record/batch.ts";
import type { Entry } from "../../../../src/log/record/entry.ts";
import { isMessageKind } from "../../../../src/log/record/record.ts";
import { Rng } from "../../../../src/sim/rng.ts";
import { controlOf, messageEntry, START_MS, TestLog, temporaryDirectory } from "../../harness.ts";
import { MemoryFs } from "../memory-fs.ts";

/** What is known of a record without any search. */
interface Known {
	lsn: number;
	seq: number;
	timeUs: number;
	isMessage: boolean;
}

/** Sizes of generated logs: in the first a chunk is a whole segment, in the second a segment has several. */
const SIZES = {
	"small segments": { segmentBytes: 1_500, padBytesMax: 150, batches: 60 },
	"segments of several chunks": { segmentBytes: 2_500_000, padBytesMax: 250_000, batches: 50 },
} as const;
/** Less than two chunks take. */
const CACHE_BYTES = 1024 * 1024;
const CLOCK_STEP_MS_MAX = 5_000;

/** A log of random records, through restarts, kills, steps of the clock and removals, on a disk in memory. */
class RandomLog {
	readonly rng: Rng;
	readonly size: (typeof SIZES)[keyof typeof SIZES];
	readonly #directory = temporaryDirectory();
	#fs = new MemoryFs();
	#nowMs = START_MS;
	log: TestLog;

	constructor(seed: string, size: keyof typeof SIZES) {
		this.rng = new Rng(seed);
		this.size = SIZES[size];
		this.log = this.#open();
		for (let batch = this.rng.int(this.size.batches); batch < this.size.batches; batch++) {
			this.append();
			if (this.rng.int(12) === 0) this.#restart();
		}
	}

	append(): void {
		// A clock may go back.
		this.#nowMs += this.rng.int(CLOCK_STEP_MS_MAX) - CLOCK_STEP_MS_MAX / 3;
		this.log.setApplied(this.log.position.snapshot().lastLsn);
		this.log.append(...Array.from({ length: 1 + this.rng.int(4) }, () => this.#entry()));
	}

	/** Damages bytes of records and of segments that are complete. Returns whether any was. */
	damage(): boolean {
		const segments = listSegments(this.#fs, this.#directory);
		const places = this.rng.int(4);
		for (let place = 0; place < places; place++) {
			const id = this.rng.pick(segments);
			const path = `${this.#directory}/${segmentName(id)}`;
			const bytes = Buffer.from(this.#fs.content(path));
			const isActive = id === segments.at(-1);
			if (!isActive && this.rng.int(4) === 0) bytes.fill(0, 0, SEGMENT_HEADER_BYTES);
			else if (bytes.length > SEGMENT_HEADER_BYTES) {
				const at = SEGMENT_HEADER_BYTES + this.rng.int(bytes.length - SEGMENT_HEADER_BYTES);
				bytes.fill(0xff, at, Math.min(bytes.length, at + this.rng.int(2 * this.size.padBytesMax)));
			}
			this.#fs.put(path, bytes);
		}
		return places > 0;
	}

	#entry(): Entry {
		if (this.rng.int(3) === 0) return controlOf();
		const padBytes = this.rng.int(3) === 0 ? this.rng.int(this.size.padBytesMax) : 0;
		return { ...messageEntry("a", padBytes), ops: this.rng.int(4) === 0 ? this.rng.int(300) : 1 };
	}

	#restart(): void {
		if (this.rng.int(2) === 0) this.log.stop();
		else this.log.kill();
		this.#fs = this.#fs.afterKill();
		this.log = this.#open();
	}

	#open(): TestLog {
		const { segmentBytes } = this.size;
		return new TestLog(this.#directory, this.#fs, {
			// After a kill this mode leaves numbers out.
			...{ syncMode: "write", segmentBytes, replayBytesMax: 6 * segmentBytes },
			clock: () => this.#nowMs,
		});
	}
}

function goOn(cursor: number, lastLsn: number): number {
	if (lastLsn <= cursor) throw new Error(`reading after lsn ${cursor} does not get on`);
	return lastLsn;
}

/** Every record that a reader gets from the beginning on. */
function readEverything(reader: LogReader): Known[] {
	const all: Known[] = [];
	for (let cursor = 0, read = reader.read(cursor); read !== null; read = reader.read(cursor)) {
		if (read instanceof Batch)
			for (let i = read.indexAfter(cursor); i < read.count; i++)
				all.push({
					...{ lsn: read.lsn(i), seq: read.seq(i), timeUs: read.timeUs(i) },
					isMessage: isMessageKind(read.kind(i)),
				});
		cursor = goOn(cursor, read.lastLsn);
	}
	return all;
}

/** What is read after `lsn` up to the first record that is wanted, and whether a gap came before it. */
function readOn(reader: LogReader, lsn: number, wantsMessage: boolean): { next: number | null; sawGap: boolean } {
	let sawGap = false;
	for (let cursor = lsn, read = reader.read(cursor); read !== null; read = reader.read(cursor)) {
		if (read instanceof Batch) {
			for (let i = read.indexAfter(cursor); i < read.count; i++)
				if (!wantsMessage || isMessageKind(read.kind(i))) return { next: read.lsn(i), sawGap };
		} else sawGap = true;
		cursor = goOn(cursor, read.lastLsn);
	}
	return { next: null, sawGap };
}

/**
 * Expects that a reader that goes on from `found` gets the right record next, and a gap first if others before it are lost.
 *
 * @param reader reads what comes after the place
 * @param written all that the log holds, damaged or not
 * @param readable the part of it that can still be read
 */
function expectPlace(
	log: TestLog,
	reader: LogReader,
	place: LogPlace,
	found: number,
	{ written, readable }: { written: Known[]; readable: Known[] },
): void {
	const { firstLsn, lastLsn, firstSeq, lastSeq } = log.position.snapshot();
	const bySeq = "seq" in place;
	const isWanted = (record: Known): boolean =>
		bySeq ? record.isMessage && record.seq > place.seq : record.timeUs >= place.timeUs;
	const { next, sawGap } = readOn(reader, found, bySeq);
	const expected = readable.find(isWanted);
	const lost = written.filter((record) => isWanted(record) && record.lsn < (expected?.lsn ?? lastLsn + 1));
	const what = JSON.stringify(place);
	expect([what, next]).toEqual([what, expected?.lsn ?? null]);
	// Those below the log's beginning are lost, too.
	if (lost.length > 0 || (bySeq && place.seq + 1 < firstSeq)) expect([what, sawGap]).toEqual([what, true]);
	if (bySeq && place.seq >= lastSeq) expect([what, found]).toEqual([what, lastLsn]);
	if (!bySeq && written.every(isWanted)) expect([what, found]).toEqual([what, firstLsn - 1]);
	// Records that are damaged have no times.
	if (!bySeq && !written.some(isWanted) && readable.length === written.length)
		expect([what, found]).toEqual([what, lastLsn]);
}

/** Every seq, those around the log's ends, and times at and around each record's. */
function placesOf(log: TestLog, written: Known[]): LogPlace[] {
	const { firstSeq, lastSeq } = log.position.snapshot();
	const places: LogPlace[] = [{ seq: 0 }, { timeUs: 0 }, { timeUs: Number.MAX_SAFE_INTEGER }];
	const seqs = new Set<number>();
	for (const seq of [firstSeq, lastSeq, ...written.map((record) => record.seq)])
		for (const near of [-2, -1, 0, 1, 2]) seqs.add(Math.max(0, seq + near));
	for (const seq of seqs) places.push({ seq });
	for (const { timeUs } of written) for (const near of [-1, -0.5, 0, 0.5, 1]) places.push({ timeUs: timeUs + near });
	return places;
}

/** All of these, or `count` of them. */
function sampled(rng: Rng, places: LogPlace[], count: number): LogPlace[] {
	return places.length <= count ? places : Array.from({ length: count }, () => rng.pick(places));
}

/** As `BackgroundReader.find`, with all its waits. */
async function findInBackground(
	reader: BackgroundReader,
	place: LogPlace,
	meanwhile = (): void => {},
): Promise<number> {
	for (;;) {
		const found = reader.find(place);
		if (typeof found === "number") return found;
		meanwhile();
		await found;
	}
}

test("a time leads to the right record, also if the clock stepped back after a segment had begun without a record", () => {
	for (let run = 0; run < 20; run++) {
		const rng = new Rng(`find/steps ${run}`);
		let nowMs = START_MS;
		const log = new TestLog(temporaryDirectory(), new MemoryFs(), {
			segmentBytes: 600,
			clock: () => nowMs,
			elapsedMs: () => START_MS,
		});
		for (let batch = 0; batch < 30; batch++) {
			nowMs += rng.int(20) - 10;
			log.writer.prepare();
			nowMs += rng.int(20) - 10;
			log.append(...Array.from({ length: 1 + rng.int(3) }, () => messageEntry("m", rng.int(100))));
		}
		const written = readEverything(log.reader());
		const reader = log.reader();
		for (const { timeUs: known } of written) {
			for (const timeUs of [known - 1, known, known + 1]) {
				const before = written.filter((record) => record.timeUs < timeUs).length;
				expect(reader.find({ timeUs })).toBe(before);
			}
		}
		log.kill();
	}
});

for (const [size, logs, places] of [
	["small segments", 60, 1_000],
	["segments of several chunks", 20, 150],
] as const) {
	test(`${size}: a seq and a time lead to the right record, and never past lost records without a gap`, async () => {
		let segments = 0;
		let losses = 0;
		let removals = 0;
		for (let run = 0; run < logs; run++) {
			const random = new RandomLog(`find ${size} ${run}`, size);
			const { log } = random;
			const written = readEverything(log.reader(CACHE_BYTES));
			random.damage();
			const reader = log.reader(CACHE_BYTES);
			const background = new BackgroundReader(log.reader(CACHE_BYTES));
			const checking = log.reader(CACHE_BYTES);
			const readable = readEverything(checking);
			for (const place of sampled(random.rng, placesOf(log, written), places)) {
				const found = reader.find(place);
				expectPlace(log, checking, place, found, { written, readable });
				expect([place, await findInBackground(background, place)]).toEqual([place, found]);
			}
			segments = Math.max(segments, listSegments(log.options.fs, log.options.directory).length);
			if (readable.length < written.length) losses++;
			if (log.position.snapshot().firstLsn > 1) removals++;
		}
		expect([segments > 1, losses > logs / 4]).toEqual([true, true]);
		if (size === "small segments") expect(removals).toBeGreaterThan(logs / 4);
	});

	test(`${size}: a place is found while the log grows and loses its beginning`, async () => {
		let waits = 0;
		for (let run = 0; run < logs; run++) {
			const random = new RandomLog(`growing ${size} ${run}`, size);
			const { log, rng } = random;
			const background = new BackgroundReader(log.reader(CACHE_BYTES));
			const checking = log.reader(CACHE_BYTES);
			for (let step = 0; step < 20; step++) {
				const { lastSeq } = log.position.snapshot();
				const known = readEverything(checking);
				const place =
					rng.int(2) === 0 || known.length === 0
						? { seq: rng.int(lastSeq + 2) }
						: { timeUs: rng.pick(known).timeUs + rng.int(3) - 1 };
				const found = await findInBackground(background, place, () => {
					waits++;
					random.append();
				});
				const written = readEverything(checking);
				expectPlace(log, checking, place, found, { written, readable: written });
				random.append();
			}
		}
		expect(waits).toBeGreaterThan(0);
	});
}
