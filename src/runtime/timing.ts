import { contain } from "./boundary.ts";

/** Time, as those need it who follow hosts. A test gives one that it moves itself. */
export interface Timing {
	/** Monotonic milliseconds: a step of the wall clock does not change them. */
	nowMs(): number;
	/** Runs `action` once, after so many milliseconds. Call what it returns to prevent that. */
	after(delayMs: number, action: () => void): () => void;
}

export const systemTiming: Timing = {
	nowMs: () => performance.now(),
	after(delayMs, action) {
		const timer = setTimeout(() => contain("a timer", action), delayMs);
		return () => clearTimeout(timer);
	},
};
