import { join } from "node:path";
import { diskFaultReason } from "../../../disk/fault.ts";
import { BLOCK_BYTES, freeBytesIfKnown, type LogFs } from "../log-fs.ts";
import { closeAnyway, fillFile, removeIfThere } from "./new-file.ts";

/** Bytes that are written and synced at a time. The log's own syncs wait for no more than that. */
export const PIECE_BYTES = 1024 * 1024;
/** A file that could not be prepared is tried again after this time. */
export const PREPARE_RETRY_MS = 60_000;

const NAME = "prepared";
/** A second file. It gets the name of the first when that is used. */
const NEXT_NAME = "prepared-next";

/** Share of the active segment that is filled when preparing begins. On a small relay segments end before, so it makes no such file. */
const BEGIN_SHARE = 0.5;
/** Share of the active segment that is filled when preparing has to be done. */
const END_SHARE = 0.9;
/** Room for a batch that exceeds the segment's size. A larger batch makes the file grow. */
const SLACK_BYTES_MAX = 256 * 1024;

export interface PreparedFileOptions {
	fs: LogFs;
	directory: string;
	/** Size at which a segment ends. */
	segmentBytes: number;
	/** Whether files are prepared at all. If not, what an earlier process left is removed. */
	isWanted: boolean;
	/** Bytes of the disk that are to stay free. */
	diskReserveBytes: number;
	/** Milliseconds of a clock that never steps. */
	elapsedMs: () => number;
}

/**
 * The file for the next segment, with all of its blocks written. A sync of a file that grows also has to commit the file's new
 * size and blocks, which costs as much as the data; in this one it commits the data only.
 *
 * The file may hold anything, since records of another epoch do not count as a segment's: it holds zeros, or what a removed
 * segment held.
 *
 * The log waits for none of this. If the disk fails or has no room, the next segment is a file that grows.
 */
export class PreparedFile {
	readonly #options: PreparedFileOptions;
	/** Size of the file when it is whole. */
	readonly #wholeBytes: number;
	/** Size of the file; null if there is none. */
	#bytes: number | null = null;
	#nextBytes: number | null = null;
	/** Something failed on the file, maybe a sync, and it could not be removed yet: nothing may be made of it. */
	#isSpoiled = false;
	/** The files' names may not be durable: a power cut could bring back a segment under its old name. */
	#isNameNew: boolean;
	/** The log's byte limit counts the file as whole, although it may not be there yet. */
	#isClaimed = false;
	#zeros: Buffer | null = null;
	#isBusy = false;
	/** Size that it should have by now. */
	#dueBytes = 0;
	/** Counts removals: what was under way at a removal must not change what is known of the next file. */
	#removals = 0;
	#retryAtMs = Number.NEGATIVE_INFINITY;
	#failure: unknown = null;

	/** Takes over what an earlier process left. */
	constructor(options: PreparedFileOptions) {
		const { segmentBytes, isWanted } = options;
		this.#options = options;
		const slackBytes = Math.min(SLACK_BYTES_MAX, segmentBytes / 4);
		this.#wholeBytes = Math.ceil((segmentBytes + slackBytes) / BLOCK_BYTES) * BLOCK_BYTES;
		this.#bytes = this.#find(NAME);
		this.#nextBytes = this.#find(NEXT_NAME);
		this.#isNameNew = this.#bytes !== null || this.#nextBytes !== null;
		if (!isWanted) this.remove();
	}

