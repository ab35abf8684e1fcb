import { Batch, Gap } from "../../record/batch.ts";
import { MemorySource, scanRecords } from "../segment/scan.ts";

/** A chunk of a segment as it was read: one batch, or where it is damaged, batches and gaps. */
export interface Chunk {
	parts: (Batch | Gap)[];
	/** Offsets, in the segment, of damage that was found. */
	damage: number[];
	/** As they were read. */
	bytes: Buffer;
}

/**
 * Reads a chunk of a segment that begins and ends with a record.
 *
 * @param base offset of `bytes` in the segment
 * @param seqMax no record of the chunk has a greater seq, and the one behind it has
 */
export function parseChunk(bytes: Buffer, base: number, epoch: number, seqMax: number): Chunk {
	const parts: (Batch | Gap)[] = [];
	const damage: number[] = [];
	let seqs: number[] = [];
	let offsets: number[] = [];
	let end = 0;
	let afterDamage = false;
	const finishBatch = (): void => {
		if (seqs.length > 0) parts.push(new Batch(bytes, seqs, [...offsets, end]));
		seqs = [];
		offsets = [];
	};
	const source = new MemorySource(bytes, base);
	const intactEnd = scanRecords(
		source,
		{ start: base, epoch, seqAfter: 0, seqMax },
		{
			record(offset, length, seq) {
				if (afterDamage) parts.push(new Gap(seq));
				afterDamage = false;
				seqs.push(seq);
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
		parts.push(new Gap(seqMax + 1));
	}
	return { parts, damage, bytes };
}
