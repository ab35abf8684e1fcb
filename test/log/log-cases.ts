import { describe, expect, test } from "bun:test";
import type { BlockingReader, Log, SharedReader, UnsealedBatch } from "../../src/log/log.ts";
import { createMarksBuffer, type Mark, Marks } from "../../src/log/marks.ts";
import { LogPosition } from "../../src/log/position.ts";
import { Batch, Gap } from "../../src/log/record/batch.ts";
import {
	isMessageKind,
	RECORD_OPS_MAX,
	RecordFlag,
	RecordKind,
	recordLength,
	recordLsn,
	recordSeq,
	recordTimeUs,
	timeUsAfter,
} from "../../src/log/record/record.ts";
import type { StoredRecord } from "../../src/log/record/stored-record.ts";
import { Rng } from "../../src/sim/rng.ts";
import { batchOf, type Unsequenced } from "./batches.ts";

/** The storage of a log, which outlives the process that writes it. */
export interface LogStorage {
	/** Opens the log, as a start does. The one that was opened before is closed or killed. */
	open(position: LogPosition, marks: Marks): OpenedLog;
}

export interface OpenedLog {
	readonly log: Log;
	readonly blocking: BlockingReader;
	readonly shared: SharedReader;
	/** The reasons why the log took nothing, each time they changed. */
	readonly stalls: readonly (string | null)[];
	/** Makes appends fail by a fault that can pass. */
	fail(): void;
	/** Ends the fault, and lets as much time pass as the log waits until it tries again. */
	heal(): void;
	/** Makes the log remove, at the latest with the next batch, all records that no mark keeps, except for some of the last. */
	dropOldest(): void;
	/** Ends the process here, whatever is under way. */
	kill(): void;
}

/** A log that is used as by the sequencer, and all records that it has taken. */
class Writer {
	readonly position: LogPosition;
	/** Of the only reader that the log waits for. */
	readonly mark: Mark;
	readonly opened: OpenedLog;
	readonly taken: StoredRecord[];
	readonly #rng: Rng;

	constructor(storage: LogStorage, rng: Rng, taken: StoredRecord[] = [], position = new LogPosition()) {
		this.#rng = rng;
		this.taken = taken;
		this.position = position;
		const marks = new Marks(createMarksBuffer([{ name: "reader", lagBytesMax: null }]));
		this.mark = marks.mark("reader");
		this.opened = storage.open(position, marks);
	}

	get log(): Log {
		return this.opened.log;
	}

	/** Notes what the log has published of its own: control records that restate its state. */
	noteOwn(): void {
		for (const record of readBlocking(this.opened.blocking, this.taken.at(-1)?.lsn)) {
			if (typeof record === "number") throw new Error("there is a gap at the log's end");
			expect(isMessageKind(record.kind)).toBe(false);
			expect(record.flags & RecordFlag.restated).toBe(RecordFlag.restated);
			this.taken.push(record);
		}
	}

	/** Makes a batch of records of all kinds, with facts and frames of any length. */
	batch(count = 1 + this.#rng.int(5), frameBytesMax = 2_000): { batch: UnsealedBatch; records: StoredRecord[] } {
		const rng = this.#rng;
		expect(this.log.prepare()).toBe(true);
		this.noteOwn();
		const kinds = Object.values(RecordKind);
		const made = Array.from({ length: count }, () => ({
			host: rng.int(2 ** 32),
			upstreamSeq: rng.int(2 ** 40),
			kind: kinds[rng.int(kinds.length)] ?? RecordKind.commit,
			flags: rng.int(8),
			ops: rng.int(4) === 0 ? rng.int(RECORD_OPS_MAX + 1) : rng.int(3),
			facts: Buffer.from(rng.bytes(rng.int(100))),
			frame: Buffer.from(rng.bytes(rng.int(frameBytesMax))),
		}));
		const batch = batchOf(this.log, made);
		return { batch, records: placed(batch, made) };
	}

	async append(count?: number, frameBytesMax?: number): Promise<void> {
		const { batch, records } = this.batch(count, frameBytesMax);
		expect(await this.log.append(batch)).toBe(true);
		this.taken.push(...records);
		this.noteOwn();
	}
}

