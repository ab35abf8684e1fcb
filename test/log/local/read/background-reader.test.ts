import { describe, expect, test } from "bun:test";
import { AHEAD_CHUNKS, BackgroundReader, LOADS_MAX } from "../../../../src/log/local/read/background-reader.ts";
import type { LogReader } from "../../../../src/log/local/read/reader.ts";
import { Batch } from "../../../../src/log/record/batch.ts";
import { describePart, labels, readAll, TestLog, temporaryDirectory } from "../../harness.ts";
import { MemoryFs } from "../memory-fs.ts";

const FRAME_BYTES = 20_000;
/** A read of more bytes than a header, a footer or a record has is one of a chunk. */
const BLOCK_BYTES_MIN = 2 * FRAME_BYTES;

/** A file system whose background reads wait to be let through. */
class SlowDiskFs extends MemoryFs {
	/** Lengths of what was read on the reader's own thread. */
	readonly readsAtOnce: number[] = [];
	readonly waiting: { go(): void; fail(error: Error): void }[] = [];
	waitingMax = 0;
	loads = 0;
	isSlow = true;

	override read(file: number, target: Buffer, position: number): number {
		this.readsAtOnce.push(target.length);
		return super.read(file, target, position);
	}

	override async readInBackground(file: number, target: Buffer, position: number): Promise<number> {
		this.loads++;
		if (this.isSlow) {
			const { promise, resolve, reject } = Promise.withResolvers<void>();
			this.waiting.push({ go: resolve, fail: reject });
			this.waitingMax = Math.max(this.waitingMax, this.waiting.length);
			await promise;
		}
		return super.read(file, target, position);
	}

	/** Lets the read that waits longest through. */
	go(): void {
		this.waiting.shift()?.go();
	}
}

interface Bench {
	fs: SlowDiskFs;
	log: TestLog;
	inner: LogReader;
	reader: BackgroundReader;
	/** The log's whole content. */
	all: string[];
}

/** Eight sealed segments of five records each, in a single chunk, and an active one. */
function coldLog(): Bench {
	const fs = new SlowDiskFs();
	const log = new TestLog(temporaryDirectory(), fs, { segmentBytes: 90_000 });
	for (let segment = 0; segment < 8; segment++) log.appendLabels(labels(`${segment}-`, 5), FRAME_BYTES);
	log.appendLabels(["live"]);
	const whole = log.reader();
	const all = readAll(whole);
	whole.close();
	const inner = log.reader(64 * 1024 * 1024);
	fs.readsAtOnce.length = 0;
	return { fs, log, inner, reader: new BackgroundReader(inner), all };
}

/** First cursor in each of the eight segments. */
const CURSORS = [0, 5, 10, 15, 20, 25, 30, 35];

