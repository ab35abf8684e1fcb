import { Batch, Gap } from "../../record/batch.ts";
import { recordLsn } from "../../record/record.ts";
import { MemorySource, scanRecords } from "../segment/scan.ts";

/** A chunk of a segment as it was read: one batch; or batches and gaps, if it is damaged. */
export interface Chunk {
	parts: (Batch | Gap)[];
	/** Offsets, in the segment, of damage that was found. */
	damage: number[];
	/** The whole chunk, as it was read. */
	bytes: Buffer;
}

/**
 * Parses a chunk of a segment, which begins and ends with a record.
 *
 * @param base offset of `bytes` in the segment
 * @param lsnMax no record of the chunk has a greater lsn, and the one after it has
 */
export function parseChunk(bytes: Buffer, base: number, epoch: number, lsnMax: number): Chunk {
	const parts: (Batch | Gap)[] = [];
	const damage: number[] = [];
	let lsns: number[] = [];
	let offsets: number[] = [];
	let end = 0;
	let afterDamage = false;
	const finishBatch = (): void => {
		if (lsns.length > 0) parts.push(new Batch(bytes, lsns, [...offsets, end]));
		lsns = [];
		offsets = [];
	};
	const source = new MemorySource(bytes, base);
	const intactEnd = scanRecords(
		source,
		{ start: base, epoch, lsnAfter: 0, lsnMax },
		{
			record(offset, length, source, at) {
				const lsn = recordLsn(source, at);
				if (afterDamage) parts.push(new Gap(lsn));
				afterDamage = false;
				lsns.push(lsn);
				offsets.push(offset - base);
				end = offset - base + length;
			},
			damage(start) {
				finishBatch();
				damage.push(start);
				afterDamage = true;
			},
		},
	);
	finishBatch();
	if (intactEnd < source.end) {
		damage.push(intactEnd);
		parts.push(new Gap(lsnMax + 1));
	}
	return { parts, damage, bytes };
}
