import type { EventLimits } from "../../config/setting.ts";
import {
	type DelayedAccount,
	type DelayReason,
	type DelayReport,
	WINDOW_NAMES,
	type WindowName,
} from "../../control/delays.ts";
import type { DelayView } from "../../control/why.ts";
import type { Counters } from "../../observe/counters.ts";
import { counter, gauge } from "../../observe/metric.ts";
import type { Timing } from "../../runtime/timing.ts";
import { type RateWindow, RateWindows } from "./rate-windows.ts";
import { AccountShares } from "./shares.ts";

const messagesDelayed = counter(
	"messages_delayed_total",
	"messages that had to wait because of a limit of their host, by the window whose limit it was",
	"If a wanted host is delayed often, raise its event limits, or add its domain to `RELAY_TRUSTED_DOMAINS`.",
	{ name: "window", values: WINDOW_NAMES },
);
const delayedMessages = gauge(
	"delayed_messages",
	"messages that wait because of a limit of their host",
	"If it stays high, `/_stats` names the hosts under `delayedHosts`: raise their event limits, or leave them waiting.",
);
const delayedBytes = gauge(
	"delayed_bytes",
	"bytes of messages that wait because of a limit of their host",
	"It is limited by `RELAY_HOST_BUFFER_BYTES` for each host. If it stays high, look at `delayedHosts` in `/_stats`.",
);
const delayedHosts = gauge(
	"delayed_hosts",
	"hosts of which messages wait because of a limit",
	"If it stays high, `/_stats` names the hosts under `delayedHosts`: raise their event limits, or leave them waiting.",
);

/** A message that waits. */
export interface Delayed {
	readonly did: string;
	/** That it holds. */
	readonly bytes: number;
}

/** The messages of one account that wait, in order. */
interface Lane<Item> {
	items: Item[];
	bytes: number;
	sinceMs: number;
	reason: DelayReason;
}

export interface DelaysOptions<Item> {
	/** Null if the host has no limits. */
	limits: EventLimits | null;
	timing: Timing;
	counters: Counters;
	/** Called when messages begin to wait, and when none waits any more. */
	onWaiting?: (isWaiting: boolean) => void;
	/** Takes a message that has waited. Must not throw. */
	pass: (item: Item) => void;
}

/** Accounts in a report. */
const TOP_ACCOUNTS_MAX = 10;

/**
 * Holds a host's messages to its limits: a message beyond them waits, and is never dropped. The messages of each account pass in the
 * order in which they came. Accounts wait independently of each other: when there is room, those that wait take turns, and only an
 * account that has had its share of a window goes on waiting (`AccountShares`).
 *
 * What waits is not limited here. The host's budget limits it, and is given back when a message is settled.
 */
export class Delays<Item extends Delayed> {
	readonly #options: DelaysOptions<Item>;
	#windows: RateWindows | null = null;
	#shares: AccountShares | null = null;
	/** The accounts that wait. The first is next. */
	readonly #lanes = new Map<string, Lane<Item>>();
	#messages = 0;
	#bytes = 0;
	#sinceMs = 0;
	#lastPassMs = 0;
	/** Since when messages are counted in these windows. */
	#countsSinceMs = 0;
	/** Whether there is more room than the last look at the lanes has found. */
	#hasTakenBack = false;
	#wakesAtMs = Number.POSITIVE_INFINITY;
	#cancelWake: () => void = () => undefined;

	constructor(options: DelaysOptions<Item>) {
		this.#options = options;
		this.#limit(options.limits);
	}

	/** How many messages wait. */
	get size(): number {
		return this.#messages;
	}

