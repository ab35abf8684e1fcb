import { describe, expect, test } from "bun:test";
import { Batch, Gap } from "../../../../src/log/record/batch.ts";
import {
	describePart,
	labels,
	readAll,
	START_MS,
	segmentFile,
	segmentPath,
	TestLog,
	temporaryDirectory,
} from "../../harness.ts";
import { MemoryFs } from "../memory-fs.ts";

function memoryLog(changes: ConstructorParameters<typeof TestLog>[2] = {}): TestLog {
	return new TestLog(temporaryDirectory(), new MemoryFs(), changes);
}

describe("a cursor", () => {
	test("gets only records with a greater lsn, at every record and across segments", () => {
		const log = memoryLog({ segmentBytes: 200_000 });
		for (let batch = 0; batch < 10; batch++) log.appendLabels(labels(`${batch}-`, 7), 20_000);
		const reader = log.reader();
		const all = readAll(reader);
		expect(all.length).toBe(70);
		expect((log.options.fs as MemoryFs).list(log.options.directory).length).toBeGreaterThan(5);
		for (let cursor = 0; cursor <= 70; cursor++) expect(readAll(reader, cursor)).toEqual(all.slice(cursor));
		expect(reader.read(71)).toBeNull();
	});

	test("of an empty log waits", () => {
		const reader = memoryLog().reader();
		expect(reader.read(0)).toBeNull();
		expect(reader.read(17)).toBeNull();
	});

	test("below the oldest record gets a gap", () => {
		const log = memoryLog({ initialSeq: 100 });
		log.appendLabels(["a"]);
		expect(log.reader().read(50)).toEqual(new Gap(100));
		expect(readAll(log.reader(), 99)).toEqual(["100 a"]);
	});
});

describe("a batch", () => {
	test("finds its first record after a cursor, and keeps its frames", () => {
		const log = memoryLog();
		log.appendLabels(["a", "b", "c"]);
		const batch = log.reader().read(0);
		if (!(batch instanceof Batch)) throw new Error("the log is empty");
		expect([0, 1, 2, 3, 4].map((cursor) => batch.indexAfter(cursor))).toEqual([0, 1, 2, 3, 3]);
		expect([batch.firstLsn, batch.lastLsn, batch.count]).toEqual([1, 3, 3]);
		expect(batch.frame(1)).toBe(batch.frame(1));
		expect(() => batch.frame(3)).toThrow(RangeError);
	});

	test("is shared: a chunk that is published is read from its file once for all live consumers", () => {
		const fs = new MemoryFs();
		const log = new TestLog(temporaryDirectory(), fs);
		log.appendLabels(["a"]);
		const reader = log.reader();
		readAll(reader);
		let reads = 0;
		const read = fs.read.bind(fs);
		fs.read = (...args) => {
			reads += 1;
			return read(...args);
		};
		log.appendLabels(["b", "c"]);
		const batch = reader.read(1);
		expect(reader.read(1)).toBe(batch);
		expect(reader.read(2)).toBe(batch);
		expect(batch?.lastLsn).toBe(3);
		expect(reads).toBe(1);
	});
});

/** A small generator, so that the order of steps is the same in each run. */
function random(seed: number): (below: number) => number {
	let state = seed;
	return (below) => {
		state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
		return Math.floor((state / 2 ** 32) * below);
	};
}

describe("consumers that catch up while the log grows", () => {
	for (const cacheBytesMax of [0, 300_000, 64 * 1024 * 1024]) {
		test(`get all, once, in order, with ${cacheBytesMax} bytes of cache`, () => {
			const next = random(cacheBytesMax + 1);
			const log = memoryLog({ segmentBytes: 150_000 });
			const reader = log.reader(cacheBytesMax);
			const consumers = Array.from({ length: 4 }, () => ({ cursor: 0, seen: [] as string[] }));
			const advance = (consumer: { cursor: number; seen: string[] }): boolean => {
				const part = reader.read(consumer.cursor);
				if (part === null) return false;
				consumer.seen.push(...describePart(part, consumer.cursor));
				consumer.cursor = part.lastLsn;
				return true;
			};
			const written: string[] = [];
			while (written.length < 600) {
				const names = labels(`${written.length}-`, 1 + next(4));
				for (const name of names) written.push(`${written.length + 1} ${name}`);
				log.appendLabels(names, next(10) === 0 ? 60_000 : next(2_000));
				// The first keeps up. The others read now and then, so they lag by segments and catch up again.
				for (const [i, consumer] of consumers.entries()) {
					if (i === 0) while (advance(consumer));
					else for (let steps = next(10) < i * 3 ? 0 : next(6); steps > 0; steps--) advance(consumer);
				}
			}
			for (const consumer of consumers) while (advance(consumer));
			for (const { seen } of consumers) expect(seen).toEqual(written);
			expect(log.count("batches_evicted_total") > 0).toBe(cacheBytesMax < 1_000_000);
			reader.close();
			expect((log.options.fs as MemoryFs).openFiles).toBe(2);
		});
	}

	test("keep a bounded number of segments open", () => {
		const log = memoryLog({ segmentBytes: 1_000 });
		for (let i = 0; i < 60; i++) log.appendLabels([`a${i}`], 1_000);
		expect(readAll(log.reader()).length).toBe(60);
		expect((log.options.fs as MemoryFs).openFiles).toBeLessThanOrEqual(34);
	});
});

