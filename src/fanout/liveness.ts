/** A consumer that has sent nothing for this long gets a ping. */
export const PING_AFTER_MS = 30_000;

/**
 * A consumer that does not answer a ping for this long is dead. The time is long because the ping waits after megabytes in the
 * kernel's buffers, and a consumer that reads slowly but keeps up may take minutes for them.
 */
export const PONG_MS_MAX = 180_000;

/** A consumer that takes nothing of its buffer and sends nothing for this long is dead. */
export const STALL_MS_MAX = 60_000;

/**
 * Messages, pings and pongs that one consumer may send within an interval. They are thrown away, but each costs the thread time,
 * and the answer to a ping takes space in the consumer's buffer.
 */
export const HEARD_MAX = 300;
export const HEARD_INTERVAL_MS = 10_000;

/** Decides whether a consumer is alive, by what it takes and what it sends. All times are monotonic milliseconds. */
export class Liveness {
	/** When its buffer was last seen empty or shrinking, or it last sent something. */
	#aliveAtMs: number;
	#heardAtMs: number;
	/** Messages since `#heardSinceMs`. */
	#heard = 0;
	#heardSinceMs: number;
	#pingSentAtMs: number | null = null;

	constructor(nowMs: number) {
		this.#aliveAtMs = this.#heardAtMs = this.#heardSinceMs = nowMs;
	}

	/**
	 * Notes that the consumer sent something. Messages beyond `HEARD_MAX` in an interval are no sign of life.
	 *
	 * @returns how many messages came in this interval, this one included
	 */
	heard(nowMs: number): number {
		if (nowMs - this.#heardSinceMs >= HEARD_INTERVAL_MS) {
			this.#heardSinceMs = nowMs;
			this.#heard = 0;
		}
		this.#heard++;
		if (this.#heard <= HEARD_MAX) {
			this.#aliveAtMs = this.#heardAtMs = nowMs;
			this.#pingSentAtMs = null;
		}
		return this.#heard;
	}

	/** Notes that the consumer took some of its buffer. It need not answer a ping any more, which may wait long after what it takes. */
	took(nowMs: number): void {
		this.#aliveAtMs = nowMs;
		this.#pingSentAtMs = null;
	}

	/** Notes that nothing is expected of the consumer at this moment, for example because its buffer is empty. */
	excuse(nowMs: number): void {
		this.#aliveAtMs = nowMs;
	}

	/** Whether it has taken nothing and said nothing for too long. */
	isStalled(nowMs: number): boolean {
		return nowMs - this.#aliveAtMs >= STALL_MS_MAX;
	}

	/** Whether it is stalled, or has not answered a ping in time. */
	isDead(nowMs: number): boolean {
		return this.isStalled(nowMs) || (this.#pingSentAtMs !== null && nowMs - this.#pingSentAtMs >= PONG_MS_MAX);
	}

	/** Whether it has been silent for so long that it has to be pinged. */
	isPingDue(nowMs: number): boolean {
		return this.#pingSentAtMs === null && nowMs - this.#heardAtMs >= PING_AFTER_MS;
	}

	/** Notes that a ping was sent. */
	pinged(nowMs: number): void {
		this.#pingSentAtMs = nowMs;
	}
}
