import { describe, expect, test } from "bun:test";
import { SEGMENT_HEADER_BYTES } from "../../../../src/log/local/segment/segment.ts";
import { NUMBERS_LEFT_OUT } from "../../../../src/log/local/write/log-writer.ts";
import { AHEAD_MIN } from "../../../../src/log/local/write/numbers-in-use.ts";
import { RECORD_EPOCH_AT } from "../../../../src/log/record/record.ts";
import { labels, messageEntry, readAll, segmentPath, TestLog, temporaryDirectory } from "../../harness.ts";
import { MemoryFs } from "../memory-fs.ts";

/** A log of one segment with these labels, killed, and the offset after each of its records. */
function killedLog(directory: string, names: readonly string[]): { fs: MemoryFs; path: string; ends: number[] } {
	const fs = new MemoryFs();
	const log = new TestLog(directory, fs);
	const path = segmentPath(directory, 1);
	const ends = names.map((name) => {
		log.appendLabels([name]);
		return fs.content(path).length;
	});
	log.kill();
	return { fs: fs.afterKill(), path, ends };
}

/** The same files, with other content of one. */
function withContent(fs: MemoryFs, path: string, content: Buffer): MemoryFs {
	const changed = fs.afterKill();
	changed.put(path, content);
	return changed;
}

function lines(names: readonly string[]): string[] {
	return names.map((name, i) => `${i + 1} ${name}`);
}

/** The next message, after all that was there. */
function nextLine(names: readonly string[]): string {
	return `${names.length + 1} next`;
}

const NAMES = ["a", "b", "c", "d"];
/** What recovery reads of a segment at a time. */
const WINDOW_BYTES = 1024 * 1024;

