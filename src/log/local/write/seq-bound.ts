import { join } from "node:path";
import { crc32 } from "node:zlib";
import { isNotFound } from "../../../disk/fault.ts";
import { readU64, writeU64 } from "../../record/bytes.ts";
import type { LogFs } from "../log-fs.ts";
import { createFile } from "../segment/new-file.ts";

/** How far ahead of use the bound is set: what a crash may leave out. */
export const SEQ_BOUND_STEP = 100_000;

const NAME = "reserve";
const FILE_BYTES = 20;
const MAGIC = Buffer.from("stndpseq", "latin1");

/**
 * A durable upper bound of the seqs that may have been given out, kept ahead of their use in a file of its own.
 *
 * The rule: a start continues above the bound, always. A clean stop sets the bound to the last seq, so nothing is left
 * out then. Thus no seq is used twice even where a crash took records that readers had already seen (sync mode `write`,
 * or a disk that lost what it had confirmed), and the log's own tail never has to be trusted for it.
 */
export class SeqBound {
	readonly #fs: LogFs;
	readonly #directory: string;
	#seqMax: number;

	/** @param seqMax the bound that is on disk, as `readSeqBound` found it */
	constructor(fs: LogFs, directory: string, seqMax: number) {
		this.#fs = fs;
		this.#directory = directory;
		this.#seqMax = seqMax;
	}

	/** To be called before seqs up to `seq` are written anywhere. */
	cover(seq: number): void {
		if (seq > this.#seqMax) this.#write(seq + SEQ_BOUND_STEP);
	}

	/** At a clean stop, when all records up to `lastSeq` are durable and nothing will be written any more; and for a new file. */
	settle(lastSeq: number): void {
		this.#write(lastSeq);
	}

	#write(seqMax: number): void {
		const bytes = Buffer.alloc(FILE_BYTES);
		bytes.set(MAGIC, 0);
		writeU64(bytes, seqMax, 8);
		bytes.writeUInt32LE(crc32(bytes.subarray(0, 16)), 16);
		const file = createFile(this.#fs, this.#directory, NAME, (file) => {
			this.#fs.write(file, bytes, 0);
			return file;
		});
		this.#fs.close(file);
		this.#seqMax = seqMax;
	}
}

/** The bound on disk, or null where the file is absent or damaged. */
export function readSeqBound(fs: LogFs, directory: string): number | null {
	const bytes = Buffer.alloc(FILE_BYTES);
	try {
		const file = fs.open(join(directory, NAME), "read");
		fs.read(file, bytes, 0);
		fs.close(file);
	} catch (error) {
		if (isNotFound(error)) return null;
		throw error;
	}
	if (!bytes.subarray(0, 8).equals(MAGIC) || crc32(bytes.subarray(0, 16)) !== bytes.readUInt32LE(16)) return null;
	return readU64(bytes, 8);
}
