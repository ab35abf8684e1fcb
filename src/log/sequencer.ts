import type { Counters } from "../observe/counters.ts";
import { counter, histogram, LATENCY_BOUNDS_S } from "../observe/metric.ts";
import { Major } from "../protocol/cbor.ts";
import { headBytes, writeHead } from "../protocol/cbor-head.ts";
import type { Doorbell } from "../runtime/doorbell.ts";
import type { RingReader } from "../runtime/ring.ts";
import { steadyMs } from "../runtime/steady-clock.ts";
import { type AppendLog, BATCH_BYTES, BATCH_BYTES_MAX, type UnsealedBatch } from "./log.ts";
import type { LogTracer } from "./log-tracer.ts";
import type { MessageTimes } from "./message-times.ts";
import { type Entry, entryHandedOverMs, entryReceivedMs, readEntry } from "./record/entry.ts";
import {
	isMessageKind,
	RECORD_BYTES_MAX,
	RECORD_HEADER_BYTES,
	timeUsAfter,
	writeRecordHeader,
} from "./record/record.ts";

const recordsAppended = counter(
	"records_appended_total",
	"records appended to the log",
	"If it stops while messages are accepted, look at `standpipe_log_stalled`.",
);

const messageLogSeconds = histogram(
	"message_log_seconds",
	"how long a message took from the thread of its DID until the log had published it: in sync mode always after its sync, in sync mode " +
		"write after its write",
	"If it is high, compare it with `standpipe_log_sync_seconds`: the disk is slow, or the processor has no time for the log's thread.",
	LATENCY_BOUNDS_S,
);

const messagesSequenced = counter(
	"messages_sequenced_total",
	"messages that got their seq",
	"If it stops while messages are accepted, look at `standpipe_log_stalled`.",
);

/** A ring that the sequencer reads, and the doorbell of the thread that fills it. */
export interface Producer {
	ring: RingReader;
	doorbell: Doorbell;
}

/** Who is told of the messages' times; null or none if nobody asks for them. */
export interface SequencerWatch {
	times?: MessageTimes | null;
	tracer?: LogTracer | null;
}

/**
 * Gives each entry of the rings its place in the log. One step is one batch: it takes entries from every ring, has them
 * appended, synced and published, and only then acknowledges them to the producers (invariant 1). In sync mode `write` a
 * batch is published before it is synced. It is acknowledged after the sync, since hosts' cursors follow (invariant 4).
 */
export class Sequencer {
	readonly #log: AppendLog;
	readonly #producers: readonly Producer[];
	readonly #counters: Counters;
	readonly #times: MessageTimes | null;
	readonly #tracer: LogTracer | null;
	readonly #buffer = Buffer.allocUnsafeSlow(BATCH_BYTES_MAX);
	#used = 0;
	/** Of the next record in the buffer. */
	#nextLsn = 0;
	/** Of the next message in the buffer. */
	#nextSeq = 0;
	/** The least time of the next record in the buffer. */
	#nextTimeUs = 0;
	/** The batch in the buffer, and the producers whose entries are in it; none if there is no batch. */
	#batch: UnsealedBatch = { bytes: this.#buffer.subarray(0, 0), firstLsn: 0, lastLsn: 0, lastSeq: 0, endTimeUs: 0 };
	#taken: Producer[] = [];
	/** Batches that are published and not yet durable, the oldest first, with the ring positions at which they end. */
	readonly #undurable: { lsn: number; ends: { producer: Producer; position: number }[] }[] = [];
	/** The producer that the next batch begins with. */
	#first = 0;

	constructor(
		log: AppendLog,
		producers: readonly Producer[],
		counters: Counters,
		{ times = null, tracer = null }: SequencerWatch = {},
	) {
		this.#log = log;
		this.#producers = producers;
		this.#counters = counters;
		this.#times = times;
		this.#tracer = tracer;
	}

