import { contain } from "../runtime/boundary.ts";
import type { Outage } from "./outage.ts";

export interface TurnLimits {
	/** Items worked on at once. */
	atOnceMax: number;
	/** The same for one host. */
	atOncePerHostMax: number;
	/** What a host may be charged for before it has to wait. */
	chargesMax: number;
	/** What it regains of that per second. */
	chargesPerSecond: number;
}

export interface TurnOptions<Item> {
	limits: TurnLimits;
	/** Works on an item; null if there is nothing left to do for it. Must not reject. */
	work: (item: Item) => Promise<void> | null;
	/** Says when no item, or only one, may be worked on; null if there is no such limit. */
	outage: Outage | null;
	/** Called when a host has to wait because it was charged too much. */
	onLimited: () => void;
	/** Monotonic milliseconds. */
	clock: () => number;
	sleep: (ms: number) => Promise<void>;
}

interface Host<Item> {
	/** A set keeps the order of arrival, and removing its first member is cheap. */
	waiting: Set<Item>;
	running: number;
	/** What it may still be charged, as of `asOfMs`. Below 1 it waits. */
	credit: number;
	asOfMs: number;
	limited: boolean;
}

/** At this number of hosts, those without items are forgotten, with their charges. */
const HOSTS_MAX = 4_096;

/**
 * Shares work among the hosts that cause it: round robin, each host's items in the order in which they came. A host is charged
 * for useless work that it causes, and has to wait when it is charged too much; nothing is dropped. The number of items that
 * wait is limited by the hosts' budgets, since a message waits for each item.
 */
export class Turns<Item> {
	readonly #options: TurnOptions<Item>;
	readonly #hosts = new Map<number, Host<Item>>();
	/** The hosts that have items waiting; the first is next. */
	readonly #rotation = new Map<number, Host<Item>>();
	#running = 0;
	#wakesAtMs = Number.POSITIVE_INFINITY;

	constructor(options: TurnOptions<Item>) {
		this.#options = options;
	}

	/** Adds an item to those that wait for the host's turn, unless it is among them. */
	add(hostId: number, item: Item): void {
		const host = this.#hosts.get(hostId) ?? this.#newHost(hostId);
		host.waiting.add(item);
		if (!this.#rotation.has(hostId)) this.#rotation.set(hostId, host);
		this.#pump();
	}

	/** Charges a host for useless work that it caused. */
	charge(hostId: number, amount: number): void {
		const host = this.#hosts.get(hostId);
		if (host !== undefined) host.credit = this.#creditOf(host) - amount;
	}

	#newHost(hostId: number): Host<Item> {
		if (this.#hosts.size >= HOSTS_MAX) this.#forgetIdle();
		const { limits, clock } = this.#options;
		const host = { waiting: new Set<Item>(), running: 0, credit: limits.chargesMax, asOfMs: clock(), limited: false };
		this.#hosts.set(hostId, host);
		return host;
	}

	#forgetIdle(): void {
		for (const [hostId, { waiting, running }] of this.#hosts) {
			if (waiting.size === 0 && running === 0) this.#hosts.delete(hostId);
		}
	}

	#creditOf(host: Host<Item>): number {
		const { limits, clock } = this.#options;
		const nowMs = clock();
		const earned = ((nowMs - host.asOfMs) / 1000) * limits.chargesPerSecond;
		host.asOfMs = nowMs;
		host.credit = Math.min(limits.chargesMax, host.credit + earned);
		return host.credit;
	}

	#pump(): void {
		while (this.#running < this.#atOnceMax()) {
			const hostId = this.#next();
			if (hostId === null) return;
			this.#take(hostId);
		}
	}

	#atOnceMax(): number {
		const { limits, outage, clock } = this.#options;
		if (outage === null) return limits.atOnceMax;
		const waitMs = outage.waitMs(clock());
		if (waitMs > 0 && this.#rotation.size > 0) this.#wakeIn(waitMs);
		return outage.atOnce(clock(), limits.atOnceMax);
	}

	/** The host whose turn it is; null if no host may have one now. */
	#next(): number | null {
		const { limits } = this.#options;
		for (const [hostId, host] of this.#rotation) {
			if (host.running < limits.atOncePerHostMax && this.#hasCredit(host)) return hostId;
		}
		return null;
	}

	#hasCredit(host: Host<Item>): boolean {
		const { limits, onLimited } = this.#options;
		const credit = this.#creditOf(host);
		if (credit >= 1) {
			host.limited = false;
			return true;
		}
		if (!host.limited) onLimited();
		host.limited = true;
		this.#wakeIn(((1 - credit) / limits.chargesPerSecond) * 1000);
		return false;
	}

	#take(hostId: number): void {
		const host = this.#rotation.get(hostId);
		this.#rotation.delete(hostId);
		if (host === undefined) return;
		const [item] = host.waiting;
		if (item === undefined) return;
		host.waiting.delete(item);
		if (host.waiting.size > 0) this.#rotation.set(hostId, host);
		const work = this.#options.work(item);
		if (work === null) return;
		host.running++;
		this.#running++;
		void work.then(() => {
			host.running--;
			this.#running--;
			contain("the turns of lookups", () => this.#pump());
		});
	}

	/** Checks again for work after `ms`, or earlier. */
	#wakeIn(ms: number): void {
		const atMs = this.#options.clock() + ms;
		if (this.#wakesAtMs <= atMs) return;
		this.#wakesAtMs = atMs;
		void this.#options.sleep(Math.ceil(ms)).then(() => {
			if (this.#wakesAtMs === atMs) this.#wakesAtMs = Number.POSITIVE_INFINITY;
			contain("the turns of lookups", () => this.#pump());
		});
	}
}