describe("a torn tail", () => {
	test("that was published, cut at every byte: the whole records before it, then a gap, and no seq used twice", () => {
		const directory = temporaryDirectory();
		const { fs, path, ends } = killedLog(directory, NAMES);
		const content = fs.content(path);
		for (let cut = 0; cut <= content.length; cut++) {
			let log = new TestLog(directory, withContent(fs, path, content.subarray(0, cut)));
			const whole = lines(NAMES.slice(0, ends.filter((end) => end <= cut).length));
			const isDamaged = cut < content.length;
			if (cut >= SEGMENT_HEADER_BYTES) expect(readAll(log.reader())).toEqual(whole);
			log.appendLabels(["next"]);
			// Without its header, nothing of the segment says how old `last-used` is.
			const nextSeq = NAMES.length + 1 + (cut < SEGMENT_HEADER_BYTES ? NUMBERS_LEFT_OUT : 0);
			const gap = isDamaged ? [`gap to ${nextSeq}`] : [];
			expect(readAll(log.reader())).toEqual([...whole, ...gap, `${nextSeq} next`]);
			expect(log.count("log_gaps_total") > 0).toBe(isDamaged);
			log.stop();
			log = new TestLog(directory, (log.options.fs as MemoryFs).afterKill());
			expect(readAll(log.reader())).toEqual([...whole, ...gap, `${nextSeq} next`]);
			log.stop();
		}
	});

	test("without the file `last-used`, cut at every byte: the whole records before it, and numbers left out", () => {
		const directory = temporaryDirectory();
		const { fs, path, ends } = killedLog(directory, NAMES);
		fs.remove(`${directory}/last-used`);
		const content = fs.content(path);
		for (let cut = SEGMENT_HEADER_BYTES; cut <= content.length; cut++) {
			const log = new TestLog(directory, withContent(fs, path, content.subarray(0, cut)));
			const whole = NAMES.slice(0, ends.filter((end) => end <= cut).length);
			expect(readAll(log.reader())).toEqual(lines(whole));
			expect(log.writer.nextSeq).toBe(whole.length + NUMBERS_LEFT_OUT + 1);
			expect((log.options.fs as MemoryFs).content(path).length).toBe(ends[whole.length - 1] ?? SEGMENT_HEADER_BYTES);
			expect(log.count("log_gaps_total")).toBe(0);
			log.stop();
		}
	});

	test("garbage and zeros after the last record are cut", () => {
		const directory = temporaryDirectory();
		const { fs, path } = killedLog(directory, NAMES);
		const content = fs.content(path);
		const halfRecord = content.subarray(SEGMENT_HEADER_BYTES, SEGMENT_HEADER_BYTES + 60);
		for (const tail of [Buffer.alloc(4096), Buffer.alloc(100_000, 0x5a), halfRecord, Buffer.from([1])]) {
			const log = new TestLog(directory, withContent(fs, path, Buffer.concat([content, tail])));
			expect(readAll(log.reader())).toEqual(lines(NAMES));
			expect((log.options.fs as MemoryFs).content(path)).toEqual(content);
			log.appendLabels(["next"]);
			expect(readAll(log.reader()).length).toBe(NAMES.length + 1);
			log.stop();
		}
	});

	test("after a clean stop the file is left as long as it is, and is written on where its records end", () => {
		const directory = temporaryDirectory();
		const fs = new MemoryFs();
		let log = new TestLog(directory, fs);
		log.appendLabels(NAMES);
		log.stop();
		const path = segmentPath(directory, 1);
		const content = fs.content(path);
		const longer = Buffer.concat([content, Buffer.alloc(100_000)]);
		log = new TestLog(directory, withContent(fs, path, longer), { segmentBytes: content.length + 1 });
		const found = log.options.fs as MemoryFs;
		expect(found.content(path)).toEqual(longer);
		log.appendLabels(["next"]);
		expect(found.content(path).length).toBe(longer.length);
		// The footer ends the file of a segment that is full.
		log.appendLabels(["more"]);
		expect(found.content(path).length).toBeLessThan(longer.length);
		expect(readAll(log.reader())).toEqual([...lines(NAMES), "5 next", "6 more"]);
		log.kill();
		log = new TestLog(directory, found.afterKill());
		expect(readAll(log.reader())).toEqual([...lines(NAMES), "5 next", "6 more"]);
		expect(log.count("log_gaps_total")).toBe(0);
	});

	test("an old record of a file that was used before is not taken for one of the segment, even as the last", () => {
		const directory = temporaryDirectory();
		const { fs, path, ends } = killedLog(directory, NAMES);
		const content = fs.content(path);
		for (const ghost of [content.subarray(SEGMENT_HEADER_BYTES, ends[0]), content.subarray(ends[2], ends[3])]) {
			const log = new TestLog(directory, withContent(fs, path, Buffer.concat([content, ghost])));
			expect(readAll(log.reader())).toEqual(lines(NAMES));
			log.stop();
		}
	});
});

