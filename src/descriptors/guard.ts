// descriptors/: how the process's open files are divided up, and kept from strangers. It reads and writes none of them.

import { readdirSync, statSync } from "node:fs";
import { networkOf } from "../net/network.ts";
import type { Counters } from "../observe/counters.ts";
import { logOf } from "../observe/log.ts";
import { counter } from "../observe/metric.ts";
import { LogLimiter } from "../runtime/log-limiter.ts";
import { systemTiming, type Timing } from "../runtime/timing.ts";
import { excessOf, type PlainLimits } from "./excess.ts";
import { isTooManyFiles, withHeadroom } from "./headroom.ts";
import { type Connection, Libc } from "./libc.ts";
import { dropFrom, encodeProgram, NETWORKS_MAX } from "./packet-filter.ts";

const connectionsEnded = counter(
	"connections_ended_total",
	"connections without a request that were ended because they took too many descriptors",
	"If it grows, somebody opens connections without asking anything: find the networks with `ss -tn` and keep them out with a packet filter.",
);
const networksRefused = counter(
	"networks_refused_total",
	"times a network was refused new connections for a while because it had too many",
	"If it grows, one network floods the public port: keep it out with a packet filter, or set `RELAY_TRUST_PROXY` if it is your proxy.",
);

const DESCRIPTORS = "/proc/self/fd";
/**
 * Time between two checks. Within these bounds, it is the time in which strangers could take all descriptors that are left. A check
 * wakes the thread, which costs more than the look itself. The time is shorter while the guard finds too many.
 */
export const CHECK_MS_MIN = 100;
export const CHECK_MS_MAX = 500;
export const CHECK_UNDER_PRESSURE_MS = 10;
/** More connections than threads accept in a millisecond. */
const OPENED_PER_MS_MAX = 50;
/** A network that has opened too many connections can't open more for this long. */
export const REFUSED_MS = 10_000;
const REPORT_INTERVAL_MS = 60_000;

const log = logOf("descriptors");

/** What the guard sees of the process and does to it. */
export interface DescriptorSystem {
	/** Open descriptors of this process. */
	count(): number;
	/** Finds the connections of one of our ports, and the sockets that listen there. */
	look(port: number): { connections: Connection[]; listeners: number[] };
	end(connection: Connection): void;
	/** Makes these sockets accept nothing from the networks of these addresses, and everything from all others. */
	refuse(listeners: readonly number[], addresses: readonly string[]): void;
}

export interface DescriptorGuardOptions {
	system: DescriptorSystem;
	/** The public port. */
	port: number;
	limits: PlainLimits;
	/** How many descriptors the process may have open. */
	descriptorsMax: number;
	/** Descriptors that are accounted for: what the relay needs itself, its hosts and its consumers. */
	expected: () => number;
	counters: Counters;
	/** Asks the servers to close idle connections that have had an answer. */
	closeIdle: () => void;
	timing?: Timing;
}

/**
 * Keeps strangers from taking all descriptors. The runtime accepts whatever connects and gives us no say in it, so the guard
 * looks at the process's sockets from outside. If more descriptors are open than are accounted for, it ends those connections
 * of the public port that have no answer yet and are above the limits. For a while, the kernel then drops connection requests
 * of the networks that had too many, so that they cost nothing to accept. A consumer has an answer, its handshake, and is never
 * touched.
 */
export class DescriptorGuard {
	readonly #options: DescriptorGuardOptions;
	readonly #timing: Timing;
	readonly #reports = new LogLimiter({ intervalMs: REPORT_INTERVAL_MS, keysMax: 1 });
	/** Refused networks, in the order in which their refusals end. */
	readonly #refused = new Map<string, { address: string; endsAtMs: number }>();
	#cancelNext: () => void = () => {};

	constructor(options: DescriptorGuardOptions) {
		this.#options = options;
		this.#timing = options.timing ?? systemTiming;
	}

	/** Checks at intervals, until `stop`. */
	start(): void {
		const look = (): void => {
			const delayMs = this.check() ? CHECK_UNDER_PRESSURE_MS : this.#calmMs();
			this.#cancelNext = this.#timing.after(delayMs, look);
		};
		look();
	}

	stop(): void {
		this.#cancelNext();
	}

