import { crc32 } from "node:zlib";
import {
	RECORD_BYTES_MAX,
	RECORD_EPOCH_AT,
	RECORD_HEADER_BYTES,
	recordFactsLength,
	recordLength,
} from "../../record/record.ts";

/**
 * The seal of a record is its checksum and the epoch of its segment. By them a scan tells records from noise, and from the
 * records of a file that had the same place on the disk before.
 */

/** Seals the record of `length` bytes at `at` for the segment with this epoch. It may have had another seal before. */
export function sealRecord(target: Buffer, at: number, length: number, epoch: number): void {
	target.writeUInt32LE(epoch, at + RECORD_EPOCH_AT);
	target.writeUInt32LE(crc32(target.subarray(at + 4, at + length)), at);
}

/** Length of the record at `at`; 0 if its header can't be that of a record with this epoch. The checksum is not checked. */
export function sealedRecordLength(source: Buffer, at: number, epoch: number): number {
	if (source.readUInt32LE(at + RECORD_EPOCH_AT) !== epoch) return 0;
	const length = recordLength(source, at);
	const lengthMin = RECORD_HEADER_BYTES + recordFactsLength(source, at);
	return length >= lengthMin && length <= RECORD_BYTES_MAX ? length : 0;
}

/** Whether the checksum of the record of `length` bytes at `at` is right. */
export function recordIsIntact(source: Buffer, at: number, length: number): boolean {
	return crc32(source.subarray(at + 4, at + length)) === source.readUInt32LE(at);
}
