import { describe, expect, test } from "bun:test";
import { segmentName } from "../../src/log/local/segment/segment.ts";
import { LogWriter } from "../../src/log/local/write/log-writer.ts";
import { LogPosition } from "../../src/log/position.ts";
import { Batch } from "../../src/log/record/batch.ts";
import { entryBytes, writeEntry } from "../../src/log/record/entry.ts";
import { RecordKind } from "../../src/log/record/record.ts";
import { Sequencer } from "../../src/log/sequencer.ts";
import { Doorbell } from "../../src/runtime/doorbell.ts";
import { createRingBuffer, RingReader, RingWriter } from "../../src/runtime/ring.ts";
import { decodeFrame, labels, messageEntry, readAll, START_MS, TestLog, temporaryDirectory } from "./harness.ts";
import { MemoryFs } from "./local/memory-fs.ts";

const FIRST_SEGMENT = segmentName(1);

/** A position that records when it is published among the calls of the file system. */
class RecordingPosition extends LogPosition {
	calls: string[] = [];

	override publish(...state: Parameters<LogPosition["publish"]>): void {
		this.calls.push("publish");
		super.publish(...state);
	}
}

function recordedLog(syncMode: "always" | "write"): { log: TestLog; calls: string[] } {
	const fs = new MemoryFs();
	const position = new RecordingPosition();
	position.calls = fs.calls;
	const log = new TestLog(temporaryDirectory(), fs, { position, syncMode });
	// The first batch reserves seqs; what is looked at is the one behind it.
	log.appendLabels(["first"]);
	fs.calls.length = 0;
	return { log, calls: fs.calls };
}

describe("publication", () => {
	test("mode always: after the write and its sync", () => {
		const { log, calls } = recordedLog("always");
		log.appendLabels(["a", "b"]);
		expect(calls).toEqual([`write ${FIRST_SEGMENT}`, `sync ${FIRST_SEGMENT}`, "publish"]);
	});

	test("readers find all that a position tells of", () => {
		const told: string[][] = [];
		const position = new (class extends LogPosition {
			override publish(...state: Parameters<LogPosition["publish"]>): void {
				super.publish(...state);
				if (log !== undefined) told.push(readAll(log.reader()));
			}
		})();
		let log: TestLog | undefined;
		log = new TestLog(temporaryDirectory(), new MemoryFs(), { position });
		log.appendLabels(["a", "b"]);
		log.appendLabels(["c"]);
		expect(told).toEqual([
			["1 a", "2 b"],
			["1 a", "2 b", "3 c"],
		]);
	});

	test("mode write: after the write; the sync is made in the background", async () => {
		const { log, calls } = recordedLog("write");
		log.appendLabels(["a", "b"]);
		expect(calls).toEqual([`write ${FIRST_SEGMENT}`, "publish"]);
		expect(log.writer.isUnsynced).toBe(true);
		log.sequencer.step();
		expect(log.ring.acknowledged()).toBe(0);
		expect(log.position.snapshot()).toMatchObject({ lastSeq: 3, durableSeq: 0 });
		await log.writer.syncInBackground();
		expect(calls.slice(2)).toEqual([`sync ${FIRST_SEGMENT}`, "publish"]);
		expect(log.writer.isUnsynced).toBe(false);
		expect(log.position.snapshot()).toMatchObject({ lastSeq: 3, durableSeq: 3 });
		log.sequencer.step();
		expect(log.ring.acknowledged()).toBe(log.ring.position);
	});

	for (const failing of ["write", "sync"]) {
		test(`where the ${failing} fails for no fault of the disk, nothing is published or acknowledged, and the writer is done`, () => {
			const fs = new MemoryFs();
			const log = new TestLog(temporaryDirectory(), fs);
			log.appendLabels(["good"]);
			const before = log.position.snapshot();
			const acknowledged = log.ring.acknowledged();
			let failures = 0;
			fs.fault = (call) => {
				if (call !== `${failing} ${FIRST_SEGMENT}`) return;
				failures += 1;
				throw new Error("EBADF");
			};
			expect(() => log.appendLabels(["lost"])).toThrow("EBADF");
			fs.fault = () => {};
			expect(failures).toBe(1);
			expect(log.position.snapshot()).toEqual(before);
			expect(log.ring.acknowledged()).toBe(acknowledged);
			expect(() => log.sequencer.step()).toThrow("failed before");
		});
	}

	test("mode write: a sync that fails in the background for no fault of the disk fails the next step", async () => {
		const { log } = recordedLog("write");
		const fs = log.options.fs as MemoryFs;
		log.appendLabels(["a"]);
		fs.fault = (call) => {
			if (call.startsWith("sync")) throw new Error("EBADF");
		};
		await log.writer.syncInBackground();
		expect(() => log.sequencer.step()).toThrow("failed before");
	});

	test("a new segment's file and entry are durable before anything in it is published", () => {
		const fs = new MemoryFs();
		const position = new RecordingPosition();
		position.calls = fs.calls;
		const log = new TestLog(temporaryDirectory(), fs, { position, segmentBytes: 1_000 });
		log.appendLabels(labels("a", 5), 300);
		fs.calls.length = 0;
		log.appendLabels(["b"]);
		const second = segmentName(6);
		expect(fs.calls.map((call) => (call.startsWith("syncDirectory") ? "syncDirectory" : call))).toEqual([
			`create ${second}.tmp`,
			`write ${second}.tmp`,
			`sync ${second}.tmp`,
			`rename ${second}`,
			"syncDirectory",
			`write ${FIRST_SEGMENT}`,
			`sync ${FIRST_SEGMENT}`,
			"publish",
			`write ${second}`,
			`sync ${second}`,
			"publish",
		]);
	});
});