/** These records with lsn, seq and time as they are in the batch's bytes. */
function placed({ bytes }: UnsealedBatch, records: readonly Unsequenced[]): StoredRecord[] {
	let at = 0;
	return records.map((record) => {
		const placed = { ...record, lsn: recordLsn(bytes, at), seq: recordSeq(bytes, at), timeUs: recordTimeUs(bytes, at) };
		at += recordLength(bytes, at);
		return placed;
	});
}

/** All records after `cursor`, by a reader that waits. For a gap, the lsn of the record after it. */
function readBlocking(reader: BlockingReader, cursor = 0): (StoredRecord | number)[] {
	const seen: (StoredRecord | number)[] = [];
	for (let at = cursor; ; ) {
		const part = reader.read(at);
		if (part === null) return seen;
		if (part instanceof Gap) seen.push(part.nextLsn);
		else for (let i = part.indexAfter(at); i < part.count; i++) seen.push(copyOf(part.record(i)));
		if (part.lastLsn <= at) throw new Error(`reading after ${at} does not get on`);
		at = part.lastLsn;
	}
}

/** The same by a reader that does not wait, as consumers read: the parts of the records that consumers use. */
async function readShared(reader: SharedReader, cursor = 0): Promise<unknown[]> {
	const seen: unknown[] = [];
	for (let at = cursor; ; ) {
		const part = reader.read(at);
		if (part === null) return seen;
		if (part instanceof Promise) {
			await part;
			continue;
		}
		if ("nextLsn" in part) {
			seen.push(part.nextLsn);
			at = part.lastLsn;
			continue;
		}
		const first = part.indexAfter(at);
		for (let i = first; i < part.count; i++) {
			seen.push([part.lsn(i), part.seq(i), part.kind(i), Buffer.from(part.frame(i))]);
		}
		at = part.lsn(part.count - 1);
	}
}

function copyOf(record: StoredRecord): StoredRecord {
	return { ...record, facts: Buffer.from(record.facts), frame: Buffer.from(record.frame) };
}

function shared(records: readonly StoredRecord[]): unknown[] {
	return records.map(({ lsn, seq, kind, frame }) => [lsn, seq, kind, Buffer.from(frame)]);
}

