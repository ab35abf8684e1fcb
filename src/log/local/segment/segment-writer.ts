import { DiskFault, diskFaultReason } from "../../../disk/fault.ts";
import { recordLength } from "../../record/record.ts";
import { BLOCK_BYTES, type LogFs } from "../log-fs.ts";
import { closeAnyway } from "./new-file.ts";
import { sealRecord } from "./seal.ts";
import {
	emptyEnd,
	encodeSegmentFooter,
	encodeSegmentHeader,
	moveEnd,
	SEGMENT_HEADER_BYTES,
	type SegmentEnd,
	type SegmentHeader,
	type SegmentId,
	segmentName,
} from "./segment.ts";
import { SegmentIndex } from "./segment-index.ts";

/** A segment as far as it is written: what a writer needs to go on with it. */
export interface SegmentState extends SegmentId, SegmentEnd {
	file: number;
	epoch: number;
	createdUs: number;
	/** Offset after the last record. */
	end: number;
	/** Of the records that restate the log's state at its beginning. */
	stateBytes: number;
	/** May already have entries of records that are yet to be appended. */
	index: SegmentIndex;
}

/** What a new segment begins with. */
export interface SegmentContent {
	/** Appends what has to be written again, from a segment that is given up. */
	save?: ((segment: SegmentWriter) => void) | undefined;
	/** The records of the log's state, which come after that. */
	state: Buffer;
}

/** How far a segment is durable. */
export interface DurableEnd extends SegmentEnd {
	end: number;
}

/** Writes the active segment. */
export class SegmentWriter {
	readonly #fs: LogFs;
	readonly #state: SegmentState;
	#durable: DurableEnd;
	/** Size of the file, as it was made or found: up to there it has all its blocks. */
	#madeBytes: number;
	#isLost = false;
	#hasFailedSync = false;

	/** @param state of a segment that is durable up to its end */
	constructor(fs: LogFs, state: SegmentState) {
		this.#fs = fs;
		this.#state = state;
		this.#durable = this.#here();
		this.#madeBytes = fs.sizeBytes(state.file);
	}

	/**
	 * Makes a new segment, durable with its directory entry before this returns. Until then no file of its name is touched.
	 *
	 * @param make makes its file: `createFile`, or `take` of a prepared one
	 * @param content the records that it begins with
	 */
	static create(
		fs: LogFs,
		make: (name: string, fill: (file: number) => SegmentWriter) => SegmentWriter,
		header: Omit<SegmentHeader, "epoch">,
		content: SegmentContent,
	): SegmentWriter {
		// Zero would make a page of zeros look like the beginning of a record.
		const epoch = Math.max(1, crypto.getRandomValues(new Uint32Array(1))[0] ?? 0);
		const segment = make(segmentName(header), (file) => {
			fs.write(file, encodeSegmentHeader({ ...header, epoch }), 0);
			const made = new SegmentWriter(fs, {
				file,
				epoch,
				...emptyEnd(header, header.createdUs),
				firstLsn: header.firstLsn,
				firstSeq: header.firstSeq,
				createdUs: header.createdUs,
				end: SEGMENT_HEADER_BYTES,
				stateBytes: content.state.length,
				index: new SegmentIndex(),
			});
			content.save?.(made);
			if (content.state.length > 0) made.append(content.state, false);
			return made;
		});
		segment.#durable = segment.#here();
		return segment;
	}

	get state(): Readonly<SegmentState> {
		return this.#state;
	}

	get durable(): DurableEnd {
		return this.#durable;
	}

	/** Bytes of its records, without those that restate the log's state. */
	get recordBytes(): number {
		return this.#state.end - SEGMENT_HEADER_BYTES - this.#state.stateBytes;
	}

	/** Whether a sync of the file failed. What the disk has after `durable` is then not known, and no later sync would fail for it. */
	get isLost(): boolean {
		return this.#isLost;
	}

	/** A sync of the file failed, be it that of its footer: whoever writes to it later can't rely on syncs. */
	get hasFailedSync(): boolean {
		return this.#hasFailedSync;
	}

	/** Whether some records are written and not known to be durable. */
	get isUnsynced(): boolean {
		return this.#durable.end < this.#state.end;
	}

	/**
	 * Seals records, which stand one right after the other, for this segment, and appends them. If it throws, they are not
	 * appended. Unless the segment is lost, the same call can then be made again.
	 */
	append(records: Buffer, isSynced: boolean): void {
		const state = this.#state;
		const lastAt = this.#seal(records);
		const isInside = state.end + records.length + BLOCK_BYTES <= this.#madeBytes;
		if (isInside) this.#fs.overwrite(state.file, records, state.end);
		else this.#fs.write(state.file, records, state.end);
		if (isSynced) this.#sync();
		state.end += records.length;
		moveEnd(state, records, lastAt);
		if (isSynced) this.#durable = this.#here();
	}

	/** Seals records in place, tells the index of them, and returns the offset of the last one. A second time changes nothing. */
	#seal(records: Buffer): number {
		const { epoch, index, end } = this.#state;
		let lastAt = 0;
		for (let at = 0; at < records.length; ) {
			const length = recordLength(records, at);
			sealRecord(records, at, length, epoch);
			index.addRecord(records, at, end + at);
			lastAt = at;
			at += length;
		}
		return lastAt;
	}

	/** Makes what is appended by now durable, off this thread. */
	async syncInBackground(): Promise<void> {
		const end = this.#here();
		try {
			await this.#fs.syncInBackground(this.#state.file);
		} catch (error) {
			throw this.#lose(error);
		}
		this.#durable = end;
	}

	/**
	 * Writes the footer after the records, which have to be durable, and ends the file there. The footer only saves readers a
	 * scan, so a fault of the disk is ignored.
	 */
	seal(): void {
		const { file, end, lastLsn, lastSeq, endTimeUs, index, epoch } = this.#state;
		try {
			const footer = encodeSegmentFooter({ dataEnd: end, lastLsn, lastSeq, endTimeUs, index }, epoch);
			this.#fs.write(file, footer, end);
			// The footer has to end the file, so whatever stands after it goes.
			if (this.#fs.sizeBytes(file) > end + footer.length) this.#fs.truncate(file, end + footer.length);
			this.#fs.sync(file);
		} catch (error) {
			this.#hasFailedSync = true;
			if (diskFaultReason(error) === null) throw error;
		}
	}

	/**
	 * Cuts off whatever stands after the records. Else a start could find a batch there that only the page cache has, and take it
	 * for durable.
	 */
	cut(): void {
		this.#fs.truncate(this.#state.file, this.#state.end);
		this.#madeBytes = 0;
	}

	/** Makes the records durable. */
	sync(): void {
		this.#sync();
		this.#durable = this.#here();
	}

	/** Closes the file. */
	close(): void {
		closeAnyway(this.#fs, this.#state.file);
	}

	#sync(): void {
		try {
			this.#fs.sync(this.#state.file);
		} catch (error) {
			throw this.#lose(error);
		}
	}

	/** Notes a failed sync, and returns what to throw. */
	#lose(error: unknown): unknown {
		this.#isLost = true;
		this.#hasFailedSync = true;
		if (diskFaultReason(error) === null) return error;
		try {
			this.cut();
		} catch (second) {
			// It is cut again when this segment is replaced.
			if (diskFaultReason(second) === null) return second;
		}
		return new DiskFault("sync-failed", `segment ${this.#state.firstLsn} could not be synced`, { cause: error });
	}

	#here(): DurableEnd {
		const { end, lastLsn, lastSeq, endTimeUs } = this.#state;
		return { end, lastLsn, lastSeq, endTimeUs };
	}
}
