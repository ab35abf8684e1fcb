/** How many connections may end at the same cursor before messages are left out. */
const TRIES_MAX = 3;
/** If more seqs than this would be left out, the host is followed from its live end. */
const SKIP_SEQS_MAX = 65_536;

/**
 * Finds a way past a message that ends each connection at the same cursor, such as one that is too large to be received. After
 * three tries it leaves out the seqs that could not be read, then twice as many, four times as many and so on, and in the end
 * everything up to the host's live end.
 */
export class Detour {
	#tries = 0;
	#skippedSeqs = 0;

	/** Whether a connection has ended because of such a message, and no message has been read since. */
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
	 * Must be called when a connection is ended because of a message that can't be read.
	 *
	 * @param unreadable how many messages in a row could not be read, including the last: each has its own seq
	 */
	blocked(unreadable: number): void {
		this.#tries++;
		if (this.#tries < TRIES_MAX) return;
		this.#skippedSeqs = this.#skippedSeqs === 0 ? unreadable : this.#skippedSeqs * 2;
	}

	/** Asks for the live end from now on, since the host has no messages after the cursor that it was asked for. */
	goLive(): void {
		this.#skippedSeqs = Number.POSITIVE_INFINITY;
	}

	/** The cursor to ask for; null for the live end. `received` is the cursor that would leave nothing out. */
	cursor(received: number | null): number | null {
		return received === null || this.isLive ? null : received + this.#skippedSeqs;
	}

	/** Must be called when a message was read. */
	clear(): void {
		this.#tries = 0;
		this.#skippedSeqs = 0;
	}
}
