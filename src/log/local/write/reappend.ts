import { DiskFault } from "../../../disk/fault.ts";
import type { LogFs } from "../log-fs.ts";
import { FileSource, scanRecords } from "../segment/scan.ts";
import type { SegmentWriter } from "../segment/segment-writer.ts";

/** Records are appended again in pieces of about this size. */
const PIECE_BYTES = 1024 * 1024;

/**
 * Appends to `to` what `from` holds after its durable end: records that were published (sync mode `write`), and whose
 * sync failed. They are read back and checked, since the system may have given up what it could not write.
 *
 * @throws DiskFault where they can't all be read back as they were written
 */
export function reappendUnsynced(fs: LogFs, from: SegmentWriter, to: SegmentWriter): void {
	if (!from.isUnsynced) return;
	const { file, epoch, end, lastSeq, firstSeq } = from.state;
	const lost = (): DiskFault =>
		new DiskFault("sync-failed", `records of segment ${firstSeq} were published, not synced, and can't be read back`);
	const source = new FileSource(fs, file);
	let piece: Buffer[] = [];
	let pieceBytes = 0;
	const flush = (): void => {
		if (pieceBytes > 0) to.append(Buffer.concat(piece), false);
		piece = [];
		pieceBytes = 0;
	};
	const rules = { start: from.durable.end, epoch, seqAfter: from.durable.lastSeq, seqMax: lastSeq };
	const intactEnd = scanRecords(source, rules, {
		record(offset, length) {
			// The window that the record stands in is used again for the next.
			piece.push(Buffer.from(source.bytes.subarray(offset - source.base, offset - source.base + length)));
			pieceBytes += length;
			if (pieceBytes >= PIECE_BYTES) flush();
		},
		damage() {
			throw lost();
		},
	});
	if (intactEnd !== end) throw lost();
	flush();
}
