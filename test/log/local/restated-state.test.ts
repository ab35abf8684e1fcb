import { describe, expect, test } from "bun:test";
import { foldRecords } from "../../../src/index/fold.ts";
import type { Host } from "../../../src/index/store.ts";
import { type InspectedRecord, inspectSegment } from "../../../src/log/local/examine/inspect.ts";
import { listSegments, type SegmentId, segmentName } from "../../../src/log/local/segment/segment.ts";
import { Batch } from "../../../src/log/record/batch.ts";
import type { Entry } from "../../../src/log/record/entry.ts";
import { isMessageKind, RecordFlag } from "../../../src/log/record/record.ts";
import type { StoredRecord } from "../../../src/log/record/stored-record.ts";
import { LogState } from "../../../src/log/state.ts";
import { Rng } from "../../../src/sim/rng.ts";
import * as records from "../../index/records.ts";
import { messageEntry, START_MS, TestLog, temporaryDirectory } from "../harness.ts";
import { describe as described, laterState, stateHistory } from "../state-history.ts";
import { MemoryFs } from "./memory-fs.ts";

const SEGMENT_BYTES = 3_000;
const NO_FRAME = new Uint8Array();

/** The entry that a worker hands over for this record. */
function entryOf({ kind, flags, facts }: records.Unsequenced, label: string): Entry {
	if (isMessageKind(kind)) return messageEntry(label, 100);
	return { kind, flags, host: 0, upstreamSeq: 0, ops: 0, seqStart: 0, seqEnd: 0, facts, frame: NO_FRAME };
}

function entriesOf(history: readonly records.Unsequenced[]): Entry[] {
	return history.map((record, at) => entryOf(record, `m${at}`));
}

/** All that the log has after this lsn, from the segments as they are. */
function readFrom(log: TestLog, cursor = 0): StoredRecord[] {
	const reader = log.reader();
	const found: StoredRecord[] = [];
	for (let at = cursor; ; ) {
		const part = reader.read(at);
		if (part === null) break;
		if (part instanceof Batch) {
			for (let i = part.indexAfter(at); i < part.count; i++) {
				const record = part.record(i);
				found.push({ ...record, facts: Buffer.from(record.facts) });
			}
		}
		at = part.lastLsn;
	}
	return found;
}

function stateOf(list: Iterable<Pick<StoredRecord, "kind" | "flags" | "facts">>): string[] {
	const state = new LogState();
	for (const record of list) state.add(record);
	return described(state.records()).sort();
}

function hostsOf(list: readonly StoredRecord[]): Host[] {
	// The messages of these tests say nothing to the index.
	const controls = list.filter(({ kind }) => !isMessageKind(kind));
	return foldRecords(controls, records.NO_ROWS).hosts.sort((a, b) => a.id - b.id);
}

function segmentsOf(log: TestLog): SegmentId[] {
	return listSegments(log.options.fs, log.options.directory);
}

/** The records of a segment that restate the log's state. */
function headOf(fs: MemoryFs, path: string): InspectedRecord[] {
	const head: InspectedRecord[] = [];
	inspectSegment(fs, path, (part) => {
		if (part.part === "record" && part.flags.includes("restated")) head.push(part);
		return true;
	});
	return head;
}

/** Numbers rise one by one, and so do those of messages; a control record has the last message's; times rise. */
function expectNumbers(list: readonly StoredRecord[], gapsAllowed = false): void {
	let [before] = list;
	for (const record of list.slice(1)) {
		if (before === undefined) return;
		if (gapsAllowed) expect(record.lsn).toBeGreaterThan(before.lsn);
		else expect(record.lsn).toBe(before.lsn + 1);
		const step = isMessageKind(record.kind) ? 1 : 0;
		if (gapsAllowed) expect(record.seq).toBeGreaterThanOrEqual(before.seq + step);
		else expect(record.seq).toBe(before.seq + step);
		expect(record.timeUs).toBeGreaterThan(before.timeUs);
		before = record;
	}
}

/** Expects that each segment, with what follows it, gives the same state of the log. */
function expectStateFromEach(log: TestLog, expected: string[]): void {
	const segments = segmentsOf(log);
	for (const { firstLsn } of segments) expect(stateOf(readFrom(log, firstLsn - 1))).toEqual(expected);
}

/** Appends the history in batches of up to seven. */
function appendAll(log: TestLog, rng: Rng, history: readonly records.Unsequenced[]): void {
	for (let at = 0; at < history.length; ) {
		const count = 1 + rng.int(7);
		log.append(...entriesOf(history.slice(at, at + count)));
		at += count;
	}
}