	/** Whether a message of this account passes now. If so it is counted; if not, `wait` must be called with it. */
	passes(did: string): boolean {
		if (this.#windows === null) return true;
		const nowMs = this.#options.timing.nowMs();
		if (this.#lanes.size > 0) {
			// The timer may be late, and those that wait come first.
			if (nowMs >= this.#wakesAtMs) this.#passDue(nowMs);
			if (this.#lanes.has(did)) return false;
		}
		if (this.#blockedBy(did, nowMs) !== null) return false;
		this.#count(did, nowMs);
		return true;
	}

	/** Bytes that wait. */
	get bytes(): number {
		return this.#bytes;
	}

	/** Bytes of this account that wait. */
	bytesOf(did: string): number {
		return this.#lanes.get(did)?.bytes ?? 0;
	}

	/** When the last message passed that was counted. */
	get lastPassMs(): number {
		return this.#lastPassMs;
	}

	/** Takes back a message that has passed at this time: it does not count, such as a repeat of one that is in the log. */
	takeBack(passedAtMs: number): void {
		if (this.#windows === null || passedAtMs < this.#countsSinceMs) return;
		const nowMs = this.#options.timing.nowMs();
		this.#windows.takeBack(passedAtMs, nowMs);
		if (this.#lanes.size === 0) return;
		this.#hasTakenBack = true;
		this.#wakeAt(nowMs, nowMs);
	}

	/** Takes a message that can't pass now. */
	wait(item: Item): void {
		const { timing, counters } = this.#options;
		const nowMs = timing.nowMs();
		const lane = this.#lanes.get(item.did) ?? this.#begin(item.did, nowMs);
		lane.items.push(item);
		lane.bytes += item.bytes;
		this.#note(1, item.bytes);
		counters.add(messagesDelayed.of(lane.reason.window));
	}

	/** From now on these limits hold; null for none. Messages that wait pass if the new limits allow it. */
	setLimits(limits: EventLimits | null): void {
		this.#limit(limits);
		this.#passDue(this.#options.timing.nowMs());
	}

	/** Takes out everything that waits: the wait has ended without passing. In the order of each account. */
	clear(): Item[] {
		const items = [...this.#lanes.values()].flatMap((lane) => lane.items);
		this.#lanes.clear();
		this.#note(-this.#messages, -this.#bytes);
		this.#wakeAt(Number.POSITIVE_INFINITY, 0);
		return items;
	}

	/** What waits now; null if nothing does. */
	report(): Omit<DelayReport, "leftOut"> | null {
		if (this.#messages === 0) return null;
		const nowMs = this.#options.timing.nowMs();
		const top = [...this.#lanes]
			.sort(([, a], [, b]) => b.items.length - a.items.length)
			.slice(0, TOP_ACCOUNTS_MAX)
			.map(([did, lane]) => describe(did, lane, nowMs));
		const { size } = this.#lanes;
		return { forMs: nowMs - this.#sinceMs, messages: this.#messages, bytes: this.#bytes, accounts: size, top };
	}

	/** What waits now, in short; null if nothing does. @param did an account of which more is told */
	view(did: string | null): Omit<DelayView, "leftOut" | "isLeftOut"> | null {
		if (this.#messages === 0) return null;
		const nowMs = this.#options.timing.nowMs();
		const [first] = this.#lanes.values();
		const lane = did === null ? undefined : this.#lanes.get(did);
		return {
			forMs: nowMs - this.#sinceMs,
			messages: this.#messages,
			bytes: this.#bytes,
			accounts: this.#lanes.size,
			next: first?.reason ?? null,
			account: did === null || lane === undefined ? null : describe(did, lane, nowMs),
		};
	}

	/** How many messages have passed in each window that ends now; null if the host has no limits. */
	used(): Record<WindowName, number> | null {
		if (this.#windows === null) return null;
		const nowMs = this.#options.timing.nowMs();
		const used = { second: 0, hour: 0, day: 0 };
		for (const window of this.#windows.windows) used[window.name] = window.used(nowMs);
		return used;
	}

	#limit(limits: EventLimits | null): void {
		if (limits !== null && this.#windows !== null) {
			this.#windows.setLimits(limits);
			return;
		}
		this.#countsSinceMs = this.#options.timing.nowMs();
		this.#windows = limits === null ? null : new RateWindows(limits);
		this.#shares = this.#windows === null ? null : new AccountShares(this.#windows);
	}

	#begin(did: string, nowMs: number): Lane<Item> {
		const window = this.#blockedBy(did, nowMs);
		const lane = { items: [], bytes: 0, sinceMs: nowMs, reason: this.#reason(window, nowMs) };
		this.#lanes.set(did, lane);
		this.#wakeAt(Math.min(this.#wakesAtMs, this.#retryAtMs(did, window, nowMs)), nowMs);
		return lane;
	}

	/** The window that keeps a message of this account waiting; null if none does. */
	#blockedBy(did: string, nowMs: number): RateWindow | null {
		return this.#windows?.fullAt(nowMs) ?? this.#shares?.usedUp(did, nowMs) ?? null;
	}

	#reason(window: RateWindow | null, nowMs: number): DelayReason {
		// None if the room has come in the meantime. Then the message passes at once.
		if (window === null) return { window: "second", limitOf: "host" };
		return { window: window.name, limitOf: window.room(nowMs) === 0 ? "host" : "account" };
	}

	/** The earliest time at which an account that this window keeps waiting may pass. */
	#retryAtMs(did: string, window: RateWindow | null, nowMs: number): number {
		if (window === null) return nowMs;
		const moreRoomAtMs = window.moreRoomAtMs;
		if (window.room(nowMs) === 0 || this.#shares === null) return moreRoomAtMs;
		return Math.min(moreRoomAtMs, this.#shares.moreAtMs(did, window, nowMs));
	}

	#count(did: string, nowMs: number): void {
		this.#lastPassMs = nowMs;
		this.#shares?.add(did, nowMs);
		this.#windows?.add(nowMs);
	}

	/** Passes what may pass now. The accounts take turns, with one message each. */
	#passDue(nowMs: number): void {
		let wakesAtMs = Number.POSITIVE_INFINITY;
		this.#hasTakenBack = false;
		// An account that has had its turn is put at the end, where this loop comes to it again.
		for (const [did, lane] of this.#lanes) {
			const window = this.#blockedBy(did, nowMs);
			if (window === null) {
				this.#passFirst(did, lane, nowMs);
				continue;
			}
			lane.reason = this.#reason(window, nowMs);
			wakesAtMs = Math.min(wakesAtMs, this.#retryAtMs(did, window, nowMs));
			if (lane.reason.limitOf === "host") break;
		}
		this.#wakeAt(this.#hasTakenBack && this.#lanes.size > 0 ? nowMs : wakesAtMs, nowMs);
	}

	#passFirst(did: string, lane: Lane<Item>, nowMs: number): void {
		const item = lane.items.shift();
		this.#lanes.delete(did);
		if (lane.items.length > 0) this.#lanes.set(did, lane);
		if (item === undefined) return;
		lane.bytes -= item.bytes;
		this.#note(-1, -item.bytes);
		this.#count(did, nowMs);
		this.#options.pass(item);
	}

	#note(messages: number, bytes: number): void {
		const { counters, timing } = this.#options;
		const wasWaiting = this.#messages > 0;
		this.#messages += messages;
		this.#bytes += bytes;
		counters.add(delayedMessages, messages);
		counters.add(delayedBytes, bytes);
		const isWaiting = this.#messages > 0;
		if (wasWaiting === isWaiting) return;
		counters.add(delayedHosts, isWaiting ? 1 : -1);
		this.#options.onWaiting?.(isWaiting);
		this.#sinceMs = timing.nowMs();
	}

	/** Sets the time at which to try again; infinite for never. */
	#wakeAt(atMs: number, nowMs: number): void {
		if (atMs === this.#wakesAtMs) return;
		this.#cancelWake();
		this.#cancelWake = () => undefined;
		this.#wakesAtMs = atMs;
		if (atMs === Number.POSITIVE_INFINITY) return;
		// In whole milliseconds, as timers have them: a timer that is early by less would run again and again.
		this.#cancelWake = this.#options.timing.after(Math.max(0, Math.ceil(atMs - nowMs)), () => {
			this.#wakesAtMs = Number.POSITIVE_INFINITY;
			this.#passDue(this.#options.timing.nowMs());
		});
	}
}

function describe(did: string, { items, bytes, sinceMs, reason }: Lane<Delayed>, nowMs: number): DelayedAccount {
	return { did, messages: items.length, bytes, forMs: nowMs - sinceMs, ...reason };
}
