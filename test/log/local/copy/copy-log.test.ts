import { describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { type CopiedLog, CopyOvertaken, copyLog } from "../../../../src/log/local/copy/copy-log.ts";
import { CopyChanged, occupantOf, RestoredLog } from "../../../../src/log/local/copy/restored-log.ts";
import { verifyLog } from "../../../../src/log/local/examine/verify.ts";
import { readLogId } from "../../../../src/log/local/log-id.ts";
import { listSegments } from "../../../../src/log/local/segment/segment.ts";
import type { SyncMode } from "../../../../src/log/local/write/numbers-in-use.ts";
import { Rng } from "../../../../src/sim/rng.ts";
import { controlOf, messageEntry, readAll, TestLog, temporaryDirectory } from "../../harness.ts";
import type { MemoryFs } from "../memory-fs.ts";
import { ReusingFs, SteppedFs } from "./stepped-fs.ts";

const SEGMENT_BYTES = 8 * 1024;
/** As few as there can be with files that are prepared, and used again. */
const SEGMENTS_KEPT = 8;

/** A log whose writer is asked for its next step by the test. */
class WrittenLog {
	readonly fs = new ReusingFs();
	readonly directory = temporaryDirectory();
	/** A folder for the copy. */
	readonly to = temporaryDirectory();
	readonly log: TestLog;
	readonly #rng: Rng;
	messages = 0;

	constructor(rng: Rng, syncMode: SyncMode) {
		this.#rng = rng;
		const replayBytesMax = SEGMENTS_KEPT * SEGMENT_BYTES;
		this.log = new TestLog(this.directory, this.fs, { syncMode, segmentBytes: SEGMENT_BYTES, replayBytesMax });
	}

	/** Appends a batch. Segments may begin and go by it. */
	write(): void {
		const entries = Array.from({ length: 1 + this.#rng.int(4) }, () => {
			if (this.#rng.int(5) === 0) return controlOf(1 + this.#rng.int(3));
			this.messages += 1;
			return messageEntry(`message ${this.messages}`, this.#rng.int(1_500));
		});
		this.log.append(...entries);
		this.log.setApplied(this.log.position.snapshot().lastLsn);
		this.log.writer.maintain();
		this.log.writer.keepUp();
	}

	/** Appends batches, and lets the next segment's file be prepared meanwhile. */
	async fill(batches: number): Promise<void> {
		for (let batch = batches; batch > 0; batch--) {
			this.write();
			while (this.log.writer.isBusy) await Promise.resolve();
		}
	}

	/** Appends until so many segments are removed, or all that there are. */
	remove(segments: number): void {
		const { fs, directory } = this;
		const last = listSegments(fs, directory).slice(0, segments).at(-1)?.firstLsn ?? 0;
		while ((listSegments(fs, directory)[0]?.firstLsn ?? 0) <= last) this.write();
	}

	copy(onStep: (step: number) => void): CopiedLog {
		return copyLog({ fs: new SteppedFs(this.fs, onStep), from: this.directory, to: this.to, onBytes: () => {} });
	}
}

/** Checks that a copy is sound, and what it says of itself. Returns its messages' seqs. */
function checkCopy(fs: MemoryFs, to: string, copy: CopiedLog): { firstSeq: number; lastSeq: number } {
	const faults: unknown[] = [];
	const summary = verifyLog(fs, to, { onFault: (fault) => faults.push(fault), onSegment: () => {} });
	expect(faults).toEqual([]);
	expect(fs.list(to).sort()).toEqual(copy.files.map(({ name }) => name));
	for (const { name, bytes, sha256 } of copy.files) {
		const content = fs.content(join(to, name));
		expect(content.length).toBe(bytes);
		expect(createHash("sha256").update(content).digest("hex")).toBe(sha256);
	}
	const { firstSeq, lastSeq, messages, seqsLeftOut } = summary;
	if (firstSeq === null || lastSeq === null) throw new Error("the copy has no messages");
	expect({ seqsLeftOut, messages }).toEqual({ seqsLeftOut: 0, messages: lastSeq - firstSeq + 1 });
	expect(copy.last.seq).toBe(lastSeq);
	expect(copy.firstLsn).toBe(listSegments(fs, to)[0]?.firstLsn ?? 0);
	return { firstSeq, lastSeq };
}

/** Makes a log of a copy, and starts it. */
function restored(
	{ fs, to: from }: WrittenLog,
	{ id, files }: CopiedLog,
	used: { lsn: number; seq: number },
): { log: TestLog; fs: MemoryFs; directory: string } {
	const directory = temporaryDirectory();
	const restoring = new RestoredLog({ fs, from, to: directory, files, onBytes: () => {} }, used);
	restoring.copy();
	restoring.commit(id);
	restoring.close();
	return { log: new TestLog(directory, fs), fs, directory };
}

describe.each(["always", "write"] as const)("a copy of a log that goes on in mode %s", (syncMode) => {
	test.each(["a", "b", "c"])("is a log up to one moment, whatever happens between its steps (%s)", async (seed) => {
		const rng = new Rng(`copied ${syncMode} ${seed}`);
		for (let round = 0; round < 6; round++) {
			const written = new WrittenLog(rng, syncMode);
			await written.fill(3 + rng.int(60));
			const before = written.messages;
			// From a batch at each sixth step to nearly nothing.
			const stepsPerBatch = 6 + rng.int(40);
			const copy = written.copy(() => rng.int(stepsPerBatch) === 0 && written.write());
			const { firstSeq, lastSeq } = checkCopy(written.fs, written.to, copy);
			expect(lastSeq).toBeGreaterThanOrEqual(before);
			expect(lastSeq).toBeLessThanOrEqual(written.messages);
			expect(copy.used.seq).toBeGreaterThanOrEqual(lastSeq);
			expect(copy.used.lsn).toBeGreaterThanOrEqual(copy.last.lsn);
			// Nothing that the log still has is missing at its beginning.
			expect(copy.firstLsn).toBeLessThanOrEqual(written.log.position.snapshot().firstLsn);
			expect(written.fs.openFiles).toBeLessThanOrEqual(4);

			const used = { lsn: copy.used.lsn + 1_000, seq: copy.used.seq + 1_000 };
			const { log } = restored(written, copy, used);
			const all = Array.from(
				{ length: lastSeq - firstSeq + 1 },
				(_, at) => `${firstSeq + at} message ${firstSeq + at}`,
			);
			expect(readAll(log.reader(), copy.firstLsn - 1)).toEqual(all);
			log.append(messageEntry("next"));
			expect(readAll(log.reader(), copy.firstLsn - 1)).toEqual([...all, `${used.seq + 1} next`]);
			log.stop();
			written.log.stop();
		}
	});

	test("is sound, whichever step of it some segments are removed at", async () => {
		const rng = new Rng(`removed ${syncMode}`);
		for (let at = 1, isPast = false; !isPast; at += 1 + rng.int(2)) {
			const written = new WrittenLog(rng, syncMode);
			await written.fill(45);
			const removed = 1 + rng.int(SEGMENTS_KEPT);
			isPast = true;
			const copy = written.copy((step) => {
				if (step !== at) return;
				isPast = false;
				written.remove(removed);
			});
			checkCopy(written.fs, written.to, copy);
			expect(copy.firstLsn).toBeLessThanOrEqual(written.log.position.snapshot().firstLsn);
			written.log.stop();
		}
	});

	test("that fails at any step leaves the log as it is", () => {
		const rng = new Rng(`failed copy ${syncMode}`);
		for (let failAt = 1, isDone = false; !isDone; failAt += 1 + rng.int(7)) {
			const written = new WrittenLog(rng, syncMode);
			for (let batch = 12; batch > 0; batch--) written.write();
			try {
				written.copy((step) => {
					if (step === failAt) throw Object.assign(new Error("EIO"), { code: "EIO" });
				});
				isDone = true;
			} catch (error) {
				expect(String(error)).toContain("EIO");
			}
			written.write();
			written.log.stop();
			const faults: unknown[] = [];
			verifyLog(written.fs, written.directory, { onFault: (fault) => faults.push(fault), onSegment: () => {} });
			expect(faults).toEqual([]);
		}
	});
});

describe("a copy", () => {
	test("of a log that removes everything before it is copied gives up", () => {
		const rng = new Rng("overtaken");
		const written = new WrittenLog(rng, "always");
		for (let batch = 20; batch > 0; batch--) written.write();
		expect(() => written.copy(() => written.remove(1))).toThrow(CopyOvertaken);
	});

	test("has the records that are published, and not those that are only written", () => {
		const rng = new Rng("published");
		const written = new WrittenLog(rng, "always");
		written.write();
		const { lastSeq } = written.log.position.snapshot();
		// The batch is in the file, and its sync fails: nobody has seen it.
		let copy: CopiedLog | null = null;
		written.fs.fault = (call) => {
			if (!call.startsWith("sync ") || copy !== null) return;
			written.fs.fault = () => {};
			copy = written.copy(() => {});
		};
		written.write();
		expect(copy).not.toBeNull();
		expect((copy as CopiedLog | null)?.last.seq).toBe(lastSeq);
	});

	test("is not made of a folder without a log", () => {
		const fs = new ReusingFs();
		expect(() => copyLog({ fs, from: temporaryDirectory(), to: "/copy", onBytes: () => {} })).toThrow(
			"there is no log",
		);
	});
});

describe("a log that is restored", () => {
	test("is whole, or is taken for none, wherever it ends; and no number is used twice", () => {
		const rng = new Rng("restored at any step");
		const written = new WrittenLog(rng, "always");
		for (let batch = 15; batch > 0; batch--) written.write();
		const copy = written.copy(() => {});
		const used = { lsn: 5_000, seq: 4_000 };
		for (let failAt = 1, isDone = false; !isDone; failAt++) {
			const directory = temporaryDirectory();
			let isCopied = false;
			const fs = new SteppedFs(written.fs, (step) => {
				if (step === failAt) throw new Error("the process ends");
			});
			try {
				const restoring = new RestoredLog(
					{ fs, from: written.to, to: directory, files: copy.files, onBytes: () => {} },
					used,
				);
				try {
					restoring.copy();
					isCopied = true;
					restoring.commit(copy.id);
					isDone = true;
				} finally {
					restoring.close();
				}
			} catch (error) {
				expect(String(error)).toContain("the process ends");
			}
			const names = written.fs.list(directory).filter((name) => name.endsWith(".seg"));
			if (!isCopied) expect(names).toEqual([]);
			if (isDone) expect(readLogId(written.fs, directory)).toBe(copy.id);
			else if (readLogId(written.fs, directory) !== null) expect(names.length).toBe(copy.files.length);
			if (!written.fs.list(directory).includes("last-used")) continue;
			const log = new TestLog(directory, written.fs.afterKill());
			log.append(messageEntry("next"));
			expect(log.position.snapshot().lastSeq).toBe(used.seq + 1);
			log.stop();
		}
	});

	test("is refused if a byte of the copy is not what it was, if a file is longer or shorter, or missing", () => {
		const rng = new Rng("changed copies");
		const written = new WrittenLog(rng, "always");
		for (let batch = 15; batch > 0; batch--) written.write();
		const copy = written.copy(() => {});
		for (let round = 0; round < 60; round++) {
			const path = join(written.to, rng.pick(copy.files).name);
			const content = written.fs.content(path);
			const changed = Buffer.from(content);
			const at = rng.int(changed.length);
			changed[at] = (changed[at] ?? 0) ^ (1 << rng.int(8));
			const change = rng.pick([
				changed,
				content.subarray(0, at),
				Buffer.concat([content, changed.subarray(0, at + 1)]),
			]);
			written.fs.put(path, change);
			const directory = temporaryDirectory();
			const { fs, to: from } = written;
			const restoring = new RestoredLog({ fs, from, to: directory, files: copy.files, onBytes: () => {} }, copy.used);
			expect(() => restoring.copy()).toThrow(CopyChanged);
			restoring.undo();
			restoring.close();
			expect(occupantOf(fs, directory)).toBeNull();
			written.fs.put(path, content);
		}
	});

	test("goes on after the numbers that an attempt before it has noted, if they are greater", () => {
		const written = new WrittenLog(new Rng("twice"), "always");
		for (let batch = 5; batch > 0; batch--) written.write();
		const copy = written.copy(() => {});
		const directory = temporaryDirectory();
		const { fs, to: from } = written;
		const open = (seq: number): RestoredLog =>
			new RestoredLog({ fs, from, to: directory, files: copy.files, onBytes: () => {} }, { lsn: seq + 10, seq });
		open(9_000).close();
		const second = open(5_000);
		second.copy();
		second.commit(copy.id);
		second.close();
		const log = new TestLog(directory, fs);
		log.append(messageEntry("next"));
		expect(log.position.snapshot().lastSeq).toBe(9_001);
		expect(occupantOf(fs, directory)).toEndWith(".seg");
	});
});
