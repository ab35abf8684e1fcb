import type { WindowName } from "../../control/delays.ts";
import { type RateWindow, type RateWindows, WINDOWS_MS } from "./rate-windows.ts";
import { SlidingWindow } from "./sliding-window.ts";

/** Accounts whose messages are counted, for each host. Those that sent least are forgotten. */
export const COUNTED_ACCOUNTS_MAX = 256;
/** Slots of an account's window. Its messages may count longer by an eighth of the window. */
const SLOTS_MAX = 16;

/** What one account has sent, in those windows in which it is counted. */
type Usage = Partial<Record<WindowName, SlidingWindow>>;

/**
 * Divides a host's limits among its accounts, by one rule: an account may pass as long as it has sent less in each window than
 * there is room left in it. So an account that floods leaves room for the others: it gets half of the window, two such accounts get
 * a third each when both have sent for a while, and so on. An account that sends little passes until the window is full.
 *
 * Accounts are counted only while a window is used by a quarter or more. So hosts far below their limits cost nothing here, and what
 * an account sent before is forgiven: a single account gets at most five eighths of a window.
 */
export class AccountShares {
	readonly #windows: RateWindows;
	readonly #accounts = new Map<string, Usage>();

	constructor(windows: RateWindows) {
		this.#windows = windows;
	}

	/** The longest window of which the account has had its share; null if it may pass. Meant for when no window is full. */
	usedUp(did: string, nowMs: number): RateWindow | null {
		const usage = this.#accounts.size === 0 ? undefined : this.#accounts.get(did);
		if (usage === undefined) return null;
		const { windows } = this.#windows;
		for (let at = windows.length - 1; at >= 0; at--) {
			const window = windows[at];
			if (window === undefined || !isPressed(window, nowMs)) continue;
			if ((usage[window.name]?.used(nowMs) ?? 0) >= window.room(nowMs)) return window;
		}
		return null;
	}

	/** When the account has more of the window than now. */
	moreAtMs(did: string, window: RateWindow, nowMs: number): number {
		const used = this.#accounts.get(did)?.[window.name];
		// What has passed out of the window since the last call must not count as still to come.
		used?.used(nowMs);
		return used?.fallsAtMs ?? Number.POSITIVE_INFINITY;
	}

	/** Must be called before a message that passes now is counted for the host. */
	add(did: string, nowMs: number): void {
		for (const window of this.#windows.windows) {
			if (!isPressed(window, nowMs)) continue;
			const usage = this.#accounts.get(did) ?? this.#begin(did, nowMs);
			usage[window.name] ??= new SlidingWindow(WINDOWS_MS[window.name], SLOTS_MAX);
			usage[window.name]?.add(nowMs);
		}
	}

	#begin(did: string, nowMs: number): Usage {
		if (this.#accounts.size >= COUNTED_ACCOUNTS_MAX) this.#forgetLeast(nowMs);
		const usage: Usage = {};
		this.#accounts.set(did, usage);
		return usage;
	}

	#forgetLeast(nowMs: number): void {
		let least = Number.POSITIVE_INFINITY;
		let leastDid = "";
		for (const [did, usage] of this.#accounts) {
			const part = this.#partOf(usage, nowMs);
			if (part >= least) continue;
			least = part;
			leastDid = did;
			if (part === 0) break;
		}
		this.#accounts.delete(leastDid);
	}

	/** The largest part of a window's limit that the account has used. */
	#partOf(usage: Usage, nowMs: number): number {
		let part = 0;
		for (const { name, limit } of this.#windows.windows) {
			part = Math.max(part, (usage[name]?.used(nowMs) ?? 0) / Math.max(limit, 1));
		}
		return part;
	}
}

/** Whether so much of the window is used that its accounts are counted. */
function isPressed(window: RateWindow, nowMs: number): boolean {
	return window.room(nowMs) <= 0.75 * window.limit;
}
