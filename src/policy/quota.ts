import { waitingAt } from "../account/place.ts";
import { type ControlResult, refusal } from "../control/api.ts";
import type { AccountWait, HostQuota } from "../control/quota.ts";
import { hostPages } from "../index/pages.ts";
import type { IndexReader, Recount } from "../index/store.ts";
import type { Counters } from "../observe/counters.ts";
import { logOf } from "../observe/log.ts";
import { counter, gauge } from "../observe/metric.ts";
import { contain } from "../runtime/boundary.ts";
import { LogLimiter } from "../runtime/log-limiter.ts";
import type { Timing } from "../runtime/timing.ts";
import type { PlacesCommand, PlacesEvent } from "./messages.ts";

const accountsWaiting = gauge(
	"accounts_waiting",
	"accounts that wait for a place in their host's account limit",
	"If wanted accounts wait, raise the host's `repo_limit`, or `RELAY_DEFAULT_ACCOUNT_LIMIT`.",
);
const accountsAdmitted = counter(
	"accounts_admitted_total",
	"accounts that had waited for a place in their host's account limit, and got one",
	"Nothing to do: places became free.",
);

/** How often hosts at which accounts wait are looked at. */
const CHECK_INTERVAL_MS = 1_000;
/** Accounts that are read from the index, and admitted, at once. */
const ADMITTED_AT_ONCE = 100;
/** How long a recount may take: the index reads all accounts. */
const RECOUNT_MS_MAX = 25_000;
const LINES = { intervalMs: 60_000, keysMax: 10_000 };

const log = logOf("policy");

export interface QuotaOptions {
	/** Reads an index that has caught up with the log. */
	reader: Pick<IndexReader, "hosts" | "waiting" | "waitingCounts" | "waitingBefore" | "account">;
	/** Null if the host is not known. */
	hostIdOf(hostname: string): number | null;
	/** How many accounts may have a place at a host; null for any number. */
	limitOf(hostname: string): number | null;
	/** Answers an ingest worker. */
	answer(worker: number, command: PlacesCommand): void;
	/**
	 * Has the worker of a DID admit an account that waits at this host. Resolves after the worker has reported that it has its place, with
	 * false if it does not wait there any more, or if there was no answer in time.
	 */
	admit(did: string, hostId: number): Promise<boolean>;
	/** Has the index count the accounts of a host anew, which it reports (`noteRecounts`). Resolves when that can't be lost. */
	recount(hostId: number): Promise<void>;
	counters: Counters;
	timing: Timing;
}

/** The numbers of a host's accounts. */
interface Places {
	readonly id: number;
	readonly hostname: string;
	taken: number;
	waiting: number;
	/** Places that are kept for accounts that are being admitted. */
	reserved: number;
	isAdmitting: boolean;
}

/**
 * Counts the places that accounts take in their hosts' account limits, and grants them. There is one of it, on the control thread. The counts at
 * the start are the index's; then the ingest workers report each change, and ask before an account takes a place. So no host has more accounts
 * than its limit, unless the limit was lowered, or the accounts are older than it. After a crash the counts are those of what is durable.
 */
export class Quota {
	readonly #options: QuotaOptions;
	readonly #byId = new Map<number, Places>();
	readonly #lines: LogLimiter;
	#isStopped = false;
	/** Those who wait for a recount, by the host's id. */
	readonly #recounts = new Map<number, PromiseWithResolvers<Recount | null>>();

	private constructor(options: QuotaOptions) {
		this.#options = options;
		const nowMs = (): number => options.timing.nowMs();
		this.#lines = new LogLimiter({ ...LINES, nowMs });
	}

	/** To be called before any ingest worker starts. */
	static async load(options: QuotaOptions): Promise<Quota> {
		const quota = new Quota(options);
		const { reader } = options;
		const waiting = new Map((await reader.waitingCounts()).map(({ host, count }) => [host, count]));
		for await (const page of hostPages(reader))
			for (const { id, hostname, accountCount } of page) {
				const places = quota.#placesAt(id, hostname);
				const waits = waiting.get(id) ?? 0;
				quota.#change(places, accountCount - waits, waits);
			}
		quota.#checkLater();
		return quota;
	}

	/** Admits no more of those that wait: the reader is about to be closed. */
	stop(): void {
		this.#isStopped = true;
	}

	/** Takes what an ingest worker reports, and answers what it asks. */
	onPlaces({ worker, asked, changes }: PlacesEvent): void {
		for (const { hostId, taken, waiting } of changes) {
			const places = this.#byId.get(hostId);
			if (places !== undefined) this.#change(places, taken, waiting);
		}
		if (asked.length === 0) return;
		const granted = asked.map(({ hostId, hostname }) => this.#grant(this.#placesAt(hostId, hostname)));
		this.#options.answer(worker, { type: "places", granted });
	}

	/** Those that wait come first. So a new account gets a place only if there is one for all of them too. */
	#grant(places: Places): boolean {
		const limit = this.#options.limitOf(places.hostname);
		if (limit !== null && places.taken + Math.max(places.waiting, places.reserved) >= limit) {
			this.#logFull(places, limit);
			return false;
		}
		places.taken++;
		return true;
	}

	/** Takes what the index has counted. Changes since then have been reported, so only the difference is known to be right. */
	noteRecounts(recounts: readonly Recount[]): void {
		for (const recount of recounts) {
			const places = this.#byId.get(recount.host);
			if (places !== undefined) this.#change(places, recount.counted - recount.before, 0);
			this.#recounts.get(recount.host)?.resolve(recount);
			this.#recounts.delete(recount.host);
		}
	}

