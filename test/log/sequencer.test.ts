import { describe, expect, test } from "bun:test";
import { LogWriter } from "../../src/log/local/write/log-writer.ts";
import { LogPosition } from "../../src/log/position.ts";
import { Batch } from "../../src/log/record/batch.ts";
import { entryBytes, writeEntry } from "../../src/log/record/entry.ts";
import { RECORD_OPS_MAX, RecordKind } from "../../src/log/record/record.ts";
import { Sequencer } from "../../src/log/sequencer.ts";
import { Doorbell } from "../../src/runtime/doorbell.ts";
import { createRingBuffer, RingReader, RingWriter } from "../../src/runtime/ring.ts";
import { steadyMs } from "../../src/runtime/steady-clock.ts";
import { Rng } from "../../src/sim/rng.ts";
import { observed } from "../observe/counted.ts";
import {
	decodeFrame,
	labels,
	messageEntry,
	readAll,
	START_MS,
	segmentFile,
	TestLog,
	temporaryDirectory,
} from "./harness.ts";
import { MemoryFs } from "./local/memory-fs.ts";

const FIRST_SEGMENT = segmentFile(1);

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
	// The first batch moves the bound of mode `write` ahead, so the test looks at the second.
	log.appendLabels(["first"]);
	fs.calls.length = 0;
	return { log, calls: fs.calls };
}

