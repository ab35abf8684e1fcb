import { createLogMemory, type LogMemory } from "../../src/log/access.ts";
import { ActiveSegment } from "../../src/log/local/active-segment.ts";
import { systemLogFs } from "../../src/log/local/log-fs.ts";
import { LogWriter } from "../../src/log/local/write/log-writer.ts";
import { Marks } from "../../src/log/marks.ts";
import { LogPosition } from "../../src/log/position.ts";
import { RECORD_HEADER_BYTES, RecordKind, writeRecordHeader } from "../../src/log/record/record.ts";
import { Counters } from "../../src/observe/counters.ts";

const RECORDS_PER_BATCH = 500;

/** A log of identical commits, for benches of its readers. */
export class PreparedLog {
	readonly memory: LogMemory = createLogMemory([]);
	readonly #writer: LogWriter;
	readonly #recordBytes: number;

	/** Opens the log in `directory`, or makes it there. Records have no facts, so only consumers can read them. */
	constructor(directory: string, frameBytes: number) {
		this.#recordBytes = RECORD_HEADER_BYTES + frameBytes;
		this.#writer = new LogWriter({
			directory,
			fs: systemLogFs,
			position: new LogPosition(this.memory.position),
			active: new ActiveSegment(this.memory.activeSegment),
			marks: new Marks(this.memory.marks),
			counters: new Counters(),
			clock: Date.now,
			elapsedMs: () => performance.now(),
			syncMode: "write",
			segmentBytes: 256 * 1024 ** 2,
			replayWindowMs: 3_600_000,
			initialSeq: 1,
		});
	}

	append(frames: number): void {
		for (let left = frames; left > 0; left -= RECORDS_PER_BATCH) this.#appendBatch(Math.min(left, RECORDS_PER_BATCH));
	}

	close(): void {
		this.#writer.close();
	}

	#appendBatch(records: number): void {
		const writer = this.#writer;
		const length = this.#recordBytes;
		writer.prepare();
		const timeUs = writer.timeUs();
		const { nextLsn: firstLsn, nextSeq: firstSeq } = writer;
		const bytes = Buffer.alloc(records * length, 0x61);
		for (let index = 0; index < records; index++) {
			const header = {
				...{ lsn: firstLsn + index, seq: firstSeq + index, timeUs: timeUs + index },
				...{ upstreamSeq: 0, host: 0, kind: RecordKind.commit, flags: 0, factsLength: 0, ops: 0 },
			};
			writeRecordHeader(bytes, index * length, length, header);
		}
		writer.append({
			...{ bytes, firstLsn, lastLsn: firstLsn + records - 1 },
			...{ lastSeq: firstSeq + records - 1, endTimeUs: timeUs + records },
		});
	}
}
