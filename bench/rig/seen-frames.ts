/** Seqs that are remembered. More than a log of a small window holds. */
const SEQS = 2 ** 19;

/**
 * The frames that consumers of one relay have got, by seq, as hashes in memory of a fixed size. The first consumer that gets a seq
 * writes it. All others must get the same bytes, and leave out none but those of accounts that are taken down or deleted.
 */
export class SeenFrames {
	/** Frames that were compared with what another consumer had got. */
	compared = 0;
	readonly #seqs = new Float64Array(SEQS);
	readonly #frames = new Uint32Array(SEQS);
	readonly #accounts = new Uint32Array(SEQS);
	/** How often each account is taken down, or was a moment ago, by the hash of its DID. */
	readonly #takenDown = new Map<number, number>();

	/** Notes a frame. Returns false if another consumer has got other bytes under this seq. */
	note(seq: number, did: string, frame: Uint8Array): boolean {
		const at = seq % SEQS;
		const hash = Bun.hash.crc32(frame);
		if ((this.#seqs[at] ?? 0) === seq) {
			this.compared++;
			return this.#frames[at] === hash;
		}
		// An old seq does not replace a newer one.
		if ((this.#seqs[at] ?? 0) < seq) {
			this.#seqs[at] = seq;
			this.#frames[at] = hash;
			this.#accounts[at] = Bun.hash.crc32(did);
		}
		return true;
	}

	/** From now on an account's frames may be left out. */
	takeDown(did: string): void {
		const hash = Bun.hash.crc32(did);
		this.#takenDown.set(hash, (this.#takenDown.get(hash) ?? 0) + 1);
	}

	/** Ends what `takeDown` began. Consumers that have read past the frames meanwhile are done with them. */
	bringBack(did: string): void {
		const hash = Bun.hash.crc32(did);
		const left = (this.#takenDown.get(hash) ?? 0) - 1;
		if (left > 0) this.#takenDown.set(hash, left);
		else this.#takenDown.delete(hash);
	}

	/** Whether a consumer may have got nothing between two seqs: all of it is of accounts that are taken down or deleted. */
	mayLeaveOut(afterSeq: number, beforeSeq: number): boolean {
		for (let seq = afterSeq + 1; seq < beforeSeq; seq++) {
			const at = seq % SEQS;
			if (this.#seqs[at] !== seq || !this.#takenDown.has(this.#accounts[at] ?? 0)) return false;
		}
		return true;
	}
}
