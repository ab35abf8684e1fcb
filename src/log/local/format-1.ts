import { join } from "node:path";
import { crc32 } from "node:zlib";
import { isNotFound } from "../../disk/fault.ts";
import { readU64 } from "../record/bytes.ts";
import type { LogFs } from "./log-fs.ts";

/** The file in which format 1 kept the greatest seq that may be in use. */
const NUMBERS_FILE = "reserve";
const NUMBERS_MAGIC = Buffer.from("stndpseq", "latin1");
const NUMBERS_BYTES = 20;
const SEGMENT_NAME = /^\d{20}\.seg$/;

/**
 * Refuses a folder with a log of the format before this one. Nothing is changed there.
 *
 * @throws Error that says what to do
 */
export function refuseFormat1(fs: LogFs, directory: string): void {
	const names = fs.list(directory);
	if (!names.some((name) => name === NUMBERS_FILE || SEGMENT_NAME.test(name))) return;
	const seqMax = readSeqMax(fs, directory);
	throw new Error(
		`the log in ${directory} is of format 1, which this release can't read: move the folder away, keep the index database ` +
			"(it is taken over), and start with RELAY_INITIAL_SEQ_NUMBER above " +
			`${seqMax ?? "the last seq that consumers saw, by 100000 at least"}`,
	);
}

/** Null if the file is absent or damaged. */
function readSeqMax(fs: LogFs, directory: string): number | null {
	const bytes = Buffer.alloc(NUMBERS_BYTES);
	try {
		const file = fs.open(join(directory, NUMBERS_FILE), "read");
		fs.read(file, bytes, 0);
		fs.close(file);
	} catch (error) {
		if (isNotFound(error)) return null;
		throw error;
	}
	if (!bytes.subarray(0, 8).equals(NUMBERS_MAGIC) || crc32(bytes.subarray(0, 16)) !== bytes.readUInt32LE(16))
		return null;
	return readU64(bytes, 8);
}