describe("damage", () => {
	/** A sealed segment of four records and an active one with one. */
	function twoSegments(): { log: TestLog; fs: MemoryFs; path: string } {
		const log = memoryLog({ segmentBytes: 400 });
		log.appendLabels(["a", "b", "c", "d"]);
		log.appendLabels(["e"]);
		const { fs, directory } = log.options;
		return { log, fs: fs as MemoryFs, path: segmentPath(directory, 1) };
	}

	test("a bit flipped at any byte of a sealed segment is a gap, or costs nothing; it is never served", () => {
		const { log, fs, path } = twoSegments();
		const whole = ["1 a", "2 b", "3 c", "4 d", "5 e"];
		expect(readAll(log.reader())).toEqual(whole);
		expect(fs.list(log.options.directory)).toContain(segmentFile(5));
		const content = fs.content(path);
		let gaps = 0;
		for (let at = 0; at < content.length; at++) {
			const flipped = Buffer.from(content);
			flipped.writeUInt8(flipped.readUInt8(at) ^ (1 << (at & 7)), at);
			fs.put(path, flipped);
			const reader = log.reader();
			const seen = readAll(reader);
			reader.close();
			const found = seen.find((line) => line.startsWith("gap"));
			if (found !== undefined) gaps += 1;
			const expected = whole.map((line, i) => (found === `gap to ${i + 2}` ? found : line));
			expect(seen).toEqual(expected);
		}
		// Damage in a record always shows; that in the header's copies and the footer need not.
		const recordBytes = content.length - 128 - 32 - 64;
		expect(gaps).toBe(recordBytes);
		expect(log.count("log_gaps_total")).toBe(gaps);
	});

	test("a bit flipped in the active segment, while it is written to, is a gap", () => {
		const log = memoryLog();
		const { fs, directory } = log.options;
		log.appendLabels(["a"]);
		const path = segmentPath(directory, 1);
		const end = (fs as MemoryFs).content(path).length;
		log.appendLabels(["b"]);
		const content = (fs as MemoryFs).content(path);
		content.writeUInt8(content.readUInt8(end + 70) ^ 4, end + 70);
		const reader = log.reader();
		expect(readAll(reader)).toEqual(["1 a", "gap to 3"]);
		log.appendLabels(["c"]);
		expect(readAll(reader, 1)).toEqual(["gap to 3", "3 c"]);
		expect(readAll(reader, 2)).toEqual(["3 c"]);
		expect(log.count("log_gaps_total")).toBe(1);
	});

	test("a sealed segment cut short keeps what is whole, and the rest is a gap", () => {
		const { log, fs, path } = twoSegments();
		const content = fs.content(path);
		fs.put(path, content.subarray(0, content.length - 300));
		const seen = readAll(log.reader());
		expect(seen.slice(-2)).toEqual(["gap to 5", "5 e"]);
		fs.put(path, Buffer.alloc(0));
		expect(readAll(log.reader())).toEqual(["gap to 5", "5 e"]);
	});
});

describe("retention", () => {
	test("a reader on a segment that is removed gets a gap to the oldest that is left", () => {
		let nowMs = START_MS;
		const log = memoryLog({ segmentBytes: 1_000, clock: () => nowMs });
		for (let i = 0; i < 4; i++) {
			log.appendLabels(labels(`${i}-`, 2), 1_000);
			nowMs += 24 * 3_600_000;
		}
		const reader = log.reader();
		expect(reader.read(0)).toBeInstanceOf(Batch);
		expect(readAll(reader, 1)[0]).toBe("2 0-2");
		log.setApplied(8);
		nowMs += 24 * 3_600_000;
		log.writer.maintain();
		const { firstSeq } = log.position.snapshot();
		expect(firstSeq).toBe(3);
		expect(reader.read(1)).toEqual(new Gap(3));
		expect(readAll(reader, 1)).toEqual(["gap to 3", ...readAll(log.reader(), 2)]);
		expect(readAll(reader, 2)[0]).toBe("3 1-1");
	});
});
