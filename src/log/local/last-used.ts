import { join } from "node:path";
import { crc32 } from "node:zlib";
import { isNotFound } from "../../disk/fault.ts";
import { readU64, writeU64 } from "../record/bytes.ts";
import type { LogFs } from "./log-fs.ts";
import { closeAnyway, createFile } from "./segment/new-file.ts";

/** The content of a slot: no numbers above these were published. `docs/log-format.md` says what each field means. */
export interface UsedNumbers {
	lsnMax: number;
	seqMax: number;
	/** Whether everything that was published ends at `end` in the segment with this epoch. */
	isExact: boolean;
	/** Of the active segment; 0 if there was none, or without `isExact`. */
	epoch: number;
	end: number;
	/** Whether the log was closed in an orderly way, with everything on the disk. */
	isClean: boolean;
}

/** The offset in the segment with this epoch up to which all is published; null if the numbers do not say it. */
export function publishedEndOf(used: UsedNumbers | null, epoch: number): number | null {
	return used?.isExact === true && used.epoch === epoch ? used.end : null;
}

/** What a start finds in the file. */
export interface FoundLastUsed {
	numbers: UsedNumbers;
	/** Of the slot that holds them. */
	counter: number;
}

export const LAST_USED_FILE = "last-used";
const MAGIC = Buffer.from("stndused", "latin1");
/** Each slot has a sector of its own, which a disk writes as a whole or not at all. */
const SLOT_BYTES = 512;
const SLOTS = 2;
const CONTENT_BYTES = 52;
const EXACT = 1;
const CLEAN = 2;

/**
 * The file that says which numbers may be in use. A start always goes on above them, so that none is used twice. Two slots are
 * written in turn, so that one of them is whole at any time.
 */
export class LastUsed {
	readonly #fs: LogFs;
	readonly #directory: string;
	readonly #slot = Buffer.alloc(CONTENT_BYTES);
	#counter: number;
	/** Null before the first write and after a failed one. The next write then makes the file anew. */
	#file: number | null = null;
	#syncing: number | null = null;

	/** @param counter as `readLastUsed` has found it; 0 if it has found none */
	constructor(fs: LogFs, directory: string, counter: number) {
		this.#fs = fs;
		this.#directory = directory;
		this.#counter = counter;
	}

	/**
	 * Writes the numbers that are in force from now on. After a fault of the disk it can be called again.
	 *
	 * @param isSynced whether they have to be durable when this returns
	 */
	write(numbers: UsedNumbers, isSynced: boolean): void {
		this.#encode(numbers);
		if (this.#file === null) {
			this.#file = this.#create();
			return;
		}
		try {
			this.#put(this.#file);
			if (isSynced) this.#fs.sync(this.#file);
		} catch (error) {
			this.#lose();
			throw error;
		}
	}

	/** The same, with a sync off this thread. `write` may be called before the promise is settled. */
	async writeInBackground(numbers: UsedNumbers): Promise<void> {
		this.write(numbers, false);
		const file = this.#file;
		if (file === null) return;
		this.#syncing = file;
		try {
			await this.#fs.syncInBackground(file);
		} catch (error) {
			if (file === this.#file) this.#lose();
			throw error;
		} finally {
			this.#syncing = null;
			if (file !== this.#file) closeAnyway(this.#fs, file);
		}
	}

	close(): void {
		if (this.#file !== null) this.#lose();
	}

	#create(): number {
		return createFile(this.#fs, this.#directory, LAST_USED_FILE, (file) => {
			this.#fs.write(file, Buffer.alloc(SLOTS * SLOT_BYTES), 0);
			this.#put(file);
			return file;
		});
	}

	#put(file: number): void {
		this.#fs.write(file, this.#slot, (this.#counter % SLOTS) * SLOT_BYTES);
	}

	/** Gives up the open file, since a failed write may have left anything in it. */
	#lose(): void {
		const file = this.#file;
		this.#file = null;
		if (file !== null && file !== this.#syncing) closeAnyway(this.#fs, file);
	}

	#encode({ lsnMax, seqMax, epoch, end, isExact, isClean }: UsedNumbers): void {
		this.#counter += 1;
		const slot = this.#slot;
		slot.set(MAGIC, 0);
		writeU64(slot, this.#counter, 8);
		writeU64(slot, lsnMax, 16);
		writeU64(slot, seqMax, 24);
		slot.writeUInt32LE(epoch, 32);
		slot.writeUInt32LE((isExact ? EXACT : 0) | (isClean ? CLEAN : 0), 36);
		writeU64(slot, end, 40);
		slot.writeUInt32LE(crc32(slot.subarray(0, 48)), 48);
	}
}

/** What the file says; null if it is absent, or both slots are damaged. */
export function readLastUsed(fs: LogFs, directory: string): FoundLastUsed | null {
	const bytes = Buffer.alloc(SLOTS * SLOT_BYTES);
	try {
		const file = fs.open(join(directory, LAST_USED_FILE), "read");
		fs.read(file, bytes, 0);
		fs.close(file);
	} catch (error) {
		if (isNotFound(error)) return null;
		throw error;
	}
	const [first, second] = [decodeSlot(bytes, 0), decodeSlot(bytes, SLOT_BYTES)];
	if (first === null || second === null) return first ?? second;
	return first.counter > second.counter ? first : second;
}

function decodeSlot(bytes: Buffer, at: number): FoundLastUsed | null {
	const slot = bytes.subarray(at, at + CONTENT_BYTES);
	if (!slot.subarray(0, 8).equals(MAGIC) || crc32(slot.subarray(0, 48)) !== slot.readUInt32LE(48)) return null;
	const flags = slot.readUInt32LE(36);
	return {
		counter: readU64(slot, 8),
		numbers: {
			lsnMax: readU64(slot, 16),
			seqMax: readU64(slot, 24),
			epoch: slot.readUInt32LE(32),
			end: readU64(slot, 40),
			isExact: (flags & EXACT) !== 0,
			isClean: (flags & CLEAN) !== 0,
		},
	};
}
