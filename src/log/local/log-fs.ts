// log/local/: the log in files of this machine. Only log/access.ts imports from here.

import {
	closeSync,
	fdatasync,
	fdatasyncSync,
	fstatSync,
	fsyncSync,
	ftruncateSync,
	mkdirSync,
	openSync,
	read,
	readdirSync,
	readSync,
	renameSync,
	statfsSync,
	unlinkSync,
	write,
	writeSync,
	writevSync,
} from "node:fs";
import { withHeadroom } from "../../descriptors/headroom.ts";
import { diskFaultReason } from "../../disk/fault.ts";

/** The file operations that the log is made of. Tests inject faults and record the order of calls here. */
export interface LogFs {
	makeDirectory(path: string): void;
	/** Names of the entries, in no order. */
	list(directory: string): string[];
	/** `create` makes a new file for reading and writing, and throws if there is one. */
	open(path: string, mode: "read" | "update" | "create"): number;
	close(file: number): void;
	sizeBytes(file: number): number;
	/** Reads into all of `target`. Returns how many bytes it got, which is less only at the end of the file. */
	read(file: number, target: Buffer, position: number): number;
	/** The same, off this thread: `target` is written to until the promise is settled. */
	readInBackground(file: number, target: Buffer, position: number): Promise<number>;
	/** Writes all of `bytes`. If it throws, any part of them may have been written. */
	write(file: number, bytes: Buffer, position: number): void;
	/**
	 * The same inside a part of the file that is written already, with zeros after `bytes` up to the end of the last block. If only
	 * a part of that block was written, the system would have to read it first.
	 */
	overwrite(file: number, bytes: Buffer, position: number): void;
	/** As `write`, off this thread: `bytes` are read until the promise is settled. */
	writeInBackground(file: number, bytes: Buffer, position: number): Promise<void>;
	truncate(file: number, lengthBytes: number): void;
	/** Makes the file's content durable, and of its metadata what reading it back needs. */
	sync(file: number): void;
	/** The same, off this thread. */
	syncInBackground(file: number): Promise<void>;
	/** Makes the directory's entries durable: those of new, renamed and removed files. */
	syncDirectory(path: string): void;
	rename(from: string, to: string): void;
	remove(path: string): void;
	/** Bytes that this process may still write on the file system that holds `directory`. */
	freeBytes(directory: string): number;
	/** Whether the file system that holds `directory` writes into the blocks that a file has, and not to new ones each time. */
	writesInPlace(directory: string): boolean;
}

/** Unit that `overwrite` fills up: a page of memory, and a block of most file systems. */
export const BLOCK_BYTES = 4096;

const ZEROS = Buffer.alloc(BLOCK_BYTES);

/** Kinds of file systems that never write in place, by the number that `statfs` gives: btrfs, bcachefs, ZFS, and NILFS. */
const COPY_ON_WRITE: ReadonlySet<number> = new Set([0x9123_683e, 0xca45_1a4e, 0x2fc1_2fc1, 0x3434]);

/** The machine's file system. */
export const systemLogFs: LogFs = {
	makeDirectory: (path) => void mkdirSync(path, { recursive: true }),
	list: (directory) => withHeadroom(() => readdirSync(directory)),
	open: (path, mode) => withHeadroom(() => openSync(path, { read: "r", update: "r+", create: "wx+" }[mode])),
	close: closeSync,
	sizeBytes: (file) => fstatSync(file).size,
	read(file, target, position) {
		let done = 0;
		while (done < target.length) {
			const count = readSync(file, target, done, target.length - done, position + done);
			if (count === 0) break;
			done += count;
		}
		return done;
	},
	async readInBackground(file, target, position) {
		let done = 0;
		while (done < target.length) {
			const count = await readSome(file, target.subarray(done), position + done);
			if (count === 0) break;
			done += count;
		}
		return done;
	},
	write(file, bytes, position) {
		let done = 0;
		while (done < bytes.length) done += writeSync(file, bytes, done, bytes.length - done, position + done);
	},
	overwrite(file, bytes, position) {
		const padding = ZEROS.subarray(0, -(position + bytes.length) & (BLOCK_BYTES - 1));
		const done = writevSync(file, [bytes, padding], position);
		if (done < bytes.length) systemLogFs.write(file, bytes.subarray(done), position + done);
	},
	async writeInBackground(file, bytes, position) {
		let done = 0;
		while (done < bytes.length) done += await writeSome(file, bytes.subarray(done), position + done);
	},
	truncate: ftruncateSync,
	sync: fdatasyncSync,
	syncInBackground(file) {
		const { promise, resolve, reject } = Promise.withResolvers<void>();
		fdatasync(file, (error) => (error ? reject(error) : resolve()));
		return promise;
	},
	syncDirectory(path) {
		const directory = withHeadroom(() => openSync(path, "r"));
		try {
			fsyncSync(directory);
		} finally {
			closeSync(directory);
		}
	},
	rename: renameSync,
	remove: unlinkSync,
	freeBytes(directory) {
		const { bavail, bsize } = statfsSync(directory);
		return bavail * bsize;
	},
	writesInPlace: (directory) => !COPY_ON_WRITE.has(statfsSync(directory).type),
};

/** As `freeBytes`, but infinity if the system can't say: a write will fail if there is too little. */
export function freeBytesIfKnown(fs: LogFs, directory: string): number {
	try {
		return fs.freeBytes(directory);
	} catch (error) {
		if (diskFaultReason(error) === null) throw error;
		return Number.POSITIVE_INFINITY;
	}
}

function readSome(file: number, target: Buffer, position: number): Promise<number> {
	const { promise, resolve, reject } = Promise.withResolvers<number>();
	read(file, target, 0, target.length, position, (error, count) => (error ? reject(error) : resolve(count)));
	return promise;
}

function writeSome(file: number, bytes: Buffer, position: number): Promise<number> {
	const { promise, resolve, reject } = Promise.withResolvers<number>();
	write(file, bytes, 0, bytes.length, position, (error, count) => (error ? reject(error) : resolve(count)));
	return promise;
}
