/** Longer words are not taken for typing mistakes. */
const WORD_CHARS_MAX = 64;
/** At most this many letters may be wrong, and at most a third of the word. */
const EDITS_MAX = 3;

/** The candidate that `word` was most likely meant to be; null if none is near. */
export function nearest(word: string, candidates: readonly string[]): string | null {
	if (word.length > WORD_CHARS_MAX) return null;
	let best: { candidate: string; edits: number } | null = null;
	for (const candidate of candidates) {
		const edits = editDistance(word, candidate);
		if (edits <= Math.min(EDITS_MAX, candidate.length / 3) && (best === null || edits < best.edits))
			best = { candidate, edits };
	}
	return best?.candidate ?? null;
}

/**
 * The smallest number of edits that turns `a` into `b`. An edit inserts, deletes or replaces a letter, or swaps two neighbours.
 */
function editDistance(a: string, b: string): number {
	let beforeLast: number[] = [];
	let last = Array.from({ length: b.length + 1 }, (_, at) => at);
	for (let i = 1; i <= a.length; i++) {
		const row = [i];
		for (let j = 1; j <= b.length; j++) {
			const isSame = a[i - 1] === b[j - 1];
			const replaced = (last[j - 1] ?? 0) + (isSame ? 0 : 1);
			let edits = Math.min(replaced, (last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1);
			if (a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) edits = Math.min(edits, (beforeLast[j - 2] ?? edits) + 1);
			row.push(edits);
		}
		beforeLast = last;
		last = row;
	}
	return last[b.length] ?? 0;
}