describe("sequencing", () => {
	test("splices seqs of every length into frames with seqs of every length, and changes nothing else", () => {
		const lengths = [1, 23, 24, 255, 256, 65_535, 65_536, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER - 200_000];
		for (const initialSeq of lengths) {
			const log = new TestLog(temporaryDirectory(), new MemoryFs(), { initialSeq });
			log.append(...lengths.map((upstreamSeq) => messageEntry(`was ${upstreamSeq}`, 10, upstreamSeq)));
			const batch = log.reader().read(initialSeq - 1);
			if (!(batch instanceof Batch)) throw new Error("the log is empty");
			expect(batch.count).toBe(lengths.length);
			for (const [i, upstreamSeq] of lengths.entries()) {
				const seq = initialSeq + i;
				const pass = messageEntry(`was ${upstreamSeq}`, 10, seq);
				expect(Buffer.compare(batch.frame(i), pass.frame)).toBe(0);
				expect(decodeFrame(batch.frame(i)).seq).toBe(seq);
				expect(batch.record(i)).toMatchObject({ seq, upstreamSeq, host: 3, kind: RecordKind.commit });
				expect(batch.record(i).facts).toEqual(pass.facts);
			}
			log.kill();
		}
	});

	test("refuses an entry whose seq does not lie within its frame", () => {
		const log = new TestLog(temporaryDirectory(), new MemoryFs());
		const entry = messageEntry("a");
		expect(() => log.append({ ...entry, seqEnd: entry.frame.length + 1 })).toThrow(RangeError);
	});

	test("control records take a seq and have no frame", () => {
		const log = new TestLog(temporaryDirectory(), new MemoryFs());
		const control = { ...messageEntry("c"), kind: RecordKind.host, frame: Buffer.alloc(0), seqStart: 0, seqEnd: 0 };
		log.append(control, messageEntry("m"));
		const batch = log.reader().read(0);
		if (!(batch instanceof Batch)) throw new Error("the log is empty");
		expect([batch.kind(0), batch.frame(0).length]).toEqual([RecordKind.host, 0]);
		expect(decodeFrame(batch.frame(1))).toMatchObject({ seq: 2, text: "m" });
	});

	test("time never goes back, whatever the clock does", () => {
		let nowMs = START_MS;
		const directory = temporaryDirectory();
		const fs = new MemoryFs();
		const clock = (): number => nowMs;
		const log = new TestLog(directory, fs, { clock });
		const lastTimeMs = (of: TestLog): number => of.position.snapshot().lastTimeUs / 1000;
		log.appendLabels(["a"]);
		nowMs -= 5_000;
		log.appendLabels(["b"]);
		expect(lastTimeMs(log)).toBe(START_MS);
		nowMs += 6_000;
		log.appendLabels(["c"]);
		expect(lastTimeMs(log)).toBe(START_MS + 1_000);
		log.stop();
		nowMs = 0;
		const again = new TestLog(directory, fs.afterKill(), { clock });
		again.appendLabels(["d"]);
		expect(lastTimeMs(again)).toBe(START_MS + 1_000);
	});

	test("takes from every ring, acknowledges what is durable and rings who filled it", async () => {
		const log = new TestLog(temporaryDirectory(), new MemoryFs());
		const counts = [60, 1, 0];
		const producers = counts.map(() => {
			const buffer = createRingBuffer(16 * 1024 * 1024);
			return { writer: new RingWriter(buffer), ring: new RingReader(buffer), doorbell: new Doorbell() };
		});
		const sequencer = new Sequencer(log.writer, producers, log.counters);
		for (const [p, { writer }] of producers.entries()) {
			// Ring 0 is a flood: more than one batch takes. Ring 2 stays empty.
			for (let i = 0; i < (counts[p] ?? 0); i++) {
				const entry = messageEntry(`p${p} ${i}`, 100_000);
				const target = writer.reserve(entryBytes(entry));
				if (target === null) throw new Error("the test's ring is too small");
				writeEntry(target, entry);
			}
			writer.publish();
		}
		const tickets = producers.map(({ doorbell }) => doorbell.ticket());
		expect(sequencer.step()).toBe(true);
		const [flood, quiet, idle] = producers.map(({ writer }) => writer.position - writer.acknowledged());
		expect(flood).toBeGreaterThan(0);
		expect(quiet).toBe(0);
		expect(idle).toBe(0);
		expect(producers.map(({ doorbell }, i) => doorbell.ticket() - (tickets[i] ?? 0))).toEqual([1, 1, 0]);
		while (sequencer.step());
		expect(producers[0]?.writer.acknowledged()).toBe(producers[0]?.writer.position);
		const seen = readAll(log.reader());
		expect(seen.length).toBe(61);
		expect(seen.findIndex((line) => line.endsWith("p1 0"))).toBeLessThan(60);
		expect(log.count("records_appended_total")).toBe(61);
	});

	test("an idle step does nothing", () => {
		const fs = new MemoryFs();
		const log = new TestLog(temporaryDirectory(), fs);
		fs.calls.length = 0;
		expect(log.sequencer.step()).toBe(false);
		expect(fs.calls).toEqual([]);
	});

	test("segments larger than the readers' view of their index has room for are refused", () => {
		const log = new TestLog(temporaryDirectory(), new MemoryFs());
		expect(() => new LogWriter({ ...log.options, segmentBytes: 2 ** 30 })).toThrow(RangeError);
	});
});
