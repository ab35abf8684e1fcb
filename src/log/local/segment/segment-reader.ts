import { join } from "node:path";
import type { LogFs } from "../log-fs.ts";
import { FileSource, scanRecords } from "./scan.ts";
import {
	emptyEnd,
	moveEnd,
	readSegmentFooter,
	readSegmentHeader,
	SEGMENT_HEADER_BYTES,
	type SegmentFooter,
	type SegmentHeader,
	type SegmentId,
	segmentName,
} from "./segment.ts";
import { SegmentIndex } from "./segment-index.ts";

/** Retention has removed a segment while it was read. */
export class SegmentRemoved extends Error {}

/**
 * An open segment, for reading.
 *
 * The file of a removed segment may be used for another segment while a reader has it open. So a read counts only if the
 * segment is still retained after it: retention publishes a removal before anything happens to the file. If the segment is not
 * retained, each call throws `SegmentRemoved`, whatever it has read and whatever else went wrong.
 */
export class SegmentReader {
	readonly id: SegmentId;
	/** Null if it is damaged: then no record can be read. */
	readonly header: SegmentHeader | null;
	readonly #fs: LogFs;
	readonly #file: number;
	readonly #isRetained: (id: SegmentId) => boolean;
	#footer: SegmentFooter | null = null;
	#footerIsRebuilt = false;
	/** Reads that are under way off this thread, or are about to be. */
	#holders = 0;
	#isClosing = false;

	/**
	 * @param isRetained whether a segment is still part of the log
	 * @throws SegmentRemoved
	 */
	constructor(fs: LogFs, directory: string, id: SegmentId, isRetained: (id: SegmentId) => boolean = () => true) {
		this.id = id;
		this.#fs = fs;
		this.#isRetained = isRetained;
		this.#file = this.#believed(() => fs.open(join(directory, segmentName(id)), "read"));
		try {
			this.header = this.#believed(() => readSegmentHeader(fs, this.#file));
		} catch (error) {
			fs.close(this.#file);
			throw error;
		}
	}

	get firstLsn(): number {
		return this.id.firstLsn;
	}

	get epoch(): number {
		return this.header?.epoch ?? 0;
	}

	/**
	 * The footer of a sealed segment. If it is damaged or absent, a scan makes it anew.
	 *
	 * @param lsnMax records with greater lsns are not part of the segment: the next one has them, since a sync of this one failed
	 */
	footer(lsnMax: number): SegmentFooter {
		if (this.#footer !== null) return this.#footer;
		this.#footer = this.#believed(() => {
			const footer = readSegmentFooter(this.#fs, this.#file, this.epoch);
			this.#footerIsRebuilt = footer === null || footer.lastLsn > lsnMax;
			return footer === null || footer.lastLsn > lsnMax ? this.#rebuildFooter(lsnMax) : footer;
		});
		return this.#footer;
	}

	/** Whether the footer had to be made anew. A scan does not notice damage right at the end of the records. */
	get footerIsRebuilt(): boolean {
		return this.#footerIsRebuilt;
	}

	/**
	 * Fills `target` with the bytes from offset `start` on.
	 *
	 * @throws Error if the file ends before that, so that published bytes are missing
	 */
	read(target: Buffer, start: number): void {
		this.#believed(() => this.#checkWhole(this.#fs.read(this.#file, target, start), target, start));
	}

	/** The same, off this thread, and only within `hold`. */
	async readInBackground(target: Buffer, start: number): Promise<void> {
		const [read] = await Promise.allSettled([this.#fs.readInBackground(this.#file, target, start)]);
		this.#believed(() => {
			if (read.status === "rejected") throw read.reason;
			this.#checkWhole(read.value, target, start);
		});
	}

	/** Keeps the file open until `work` is done, even if it is closed meanwhile: its descriptor could soon be another file's. */
	async hold(work: () => Promise<void>): Promise<void> {
		this.#holders++;
		try {
			await work();
		} finally {
			this.#holders--;
			if (this.#isClosing && this.#holders === 0) this.#fs.close(this.#file);
		}
	}

	close(): void {
		this.#isClosing = true;
		if (this.#holders === 0) this.#fs.close(this.#file);
	}

	#believed<Read>(read: () => Read): Read {
		try {
			const found = read();
			if (this.#isRetained(this.id)) return found;
		} catch (error) {
			if (this.#isRetained(this.id)) throw error;
		}
		throw new SegmentRemoved(`segment ${this.firstLsn} was removed while it was read`);
	}

	#checkWhole(count: number, target: Buffer, start: number): void {
		if (count === target.length) return;
		throw new Error(`segment ${this.firstLsn} ends before byte ${start + target.length}, which was published`);
	}

	#rebuildFooter(lsnMax: number): SegmentFooter {
		const index = new SegmentIndex();
		const end = emptyEnd(this.id, this.header?.createdUs ?? 0);
		const rules = { start: SEGMENT_HEADER_BYTES, epoch: this.epoch, lsnAfter: end.lastLsn, lsnMax };
		const dataEnd = scanRecords(new FileSource(this.#fs, this.#file), rules, {
			record(offset, _length, bytes, at) {
				index.addRecord(bytes, at, offset);
				moveEnd(end, bytes, at);
			},
			// Each read of this place finds the damage again, and reports it.
			damage() {},
		});
		return { ...end, dataEnd, index };
	}
}
