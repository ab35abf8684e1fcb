import { describe, expect, test } from "bun:test";
import { basename } from "node:path";
import { type LogFault, type LogSummary, verifyLog } from "../../../../src/log/local/examine/verify.ts";
import {
	encodeSegmentFooter,
	readSegmentFooter,
	readSegmentHeader,
	SEGMENT_HEADER_BYTES,
	type SegmentFooter,
} from "../../../../src/log/local/segment/segment.ts";
import { INDEX_STRIDE_BYTES } from "../../../../src/log/local/segment/segment-index.ts";
import { Rng } from "../../../../src/sim/rng.ts";
import { controlOf, messageEntry, START_MS, TestLog, temporaryDirectory } from "../../harness.ts";
import { MemoryFs } from "../memory-fs.ts";

const SEGMENT_BYTES = 16 * 1024;

/** A log of several segments, and how many messages it has. */
interface Filled {
	fs: MemoryFs;
	directory: string;
	messages: number;
	/** Paths of its segments, in order. */
	segments: string[];
}

function filled(rng: Rng): Filled {
	const fs = new MemoryFs();
	const directory = temporaryDirectory();
	let now = START_MS;
	const log = new TestLog(directory, fs, { segmentBytes: SEGMENT_BYTES, clock: () => now });
	let messages = 0;
	for (let batch = 0; batch < 60; batch++) {
		now += rng.int(1_000);
		const entries = Array.from({ length: 1 + rng.int(5) }, () => {
			if (rng.int(5) === 0) return controlOf(1 + rng.int(3));
			messages += 1;
			return messageEntry(`message ${messages}`, rng.int(800));
		});
		log.append(...entries);
	}
	log.stop();
	const segments = [...fs.files.keys()].filter((path) => path.endsWith(".seg")).sort();
	return { fs, directory, messages, segments };
}

function verify(fs: MemoryFs, directory: string): { summary: LogSummary; faults: LogFault[] } {
	const faults: LogFault[] = [];
	const summary = verifyLog(fs, directory, { onFault: (fault) => faults.push(fault), onSegment: () => {} });
	expect(summary.faults).toBe(faults.length);
	return { summary, faults };
}

/** A copy of the log with other content in one file; null removes it. */
function changed({ fs, segments }: Filled, path: string, change: ((content: Buffer) => Buffer) | null): MemoryFs {
	const copy = new MemoryFs();
	for (const segment of segments) {
		const content = Buffer.from(fs.files.get(segment)?.content ?? []);
		if (segment !== path) copy.put(segment, content);
		else if (change !== null) copy.put(segment, change(content));
	}
	return copy;
}

describe.each(["a", "b", "c"])("a log of many segments (%s)", (seed) => {
	const rng = new Rng(`verify ${seed}`);

	test("is sound as the relay wrote it", () => {
		const log = filled(rng);
		expect(log.segments.length).toBeGreaterThan(3);
		const { summary, faults } = verify(log.fs, log.directory);
		expect(faults).toEqual([]);
		const { messages, segments } = log;
		expect(summary).toMatchObject({
			messages,
			segments: segments.length,
			firstSeq: 1,
			lastSeq: messages,
			seqsLeftOut: 0,
		});
	});

	test("and a byte that is changed anywhere in its records has a fault, in a footer a fault or no footer", () => {
		const log = filled(rng);
		const before = verify(log.fs, log.directory).summary;
		for (let round = 0; round < 300; round++) {
			const path = rng.pick(log.segments.slice(0, -1));
			const length = log.fs.files.get(path)?.content.length ?? 0;
			const at = SEGMENT_HEADER_BYTES + rng.int(length - SEGMENT_HEADER_BYTES);
			const fs = changed(log, path, (content) => {
				content[at] = (content[at] ?? 0) ^ (1 << rng.int(8));
				return content;
			});
			const { summary, faults } = verify(fs, log.directory);
			const isFound = faults.length > 0 || summary.unsealed > before.unsealed;
			expect({ path: basename(path), at, isFound }).toEqual({ path: basename(path), at, isFound: true });
			for (const { segment } of faults) expect(log.segments.map((one) => basename(one))).toContain(segment);
		}
	});

	test("and a segment that is gone from between others, or after a footer, is missed", () => {
		const log = filled(rng);
		for (const path of log.segments.slice(1))
			expect(verify(changed(log, path, null), log.directory).faults.map(({ fault }) => fault)).toEqual([
				"segment-missing",
			]);
		const [oldest = ""] = log.segments;
		expect(verify(changed(log, oldest, null), log.directory).faults).toEqual([]);
	});

	test("and a header of which both copies are damaged is named, with what is missing of the numbers", () => {
		const log = filled(rng);
		const path = rng.pick(log.segments);
		const fs = changed(log, path, (content) => content.fill(0, 0, SEGMENT_HEADER_BYTES));
		const { faults, summary } = verify(fs, log.directory);
		expect(faults).toEqual([expect.objectContaining({ fault: "header-damaged", segment: basename(path) })]);
		expect(summary.messages).toBeLessThan(log.messages);
	});

	test("and a footer that says something else than the records is found, whatever it is", () => {
		const log = filled(rng);
		const path = rng.pick(log.segments.slice(0, -1));
		const lie = (change: (footer: SegmentFooter) => void): string[] => {
			const file = log.fs.open(path, "read");
			const { epoch } = readSegmentHeader(log.fs, file) ?? { epoch: 0 };
			const footer = readSegmentFooter(log.fs, file, epoch);
			log.fs.close(file);
			if (footer === null) throw new Error("the segment has no footer");
			change(footer);
			const { dataEnd } = footer;
			const bytes = encodeSegmentFooter(footer, epoch);
			const fs = changed(log, path, (content) => Buffer.concat([content.subarray(0, dataEnd), bytes]));
			return verify(fs, log.directory).faults.map(({ fault }) => fault);
		};
		expect(lie(() => {})).toEqual([]);
		expect(lie((footer) => (footer.lastSeq += 1))).toEqual(["footer-differs"]);
		expect(lie((footer) => (footer.lastLsn -= 1))).toEqual(["footer-differs"]);
		for (const numbers of ["lsns", "seqs", "timesUs", "offsets"] as const)
			expect(lie(({ index }) => (index[numbers][0] = (index[numbers][0] ?? 0) + 1))).toEqual(["index-differs"]);
		expect(lie(({ index }) => index.add(9, 9, 9, SEGMENT_BYTES * INDEX_STRIDE_BYTES))).toEqual(["index-differs"]);
	});

	test("and a segment in another's place is found by its name", () => {
		const log = filled(rng);
		const [first = "", second = ""] = log.segments;
		const other = Buffer.from(log.fs.files.get(first)?.content ?? []);
		const names = verify(
			changed(log, second, () => other),
			log.directory,
		).faults.map(({ fault }) => fault);
		expect(names).toContain("name-differs");
	});
});

test("what comes after the published end is no damage: a relay may be writing it", () => {
	const rng = new Rng("half written");
	const log = filled(rng);
	const [path = ""] = log.segments.slice(-1);
	const content = Buffer.from(log.fs.files.get(path)?.content ?? []);
	const fs = log.fs.afterKill();
	// A batch of which the beginning is not there yet, but its last record is.
	const record = content.subarray(SEGMENT_HEADER_BYTES, content.length);
	fs.put(path, Buffer.concat([content, Buffer.alloc(100), record]));
	const { summary, faults } = verify(fs, log.directory);
	expect(faults).toEqual([]);
	expect(summary).toMatchObject({ messages: log.messages, seqsLeftOut: 0 });
});
