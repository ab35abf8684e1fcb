import { createHash } from "node:crypto";
import type { LogFs } from "../log-fs.ts";

/** A file of a copy. */
export interface CopiedFile {
	readonly name: string;
	readonly bytes: number;
	/** SHA-256 of its content, in hexadecimal. */
	readonly sha256: string;
}

/** Bytes that are written and synced at a time. The relay may write to the same disk, and its syncs wait for no more than that. */
const PIECE_BYTES = 1024 * 1024;

/**
 * Copies an open file up to `end` into a new one, whose content is durable then. If the file ends before that, so does the copy.
 *
 * @param to the path of the new file
 * @param onBytes called with the bytes of each piece
 * @throws Error if there is such a file already; it may have left a part of the new file
 */
export function copyFile(
	fs: LogFs,
	from: number,
	to: string,
	end: number,
	onBytes: (bytes: number) => void,
): Omit<CopiedFile, "name"> {
	const target = fs.open(to, "create");
	try {
		const hash = createHash("sha256");
		const piece = Buffer.allocUnsafe(Math.min(PIECE_BYTES, end));
		let at = 0;
		while (at < end) {
			const count = fs.read(from, piece.subarray(0, Math.min(piece.length, end - at)), at);
			if (count === 0) break;
			const bytes = piece.subarray(0, count);
			hash.update(bytes);
			fs.write(target, bytes, at);
			fs.sync(target);
			at += count;
			onBytes(count);
		}
		if (at === 0) fs.sync(target);
		return { bytes: at, sha256: hash.digest("hex") };
	} finally {
		fs.close(target);
	}
}
