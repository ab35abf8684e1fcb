/** Fewer hosts than this say nothing of the network: each may be down by itself. */
const HOSTS_MIN = 10;
/** Of the hosts that were connected, at most this share is left in an outage. */
const SHARE_LEFT_MAX = 0.1;
/** In an outage, connections are found to be broken one after the other, for up to this long. */
export const FALL_MS = 5 * 60_000;
/** So many hosts have to be reached until the outage is over. One alone may be on this side of what is broken. */
const RETURNED_MIN = 3;

/**
 * Tells when hosts can be reached again, after hardly any could: then the fault was the network's and not theirs, and they need not
 * wait for attempts that were planned while it lasted.
 */
export class NetworkWatch {
	#connected = 0;
	/** The most that were connected since the last outage. */
	#peak = 0;
	#outSinceMs: number | null = null;
	#returned = 0;

	/** At a start: so many hosts were connected before. Until some are again, it is not known whether any can be reached. */
	expect(hosts: number, nowMs: number): void {
		this.#peak = hosts;
		if (hosts >= HOSTS_MIN) this.#begin(nowMs);
	}

	/** A host is connected. Returns when the outage began that this ends; else null. */
	opened(): number | null {
		this.#connected++;
		if (this.#outSinceMs === null) {
			this.#peak = Math.max(this.#peak, this.#connected);
			return null;
		}
		if (++this.#returned < RETURNED_MIN) return null;
		const sinceMs = this.#outSinceMs;
		this.#outSinceMs = null;
		this.#peak = this.#connected;
		return sinceMs;
	}

	/** A connection has ended. */
	ended(nowMs: number): void {
		this.#connected--;
		const isOut = this.#peak >= HOSTS_MIN && this.#connected <= this.#peak * SHARE_LEFT_MAX;
		if (isOut && this.#outSinceMs === null) this.#begin(nowMs);
	}

	#begin(nowMs: number): void {
		this.#outSinceMs = nowMs - FALL_MS;
		this.#returned = 0;
	}
}
