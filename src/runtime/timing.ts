import { contain } from "./boundary.ts";

/** A clock and timers. Tests pass one that they move themselves. */
export interface Timing {
	/** Monotonic milliseconds: a step of the wall clock does not change them. */
	nowMs(): number;
	/** Runs `action` once, after `delayMs`. Returns a function that cancels it. */
	after(delayMs: number, action: () => void): () => void;
}

export const systemTiming: Timing = {
	nowMs: () => performance.now(),
	after(delayMs, action) {
		const timer = setTimeout(() => contain("a timer", action), delayMs);
		return () => clearTimeout(timer);
	},
};