	/** Time until the next check, if this one has found no more than is accounted for. */
	#calmMs(): number {
		// Those that were refused come again when their time is over.
		if (this.#refused.size > 0) return CHECK_MS_MIN;
		const left = this.#options.descriptorsMax - this.#options.system.count();
		return Math.min(Math.max(left / OPENED_PER_MS_MAX, CHECK_MS_MIN), CHECK_MS_MAX);
	}

	/** Checks once. Returns whether there were too many connections, or the check failed: then the next one comes soon. */
	check(): boolean {
		try {
			return this.#check();
		} catch (error) {
			if (!isTooManyFiles(error)) log.warning("open descriptors can't be checked: {error}", { error });
			return true;
		}
	}

	#check(): boolean {
		const { system, port, limits, expected, counters, closeIdle } = this.#options;
		const mayEndRefusal = this.#firstEndMs() <= this.#timing.nowMs();
		// So few connections can't be above any limit.
		const plainFew = Math.min(limits.plainMax, limits.plainPerNetworkMax ?? limits.plainMax);
		const isMany = system.count() - expected() > plainFew;
		if (!isMany && !mayEndRefusal) return false;
		const { connections, listeners } = system.look(port);
		const excess = excessOf(connections, limits);
		for (const connection of excess.connections) system.end(connection);
		counters.add(connectionsEnded, excess.connections.length);
		if (this.#refuse(excess.greedy) || mayEndRefusal) system.refuse(listeners, this.#addressesRefused());
		if (excess.greedy.length > 0 || system.count() - expected() > limits.plainMax) closeIdle();
		return excess.connections.length > 0;
	}

	#firstEndMs(): number {
		for (const { endsAtMs } of this.#refused.values()) return endsAtMs;
		return Number.POSITIVE_INFINITY;
	}

	/** Notes networks to refuse from now on. Returns whether any of them is new. */
	#refuse(addresses: readonly string[]): boolean {
		const endsAtMs = this.#timing.nowMs() + REFUSED_MS;
		let isNew = false;
		for (const address of addresses.slice(0, NETWORKS_MAX)) {
			const network = networkOf(address);
			if (!this.#refused.delete(network)) {
				isNew = true;
				this.#options.counters.add(networksRefused);
				this.#report(network);
			}
			this.#refused.set(network, { address, endsAtMs });
		}
		return isNew;
	}

	/** The addresses to refuse. Forgets those whose time is over, and the oldest if there are too many. */
	#addressesRefused(): string[] {
		for (const [network, { endsAtMs }] of this.#refused) {
			if (endsAtMs > this.#timing.nowMs() && this.#refused.size <= NETWORKS_MAX) break;
			this.#refused.delete(network);
		}
		return Array.from(this.#refused.values(), ({ address }) => address);
	}

	#report(network: string): void {
		// One line stands for all networks, since there may be very many.
		const omitted = this.#reports.take("refused");
		if (omitted === null) return;
		log.warning(
			"{network} has opened too many connections: it can't open more for {seconds} s; {omitted} other networks had too many since the last such line",
			{
				network,
				seconds: REFUSED_MS / 1000,
				omitted,
			},
		);
	}
}

/** This process; null if its connections can't be looked at. */
export function openDescriptorSystem(): DescriptorSystem | null {
	const libc = Libc.open();
	if (libc === null) return null;
	return {
		count: countDescriptors,
		look(port) {
			const connections: Connection[] = [];
			const listeners: number[] = [];
			for (const name of withHeadroom(() => readdirSync(DESCRIPTORS))) {
				const descriptor = Number(name);
				const connection = libc.connection(descriptor);
				if (connection?.localPort === port) connections.push(connection);
				else if (connection === null && libc.isListener(descriptor, port)) listeners.push(descriptor);
			}
			return { connections, listeners };
		},
		end: ({ descriptor }) => libc.end(descriptor),
		refuse(listeners, addresses) {
			const program = addresses.length === 0 ? null : encodeProgram(dropFrom(addresses));
			for (const listener of listeners) libc.filterPackets(listener, program);
		},
	};
}

/** Open descriptors of this process; 0 if the system does not tell. */
export function countDescriptors(): number {
	try {
		// Since Linux 6.2 this is their number, and reading it takes no descriptor.
		const { size } = statSync(DESCRIPTORS);
		return size > 0 ? size : withHeadroom(() => readdirSync(DESCRIPTORS)).length;
	} catch {
		return 0;
	}
}