describe("damage", () => {
	test("a bit flipped at any byte of the active segment is a gap, at its end too", () => {
		const directory = temporaryDirectory();
		const { fs, path, ends } = killedLog(directory, NAMES);
		const content = fs.content(path);
		const last = ends[2] ?? 0;
		for (let at = 0; at < content.length; at++) {
			const flipped = Buffer.from(content);
			flipped.writeUInt8(flipped.readUInt8(at) ^ (1 << (at & 7)), at);
			const damaged = withContent(fs, path, flipped);
			const log = new TestLog(directory, damaged);
			const hit = ends.filter((end) => end <= at).length;
			const expected = lines(NAMES);
			if (at >= SEGMENT_HEADER_BYTES) expected[hit] = `gap to ${hit + 2}`;
			// Readers get the gap at the end only when there is a record after it.
			expect(readAll(log.reader())).toEqual(at < last ? expected : expected.slice(0, -1));
			expect(log.count("log_gaps_total") > 0).toBe(at >= SEGMENT_HEADER_BYTES);
			// The damaged bytes stay in the file.
			expect(damaged.content(path)).toEqual(flipped);
			log.appendLabels(["next"]);
			expect(readAll(log.reader())).toEqual([...expected, nextLine(NAMES)]);
			log.stop();
		}
	});

	test("the next record is found across the edge of the part that recovery has in memory", () => {
		// The first record ends where an edge falls upon each byte of the next one's epoch.
		for (const cutAt of [1, 2, 3].map((bytes) => RECORD_EPOCH_AT + bytes)) {
			const end = SEGMENT_HEADER_BYTES + WINDOW_BYTES - cutAt;
			const directory = temporaryDirectory();
			const path = segmentPath(directory, 1);
			const measured = new MemoryFs();
			new TestLog(temporaryDirectory(), measured).append(messageEntry("a", WINDOW_BYTES));
			const overBytes = Math.max(...[...measured.files.values()].map(({ content }) => content.length)) - end;
			const fs = new MemoryFs();
			const log = new TestLog(directory, fs);
			log.append(messageEntry("a", WINDOW_BYTES - overBytes));
			expect(fs.content(path).length).toBe(end);
			log.appendLabels(["b"], 100);
			log.kill();
			const content = Buffer.from(fs.content(path));
			content.writeUInt8(content.readUInt8(end - 1) ^ 1, end - 1);
			const again = new TestLog(directory, withContent(fs, path, content));
			expect(again.count("log_gaps_total")).toBe(1);
			expect(readAll(again.reader())).toEqual(["gap to 2", "2 b"]);
		}
	});

	test("goes on after a damaged stretch", () => {
		const directory = temporaryDirectory();
		const { fs, path, ends } = killedLog(directory, NAMES);
		const content = Buffer.from(fs.content(path));
		content.fill(0, ends[0], ends[2]);
		let log = new TestLog(directory, withContent(fs, path, content));
		log.appendLabels(["next"]);
		const expected = ["1 a", "gap to 4", "4 d", "5 next"];
		expect(readAll(log.reader())).toEqual(expected);
		log.stop();
		log = new TestLog(directory, (log.options.fs as MemoryFs).afterKill());
		expect(readAll(log.reader())).toEqual(expected);
		expect(readAll(log.reader(), 2)).toEqual(expected.slice(1));
	});

	test("a last segment whose header is lost is kept, and a gap", () => {
		const directory = temporaryDirectory();
		const { fs, path } = killedLog(directory, NAMES);
		const content = Buffer.from(fs.content(path));
		content.fill(0, 0, SEGMENT_HEADER_BYTES);
		const damaged = withContent(fs, path, content);
		const log = new TestLog(directory, damaged);
		log.appendLabels(["next"]);
		const nextSeq = NUMBERS_LEFT_OUT + 5;
		expect(readAll(log.reader())).toEqual([`gap to ${nextSeq}`, `${nextSeq} next`]);
		expect(damaged.content(path)).toEqual(content);
	});

	test("stops the start if nothing says which seqs were used", () => {
		const directory = temporaryDirectory();
		const { fs, path } = killedLog(directory, NAMES);
		const damaged = withContent(fs, path, Buffer.from(fs.content(path)).fill(0, 0, SEGMENT_HEADER_BYTES));
		damaged.put(`${directory}/last-used`, Buffer.alloc(1024));
		expect(() => new TestLog(directory, damaged)).toThrow("RELAY_INITIAL_SEQ_NUMBER well above");
	});
});