	/**
	 * Makes one batch of what the rings hold. Returns whether it was appended: as a promise if the log answers with one, for
	 * which the next step has to wait. If the log does not take the batch, the next step tries the same batch again. Meanwhile
	 * the rings fill up, so the hosts are paused.
	 *
	 * @throws a failure that waiting can't cure: then nothing of the batch was published, and the process must stop
	 */
	step(): boolean | Promise<boolean> {
		this.acknowledge();
		if (this.#taken.length === 0) {
			if (!this.#log.prepare()) return false;
			// It may have made durable what was published before.
			this.acknowledge();
			this.#takeBatch();
			if (this.#taken.length === 0) return false;
		}
		const isAppended = this.#log.append(this.#batch);
		return isAppended instanceof Promise ? isAppended.then((is) => this.#settle(is)) : this.#settle(isAppended);
	}

	#settle(isAppended: boolean): boolean {
		if (!isAppended) return false;
		this.#notePublished();
		const ends = this.#taken.map((producer) => ({ producer, position: producer.ring.position }));
		this.#undurable.push({ lsn: this.#batch.lastLsn, ends });
		this.acknowledge();
		// The entries were copied, so the rings have room again even if the batch is not durable yet.
		if (this.#undurable.length > 0) for (const producer of this.#taken) producer.doorbell.ring();
		this.#taken = [];
		return true;
	}

	/** Counts how long the messages of the batch took, and lets readers know when they were published. */
	#notePublished(): void {
		if (this.#times === null) return;
		const nowMs = steadyMs();
		this.#tracer?.published(nowMs);
		for (let lsn = this.#batch.firstLsn; lsn <= this.#batch.lastLsn; lsn++) {
			const handedOverMs = this.#times.handedOverMs(lsn);
			if (handedOverMs === 0) continue;
			this.#times.notePublished(lsn, nowMs);
			this.#counters.time(messageLogSeconds, handedOverMs, nowMs);
		}
	}

	/** Acknowledges to the producers what has become durable. Each step does so, too. */
	acknowledge(): void {
		const { durableLsn } = this.#log;
		this.#tracer?.durable(durableLsn);
		for (let batch = this.#undurable[0]; batch !== undefined && batch.lsn <= durableLsn; batch = this.#undurable[0]) {
			this.#undurable.shift();
			for (const { producer, position } of batch.ends) {
				producer.ring.acknowledge(position);
				producer.doorbell.ring();
			}
		}
	}

	/** Fills the buffer. Each ring in turn gets an equal share of the room that is left. */
	#takeBatch(): void {
		const firstLsn = this.#log.nextLsn;
		const count = this.#producers.length;
		const taken: Producer[] = [];
		this.#used = 0;
		this.#nextLsn = firstLsn;
		this.#nextSeq = this.#log.nextSeq;
		this.#nextTimeUs = this.#log.timeUs();
		for (let turn = 0; turn < count; turn++) {
			const producer = this.#producers[(this.#first + turn) % count];
			const share = (BATCH_BYTES - this.#used) / (count - turn);
			if (producer !== undefined && this.#take(producer.ring, this.#used + share)) taken.push(producer);
		}
		this.#counters.add(messagesSequenced, this.#nextSeq - this.#log.nextSeq);
		this.#first = count === 0 ? 0 : (this.#first + 1) % count;
		this.#taken = taken;
		this.#batch = {
			bytes: this.#buffer.subarray(0, this.#used),
			firstLsn,
			lastLsn: this.#nextLsn - 1,
			lastSeq: this.#nextSeq - 1,
			endTimeUs: this.#nextTimeUs,
		};
	}

	#take(ring: RingReader, usedMax: number): boolean {
		let records = 0;
		while (this.#used < usedMax) {
			const bytes = ring.next();
			if (bytes === null) break;
			const entry = readEntry(bytes);
			this.#noteTaken(entry, entryReceivedMs(bytes), entryHandedOverMs(bytes));
			this.#writeRecord(entry);
			records += 1;
		}
		// The entries were copied, so their space can be filled again while this batch is synced.
		ring.release();
		this.#counters.add(recordsAppended, records);
		return records > 0;
	}

	/** Notes the times of an entry that is about to be written. Those that did not come from a host have none. */
	#noteTaken(entry: Entry, receivedMs: number, handedOverMs: number): void {
		if (this.#times === null) return;
		const isTraced = this.#tracer !== null && receivedMs > 0 && this.#tracer.take(entry, this.#nextLsn, this.#nextSeq);
		this.#times.note(this.#nextLsn, receivedMs, handedOverMs, isTraced);
	}

	/** A message gets the next seq. A control record carries the last message's, so that consumers see no gap. */
	#writeRecord(entry: Entry): void {
		const { facts, frame, kind, flags, host, upstreamSeq, ops } = entry;
		if (isMessageKind(kind)) this.#nextSeq += 1;
		const seq = this.#nextSeq - 1;
		const timeUs = this.#nextTimeUs;
		const start = this.#used;
		this.#buffer.set(facts, start + RECORD_HEADER_BYTES);
		const frameStart = start + RECORD_HEADER_BYTES + facts.length;
		const end = frame.length === 0 ? frameStart : this.#splice(entry, seq, frameStart);
		writeRecordHeader(this.#buffer, start, end - start, {
			lsn: this.#nextLsn,
			seq,
			timeUs,
			upstreamSeq,
			host,
			kind,
			flags,
			factsLength: facts.length,
			ops,
		});
		this.#used = end;
		this.#nextLsn += 1;
		this.#nextTimeUs = timeUsAfter(timeUs, ops);
	}

	/** Copies the frame with our seq in the place of the host's. Every other byte stays as it is (rulebook 1.5). */
	#splice(entry: Entry, seq: number, at: number): number {
		const { frame, seqStart, seqEnd } = entry;
		const length = frame.length - (seqEnd - seqStart) + headBytes(seq);
		if (seqStart >= seqEnd || seqEnd > frame.length || at + length - this.#used > RECORD_BYTES_MAX) {
			throw new RangeError(
				`an entry has a frame of ${frame.length} bytes and its seq from byte ${seqStart} to ${seqEnd}: that is invalid`,
			);
		}
		this.#buffer.set(frame.subarray(0, seqStart), at);
		const seqBehind = writeHead(this.#buffer, Major.unsigned, seq, at + seqStart);
		this.#buffer.set(frame.subarray(seqEnd), seqBehind);
		return at + length;
	}
}