async function readOn(reader: BackgroundReader, cursor: number): Promise<string[]> {
	const seen: string[] = [];
	for (let at = cursor; ; ) {
		const next = reader.read(at);
		if (next === null) return seen;
		if (next instanceof Promise) {
			await next;
			continue;
		}
		seen.push(...describePart(next, at));
		at = next.lastLsn;
	}
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("reading in the background", () => {
	test("gives the same as reading at once, from every cursor, and reads no chunk on this thread", async () => {
		const { fs, reader, all } = coldLog();
		fs.isSlow = false;
		expect(all.length).toBe(41);
		for (let cursor = 41; cursor >= 0; cursor--) expect(await readOn(reader, cursor)).toEqual(all.slice(cursor));
		expect(fs.readsAtOnce.filter((bytes) => bytes >= BLOCK_BYTES_MIN)).toEqual([]);
		expect(fs.loads).toBe(8);
	});

	test("reads a chunk once for all that wait for it", async () => {
		const { fs, reader } = coldLog();
		const first = reader.read(0);
		expect(first).toBeInstanceOf(Promise);
		expect(reader.read(2)).toBe(first);
		await settled();
		expect(fs.loads).toBe(1);
		fs.go();
		await first;
		expect(reader.read(0)).toBeInstanceOf(Batch);
		expect(reader.read(2)).toBeInstanceOf(Batch);
	});

	test("serves the last records while others wait for the disk", async () => {
		const { fs, log, reader } = coldLog();
		const cold = reader.read(0);
		log.appendLabels(["later"]);
		const batch = reader.read(41);
		expect(batch instanceof Batch && describePart(batch, 41)).toEqual(["42 later"]);
		expect(cold).toBeInstanceOf(Promise);
		await settled();
		expect(fs.waiting.length).toBe(1);
	});

	test("asks the disk for a few chunks at once, and for all in the end", async () => {
		const { fs, reader, all } = coldLog();
		const read = CURSORS.map((cursor) => readOn(reader, cursor));
		await settled();
		expect(fs.waiting.length).toBe(LOADS_MAX);
		fs.go();
		await settled();
		expect(fs.waiting.length).toBe(LOADS_MAX);
		let done = false;
		const everyone = Promise.all(read).then((seen) => {
			done = true;
			return seen;
		});
		while (!done) {
			fs.go();
			await settled();
		}
		expect(await everyone).toEqual(CURSORS.map((cursor) => all.slice(cursor)));
		expect(fs.waitingMax).toBe(LOADS_MAX);
	});

	test("loads the chunks after the one that is read, unless others wait for the disk", async () => {
		const { fs, reader } = coldLog();
		const goOn = async (): Promise<void> => {
			while (fs.waiting.length > 0) {
				fs.go();
				await settled();
			}
		};
		const first = reader.read(0);
		await settled();
		await goOn();
		await first;
		expect(fs.loads).toBe(1);
		expect(reader.read(0)).toBeInstanceOf(Batch);
		await settled();
		await goOn();
		expect(fs.loads).toBe(1 + AHEAD_CHUNKS);
		// Others use all of the disk, so nothing is read ahead for the reader that goes on here.
		const others = CURSORS.slice(-LOADS_MAX).map((cursor) => reader.read(cursor));
		await settled();
		expect(fs.waiting.length).toBe(LOADS_MAX);
		expect(reader.read(5)).toBeInstanceOf(Batch);
		expect(reader.read(10)).toBeInstanceOf(Batch);
		await settled();
		await goOn();
		await Promise.all(others);
		expect(fs.loads).toBe(1 + AHEAD_CHUNKS + LOADS_MAX);
		expect(reader.read(15)).toBeInstanceOf(Promise);
	});

	test("a read that fails rejects for all that wait for it, and the next call tries again", async () => {
		const { fs, reader, all } = coldLog();
		const first = reader.read(0);
		await settled();
		fs.waiting.shift()?.fail(Object.assign(new Error("EIO"), { code: "EIO" }));
		expect(first).rejects.toThrow("EIO");
		await settled();
		fs.isSlow = false;
		expect(await readOn(reader, 0)).toEqual(all);
	});

	test.each([
		["in a segment that can't be opened", "open"],
		["in a directory that can't be listed", "list"],
		["in a chunk that can't be read", "chunk"],
	] as const)("a read %s fails as a promise, whatever the reason, and the promise may be dropped", async (_, place) => {
		// The runner fails a test that leaves a rejection unhandled.
		for (const error of [Object.assign(new Error("EIO"), { code: "EIO" }), new TypeError("a slip of ours")]) {
			const { fs, reader } = coldLog();
			const fail = (): never => {
				throw error;
			};
			if (place === "chunk") fs.readInBackground = async () => fail();
			else fs[place] = fail;
			const first = reader.read(0);
			expect(first).toBeInstanceOf(Promise);
			expect(reader.read(0)).toBeInstanceOf(Promise);
			await expect(Promise.resolve(first)).rejects.toBe(error);
			expect(reader.read(35)).toBeInstanceOf(Promise);
			await settled();
			await settled();
		}
	});

	test("a segment ahead that can't be opened causes no error before it is needed", async () => {
		const { fs, reader } = coldLog();
		fs.isSlow = false;
		await reader.read(0);
		const open = fs.open.bind(fs);
		let refused = 0;
		fs.open = () => {
			refused++;
			throw Object.assign(new Error("EACCES"), { code: "EACCES" });
		};
		expect(reader.read(0)).toBeInstanceOf(Batch);
		await settled();
		expect(refused).toBe(1);
		await expect(Promise.resolve(reader.read(5))).rejects.toThrow("EACCES");
		fs.open = open;
		await reader.read(5);
		expect(reader.read(5)).toBeInstanceOf(Batch);
	});

	test.each(["EMFILE", "ENFILE"])(
		"whoever reads on while too many files are open (%s) waits, and is not cut off",
		async (code) => {
			const { fs, reader } = coldLog();
			fs.isSlow = false;
			const open = fs.open.bind(fs);
			let refused = 0;
			fs.open = () => {
				refused++;
				throw Object.assign(new Error(code), { code });
			};
			for (let tries = 1; tries < 3; tries++) {
				await reader.read(0);
				expect(refused).toBe(tries);
			}
			fs.open = open;
			await reader.read(0);
			expect(reader.read(0)).toBeInstanceOf(Batch);
		},
	);

	test("a segment that is closed while it is read stays open until then", async () => {
		const { fs, inner, reader } = coldLog();
		const files = fs.openFiles;
		const first = reader.read(0);
		const last = reader.read(35);
		await settled();
		expect(fs.openFiles).toBe(files + 2);
		inner.close();
		expect(fs.openFiles).toBe(files + 2);
		fs.go();
		await first;
		expect(fs.openFiles).toBe(files + 1);
		fs.go();
		await last;
		expect(fs.openFiles).toBe(files);
	});
});