/** What every log has to do for the sequencer and for readers. `create` makes a storage without a log yet. */
export function logCases(name: string, create: () => LogStorage): void {
	describe(`${name}: appending`, () => {
		test("an open log without records says where it begins", () => {
			const { position, log } = new Writer(create(), new Rng("empty"));
			expect([log.nextLsn, log.nextSeq]).toEqual([1, 1]);
			expect(position.snapshot()).toMatchObject({ firstLsn: 1, lastLsn: 0, lsnUsedMax: 0 });
			expect(position.snapshot()).toMatchObject({ firstSeq: 1, lastSeq: 0, seqUsedMax: 0 });
		});

		test("records come back as they were made, from every cursor", async () => {
			const writer = new Writer(create(), new Rng("records"));
			for (let i = 0; i < 20; i++) await writer.append();
			await writer.append(1, 600_000);
			await writer.append(200);
			const { taken, opened, position } = writer;
			expect(taken.map(({ lsn }) => lsn)).toEqual(Array.from(taken, (_, at) => at + 1));
			const seqs = taken.filter(({ kind }) => isMessageKind(kind)).map(({ seq }) => seq);
			expect(seqs).toEqual(Array.from(seqs, (_, at) => at + 1));
			expect(seqs.length).toBeLessThan(taken.length);
			expect(position.snapshot()).toMatchObject({ firstLsn: 1, lastLsn: taken.length, lsnUsedMax: taken.length });
			expect(position.snapshot()).toMatchObject({ firstSeq: 1, lastSeq: seqs.length, seqUsedMax: seqs.length });
			expect(readBlocking(opened.blocking)).toEqual(taken);
			expect(await readShared(opened.shared)).toEqual(shared(taken));
			for (let cursor = 0; cursor <= taken.length; cursor++) {
				const part = opened.blocking.read(cursor);
				if (cursor === taken.length) expect(part).toBeNull();
				else expect(part instanceof Batch && part.lsn(part.indexAfter(cursor))).toBe(cursor + 1);
			}
		});

		test("a batch is published as a whole, when readers find it, and not before the log has it", async () => {
			const storage = create();
			const ends = new Set([0]);
			let writer: Writer | null = null;
			let told = 0;
			let publications = 0;
			const position = new (class extends LogPosition {
				override publish(...state: Parameters<LogPosition["publish"]>): void {
					super.publish(...state);
					const { lastLsn, durableLsn } = this.snapshot();
					// Records between batches are the log's own.
					if (!ends.has(lastLsn)) writer?.noteOwn();
					expect([...ends, writer?.taken.length]).toContain(lastLsn);
					expect(lastLsn).toBeGreaterThanOrEqual(told);
					expect(durableLsn).toBeLessThanOrEqual(lastLsn);
					told = lastLsn;
					if (writer === null) return;
					publications += 1;
					expect(readBlocking(writer.opened.blocking, lastLsn - 1).length).toBe(lastLsn === 0 ? 0 : 1);
					expect(readBlocking(writer.opened.blocking, lastLsn)).toEqual([]);
				}
			})();
			writer = new Writer(storage, new Rng("publish"), [], position);
			for (let i = 0; i < 15; i++) {
				const { batch, records } = writer.batch();
				expect(position.snapshot().lastLsn).toBe(writer.taken.length);
				ends.add(batch.lastLsn);
				expect(await writer.log.append(batch)).toBe(true);
				writer.taken.push(...records);
				expect(position.snapshot()).toMatchObject({ lastLsn: batch.lastLsn, lastSeq: batch.lastSeq });
				expect(position.snapshot().lastTimeUs).toBe(batch.endTimeUs - 1);
			}
			expect(publications).toBeGreaterThanOrEqual(15);
		});

		test("what is published becomes durable, and the log says so to the sequencer and to readers", async () => {
			const { log, position, ...writer } = await filled(create(), "durable");
			while (position.snapshot().durableLsn < writer.taken.length) {
				writer.opened.heal();
				log.keepUp();
				await new Promise((resolve) => setImmediate(resolve));
			}
			expect(log.durableLsn).toBe(writer.taken.length);
		});

		test("a batch that does not begin where the log ends is refused", async () => {
			const writer = new Writer(create(), new Rng("hole"));
			await writer.append(3);
			const { batch } = writer.batch(2);
			for (const shift of [-1, 1]) {
				const firstLsn = batch.firstLsn + shift;
				const append = async () => writer.log.append({ ...batch, firstLsn, lastLsn: batch.lastLsn + shift });
				await expect(append()).rejects.toThrow(RangeError);
			}
			expect(writer.position.snapshot().lastLsn).toBe(3);
		});

		test("a batch wakes those who wait", async () => {
			const writer = new Writer(create(), new Rng("wait"));
			let isWoken = false;
			const waiting = writer.position.wait(0, 600_000).then(() => {
				isWoken = true;
			});
			await Promise.resolve();
			expect(isWoken).toBe(false);
			await writer.append();
			await waiting;
			await writer.position.wait(writer.taken.length - 1, 600_000);
		});
	});

	describe(`${name}: failing`, () => {
		test("a batch that is not taken is not published, and is taken later", async () => {
			const rng = new Rng("stall");
			const writer = new Writer(create(), rng.fork("batches"));
			const { opened, log, position } = writer;
			for (let round = 0; round < 10; round++) {
				for (let i = rng.int(3); i > 0; i--) await writer.append();
				const { batch, records } = writer.batch();
				const before = position.snapshot();
				opened.fail();
				for (let tries = 1 + rng.int(3); tries > 0; tries--) {
					expect(await log.append(batch)).toBe(false);
					const { lastLsn, lsnUsedMax, lastSeq, seqUsedMax } = before;
					expect(position.snapshot()).toMatchObject({ lastLsn, lsnUsedMax, lastSeq, seqUsedMax });
					expect(readBlocking(opened.blocking, lastLsn)).toEqual([]);
				}
				opened.heal();
				expect(await log.append(batch)).toBe(true);
				writer.taken.push(...records);
				writer.noteOwn();
			}
			expect(opened.stalls.map((reason) => reason !== null)).toEqual(
				Array.from({ length: 20 }, (_, at) => at % 2 === 0),
			);
			expect(readBlocking(opened.blocking)).toEqual(writer.taken);
		});

		test("records that are removed are a gap for every reader, as the position has said before", async () => {
			const writer = await filled(create(), "gap", 60);
			const { opened, position, taken } = writer;
			expect(readBlocking(opened.blocking)).toEqual(taken);
			writer.mark.move(taken.length);
			opened.dropOldest();
			await writer.append();
			const { firstLsn, firstSeq } = position.snapshot();
			expect(firstLsn).toBeGreaterThan(1);
			const left = taken.filter(({ lsn }) => lsn >= firstLsn);
			expect(left.length).toBeGreaterThan(0);
			expect(firstSeq).toBe(left.find(({ kind }) => isMessageKind(kind))?.seq ?? 0);
			expect(readBlocking(opened.blocking)).toEqual([firstLsn, ...left]);
			expect(await readShared(opened.shared)).toEqual([firstLsn, ...shared(left)]);
			expect(readBlocking(opened.blocking, firstLsn - 1)).toEqual(left);
			opened.shared.closeRemoved();
			expect(await readShared(opened.shared, firstLsn - 1)).toEqual(shared(left));
		});
	});

	describe(`${name}: retention`, () => {
		test("what a mark keeps stays, and is removed when the mark has moved on", async () => {
			const writer = await filled(create(), "marks", 60);
			const { opened, position, taken } = writer;
			const drop = async (): Promise<number> => {
				opened.dropOldest();
				await writer.append();
				return position.snapshot().firstLsn;
			};
			expect(await drop()).toBe(1);
			let before = 1;
			for (const lsn of [1, 50, 100, 140]) {
				writer.mark.move(lsn);
				const firstLsn = await drop();
				expect(firstLsn).toBeLessThanOrEqual(lsn + 1);
				expect(firstLsn).toBeGreaterThanOrEqual(before);
				expect(readBlocking(opened.blocking, lsn)).toEqual(taken.slice(lsn));
				before = firstLsn;
			}
			expect(before).toBeGreaterThan(1);
		});
	});

	describe(`${name}: opening again`, () => {
		test("after a clean end nothing is left out", async () => {
			const storage = create();
			const taken: StoredRecord[] = [];
			for (let run = 0; run < 3; run++) {
				const writer = new Writer(storage, new Rng(`run ${run}`), taken);
				expect(writer.log.nextLsn).toBe(taken.length + 1);
				expect(writer.log.nextSeq).toBe((taken.at(-1)?.seq ?? 0) + 1);
				for (let i = 0; i < 5; i++) await writer.append();
				writer.log.close();
			}
			const last = new Writer(storage, new Rng("last"), taken);
			const { timeUs = 0, ops = 0, seq = 0 } = taken.at(-1) ?? {};
			expect(last.position.snapshot()).toMatchObject({ firstLsn: 1, lastLsn: taken.length, firstSeq: 1, lastSeq: seq });
			expect(last.position.snapshot().lastTimeUs).toBe(timeUsAfter(timeUs, ops) - 1);
			expect(last.log.timeUs()).toBeGreaterThanOrEqual(timeUsAfter(timeUs, ops));
			expect(readBlocking(last.opened.blocking)).toEqual(taken);
		});

		test("after a kill everything that was durable is there, and no number is used twice", async () => {
			const storage = create();
			const rng = new Rng("kill");
			let taken: StoredRecord[] = [];
			for (let run = 0; run < 4; run++) {
				const writer = new Writer(storage, rng.fork(`${run}`), taken);
				for (let i = rng.int(4); i > 0; i--) await writer.append();
				const { durableLsn, lsnUsedMax, seqUsedMax } = writer.position.snapshot();
				const { batch, records } = writer.batch();
				if (run % 2 === 1) {
					writer.opened.fail();
					expect(await writer.log.append(batch)).toBe(false);
				}
				writer.opened.kill();
				const again = new Writer(storage, new Rng("again"));
				const found = readBlocking(again.opened.blocking) as StoredRecord[];
				const durable = taken.filter(({ lsn }) => lsn <= durableLsn);
				expect(found.slice(0, durable.length)).toEqual(durable);
				// There may also be records that were written, but never reported as durable.
				expect([...taken, ...records].slice(0, found.length)).toEqual(found);
				expect(again.log.nextLsn).toBeGreaterThan(Math.max(lsnUsedMax, found.at(-1)?.lsn ?? 0));
				expect(again.log.nextSeq).toBeGreaterThan(Math.max(seqUsedMax, found.at(-1)?.seq ?? 0));
				taken = found;
				again.log.close();
			}
		});
	});
}

async function filled(storage: LogStorage, seed: string, batches = 10): Promise<Writer> {
	const writer = new Writer(storage, new Rng(seed));
	for (let i = 0; i < batches; i++) await writer.append();
	return writer;
}
