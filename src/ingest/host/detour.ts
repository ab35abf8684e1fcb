/** Connections that may end at one cursor before messages are left out. */
const TRIES_MAX = 3;
/** With more than this to leave out, the host is followed from its live end. */
const SKIP_SEQS_MAX = 65_536;

/**
 * Finds the way past a message that ends each connection at the same cursor, such as one that is too large to be received.
 * After three tries it leaves out one seq, then two, four and so on, and in the end everything up to the host's live end.
 */
export class Detour {
	#tries = 0;
	#skippedSeqs = 0;

	/** Whether a connection ended so, and no message was read since. */
	get isNeeded(): boolean {
		return this.#tries > 0;
	}

	/** Whether the next dial leaves messages out. */
	get leavesOut(): boolean {
		return this.#skippedSeqs > 0;
	}

	/** Whether the next dial asks for the live end. */
	get isLive(): boolean {
		return this.#skippedSeqs > SKIP_SEQS_MAX;
	}

	/**
	 * A connection ended for a message that can't be read.
	 *
	 * @param unreadable how many messages in a row could not be read, that one included: each has a seq of its own
	 */
	blocked(unreadable: number): void {
		this.#tries++;
		if (this.#tries < TRIES_MAX) return;
		this.#skippedSeqs = this.#skippedSeqs === 0 ? unreadable : this.#skippedSeqs * 2;
	}

	/** The host has nothing at the cursor any more that it was asked for. */
	goLive(): void {
		this.#skippedSeqs = Number.POSITIVE_INFINITY;
	}

	/** The cursor to ask for: null for the live end. `received` is where nothing would be left out. */
	cursor(received: number | null): number | null {
		return received === null || this.isLive ? null : received + this.#skippedSeqs;
	}

	/** A message was read. */
	clear(): void {
		this.#tries = 0;
		this.#skippedSeqs = 0;
	}
}
