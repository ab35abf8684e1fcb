import type { EventLimits } from "../../config/setting.ts";
import { WINDOW_NAMES, type WindowName } from "../../control/delays.ts";
import { SlidingWindow } from "./sliding-window.ts";

/** Their lengths. */
export const WINDOWS_MS: Readonly<Record<WindowName, number>> = { second: 1_000, hour: 3_600_000, day: 86_400_000 };

/**
 * Slots of each window: so many that a second is exact up to 1,024 messages, and an hour or a day longer by at most 1/256 if there are
 * more than 256. A host that sends much takes at most 36 KiB.
 */
const SLOTS_MAX: Readonly<Record<WindowName, number>> = { second: 2_048, hour: 512, day: 512 };

/** What a window's limit is called in `EventLimits`. */
const LIMIT_OF = { second: "perS", hour: "perHour", day: "perDay" } as const;

/** One window of a host. */
export class RateWindow {
	readonly name: WindowName;
	readonly #events: SlidingWindow;
	limit: number;

	constructor(name: WindowName, limit: number) {
		this.name = name;
		this.limit = limit;
		this.#events = new SlidingWindow(WINDOWS_MS[name], SLOTS_MAX[name]);
	}

	/** How many messages more may pass now; 0 if the limit is reached. */
	room(nowMs: number): number {
		return Math.max(0, this.limit - this.#events.used(nowMs));
	}

	/** How many messages have passed in the window that ends now. */
	used(nowMs: number): number {
		return this.#events.used(nowMs);
	}

	add(nowMs: number): void {
		this.#events.add(nowMs);
	}

	takeBack(atMs: number, nowMs: number): void {
		this.#events.takeBack(atMs, nowMs);
	}

	/** The earliest time at which there may be more room than now. */
	get moreRoomAtMs(): number {
		return this.#events.fallsAtMs;
	}
}

/**
 * Counts a host's messages over the last second, hour and day. If each message passes only when `fullAt` gives null, no window of
 * these lengths has more messages than its limit, whichever millisecond it ends at.
 */
export class RateWindows {
	readonly windows: readonly RateWindow[];

	constructor(limits: EventLimits) {
		this.windows = WINDOW_NAMES.map((name) => new RateWindow(name, limits[LIMIT_OF[name]]));
	}

	/** From now on these limits hold, also for what was counted before. */
	setLimits(limits: EventLimits): void {
		for (const window of this.windows) window.limit = limits[LIMIT_OF[window.name]];
	}

	/** The longest window whose limit is reached; null if a message may pass now. */
	fullAt(nowMs: number): RateWindow | null {
		for (let at = this.windows.length - 1; at >= 0; at--) {
			const window = this.windows[at];
			if (window !== undefined && window.room(nowMs) === 0) return window;
		}
		return null;
	}

	/** Takes back a message that was counted at this time. */
	takeBack(atMs: number, nowMs: number): void {
		for (const window of this.windows) window.takeBack(atMs, nowMs);
	}

	/** Counts a message that passes now. */
	add(nowMs: number): void {
		for (const window of this.windows) window.add(nowMs);
	}
}