describe("files of a crash", () => {
	test("a segment that was still being made leaves nothing behind", () => {
		const directory = temporaryDirectory();
		const second = segmentPath(directory, 11);
		for (const step of ["create", "write", "sync", "rename", "syncDirectory"]) {
			const fs = new MemoryFs();
			const log = new TestLog(directory, fs, { segmentBytes: 1_000 });
			log.appendLabels(labels("a", 10), 100);
			fs.fault = (call) => {
				if (call.startsWith(step) && (step === "syncDirectory" || call.includes("11.seg"))) throw new Error("killed");
			};
			expect(() => log.appendLabels(["lost"])).toThrow("killed");
			expect(fs.files.has(second)).toBe(step === "syncDirectory");
			log.kill();
			for (const found of [fs.afterKill(), fs.afterPowerCut()]) {
				const again = new TestLog(directory, found);
				expect(found.list(directory).filter((name) => name.endsWith(".tmp"))).toEqual([]);
				again.appendLabels(["next"]);
				expect(readAll(again.reader()).slice(-2)).toEqual(["10 a10", `${again.writer.nextSeq - 1} next`]);
				expect(again.count("log_gaps_total")).toBe(0);
				again.kill();
			}
		}
	});

	test("an empty last segment is kept, and a gap", () => {
		const directory = temporaryDirectory();
		const fs = new MemoryFs();
		const log = new TestLog(directory, fs, { segmentBytes: 1_000 });
		log.appendLabels(labels("a", 10), 100);
		log.appendLabels(["lost"]);
		log.kill();
		for (const leftover of [Buffer.alloc(0), Buffer.alloc(50), Buffer.alloc(4096)]) {
			const found = fs.afterKill();
			found.put(segmentPath(directory, 11), leftover);
			const again = new TestLog(directory, found);
			again.appendLabels(["next"]);
			const seq = again.writer.nextSeq - 1;
			expect(readAll(again.reader()).slice(9)).toEqual(["10 a10", `gap to ${seq}`, `${seq} next`]);
			expect(again.count("log_gaps_total")).toBeGreaterThan(0);
			expect(found.content(segmentPath(directory, 11))).toEqual(leftover);
			again.kill();
		}
	});

	test("an empty segment that begins after seqs left out is used, also at the second start", () => {
		const directory = temporaryDirectory();
		const fs = new MemoryFs();
		const log = new TestLog(directory, fs, { segmentBytes: 1_000 });
		log.appendLabels(labels("a", 10), 100);
		log.kill();
		// The next start leaves numbers out, and then ends the full segment before it has a record of its own.
		let found = fs.afterKill();
		found.remove(`${directory}/last-used`);
		const rotated = new TestLog(directory, found, { segmentBytes: 1_000 });
		rotated.writer.prepare();
		found = found.afterKill();
		rotated.kill();
		for (let start = 0; start < 3; start++) {
			const again = new TestLog(directory, found);
			expect(found.content(segmentPath(directory, NUMBERS_LEFT_OUT + 11)).length).toBe(SEGMENT_HEADER_BYTES);
			expect(again.position.snapshot()).toMatchObject({ lastSeq: 10, seqUsedMax: NUMBERS_LEFT_OUT + 10 });
			expect(again.position.snapshot()).toMatchObject({ lastLsn: 10, lsnUsedMax: NUMBERS_LEFT_OUT + 10 });
			expect(readAll(again.reader()).at(-1)).toBe("10 a10");
			found = found.afterKill();
			again.kill();
		}
		// Even if the bound is lost, no seq may be lower than its segment's first.
		found.remove(`${directory}/last-used`);
		const last = new TestLog(directory, found, { initialSeq: 5 });
		expect([last.writer.nextLsn, last.writer.nextSeq]).toEqual(Array(2).fill(2 * NUMBERS_LEFT_OUT + 11));
		last.appendLabels(["next"]);
		expect(readAll(last.reader()).slice(-2)).toEqual(["10 a10", `${2 * NUMBERS_LEFT_OUT + 11} next`]);
	});

	test("leftover temporary files go", () => {
		const directory = temporaryDirectory();
		const { fs } = killedLog(directory, NAMES);
		fs.put(`${directory}/last-used.tmp`, Buffer.from("half"));
		const log = new TestLog(directory, fs);
		expect(fs.list(directory)).not.toContain("last-used.tmp");
		log.appendLabels(["next"]);
		expect(readAll(log.reader()).length).toBe(NAMES.length + 1);
	});

	test("a segment that is missing between others is a gap", () => {
		const directory = temporaryDirectory();
		const fs = new MemoryFs();
		const log = new TestLog(directory, fs, { segmentBytes: 1_000 });
		for (let batch = 0; batch < 3; batch++) log.appendLabels(labels(`${batch}-`, 4), 300);
		log.stop();
		const found = fs.afterKill();
		found.remove(segmentPath(directory, 5));
		const again = new TestLog(directory, found);
		expect(again.count("log_gaps_total")).toBe(1);
		expect(readAll(again.reader()).slice(3, 6)).toEqual(["4 0-4", "gap to 9", "9 2-1"]);
		expect(readAll(again.reader(), 6).slice(0, 2)).toEqual(["gap to 9", "9 2-1"]);
	});
});