	hostQuota(hostname: string): ControlResult<{ quota: HostQuota }> {
		const places = this.#named(hostname.toLowerCase());
		return places === undefined ? unknown(hostname) : { ok: true, quota: this.#quotaOf(places) };
	}

	/** The numbers of a host's accounts. Zeros if it is not known, or none has come yet. */
	numbersOf(hostname: string): Omit<HostQuota, "hostname"> {
		const id = this.#options.hostIdOf(hostname);
		const places = id === null ? undefined : this.#byId.get(id);
		return {
			limit: this.#options.limitOf(hostname),
			accounts: places?.taken ?? 0,
			waiting: places?.waiting ?? 0,
		};
	}

	/** Hosts whose accounts take at least this share of their limit. */
	nearLimit(share: number): { hostname: string; accounts: number; limit: number }[] {
		return [...this.#byId.values()].flatMap(({ hostname, taken }) => {
			const limit = this.#options.limitOf(hostname);
			return limit === null || taken === 0 || taken < share * limit ? [] : [{ hostname, accounts: taken, limit }];
		});
	}

	async accountWait(did: string): Promise<{ ok: true; wait: AccountWait | null }> {
		const { reader } = this.#options;
		const account = await reader.account(did);
		const places = this.#byId.get(waitingAt(account) ?? 0);
		const sinceUs = account?.waitingSinceUs ?? null;
		if (places === undefined || sinceUs === null) return { ok: true, wait: null };
		const position = 1 + (await reader.waitingBefore(places.id, sinceUs));
		return { ok: true, wait: { ...this.#quotaOf(places), sinceMs: Math.floor(sinceUs / 1000), position } };
	}

	async recountAccounts(hostname: string): Promise<ControlResult<{ quota: HostQuota; before: number }>> {
		const places = this.#named(hostname.toLowerCase());
		if (places === undefined) return unknown(hostname);
		const before = places.taken;
		const recount = this.#recounts.get(places.id) ?? Promise.withResolvers<Recount | null>();
		this.#recounts.set(places.id, recount);
		this.#options.timing.after(RECOUNT_MS_MAX, () => recount.resolve(null));
		await this.#options.recount(places.id);
		if ((await recount.promise) !== null) return { ok: true, quota: this.#quotaOf(places), before };
		return refusal(504, "Timeout", "the accounts are still being counted: what is found will hold");
	}

	#quotaOf({ hostname, taken, waiting }: Places): HostQuota {
		return { hostname, limit: this.#options.limitOf(hostname), accounts: taken, waiting };
	}

	/** A host may be known of which no account has come yet. */
	#named(hostname: string): Places | undefined {
		const id = this.#options.hostIdOf(hostname);
		return id === null ? undefined : this.#placesAt(id, hostname);
	}

	#placesAt(id: number, hostname: string): Places {
		const known = this.#byId.get(id);
		if (known !== undefined) return known;
		const places: Places = { id, hostname, taken: 0, waiting: 0, reserved: 0, isAdmitting: false };
		this.#byId.set(id, places);
		return places;
	}

	#change(places: Places, taken: number, waiting: number): void {
		places.taken += taken;
		places.waiting += waiting;
		this.#options.counters.add(accountsWaiting, waiting);
	}

	#checkLater(): void {
		this.#options.timing.after(CHECK_INTERVAL_MS, () => {
			if (this.#isStopped) return;
			this.#checkLater();
			for (const places of this.#byId.values())
				if (places.waiting > 0 && !places.isAdmitting && this.#room(places) > 0)
					contain("the admission of accounts that wait", () => void this.#admitAt(places));
		});
	}

	/** How many of those that wait can be admitted. */
	#room({ hostname, taken, reserved }: Places): number {
		if (this.#isStopped) return 0;
		const limit = this.#options.limitOf(hostname);
		return limit === null ? ADMITTED_AT_ONCE : Math.min(ADMITTED_AT_ONCE, limit - taken - reserved);
	}

	/** Admits those that wait, in the order in which they came, while there is room. The index may not know yet that some wait no more. */
	async #admitAt(places: Places): Promise<void> {
		const { reader, counters } = this.#options;
		places.isAdmitting = true;
		let admitted = 0;
		let afterUs = 0;
		for (let room = this.#room(places); room > 0; room = this.#room(places)) {
			const next = await reader.waiting(places.id, afterUs, room);
			const last = next.at(-1);
			if (last === undefined) break;
			afterUs = last.sinceUs;
			const outcomes = await Promise.all(next.map(({ did }) => this.#admit(places, did)));
			admitted += outcomes.filter((isAdmitted) => isAdmitted).length;
		}
		places.isAdmitting = false;
		counters.add(accountsAdmitted, admitted);
		if (admitted > 0) this.#logAdmitted(places, admitted);
	}

	async #admit(places: Places, did: string): Promise<boolean> {
		places.reserved++;
		try {
			return await this.#options.admit(did, places.id);
		} finally {
			places.reserved--;
		}
	}

	#logFull({ hostname, taken, waiting }: Places, limit: number): void {
		const omitted = this.#lines.take(hostname);
		if (omitted === null) return;
		log.warning(
			"{hostname} has {taken} accounts, and its limit is {limit}: further ones wait, {waiting} so far, and their commits do not pass. " +
				"They are admitted by themselves when the limit is raised or others are gone",
			{ hostname, taken, limit, waiting },
		);
	}

	#logAdmitted({ hostname, waiting }: Places, admitted: number): void {
		log.info(
			"{admitted} accounts that waited at {hostname} have a place now, {waiting} still wait. What they wrote meanwhile has not passed: " +
				"consumers have to fetch their repos, or need a #sync",
			{ admitted, hostname, waiting },
		);
	}
}

function unknown(hostname: string): ControlResult<never> {
	return refusal(404, "HostNotFound", `host ${hostname} is not known`);
}
