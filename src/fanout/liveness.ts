/** A consumer that nothing was heard of for this long gets a ping. */
export const PING_AFTER_MS = 30_000;

/**
 * A ping that stays unanswered for this long means that the consumer is dead. It is as long as that since the ping waits
 * behind megabytes in the kernel's buffers, which a consumer that reads slowly and keeps up may take its time for.
 */
export const PONG_MS_MAX = 180_000;

/** A consumer that takes nothing of its buffer, and says nothing, for this long is dead. */
export const STALL_MS_MAX = 60_000;

/**
 * Messages, pings and pongs that one consumer may send within an interval. They are thrown away, but each takes its time
 * of the thread, and a ping a place in the consumer's buffer for its answer.
 */
export const HEARD_MAX = 300;
export const HEARD_INTERVAL_MS = 10_000;

/** Whether a consumer is alive, by what it takes and what is heard of it. All times are monotonic milliseconds. */
export class Liveness {
	/** When its buffer was last seen empty or shrinking, or something was heard of it. */
	#aliveAtMs: number;
	#heardAtMs: number;
	/** How many messages came since when. */
	#heard = 0;
	#heardSinceMs: number;
	#pingSentAtMs: number | null = null;

	constructor(nowMs: number) {
		this.#aliveAtMs = this.#heardAtMs = this.#heardSinceMs = nowMs;
	}

	/**
	 * Notes that something came from the consumer. What comes beyond `HEARD_MAX` is no sign of life.
	 *
	 * @returns how much came in this interval, this included
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

	/** Notes that the consumer took some of its buffer. The answer to a ping may come long after what it takes. */
	took(nowMs: number): void {
		this.#aliveAtMs = nowMs;
		this.#pingSentAtMs = null;
	}

	/** Notes that nothing is expected of the consumer at this moment, such as since its buffer is empty. */
	excuse(nowMs: number): void {
		this.#aliveAtMs = nowMs;
	}

	/** Whether it has taken nothing and said nothing for too long. */
	isStalled(nowMs: number): boolean {
		return nowMs - this.#aliveAtMs >= STALL_MS_MAX;
	}

	/** Whether it is stalled, or owes the answer to a ping for too long. */
	isDead(nowMs: number): boolean {
		return this.isStalled(nowMs) || (this.#pingSentAtMs !== null && nowMs - this.#pingSentAtMs >= PONG_MS_MAX);
	}

	/** Whether it has been silent for so long that it has to be asked. */
	isPingDue(nowMs: number): boolean {
		return this.#pingSentAtMs === null && nowMs - this.#heardAtMs >= PING_AFTER_MS;
	}

	/** Notes that a ping was sent. */
	pinged(nowMs: number): void {
		this.#pingSentAtMs = nowMs;
	}
}