test("a state whose end was torn off before it was published is not taken for whole, whatever has its lsns later", () => {
	const history = stateHistory(new Rng("restated/torn"), 60).filter(({ kind }) => !isMessageKind(kind));
	const directory = temporaryDirectory();
	const fs = new MemoryFs();
	const log = new TestLog(directory, fs, { segmentBytes: SEGMENT_BYTES });
	log.append(...entriesOf(history), messageEntry("full", SEGMENT_BYTES));
	const expected = stateOf(readFrom(log));
	fs.fault = (call) => {
		if (call === "write last-used") throw new Error("killed");
	};
	expect(() => log.writer.prepare()).toThrow("killed");
	log.kill();
	const last = segmentsOf(log).at(-1);
	const path = `${directory}/${segmentName(last ?? { firstLsn: 0, firstSeq: 0 })}`;
	const content = fs.content(path);
	const head = headOf(fs, path);
	expect(head.length).toBeGreaterThan(3);
	for (const { offset } of head) {
		const found = fs.afterKill();
		found.put(path, content.subarray(0, offset + 1));
		const torn = new TestLog(directory, found, { segmentBytes: 1_000_000 });
		// One batch, with more records than the state had.
		torn.append(...Array.from({ length: head.length + 2 }, (_, at) => messageEntry(`m${at}`)));
		torn.kill();
		const again = new TestLog(directory, found.afterKill(), { segmentBytes: 1_000_000 });
		again.append(messageEntry("next"));
		const from = segmentsOf(again).at(-1)?.firstLsn ?? 0;
		expect(stateOf(readFrom(again, from - 1))).toEqual(expected);
		again.kill();
	}
});

for (const syncMode of ["always", "write"] as const) {
	describe(`each segment restates the log's state, mode ${syncMode}`, () => {
		test("over generated histories, and changes nothing for an index that has read all", () => {
			for (let at = 0; at < 12; at++) {
				const rng = new Rng(`restated/${syncMode}/${at}`);
				const history = stateHistory(rng, 150);
				const log = new TestLog(temporaryDirectory(), new MemoryFs(), { syncMode, segmentBytes: SEGMENT_BYTES });
				appendAll(log, rng, history);
				const all = readFrom(log);
				expect(segmentsOf(log).length).toBeGreaterThan(4);
				expectNumbers(all);
				expectStateFromEach(log, stateOf(history));
				const own = all.filter(({ flags, kind }) => isMessageKind(kind) || (flags & RecordFlag.restated) === 0);
				expect(own).toHaveLength(history.length);
				expect(hostsOf(all)).toEqual(hostsOf(own));
				log.stop();
			}
		});

		test("over clean stops, kills and power cuts", () => {
			for (let at = 0; at < 12; at++) {
				const rng = new Rng(`restarts/${syncMode}/${at}`);
				const history = stateHistory(rng, 160);
				const directory = temporaryDirectory();
				let fs = new MemoryFs();
				for (let from = 0; from < history.length; from += 40) {
					const log = new TestLog(directory, fs, { syncMode, segmentBytes: SEGMENT_BYTES });
					appendAll(log, rng, history.slice(from, from + 40));
					// So nothing is lost, and the whole history is expected.
					if (syncMode === "write") void log.writer.syncInBackground();
					expectStateFromEach(log, stateOf(history.slice(0, from + 40)));
					fs = rng.pick([
						() => {
							log.stop();
							return fs;
						},
						() => {
							const killed = fs.afterKill();
							log.kill();
							return killed;
						},
						...(syncMode === "always"
							? [
									() => {
										const cut = fs.afterPowerCut(() => rng.int(2) === 0);
										log.kill();
										return cut;
									},
								]
							: []),
					])();
				}
				const log = new TestLog(directory, fs, { syncMode, segmentBytes: SEGMENT_BYTES });
				expectStateFromEach(log, stateOf(history));
				expectNumbers(readFrom(log), true);
			}
		});
	});
}

/** A log of several segments, closed, and what its state is. */
function written(
	seed: string,
	segments: number,
): { directory: string; fs: MemoryFs; paths: string[]; state: string[] } {
	const rng = new Rng(seed);
	const directory = temporaryDirectory();
	const fs = new MemoryFs();
	const log = new TestLog(directory, fs, { segmentBytes: SEGMENT_BYTES });
	const history: records.Unsequenced[] = [];
	while (segmentsOf(log).length < segments || log.writer.nextLsn % 3 > 0) {
		const next = stateHistory(rng, 6).slice(history.length === 0 ? 0 : 1);
		history.push(...next);
		log.append(...entriesOf(next));
	}
	const paths = segmentsOf(log).map((id) => `${directory}/${segmentName(id)}`);
	log.stop();
	return { directory, fs, paths, state: stateOf(history) };
}