	/** Bytes that the files take of the log's byte limit. */
	get bytes(): number {
		const bytes = this.#bytes ?? 0;
		return (this.#isClaimed ? Math.max(bytes, this.#wholeBytes) : bytes) + (this.#nextBytes ?? 0);
	}

	/** Whether a segment can be made of it now. */
	get isWhole(): boolean {
		return this.#bytes === this.#wholeBytes && !this.#isSpoiled && !this.#isNameNew && !this.#isBusy;
	}

	/** Whether a part of it is being written off this thread. */
	get isBusy(): boolean {
		return this.#isBusy;
	}

	/**
	 * Whether a file is to be begun now. From then on the log's byte limit counts it, and the caller has to make room for it. That
	 * may remove a segment whose file can be used.
	 *
	 * @param filledShare of the active segment, from 0
	 */
	claim(filledShare: number): boolean {
		if (this.#isClaimed || !this.#options.isWanted || filledShare < BEGIN_SHARE || this.#mustWait()) return false;
		this.#isClaimed = this.#bytes !== null || this.#hasRoom();
		if (!this.#isClaimed) this.#wait();
		return this.#isClaimed;
	}

	/**
	 * Has the file written on, off this thread. The fuller the active segment is, the further the file has to be. Call this after
	 * each batch.
	 *
	 * @throws a failure that is no fault of the disk
	 */
	prepare(filledShare: number): void {
		if (this.#failure !== null) throw this.#failure;
		const dueShare = Math.min((filledShare - BEGIN_SHARE) / (END_SHARE - BEGIN_SHARE), 1);
		this.#dueBytes = dueShare * this.#wholeBytes;
		if (this.#isClaimed && !this.#isBusy && this.#isDue && !this.#mustWait()) void this.#advance();
	}

	/**
	 * Takes the file of a segment that is no longer part of the log. False if the file is of no use, or can't be taken now.
	 *
	 * @param bytes its size, roughly
	 * @param roomBytes what is left of the log's byte limit
	 */
	adopt(name: string, bytes: number, roomBytes: number): boolean {
		const { fs, directory, isWanted } = this.#options;
		const isFree = this.#bytes === null && !this.#isBusy;
		if (!isWanted || bytes < this.#wholeBytes / 2 || (!isFree && this.#nextBytes !== null)) return false;
		if (roomBytes < (isFree && this.#isClaimed ? bytes - this.#wholeBytes : bytes)) return false;
		try {
			fs.rename(join(directory, name), join(directory, isFree ? NAME : NEXT_NAME));
		} catch (error) {
			if (diskFaultReason(error) === null) throw error;
			return false;
		}
		this.#isNameNew = true;
		if (isFree) this.#bytes = this.#find(NAME) ?? bytes;
		else this.#nextBytes = this.#find(NEXT_NAME) ?? bytes;
		return true;
	}

	/**
	 * Makes the file, which must be whole, one with this name, as `createFile` does. After a fault the file can't be used any more.
	 *
	 * @param fill writes to the beginning of the open file, which stays open; what it returns is returned
	 */
	take<Made>(name: string, fill: (file: number) => Made): Made {
		const { fs, directory } = this.#options;
		if (!this.isWhole) throw new RangeError("the prepared file is not whole");
		this.#isClaimed = false;
		try {
			const made = fillFile(fs, directory, { aside: NAME, mode: "update", name }, fill);
			this.#bytes = null;
			return made;
		} catch (error) {
			this.#spoil();
			throw error;
		} finally {
			this.#moveUp();
		}
	}

	/** Removes the files, and returns how many bytes that frees. What can't be removed now is tried again by the next call. */
	remove(): number {
		const before = this.#bytesOnDisk;
		this.#removals += 1;
		this.#isClaimed = false;
		this.#wait();
		if (this.#bytes !== null) this.#discard();
		if (this.#nextBytes !== null && this.#removed(NEXT_NAME)) this.#nextBytes = null;
		return before - this.#bytesOnDisk;
	}

	get #bytesOnDisk(): number {
		return (this.#bytes ?? 0) + (this.#nextBytes ?? 0);
	}

	/** Whether there is something to do: the file is too short by now, or too long, or its name is not durable. */
	get #isDue(): boolean {
		const bytes = this.#bytes ?? 0;
		return bytes < this.#dueBytes || bytes > this.#wholeBytes || this.#isNameNew || this.#isSpoiled;
	}

	async #advance(): Promise<void> {
		const { fs, directory } = this.#options;
		const removals = this.#removals;
		this.#isBusy = true;
		try {
			if (this.#isSpoiled && !this.#discard()) {
				this.#wait();
				return;
			}
			this.#moveUp();
			while (this.#isDue && removals === this.#removals) {
				// The name has to be durable before anything in the file changes.
				if (this.#isNameNew) fs.syncDirectory(directory);
				this.#isNameNew = false;
				const bytes = await this.#writePiece();
				if (removals === this.#removals) this.#bytes = bytes;
			}
		} catch (error) {
			this.#giveUp(error);
		} finally {
			this.#isBusy = false;
			if (this.#bytes === this.#wholeBytes) this.#zeros = null;
		}
	}

	/** Brings the file nearer to its size, durably. Returns the size that it has then. */
	async #writePiece(): Promise<number> {
		const { fs } = this.#options;
		const file = this.#open();
		try {
			const start = this.#bytes ?? 0;
			const end = Math.min(start + PIECE_BYTES, this.#wholeBytes);
			this.#zeros ??= Buffer.alloc(PIECE_BYTES);
			if (start > end) fs.truncate(file, end);
			else await fs.writeInBackground(file, this.#zeros.subarray(0, end - start), start);
			await fs.syncInBackground(file);
			return end;
		} finally {
			closeAnyway(fs, file);
		}
	}

	#open(): number {
		const { fs, directory } = this.#options;
		const path = join(directory, NAME);
		if (this.#bytes !== null) return fs.open(path, "update");
		removeIfThere(fs, path);
		const file = fs.open(path, "create");
		this.#bytes = 0;
		return file;
	}

	#giveUp(error: unknown): void {
		const reason = diskFaultReason(error);
		if (reason === null) this.#failure = error;
		else if (reason === "too-many-files") this.#wait();
		else {
			this.#isSpoiled = true;
			this.remove();
		}
	}

	/** Gives up the file: if it was a sync that failed, a second one would not say so. */
	#spoil(): void {
		this.#isSpoiled = true;
		this.#discard();
	}

	#discard(): boolean {
		if (!this.#removed(NAME)) return false;
		this.#bytes = null;
		this.#isSpoiled = false;
		return true;
	}

	#wait(): void {
		this.#retryAtMs = this.#options.elapsedMs() + PREPARE_RETRY_MS;
	}

	#mustWait(): boolean {
		return this.#options.elapsedMs() < this.#retryAtMs;
	}

	/** Whether the disk has room for the file and for another segment, so that the file need not go again soon. */
	#hasRoom(): boolean {
		const { fs, directory, diskReserveBytes, segmentBytes } = this.#options;
		return freeBytesIfKnown(fs, directory) >= diskReserveBytes + this.#wholeBytes + segmentBytes;
	}

	/** Gives the second file the name of the first if there is no first one. */
	#moveUp(): void {
		if (this.#bytes !== null || this.#nextBytes === null) return;
		const { fs, directory } = this.#options;
		try {
			fs.rename(join(directory, NEXT_NAME), join(directory, NAME));
		} catch (error) {
			if (diskFaultReason(error) === null) throw error;
			return;
		}
		this.#isNameNew = true;
		this.#bytes = this.#nextBytes;
		this.#nextBytes = null;
	}

	/** Size of a file; null if it is not there or can't be opened. */
	#find(name: string): number | null {
		const { fs, directory } = this.#options;
		try {
			const file = fs.open(join(directory, name), "read");
			const bytes = fs.sizeBytes(file);
			fs.close(file);
			return bytes;
		} catch (error) {
			if (diskFaultReason(error) === null) throw error;
			return null;
		}
	}

	#removed(name: string): boolean {
		const { fs, directory } = this.#options;
		try {
			removeIfThere(fs, join(directory, name));
			return true;
		} catch (error) {
			if (diskFaultReason(error) === null) throw error;
			return false;
		}
	}
}
