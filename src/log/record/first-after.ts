/** Seqs in rising order, wherever they lie. */
export interface RisingSeqs {
	seq(i: number): number;
}

/** Index of the first of `count` seqs that is above `cursor`; `count` where there is none. */
export function firstAfter(seqs: RisingSeqs, count: number, cursor: number): number {
	let low = 0;
	let high = count;
	while (low < high) {
		const middle = (low + high) >>> 1;
		if (seqs.seq(middle) > cursor) high = middle;
		else low = middle + 1;
	}
	return low;
}