/** Goes on with the log until one more segment has begun, and returns the state that this one restates. */
function restatedNext(directory: string, fs: MemoryFs): string[] {
	const log = new TestLog(directory, fs, { segmentBytes: SEGMENT_BYTES });
	const before = segmentsOf(log).length;
	for (let at = 0; segmentsOf(log).length === before; at++) log.append(messageEntry(`n${at}`, 300));
	const last = segmentsOf(log).at(-1);
	const state = stateOf(readFrom(log, (last?.firstLsn ?? 0) - 1));
	log.stop();
	return state;
}

describe("a start", () => {
	test("has the log's state although any byte of the last segment's is damaged, and restates it at once", () => {
		const { directory, fs, paths, state } = written("damaged state", 4);
		const path = paths.at(-1) ?? "";
		const head = headOf(fs, path);
		expect(head.length).toBeGreaterThan(8);
		const whole = Buffer.from(fs.content(path));
		for (const { offset, bytes } of head) {
			for (let at = offset; at < offset + bytes; at += 5) {
				const broken = fs.afterKill();
				const content = Buffer.from(whole);
				content[at] = (content[at] ?? 0) ^ 0x40;
				broken.put(path, content);
				const log = new TestLog(directory, broken, { segmentBytes: SEGMENT_BYTES });
				log.append(messageEntry("next"));
				const [last] = segmentsOf(log).slice(-1);
				expect(segmentsOf(log).length).toBe(paths.length + 1);
				expect(stateOf(readFrom(log, (last?.firstLsn ?? 0) - 1))).toEqual(state);
				log.kill();
			}
		}
	});

	test("has it from the last segment that restates it, though all later ones are damaged", () => {
		const { directory, fs, paths, state } = written("damaged states", 5);
		for (const path of paths.slice(2)) {
			const content = Buffer.from(fs.content(path));
			const [first] = headOf(fs, path);
			const at = (first?.offset ?? 0) + 70;
			content[at] = (content[at] ?? 0) ^ 1;
			fs.put(path, content);
		}
		expect(restatedNext(directory, fs)).toEqual(state);
	});

	test("goes on with what can be read if no segment restates all of it", () => {
		const { directory, fs, paths } = written("no state", 5);
		fs.remove(paths[0] ?? "");
		for (const path of paths.slice(1)) {
			const content = Buffer.from(fs.content(path));
			const [first] = headOf(fs, path);
			const at = (first?.offset ?? 0) + 70;
			content[at] = (content[at] ?? 0) ^ 1;
			fs.put(path, content);
		}
		const log = new TestLog(directory, fs, { segmentBytes: SEGMENT_BYTES });
		const known = stateOf(readFrom(log));
		expect(known.length).toBeGreaterThan(3);
		log.stop();
		expect(restatedNext(directory, fs)).toEqual(known);
	});

	test("restates it in the segment after one that can't be read, or is gone", () => {
		for (const damage of [
			(fs: MemoryFs, path: string) => fs.put(path, Buffer.from(fs.content(path)).fill(0, 0, 128)),
			(fs: MemoryFs, path: string) => fs.remove(path),
		]) {
			const { directory, fs, paths } = written("lost segment", 4);
			damage(fs, paths.at(-1) ?? "");
			const log = new TestLog(directory, fs, { segmentBytes: SEGMENT_BYTES });
			log.append(messageEntry("next"));
			const list = readFrom(log);
			const own = segmentsOf(log).at(-1);
			const after = list.filter(({ lsn }) => lsn >= (own?.firstLsn ?? 0));
			expect(after.length).toBeGreaterThan(5);
			expect(stateOf(after)).toEqual(stateOf(list));
			expect(log.position.snapshot().lastLsn).toBe(list.at(-1)?.lsn ?? 0);
			log.stop();
		}
	});
});