describe("a log of several segments", () => {
	const BATCHES = [
		["a", "b"],
		["c", "d"],
		["e", "f"],
	];
	const ALL = lines(BATCHES.flat());

	/** Three segments of two records each, the last one active, and the process killed. */
	function threeSegments(directory: string): MemoryFs {
		const fs = new MemoryFs();
		const log = new TestLog(directory, fs, { segmentBytes: 300 });
		for (const batch of BATCHES) log.appendLabels(batch);
		log.kill();
		return fs.afterKill();
	}

	/**
	 * Starts on what is left, appends more, and checks what a reader gets: only what was written, in order, to the end, and a gap
	 * at each place where something is gone. Returns the lines.
	 */
	function checkStart(directory: string, fs: MemoryFs): string[] {
		const log = new TestLog(directory, fs);
		log.appendLabels(["next"]);
		const nextSeq = log.writer.nextSeq - 1;
		expect(nextSeq).toBeGreaterThan(ALL.length);
		const reader = log.reader();
		const seen = readAll(reader);
		let at = 1;
		let isTold = false;
		for (const line of seen) {
			const seq = Number(line.replace("gap to ", "").split(" ")[0]);
			if (line.startsWith("gap")) {
				isTold = true;
				continue;
			}
			expect(line).toBe(seq === nextSeq ? `${seq} next` : (ALL[seq - 1] ?? ""));
			if (seq > at && at <= ALL.length) expect([line, isTold]).toEqual([line, true]);
			at = seq + 1;
			isTold = false;
		}
		expect(seen.at(-1)).toBe(`${nextSeq} next`);
		// Without the oldest segment the log looks as retention leaves it.
		const isDamaged = seen.some((line) => line.startsWith("gap")) && fs.files.has(segmentPath(directory, 1));
		expect(log.count("log_gaps_total") > 0).toBe(isDamaged);
		// From any cursor a reader gets the same, as far as it comes after the cursor.
		for (let cursor = 1; cursor <= ALL.length; cursor++) {
			const behind = readAll(reader, cursor).filter((line) => !line.startsWith("gap"));
			expect(behind).toEqual(seen.filter((line) => !line.startsWith("gap") && Number(line.split(" ")[0]) > cursor));
		}
		reader.close();
		log.kill();
		return seen;
	}

	for (const firstSeq of [1, 3, 5]) {
		test(`segment ${firstSeq} cut at every byte`, () => {
			const directory = temporaryDirectory();
			const fs = threeSegments(directory);
			const path = segmentPath(directory, firstSeq);
			const content = fs.content(path);
			let whole = 0;
			for (let cut = 0; cut < content.length; cut++) {
				const seen = checkStart(directory, withContent(fs, path, content.subarray(0, cut)));
				if (!seen.some((line) => line.startsWith("gap"))) whole += 1;
			}
			// Without a footer the records are still there.
			expect(whole > 0).toBe(firstSeq !== 5);
		});

		test(`segment ${firstSeq} with a bit flipped at every byte`, () => {
			const directory = temporaryDirectory();
			const fs = threeSegments(directory);
			const path = segmentPath(directory, firstSeq);
			const content = fs.content(path);
			let hits = 0;
			for (let at = 0; at < content.length; at++) {
				const flipped = Buffer.from(content);
				flipped.writeUInt8(flipped.readUInt8(at) ^ (1 << (at & 7)), at);
				const seen = checkStart(directory, withContent(fs, path, flipped));
				const lost = ALL.filter((line) => !seen.includes(line));
				expect(lost.length).toBeLessThanOrEqual(1);
				hits += lost.length;
			}
			// Each byte of a record costs that one; those of the header's copies and of the footer, of one entry, nothing.
			const footerBytes = firstSeq === 5 ? 0 : 32 + 64;
			expect(hits).toBe(content.length - SEGMENT_HEADER_BYTES - footerBytes);
		});

		test(`segment ${firstSeq} missing, empty, or with garbage after it`, () => {
			const directory = temporaryDirectory();
			const fs = threeSegments(directory);
			const path = segmentPath(directory, firstSeq);
			const others = ALL.filter((_, i) => i + 1 < firstSeq || i + 1 > firstSeq + 1);
			const missing = fs.afterKill();
			missing.remove(path);
			for (const damaged of [missing, withContent(fs, path, Buffer.alloc(0))]) {
				const seen = checkStart(directory, damaged);
				expect(seen.filter((line) => !line.startsWith("gap")).slice(0, -1)).toEqual(others);
			}
			const content = fs.content(path);
			for (const garbage of [Buffer.alloc(4_096), Buffer.alloc(5_000, 0x5a), content.subarray(SEGMENT_HEADER_BYTES)]) {
				const seen = checkStart(directory, withContent(fs, path, Buffer.concat([content, garbage])));
				expect(seen.slice(0, -1)).toEqual(ALL);
			}
		});
	}

	test("a last segment that is lost, and a `last-used` of any earlier moment: no number is used twice, and no file is replaced", () => {
		const directory = temporaryDirectory();
		const fs = new MemoryFs();
		const log = new TestLog(directory, fs, { segmentBytes: 300 });
		const lastUsed = `${directory}/last-used`;
		const notes = [Buffer.from(fs.content(lastUsed))];
		for (const batch of BATCHES) {
			log.appendLabels(batch);
			notes.push(Buffer.from(fs.content(lastUsed)));
		}
		log.kill();
		const last = segmentPath(directory, 5);
		for (const note of notes) {
			for (const content of [null, Buffer.alloc(0), Buffer.from(fs.content(last)).fill(0, 0, SEGMENT_HEADER_BYTES)]) {
				const found = withContent(fs, lastUsed, note);
				if (content === null) found.remove(last);
				else found.put(last, content);
				const before = found.afterKill();
				// After the two that it had at least.
				const seen = checkStart(directory, found);
				expect(seen.slice(0, 4)).toEqual(ALL.slice(0, 4));
				expect(seen).toHaveLength(6);
				for (const path of before.files.keys()) {
					if (path.endsWith(".seg")) expect(found.content(path)).toEqual(before.content(path));
				}
				// The next start finds the same.
				const again = new TestLog(directory, found.afterKill());
				expect(readAll(again.reader())).toEqual(seen);
				again.kill();
			}
		}
	});

	test("a last segment that is missing after a clean stop is reported too", () => {
		const directory = temporaryDirectory();
		const fs = new MemoryFs();
		const log = new TestLog(directory, fs, { segmentBytes: 300 });
		for (const batch of BATCHES) log.appendLabels(batch);
		log.stop();
		const found = fs.afterKill();
		found.remove(segmentPath(directory, 5));
		const seen = checkStart(directory, found);
		expect(seen).toEqual([...ALL.slice(0, 4), "gap to 7", "7 next"]);
	});
});

