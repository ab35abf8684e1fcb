import { DiskFault } from "../../../disk/fault.ts";
import type { LogFs } from "../log-fs.ts";
import { FileSource, scanRecords } from "../segment/scan.ts";
import type { SegmentWriter } from "../segment/segment-writer.ts";

/** Records are appended again in pieces of about this size. */
const PIECE_BYTES = 1024 * 1024;

/** Where the published records of a segment end. */
export interface PublishedPlace {
	lastLsn: number;
	endOffset: number;
}

/**
 * Appends to `to` the published records that `from` has after its durable end: records of sync mode `write`, whose sync failed.
 * They are read back and checked, since the system may have dropped what it could not write.
 *
 * @throws DiskFault if they can't all be read back as they were written
 */
export function reappendUnsynced(
	fs: LogFs,
	from: SegmentWriter,
	{ lastLsn, endOffset }: PublishedPlace,
	to: SegmentWriter,
): void {
	if (endOffset <= from.durable.end) return;
	const { file, epoch, firstLsn } = from.state;
	const lost = (): DiskFault =>
		new DiskFault(
			"sync-failed",
			`segment ${firstLsn} has published records that could not be synced and can't be read back`,
		);
	const source = new FileSource(fs, file);
	let piece: Buffer[] = [];
	let pieceBytes = 0;
	const flush = (): void => {
		if (pieceBytes > 0) to.append(Buffer.concat(piece), false);
		piece = [];
		pieceBytes = 0;
	};
	const rules = { start: from.durable.end, epoch, lsnAfter: from.durable.lastLsn, lsnMax: lastLsn };
	const intactEnd = scanRecords(source, rules, {
		record(_offset, length, bytes, at) {
			// A copy, since the memory that the record stands in is used again.
			piece.push(Buffer.from(bytes.subarray(at, at + length)));
			pieceBytes += length;
			if (pieceBytes >= PIECE_BYTES) flush();
		},
		damage() {
			throw lost();
		},
	});
	if (intactEnd !== endOffset) throw lost();
	flush();
}
