const TID_ALPHABET = "234567abcdefghijklmnopqrstuvwxyz";
const TID_CHARS = 13;

/** Encodes microseconds since 1970 and a 10 bit clock id as a TID. */
export function tidOf(timeUs: number, clockId: number): string {
	let left = BigInt(timeUs) * 1024n + BigInt(clockId);
	let tid = "";
	for (let i = 0; i < TID_CHARS; i++) {
		tid = TID_ALPHABET[Number(left & 31n)] + tid;
		left >>= 5n;
	}
	return tid;
}

/** A clock that follows the real one but never gives the same microsecond twice, so that TIDs ascend. */
export class SimClock {
	readonly #nowMs: () => number;
	#lastUs = 0;

	/** @param nowMs the time to follow; a constant makes every TID reproducible */
	constructor(nowMs: () => number = Date.now) {
		this.#nowMs = nowMs;
	}

	nowMs(): number {
		return this.#nowMs();
	}

	/** The time in the form of a message's `time`. */
	datetime(): string {
		return new Date(this.#nowMs()).toISOString();
	}

	/** A TID greater than every one before it. */
	tid(): string {
		this.#lastUs = Math.max(this.#lastUs + 1, this.#nowMs() * 1000);
		return tidOf(this.#lastUs, 0);
	}
}
