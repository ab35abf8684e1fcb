import { onTestFinished } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { decodeFirst, encode } from "@atcute/cbor";
import { INDEX_MARK } from "../../src/index/mark.ts";
import { ActiveSegment } from "../../src/log/local/active-segment.ts";
import { LogReader } from "../../src/log/local/read/reader.ts";
import { segmentName } from "../../src/log/local/segment/segment.ts";
import { LogWriter, type LogWriterOptions } from "../../src/log/local/write/log-writer.ts";
import type { BlockingReader } from "../../src/log/log.ts";
import { createMarksBuffer, Marks } from "../../src/log/marks.ts";
import { MessageTimes } from "../../src/log/message-times.ts";
import { LogPosition } from "../../src/log/position.ts";
import { Batch, type Gap } from "../../src/log/record/batch.ts";
import { controlEntry, type Entry, entryBytes, writeEntry } from "../../src/log/record/entry.ts";
import { isMessageKind, RecordKind } from "../../src/log/record/record.ts";
import { Sequencer } from "../../src/log/sequencer.ts";
import { Counters } from "../../src/observe/counters.ts";
import { Doorbell } from "../../src/runtime/doorbell.ts";
import { createRingBuffer, RingReader, RingWriter } from "../../src/runtime/ring.ts";
import { counted } from "../observe/counted.ts";
import { MemoryFs } from "./local/memory-fs.ts";

export const START_MS = 1_700_000_000_000;

/** Runs when the test that calls this is over. */
export function onCleanup(cleanup: () => void): void {
	onTestFinished(cleanup);
}

/** Runs for what is still in use when the test that calls this is over. What is not can be collected before: a test may make thousands. */
function cleanUp<T extends object>(used: T, cleanup: (used: T) => void): void {
	const reference = new WeakRef(used);
	onCleanup(() => {
		const left = reference.deref();
		if (left !== undefined) cleanup(left);
	});
}

/** A real directory that is gone after the test. */
export function temporaryDirectory(): string {
	const directory = mkdtempSync(join(tmpdir(), "standpipe-log-"));
	onCleanup(() => rmSync(directory, { recursive: true, force: true }));
	return directory;
}

/** A message as a host sends it, with `label` to tell it by and `padBytes` of filling. */
export function messageEntry(label: string, padBytes = 0, upstreamSeq = 7): Entry {
	const before = [
		Buffer.from(encode({ op: 1, t: "#commit" })),
		Buffer.from([0xa3]),
		...["pad", "x".repeat(padBytes), "seq"].map((text) => Buffer.from(encode(text))),
	];
	const seq = Buffer.from(encode(upstreamSeq));
	const after = ["text", label].map((text) => Buffer.from(encode(text)));
	const seqStart = before.reduce((sum, part) => sum + part.length, 0);
	return {
		kind: RecordKind.commit,
		flags: 0,
		host: 3,
		upstreamSeq,
		ops: 1,
		seqStart,
		seqEnd: seqStart + seq.length,
		facts: Buffer.from(`facts of ${label}`),
		frame: Buffer.concat([...before, seq, ...after]),
	};
}

/** A control record, which no consumer sees. */
export function controlOf(host = 1): Entry {
	return controlEntry("cursors", { cursors: [{ host, seq: host }] });
}

/** What consumers decode from a frame. */
export function decodeFrame(frame: Uint8Array): { seq: number; text: string; pad: string } {
	const [, payload] = decodeFirst(frame);
	const [body, rest] = decodeFirst(payload);
	if (rest.length > 0) throw new Error("the frame has bytes behind its payload");
	return body;
}

/** The collector does not see how much memory a log's rings and buffers take, so that thousands of logs could pile up. */
const LOGS_PER_COLLECTION = 64;
let logsMade = 0;

/** A log with one producer, on a file system in memory unless another is given. */
export class TestLog {
	readonly options: LogWriterOptions;
	readonly counters = new Counters();
	readonly position: LogPosition;
	readonly active: ActiveSegment;
	readonly marks: Marks;
	readonly ring: RingWriter;
	readonly doorbell = new Doorbell();
	readonly times = new MessageTimes();
	readonly writer: LogWriter;
	readonly sequencer: Sequencer;
	#isOpen = true;