describe("seqs", () => {
	test("begin with the initial one, and only in an empty log", () => {
		const directory = temporaryDirectory();
		const fs = new MemoryFs();
		let log = new TestLog(directory, fs, { initialSeq: 5_000 });
		expect(log.position.snapshot()).toMatchObject({ firstSeq: 5_000, lastSeq: 4_999, seqUsedMax: 4_999 });
		log.appendLabels(["a"]);
		log.stop();
		log = new TestLog(directory, fs.afterKill(), { initialSeq: 1 });
		log.appendLabels(["b"]);
		expect(readAll(log.reader(), 4_999)).toEqual(["5000 a", "5001 b"]);
	});

	test("go on without a hole after a clean stop and after a kill; in mode `write` above the bound after a kill", () => {
		const directory = temporaryDirectory();
		const fs = new MemoryFs();
		let log = new TestLog(directory, fs, { syncMode: "write" });
		log.appendLabels(["a"]);
		log.kill();
		log = new TestLog(directory, fs.afterKill());
		expect(log.position.snapshot()).toMatchObject({ lastSeq: 1, seqUsedMax: AHEAD_MIN + 1 });
		expect(log.position.snapshot()).toMatchObject({ lastLsn: 1, lsnUsedMax: AHEAD_MIN + 1 });
		expect(log.reader().read(1)).toBeNull();
		log.stop();
		log = new TestLog(directory, (log.options.fs as MemoryFs).afterKill());
		log.appendLabels(["b"]);
		log.kill();
		log = new TestLog(directory, (log.options.fs as MemoryFs).afterKill());
		log.appendLabels(["c"]);
		expect(readAll(log.reader())).toEqual(["1 a", `${AHEAD_MIN + 2} b`, `${AHEAD_MIN + 3} c`]);
	});

	test("mode write: a power cut takes records that were published, and their seqs are not used again", async () => {
		const directory = temporaryDirectory();
		const fs = new MemoryFs();
		const log = new TestLog(directory, fs, { syncMode: "write" });
		log.appendLabels(["a", "b"]);
		await log.writer.syncInBackground();
		log.appendLabels(["c", "d"]);
		expect(readAll(log.reader()).length).toBe(4);
		const cut = fs.afterPowerCut();
		log.kill();
		const again = new TestLog(directory, cut, { syncMode: "write" });
		again.appendLabels(["e"]);
		const seen = readAll(again.reader());
		expect(seen.slice(0, 2)).toEqual(["1 a", "2 b"]);
		expect(seen.length).toBe(3);
		expect(Number(seen[2]?.split(" ")[0])).toBeGreaterThan(4);
	});

	test("mode write: a power cut does not bring back an older bound", async () => {
		const directory = temporaryDirectory();
		const fs = new MemoryFs();
		let log = new TestLog(directory, fs, { syncMode: "write" });
		log.appendLabels(["a"]);
		log.kill();
		log = new TestLog(directory, fs.afterKill(), { syncMode: "write" });
		log.appendLabels(["b"]);
		expect(readAll(log.reader())).toEqual(["1 a", `${AHEAD_MIN + 2} b`]);
		const cut = (log.options.fs as MemoryFs).afterPowerCut();
		log.kill();
		log = new TestLog(directory, cut, { syncMode: "write" });
		log.appendLabels(["c"]);
		expect(readAll(log.reader())).toEqual(["1 a", `${2 * AHEAD_MIN + 3} c`]);
	});

	test("mode always: a power cut takes nothing that was published", () => {
		const directory = temporaryDirectory();
		const fs = new MemoryFs();
		const log = new TestLog(directory, fs, { segmentBytes: 2_000 });
		for (let i = 1; i <= 20; i++) {
			log.appendLabels([`a${i}`], 500);
			const published = readAll(log.reader());
			expect(published.length).toBe(i);
			const elsewhere = temporaryDirectory();
			const cut = new TestLog(elsewhere, fs.afterPowerCut().moved(directory, elsewhere));
			expect(readAll(cut.reader())).toEqual(published);
		}
	});
});

