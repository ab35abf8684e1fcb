import { openIndexWriter } from "../../src/index/open.ts";
import { logIdOf } from "../../src/log/access.ts";
import { ActiveSegment } from "../../src/log/local/active-segment.ts";
import { systemLogFs } from "../../src/log/local/log-fs.ts";
import { LogWriter } from "../../src/log/local/write/log-writer.ts";
import { createMarksBuffer, Marks } from "../../src/log/marks.ts";
import { LogPosition } from "../../src/log/position.ts";
import { encodeHostFacts } from "../../src/log/record/control.ts";
import { type Entry, entryBytes, writeEntry } from "../../src/log/record/entry.ts";
import { encodeRepoFacts } from "../../src/log/record/facts.ts";
import { NEVER_CONNECTED } from "../../src/log/record/host-connection.ts";
import { RecordKind } from "../../src/log/record/record.ts";
import type { StoredRecord } from "../../src/log/record/stored-record.ts";
import { Sequencer } from "../../src/log/sequencer.ts";
import { Counters } from "../../src/observe/counters.ts";
import { scanFrame } from "../../src/protocol/frame.ts";
import { CID_BYTES } from "../../src/protocol/limits.ts";
import { Doorbell } from "../../src/runtime/doorbell.ts";
import { createRingBuffer, RingReader, RingWriter } from "../../src/runtime/ring.ts";
import { type RestampedFrames, WS_HEADER_BYTES } from "./frames.ts";

export const SEGMENT_BYTES = 256 * 1024 * 1024;
const RING_BYTES = 16 * 1024 * 1024;
const HOUR_MS = 3_600_000;
/** All messages of a filled log are from this host. */
const HOST_ID = 1;
const HOST_FACTS = encodeHostFacts({
	id: HOST_ID,
	hostname: "filled.test",
	insecure: false,
	// The relay tries to connect to idle hosts too, but this host's name does not resolve.
	status: "idle",
	gaps: 0,
	lastGap: null,
	connection: NEVER_CONNECTED,
});

/**
 * Fills a log's folder as the relay does, through its own ring, sequencer and writer, but without verification. The facts of
 * the records name `accounts` accounts in turn, for the index. The frames are those of the load's few accounts.
 */
export class LogFiller {
	readonly #log: LogWriter;
	readonly #sequencer: Sequencer;
	readonly #ring: RingWriter;
	readonly #frames: RestampedFrames;
	readonly #accounts: number;
	#upstreamSeq = 0;

	constructor(directory: string, frames: RestampedFrames, accounts: number) {
		const counters = new Counters();
		const ring = createRingBuffer(RING_BYTES);
		this.#log = new LogWriter({
			directory,
			fs: systemLogFs,
			position: new LogPosition(),
			active: new ActiveSegment(),
			marks: new Marks(createMarksBuffer([])),
			counters,
			clock: Date.now,
			elapsedMs: () => performance.now(),
			syncMode: "write",
			segmentBytes: SEGMENT_BYTES,
			replayWindowMs: 72 * HOUR_MS,
			initialSeq: 1,
		});
		this.#sequencer = new Sequencer(this.#log, [{ ring: new RingReader(ring), doorbell: new Doorbell() }], counters);
		this.#ring = new RingWriter(ring);
		this.#frames = frames;
		this.#accounts = accounts;
	}

	/** Of the last message. */
	get lastSeq(): number {
		return this.#log.nextSeq - 1;
	}

	/** Of the last record. */
	get lastLsn(): number {
		return this.#log.nextLsn - 1;
	}

	/** Appends records that take about so many bytes of the log. Pauses now and then, so that signals are handled. */
	async fill(bytes: number): Promise<void> {
		let left = bytes;
		while (left > 0) {
			const entry = this.#nextEntry();
			const length = entryBytes(entry);
			let target = this.#ring.reserve(length);
			while (target === null) {
				this.#sequence();
				await new Promise(setImmediate);
				target = this.#ring.reserve(length);
			}
			writeEntry(target, entry);
			left -= length;
		}
		this.#sequence();
	}

	/** Closes the log as a relay does at a clean stop. */
	close(): void {
		this.#log.close();
	}

	#sequence(): void {
		this.#ring.publish();
		while (this.#sequencer.step() === true);
	}

	#nextEntry(): Entry {
		const frame = this.#frames.nextFrame().subarray(WS_HEADER_BYTES);
		const scanned = scanFrame(frame);
		if (scanned.kind !== "message" || scanned.message.type !== "commit") throw new Error("the load is commits only");
		const { rev, commit, opsCount, seqStart, seqEnd } = scanned.message;
		const did = `did:plc:${String(this.#upstreamSeq % this.#accounts).padStart(24, "a")}`;
		this.#upstreamSeq += 1;
		return {
			kind: RecordKind.commit,
			flags: 0,
			host: HOST_ID,
			upstreamSeq: this.#upstreamSeq,
			seqStart,
			seqEnd,
			ops: opsCount,
			facts: encodeRepoFacts({ did, rev, commit, data: Buffer.alloc(CID_BYTES, commit), touched: null }),
			frame,
		};
	}
}

/** Makes an index that counts as having applied a filled log up to `lsn`. Of that part it has only the host's row. */
export async function makeIndex(databasePath: string, logDirectory: string, lsn: number): Promise<void> {
	const log = { id: logIdOf(logDirectory), lsnUsedMax: lsn, initialSeq: 1 };
	const writer = await openIndexWriter(`sqlite://${databasePath}`, log);
	const control = { timeUs: Date.now() * 1000, upstreamSeq: 0, host: 0, flags: 0, ops: 0, frame: new Uint8Array(0) };
	const record: StoredRecord = { ...control, lsn, seq: 0, kind: RecordKind.host, facts: HOST_FACTS };
	await writer.apply([record]);
	await writer.store.close();
}