	/** @param directory only holds the lock if the file system is in memory */
	constructor(directory: string, fs: LogWriterOptions["fs"], changes: Partial<LogWriterOptions> = {}) {
		this.position = changes.position ?? new LogPosition();
		this.active = changes.active ?? new ActiveSegment();
		this.marks = changes.marks ?? new Marks(createMarksBuffer([INDEX_MARK]));
		this.options = {
			directory,
			fs,
			position: this.position,
			active: this.active,
			marks: this.marks,
			counters: this.counters,
			clock: () => START_MS,
			// The same clock for both, unless a test brings two.
			elapsedMs: changes.clock ?? (() => START_MS),
			syncMode: "always",
			segmentBytes: 256 * 1024 * 1024,
			replayWindowMs: 72 * 3_600_000,
			initialSeq: 1,
			...changes,
		};
		if (++logsMade % LOGS_PER_COLLECTION === 0) Bun.gc(true);
		const buffer = createRingBuffer(16 * 1024 * 1024);
		this.ring = new RingWriter(buffer);
		this.writer = new LogWriter(this.options);
		cleanUp(this, (log) => log.kill());
		this.sequencer = new Sequencer(
			this.writer,
			[{ ring: new RingReader(buffer), doorbell: this.doorbell }],
			this.counters,
			{ times: this.times },
		);
	}

	/** Says that the index has applied the log up to here. */
	setApplied(lsn: number): void {
		this.marks.mark(INDEX_MARK.name).move(lsn);
	}

	/** Hands these entries over, as one batch. */
	append(...entries: Entry[]): void {
		this.handOver(...entries);
		this.step();
	}

	/** One step of the sequencer, which never has to wait for the local log. */
	step(): boolean {
		const isAppended = this.sequencer.step();
		if (typeof isAppended !== "boolean") throw new Error("the log answered with a promise");
		return isAppended;
	}

	/** Puts these entries into the ring and leaves them there. */
	handOver(...entries: Entry[]): void {
		for (const entry of entries) {
			const target = this.ring.reserve(entryBytes(entry));
			if (target === null) throw new Error("the test's ring is too small");
			writeEntry(target, entry);
		}
		this.ring.publish();
	}

	appendLabels(labels: readonly string[], padBytes = 0): void {
		this.append(...labels.map((label) => messageEntry(label, padBytes)));
	}

	reader(cacheBytesMax = 1024 * 1024): LogReader {
		const { directory, fs, active, counters } = this.options;
		const reader = new LogReader({ directory, fs, active, cacheBytesMax, counters });
		cleanUp(reader, (left) => left.close());
		return reader;
	}

	count(name: string): number {
		return counted(this.counters).of(name);
	}

	stop(): void {
		this.#isOpen = false;
		this.writer.close();
	}

	/** Gives the directory up as if the process had died: nothing more is written. */
	kill(): void {
		if (!this.#isOpen) return;
		this.#isOpen = false;
		const { fs } = this.options;
		if (fs instanceof MemoryFs) {
			fs.fault = () => {
				throw new Error("the process is dead");
			};
		}
		try {
			this.writer.close();
		} catch {
			// The clean stop's writes failed, as they were meant to.
		}
	}
}

/** All messages that a reader gets from `cursor` to the published end, as `seq label`, and gaps as `gap to LSN`. */
export function readAll(reader: Pick<BlockingReader, "read">, cursor = 0): string[] {
	const seen: string[] = [];
	for (let at = cursor; ; ) {
		const next = reader.read(at);
		if (next === null) return seen;
		seen.push(...describePart(next, at));
		if (next.lastLsn <= at) throw new Error(`reading behind ${at} does not get on`);
		at = next.lastLsn;
	}
}

export function describePart(part: Batch | Gap, cursor: number): string[] {
	if (!(part instanceof Batch)) return [`gap to ${part.nextLsn}`];
	const seen: string[] = [];
	for (let i = part.indexAfter(cursor); i < part.count; i++) {
		if (!isMessageKind(part.kind(i))) continue;
		const { seq, text } = decodeFrame(part.frame(i));
		if (seq !== part.seq(i)) throw new Error(`record ${part.seq(i)} holds a frame with seq ${seq}`);
		seen.push(`${seq} ${text}`);
	}
	return seen;
}

/** The file of a segment. In a log without control records both of its numbers are the same. */
export function segmentFile(firstLsn: number, firstSeq = firstLsn): string {
	return segmentName({ firstLsn, firstSeq });
}

export function segmentPath(directory: string, firstLsn: number, firstSeq = firstLsn): string {
	return join(directory, segmentFile(firstLsn, firstSeq));
}

/** The labels `a1`, `a2`, … up to `count`. */
export function labels(prefix: string, count: number): string[] {
	return Array.from({ length: count }, (_, i) => `${prefix}${i + 1}`);
}
