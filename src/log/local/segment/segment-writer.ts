import { DiskFault, diskFaultReason } from "../../../disk/fault.ts";
import { recordLength, recordSeq, recordTimeUs } from "../../record/record.ts";
import type { LogFs } from "../log-fs.ts";
import { closeAnyway, createFile } from "./new-file.ts";
import { sealRecord } from "./seal.ts";
import { encodeSegmentFooter, encodeSegmentHeader, SEGMENT_HEADER_BYTES, segmentName } from "./segment.ts";
import { SegmentIndex } from "./segment-index.ts";

/** A segment as far as it is written: what a writer needs to go on with it. */
export interface SegmentState {
	file: number;
	epoch: number;
	firstSeq: number;
	createdUs: number;
	/** Offset behind the last record. */
	end: number;
	/** Of the last record; `firstSeq - 1` and `createdUs` where there is none. */
	lastSeq: number;
	lastTimeUs: number;
	/** May already have entries of records that are yet to be appended. */
	index: SegmentIndex;
}

/** How far a segment is surely on disk. */
export interface DurableEnd {
	end: number;
	lastSeq: number;
}

/** Writes the active segment. */
export class SegmentWriter {
	readonly #fs: LogFs;
	readonly #state: SegmentState;
	#durable: DurableEnd;
	#isLost = false;

	/** @param state of a segment that is durable up to its end */
	constructor(fs: LogFs, state: SegmentState) {
		this.#fs = fs;
		this.#state = state;
		this.#durable = { end: state.end, lastSeq: state.lastSeq };
	}

	/**
	 * Makes a new segment, durable with its directory entry before this returns. Until then no file of its name is touched.
	 *
	 * @param fill appends the records that it begins with
	 */
	static create(
		fs: LogFs,
		directory: string,
		header: { firstSeq: number; previousFirstSeq: number; createdUs: number },
		fill: (segment: SegmentWriter) => void = () => {},
	): SegmentWriter {
		// Zero would make a page of zeros look like the beginning of a record.
		const epoch = Math.max(1, crypto.getRandomValues(new Uint32Array(1))[0] ?? 0);
		const segment = createFile(fs, directory, segmentName(header.firstSeq), (file) => {
			fs.write(file, encodeSegmentHeader({ ...header, epoch }), 0);
			const made = new SegmentWriter(fs, {
				file,
				epoch,
				firstSeq: header.firstSeq,
				createdUs: header.createdUs,
				end: SEGMENT_HEADER_BYTES,
				lastSeq: header.firstSeq - 1,
				lastTimeUs: header.createdUs,
				index: new SegmentIndex(),
			});
			fill(made);
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

	get isEmpty(): boolean {
		return this.#state.end === SEGMENT_HEADER_BYTES;
	}

	/** A sync of the file failed: what it holds behind `durable` is not known, and no later sync would say so again. */
	get isLost(): boolean {
		return this.#isLost;
	}

	/** Whether some records are written and not surely on disk. */
	get isUnsynced(): boolean {
		return this.#durable.end < this.#state.end;
	}

	/**
	 * Seals records, one right after the other, for this segment, and appends them. Where it throws, they are not appended, and
	 * unless the segment is lost the same call can be made again.
	 */
	append(records: Buffer, isSynced: boolean): void {
		const state = this.#state;
		const lastAt = this.#seal(records);
		this.#fs.write(state.file, records, state.end);
		if (isSynced) this.#sync();
		state.end += records.length;
		state.lastSeq = recordSeq(records, lastAt);
		state.lastTimeUs = recordTimeUs(records, lastAt);
		if (isSynced) this.#durable = this.#here();
	}

	/** Seals records in place, tells the index of them, and returns the offset of the last one. A second time changes nothing. */
	#seal(records: Buffer): number {
		const { epoch, index, end } = this.#state;
		let lastAt = 0;
		for (let at = 0; at < records.length; ) {
			const length = recordLength(records, at);
			sealRecord(records, at, length, epoch);
			index.add(recordSeq(records, at), recordTimeUs(records, at), end + at);
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
	 * Writes the footer behind the records, which are durable. It only saves readers a scan, so nobody waits for a disk that
	 * does not take it.
	 */
	seal(): void {
		const { file, end, lastSeq, lastTimeUs, index, epoch } = this.#state;
		try {
			this.#fs.write(file, encodeSegmentFooter({ dataEnd: end, lastSeq, lastTimeUs, index }, epoch), end);
			this.#fs.sync(file);
		} catch (error) {
			if (diskFaultReason(error) === null) throw error;
		}
	}

	/**
	 * Cuts off whatever stands behind the records: a start would find a batch there, and take for durable what only the
	 * cache has.
	 */
	cut(): void {
		this.#fs.truncate(this.#state.file, this.#state.end);
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

	/** Takes note of a failed sync, and returns what to throw. */
	#lose(error: unknown): unknown {
		this.#isLost = true;
		if (diskFaultReason(error) === null) return error;
		try {
			this.cut();
		} catch (second) {
			// Whoever replaces this segment tries it again.
			if (diskFaultReason(second) === null) return second;
		}
		return new DiskFault("sync-failed", `segment ${this.#state.firstSeq} could not be synced`, { cause: error });
	}

	#here(): DurableEnd {
		return { end: this.#state.end, lastSeq: this.#state.lastSeq };
	}
}