describe("a disk that fails", () => {
	test("at any call, and soon after once more, costs nothing: all comes once, and each segment restates the state", () => {
		for (const syncMode of ["always", "write"] as const) {
			for (let failing = 1, isReached = true; isReached; failing++) {
				isReached = false;
				const history = stateHistory(new Rng("failing rotation"), 40);
				const second = failing + 1 + (failing % 11);
				const fs = new MemoryFs();
				let nowMs = START_MS;
				const clock = (): number => nowMs;
				const log = new TestLog(temporaryDirectory(), fs, { syncMode, clock, segmentBytes: SEGMENT_BYTES });
				let calls = 0;
				fs.failedWriteShare = (failing % 4) / 3;
				fs.fault = () => {
					calls += 1;
					if (calls !== failing && calls !== second) return;
					isReached = true;
					throw Object.assign(new Error("EIO: by the test"), { code: "EIO" });
				};
				for (const [at, entry] of entriesOf(history).entries()) {
					log.handOver(entry);
					for (let tries = 0; !log.step(); tries++) {
						if (tries > 5) throw new Error(`record ${at} is not taken`);
						nowMs += 60_000;
					}
				}
				fs.fault = () => {};
				const all = readFrom(log);
				expectNumbers(all);
				expect(all.filter(({ kind }) => isMessageKind(kind))).toHaveLength(
					history.filter(({ kind }) => isMessageKind(kind)).length,
				);
				expectStateFromEach(log, stateOf(history));
				const killed = fs.afterKill();
				const { directory } = log.options;
				log.kill();
				const again = new TestLog(directory, killed, { syncMode, segmentBytes: SEGMENT_BYTES });
				expectStateFromEach(again, stateOf(history));
				again.kill();
			}
		}
	});

	test("a power cut at any call leaves the state of what is durable", () => {
		const history = stateHistory(new Rng("power cut"), 40);
		for (let cutting = 1, isReached = true; isReached; cutting++) {
			isReached = false;
			const fs = new MemoryFs();
			const directory = temporaryDirectory();
			const rng = new Rng(`power cut/${cutting}`);
			const log = new TestLog(directory, fs, { segmentBytes: SEGMENT_BYTES });
			let calls = 0;
			let cut: MemoryFs | null = null;
			let published = 0;
			fs.fault = () => {
				calls += 1;
				if (calls !== cutting) return;
				isReached = true;
				cut = fs.afterPowerCut(() => rng.int(2) === 0);
				published = log.position.snapshot().lastLsn;
			};
			let handedOver = 0;
			let handedOverAtCut = 0;
			for (const entry of entriesOf(history)) {
				handedOver += 1;
				log.append(entry);
				if (cut !== null && handedOverAtCut === 0) handedOverAtCut = handedOver;
			}
			log.kill();
			if (cut === null) continue;
			const again = new TestLog(directory, cut, { segmentBytes: SEGMENT_BYTES });
			const list = readFrom(again);
			expect(list.at(-1)?.lsn ?? 0).toBeGreaterThanOrEqual(published);
			// The record that was on its way may be there, or not.
			const states = [0, 1].map((less) => stateOf(history.slice(0, handedOverAtCut - less)));
			for (const { firstLsn } of segmentsOf(again))
				expect(states).toContainEqual(stateOf(readFrom(again, firstLsn - 1)));
			again.kill();
		}
	});
});

describe("a state that is long", () => {
	test("takes no more than half of what is written, however short segments are", () => {
		const log = new TestLog(temporaryDirectory(), new MemoryFs(), { segmentBytes: 1_000 });
		const hosts = Array.from({ length: 100 }, (_, at) => records.host(at + 1));
		log.append(...entriesOf(hosts));
		for (let at = 0; at < 400; at++) log.append(messageEntry(`m${at}`, 100));
		const all = readFrom(log);
		const bytes = (list: readonly StoredRecord[]): number =>
			list.reduce((sum, { facts, frame }) => sum + 56 + facts.length + frame.length, 0);
		const restated = all.filter(({ flags, kind }) => !isMessageKind(kind) && (flags & RecordFlag.restated) !== 0);
		expect(segmentsOf(log).length).toBeGreaterThan(2);
		expect(bytes(restated)).toBeLessThanOrEqual(bytes(all) / 2);
		expectStateFromEach(log, stateOf(hosts));
	});

	test("does not alone make a segment end by its age", () => {
		let nowMs = START_MS;
		const log = new TestLog(temporaryDirectory(), new MemoryFs(), { clock: () => nowMs });
		log.append(...entriesOf([records.host(1), laterState(20, Buffer.from("k"), Buffer.from([0xa0]))]));
		for (let hour = 0; hour < 100; hour++) {
			nowMs += 3_600_000;
			log.writer.maintain();
			log.step();
		}
		// The segment that had records has ended, and nothing was written since.
		expect(segmentsOf(log)).toHaveLength(2);
	});
});
