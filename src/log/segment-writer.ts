import { join } from "node:path";
import type { LogFs } from "./log-fs.ts";
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
	index: SegmentIndex;
}

/** Writes the active segment. */
export class SegmentWriter {
	readonly #fs: LogFs;
	readonly #state: SegmentState;

	constructor(fs: LogFs, state: SegmentState) {
		this.#fs = fs;
		this.#state = state;
	}

	/** Makes a new segment, durable with its directory entry before this returns. */
	static create(
		fs: LogFs,
		directory: string,
		header: { firstSeq: number; previousFirstSeq: number; createdUs: number },
	): SegmentWriter {
		const file = fs.open(join(directory, segmentName(header.firstSeq)), "create");
		// Zero would make a page of zeros look like the beginning of a record.
		const epoch = Math.max(1, crypto.getRandomValues(new Uint32Array(1))[0] ?? 0);
		fs.write(file, encodeSegmentHeader({ ...header, epoch }), 0);
		fs.sync(file);
		fs.syncDirectory(directory);
		return new SegmentWriter(fs, {
			file,
			epoch,
			firstSeq: header.firstSeq,
			createdUs: header.createdUs,
			end: SEGMENT_HEADER_BYTES,
			lastSeq: header.firstSeq - 1,
			lastTimeUs: header.createdUs,
			index: new SegmentIndex(),
		});
	}

	get state(): Readonly<SegmentState> {
		return this.#state;
	}

	get isEmpty(): boolean {
		return this.#state.end === SEGMENT_HEADER_BYTES;
	}

	/** Notes that the next `append` has a record at `offset` within its bytes, and that it is the last one so far. */
	noteRecord(seq: number, timeUs: number, offset: number): void {
		const state = this.#state;
		state.index.add(seq, timeUs, state.end + offset);
		state.lastSeq = seq;
		state.lastTimeUs = timeUs;
	}

	append(bytes: Buffer): void {
		this.#fs.write(this.#state.file, bytes, this.#state.end);
		this.#state.end += bytes.length;
	}

	sync(): void {
		this.#fs.sync(this.#state.file);
	}

	syncInBackground(): Promise<void> {
		return this.#fs.syncInBackground(this.#state.file);
	}

	/** Writes the footer behind the records, makes the whole segment durable and closes it. */
	seal(): void {
		const { file, end, lastSeq, lastTimeUs, index, epoch } = this.#state;
		this.#fs.write(file, encodeSegmentFooter({ dataEnd: end, lastSeq, lastTimeUs, index }, epoch), end);
		this.#fs.sync(file);
		this.#fs.close(file);
	}

	/** Makes the records durable and closes the file; a later start goes on with it. */
	close(): void {
		this.#fs.sync(this.#state.file);
		this.#fs.close(this.#state.file);
	}
}
