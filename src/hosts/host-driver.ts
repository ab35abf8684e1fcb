import { contain } from "../runtime/boundary.ts";
import type { Timing } from "../runtime/timing.ts";
import type { Dialler, DialQueue } from "./dial-queue.ts";
import type { HostConnectionEvent } from "./messages.ts";
import { type HostEffect, type HostFact, type HostState, next } from "./state.ts";

export interface HostDriverOptions {
	timing: Timing;
	/** Unix ms, by a clock that never goes back. */
	nowMs: () => number;
	queue: DialQueue;
	/** Makes a connection. Whoever makes it reports on it, with this number. */
	dial: (attempt: number) => void;
	/** Ends the attempt or the connection. */
	hangUp: () => void;
	/** It is connected now, or no longer is. */
	connected: (isConnected: boolean) => void;
	/** What the log has of the host is to be written anew. */
	record: () => void;
}

/** Tells the machine what happens to one host, and does what it asks for. */
export class HostDriver implements Dialler {
	readonly #options: HostDriverOptions;
	#state: HostState;
	/** Number of the last attempt. Whoever made an earlier one may still report on it. */
	#attempt = 0;
	#cancelWait: () => void = () => undefined;

	constructor(state: HostState, options: HostDriverOptions) {
		this.#state = state;
		this.#options = options;
	}

	get state(): HostState {
		return this.#state;
	}

	tell(fact: HostFact): void {
		const { state, effects } = next(this.#state, fact, this.#options.nowMs());
		const wasConnected = this.#state.phase === "connected";
		this.#state = state;
		for (const effect of effects) this.#do(effect);
		const isConnected = state.phase === "connected";
		if (isConnected !== wasConnected) this.#options.connected(isConnected);
	}

	/** Takes what a worker reports of an attempt. It is ignored if another one has begun since, or the host was hung up on. */
	report(event: HostConnectionEvent): void {
		if (event.attempt !== this.#attempt) return;
		switch (event.type) {
			case "opened":
			case "moved":
				this.tell({ type: event.type });
				break;
			case "ended": {
				const { fault, text, progress, heard } = event;
				if (heard) this.tell({ type: "heard", agoMs: 0 });
				this.tell({ type: "ended", fault, text, progress });
				break;
			}
			case "throttled":
				this.tell(event.why === null ? { type: "released" } : { type: "throttled", why: event.why });
		}
	}

	turn(): void {
		this.tell({ type: "turn" });
	}

	#do(effect: HostEffect): void {
		const { timing, nowMs, queue, dial, hangUp, record } = this.#options;
		switch (effect.type) {
			case "wait":
				this.#cancelWait = timing.after(Math.max(0, effect.untilMs - nowMs()), () =>
					contain("a host's redial", () => this.tell({ type: "due" })),
				);
				break;
			case "unwait":
				this.#cancelWait();
				break;
			case "queue":
				queue.add(this, effect.isUrgent);
				break;
			case "unqueue":
				queue.remove(this);
				break;
			case "dial":
				dial(++this.#attempt);
				break;
			case "release":
				queue.release();
				break;
			case "hangUp":
				this.#attempt++;
				hangUp();
				break;
			case "record":
				record();
				break;
		}
	}
}