test("an empty log leaves no seqs out when it is opened again", () => {
	const directory = temporaryDirectory();
	const { fs } = killedLog(directory, []);
	const log = new TestLog(directory, fs);
	log.append(messageEntry("first"));
	expect(readAll(log.reader())).toEqual(["1 first"]);
});

test("without the file `last-used`, seqs are left out rather than used again", () => {
	const directory = temporaryDirectory();
	const { fs } = killedLog(directory, NAMES);
	fs.remove(`${directory}/last-used`);
	const log = new TestLog(directory, fs);
	log.append(messageEntry("next"));
	expect(readAll(log.reader()).at(-1)).toBe(`${NAMES.length + NUMBERS_LEFT_OUT + 1} next`);
});

test("with both slots of `last-used` damaged, too", () => {
	const directory = temporaryDirectory();
	const { fs } = killedLog(directory, NAMES);
	const path = `${directory}/last-used`;
	const content = fs.content(path);
	for (let at = 0; at < 52; at++) {
		const flipped = Buffer.from(content);
		for (const slot of [0, 512]) flipped.writeUInt8(flipped.readUInt8(slot + at) ^ 1, slot + at);
		const log = new TestLog(directory, withContent(fs, path, flipped));
		expect([log.writer.nextLsn, log.writer.nextSeq]).toEqual(Array(2).fill(NAMES.length + NUMBERS_LEFT_OUT + 1));
		log.stop();
	}
});
