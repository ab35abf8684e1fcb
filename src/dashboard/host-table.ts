import type { HostQuery, HostRow, HostSort, TablePage } from "../control/dashboard.ts";
import type { DelayedHost } from "../control/delays.ts";
import type { HostUsage } from "../control/host-details.ts";
import type { HostStatus } from "../protocol/host-status.ts";
import { kept } from "./kept.ts";
import { pageOf, type SortValue } from "./table.ts";

/** The workers are asked about their hosts at most once in this time. */
export const HOSTS_KEPT_MS = 2_000;
/** Rates over less time say little. */
const RATE_MS_MIN = 1_000;

/** A host as the host manager has it. */
export interface ListedHost {
	id: number;
	hostname: string;
	status: HostStatus;
	nextAttemptMs: number | null;
	/** Why it has its status, in words. @param forOperator whether they may have what only the operator may know */
	reason(forOperator: boolean): string;
}

export interface HostTableOptions {
	hosts(): ListedHost[];
	/** What has come of each host since the start. */
	usage(): Promise<HostUsage[]>;
	/** The hosts of which messages wait because of limits; those that have waited longest, if there are many. */
	delayed(): Promise<readonly DelayedHost[]>;
	quotaOf(hostname: string): { accounts: number; waiting: number; limit: number | null };
	/** Monotonic milliseconds. */
	nowMs(): number;
}

/** What was counted of a host, and when. */
interface Count {
	messages: number;
	atMs: number;
	perS: number | null;
}

interface Counted {
	counts: ReadonlyMap<number, Count>;
	delays: ReadonlyMap<string, number>;
}

/** All hosts as a table that is searched, sorted and given out by pages. Nothing is done while nobody looks. */
export class HostTable {
	readonly #options: HostTableOptions;
	readonly #counted: () => Promise<Counted>;
	#counts: ReadonlyMap<number, Count> = new Map();

	constructor(options: HostTableOptions) {
		this.#options = options;
		this.#counted = kept(
			HOSTS_KEPT_MS,
			() => options.nowMs(),
			() => this.#count(),
		);
	}

	/** @param forOperator whether reasons may have what only the operator may know */
	async page(query: HostQuery, forOperator: boolean): Promise<TablePage<HostRow>> {
		const counted = await this.#counted();
		const hosts = this.#options.hosts();
		const search = query.search.toLowerCase();
		const matching = hosts.filter(
			({ hostname, status }) => hostname.includes(search) && (query.status === null || query.status === status),
		);
		const sortValue = (host: ListedHost, sort: HostSort): SortValue => this.#sortValue(host, sort, counted);
		const { rows, ...counts } = pageOf(matching, hosts.length, query, sortValue, ({ hostname }) => hostname);
		return { rows: rows.map((host) => this.#row(host, counted, forOperator)), ...counts };
	}

	#sortValue(
		{ id, hostname, status, nextAttemptMs }: ListedHost,
		sort: HostSort,
		{ counts, delays }: Counted,
	): SortValue {
		switch (sort) {
			case "name":
				return hostname;
			case "state":
				return STATUS_ORDER.indexOf(status);
			case "rate":
				return counts.get(id)?.perS ?? null;
			case "accounts":
				return this.#options.quotaOf(hostname).accounts;
			case "delay":
				return delays.get(hostname) ?? null;
			case "next":
				return nextAttemptMs;
		}
	}

	#row(
		{ id, hostname, status, nextAttemptMs, reason }: ListedHost,
		{ counts, delays }: Counted,
		forOperator: boolean,
	): HostRow {
		const { accounts, waiting, limit: accountLimit } = this.#options.quotaOf(hostname);
		const perS = counts.get(id)?.perS ?? null;
		const delayedMs = delays.get(hostname) ?? null;
		const told = reason(forOperator);
		return { hostname, status, reason: told, nextAttemptMs, perS, accounts, waiting, accountLimit, delayedMs };
	}

	async #count(): Promise<Counted> {
		const { usage, delayed, nowMs } = this.#options;
		const [usages, delays] = await Promise.all([usage(), delayed()]);
		const atMs = nowMs();
		this.#counts = new Map(usages.map((one) => [one.hostId, countOf(one, this.#counts.get(one.hostId), atMs)]));
		return { counts: this.#counts, delays: new Map(delays.map(({ hostname, forMs }) => [hostname, forMs])) };
	}
}

/** The rate since the last count. At first it is what the host's limits have counted in the last second, if it has any. */
function countOf({ messages, used }: HostUsage, before: Count | undefined, atMs: number): Count {
	if (before === undefined) return { messages, atMs, perS: used?.second ?? null };
	const elapsedMs = atMs - before.atMs;
	if (elapsedMs < RATE_MS_MIN) return before;
	return { messages, atMs, perS: (1000 * Math.max(messages - before.messages, 0)) / elapsedMs };
}

/** Those that need a look come last. */
const STATUS_ORDER: readonly HostStatus[] = ["active", "idle", "throttled", "offline", "banned"];