describe("publication", () => {
	test("mode always: after the write, its sync, and the write of the numbers in use", () => {
		const { log, calls } = recordedLog("always");
		log.appendLabels(["a", "b"]);
		expect(calls).toEqual([`write ${FIRST_SEGMENT}`, `sync ${FIRST_SEGMENT}`, "write last-used", "publish"]);
	});

	test("readers find all records up to the position", () => {
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
		expect(log.position.snapshot()).toMatchObject({ lastLsn: 3, durableLsn: 0 });
		await log.writer.syncInBackground();
		expect(calls.slice(2)).toEqual([`sync ${FIRST_SEGMENT}`, "publish"]);
		expect(log.writer.isUnsynced).toBe(false);
		expect(log.position.snapshot()).toMatchObject({ lastLsn: 3, durableLsn: 3 });
		log.sequencer.step();
		expect(log.ring.acknowledged()).toBe(log.ring.position);
	});

	for (const failing of ["write", "sync"]) {
		test(`if the ${failing} fails for no fault of the disk, nothing is published or acknowledged, and the writer takes nothing more`, () => {
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
		const second = segmentFile(6);
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
			"write last-used",
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

	test("control records take no seq: they carry that of the message before, and have no frame", () => {
		const log = new TestLog(temporaryDirectory(), new MemoryFs());
		const control = { ...messageEntry("c"), kind: RecordKind.host, frame: Buffer.alloc(0), seqStart: 0, seqEnd: 0 };
		log.append(control, messageEntry("m"), control, control, messageEntry("n"));
		const batch = log.reader().read(0);
		if (!(batch instanceof Batch)) throw new Error("the log is empty");
		expect([batch.kind(0), batch.frame(0).length]).toEqual([RecordKind.host, 0]);
		expect(decodeFrame(batch.frame(1))).toMatchObject({ seq: 1, text: "m" });
		expect(decodeFrame(batch.frame(4))).toMatchObject({ seq: 2, text: "n" });
		const all = [0, 1, 2, 3, 4];
		expect(all.map((i) => batch.lsn(i))).toEqual([1, 2, 3, 4, 5]);
		expect(all.map((i) => batch.seq(i))).toEqual([0, 1, 1, 1, 2]);
		expect(log.position.snapshot()).toMatchObject({ lastLsn: 5, lastSeq: 2, seqUsedMax: 2 });
	});

	test("times leave room for each op, and rise whatever the clock does, over batches, segments and restarts", () => {
		for (const how of ["stop", "kill"] as const) {
			const rng = new Rng(`times ${how}`);
			const directory = temporaryDirectory();
			let fs = new MemoryFs();
			let nowMs = START_MS;
			/** Earliest time that the next record may have after the records before it. */
			let leastUs = 0;
			for (let run = 0; run < 6; run++) {
				const log = new TestLog(directory, fs, { clock: () => nowMs, segmentBytes: 5_000 });
				let cursor = log.position.snapshot().lastLsn;
				const reader = log.reader();
				for (let step = 0; step < 30; step++) {
					const steps = [0, 0, 1, 5_000, -5_000, -1e9];
					nowMs = Math.max(0, nowMs + (steps[rng.int(steps.length)] ?? 0));
					const ops = Array.from({ length: 1 + rng.int(4) }, () => (rng.int(8) === 0 ? RECORD_OPS_MAX : rng.int(4)));
					log.append(...ops.map((count) => ({ ...messageEntry("m", rng.int(300)), ops: count })));
					const batch = reader.read(cursor);
					if (!(batch instanceof Batch)) throw new Error("the batch is gone");
					const first = batch.indexAfter(cursor);
					const startUs = nowMs * 1000;
					for (const [i, count] of ops.entries()) {
						const { timeUs, ops: stored } = batch.record(first + i);
						expect(stored).toBe(count);
						// The clock is asked once for a batch.
						expect(timeUs).toBe(Math.max(startUs, leastUs));
						leastUs = timeUs + Math.max(1, count);
					}
					cursor = batch.lastLsn;
					expect(log.position.snapshot().lastTimeUs).toBe(leastUs - 1);
				}
				reader.close();
				log[how]();
				fs = fs.afterKill();
				expect(fs.list(directory).length).toBeGreaterThan(3);
			}
		}
	});

	test("takes entries from every ring, acknowledges what is durable and rings the producers", async () => {
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

	test("messages that have times are counted when they are published, and readers find the times by lsn", () => {
		const rng = new Rng("times of messages");
		const log = new TestLog(temporaryDirectory(), new MemoryFs());
		const stages = { receivedMs: steadyMs() - 20_000, handedOverMs: steadyMs() - 10_000 };
		const timed: boolean[] = [];
		for (let step = 0; step < 20; step++) {
			for (let i = 0; i <= rng.int(10); i++) {
				timed.push(rng.int(3) > 0);
				const entry = messageEntry(`${timed.length}`);
				const target = log.ring.reserve(entryBytes(entry));
				if (target === null) throw new Error("the test's ring is too small");
				writeEntry(target, entry, timed.at(-1) === true ? stages : undefined);
			}
			log.ring.publish();
			expect(log.times.publishedMs(timed.length)).toBe(0);
			log.step();
		}
		for (const [index, isTimed] of timed.entries()) {
			expect(log.times.receivedMs(index + 1)).toBe(isTimed ? stages.receivedMs : 0);
			expect(log.times.publishedMs(index + 1)).toBeWithin(isTimed ? stages.handedOverMs + 10_000 : 0, steadyMs() + 1);
			if (!isTimed) expect(log.times.publishedMs(index + 1)).toBe(0);
		}
		const { total, distributions } = observed(log.counters, "message_log_seconds");
		expect(total).toBe(timed.filter((isTimed) => isTimed).length);
		expect(distributions[0]?.sum).toBeGreaterThanOrEqual(total * 10);
		// The log itself has nothing of it.
		expect(readAll(log.reader())).toEqual(timed.map((_, index) => `${index + 1} ${index + 1}`));
	});

	test("an idle step does nothing", () => {
		const fs = new MemoryFs();
		const log = new TestLog(temporaryDirectory(), fs);
		fs.calls.length = 0;
		expect(log.sequencer.step()).toBe(false);
		expect(fs.calls).toEqual([]);
	});

	test("segments are refused if their index can be too large for the readers' view of it", () => {
		const log = new TestLog(temporaryDirectory(), new MemoryFs());
		expect(() => new LogWriter({ ...log.options, segmentBytes: 2 ** 30 })).toThrow(RangeError);
	});
});
