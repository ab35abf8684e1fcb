import { crc32 } from "node:zlib";
import {
	RECORD_BYTES_MAX,
	RECORD_EPOCH_AT,
	RECORD_HEADER_BYTES,
	recordFactsLength,
	recordLength,
} from "../../record/record.ts";

/**
 * What makes a record one of a segment: its checksum, and the segment's epoch. With them a scan tells records from noise, and
 * ours from those of a file that had the same place on the disk before.
 */

/** Makes the record of `length` bytes at `at` one of the segment with this epoch, whatever it was sealed for before. */
export function sealRecord(target: Buffer, at: number, length: number, epoch: number): void {
	target.writeUInt32LE(epoch, at + RECORD_EPOCH_AT);
	target.writeUInt32LE(crc32(target.subarray(at + 4, at + length)), at);
}

/** Length of the record at `at`, or 0 if the header can't be one of this epoch. The checksum is not looked at. */
export function sealedRecordLength(source: Buffer, at: number, epoch: number): number {
	if (source.readUInt32LE(at + RECORD_EPOCH_AT) !== epoch) return 0;
	const length = recordLength(source, at);
	const lengthMin = RECORD_HEADER_BYTES + recordFactsLength(source, at);
	return length >= lengthMin && length <= RECORD_BYTES_MAX ? length : 0;
}

/** Whether the record of `length` bytes at `at` is as it was sealed. */
export function recordIsIntact(source: Buffer, at: number, length: number): boolean {
	return crc32(source.subarray(at + 4, at + length)) === source.readUInt32LE(at);
}
