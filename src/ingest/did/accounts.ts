import type { Account, IndexReader } from "../../index/store.ts";
import type { PositionSnapshot } from "../../log/position.ts";
import type { Counters } from "../../observe/counters.ts";
import { counter, gauge } from "../../observe/metric.ts";
import { Damage } from "../../runtime/boundary.ts";
import { PackedMap } from "../../runtime/packed-map.ts";
import { CACHED_ACCOUNT_PACKING, type CachedAccount } from "./cached-account.ts";

const accountEvictions = counter(
	"account_evictions_total",
	"account states removed from the cache because it was full",
	"If it grows fast, more accounts are active than the cache holds: each eviction may cost a read of the index.",
);
const accountCacheOverflows = counter(
	"account_cache_overflows_total",
	"times the account cache was full of states the index had not applied yet",
	"If it grows, the index is too slow for the log: look at the database.",
);

const accountCacheEntries = gauge(
	"account_cache_entries",
	"account states in memory",
	"Compare it with `standpipe_account_cache_limit_entries`: when it is full, accounts of long ago are read from the index again.",
);
const accountCacheLimit = gauge(
	"account_cache_limit_entries",
	"account states that may be in memory",
	"Nothing to do: it is fixed, and here to compare with.",
);
const accountCacheMisses = counter(
	"account_cache_misses_total",
	"accounts that were read from the index because their state was not in memory",
	"It grows after a start. If it stays near the rate of messages, the cache is too small for the network.",
);

/** Progress of the log, which decides what may leave the cache. All of these can move while they are read. */
export interface Progress {
	/** Position after the last entry handed over. Only this thread moves it. */
	position: number;
	/** The ring position up to which everything is durable. */
	acknowledged(): number;
	/** Lsn of the last record that the index has applied. */
	applied(): number;
	/** What the log has published. */
	published(): Pick<PositionSnapshot, "lastLsn" | "lsnUsedMax">;
}

/** How many DIDs without an account are remembered, in addition to the accounts, as a part of their limit. */
const ABSENCES_SHARE = 1 / 8;

/**
 * States of the accounts that a shard has used lately. On a miss the index is asked. Its answer is right only if it has applied
 * the account's last change. So an entry stays in the cache until then, even if the cache must grow beyond its limit.
 */
export class AccountCache {
	readonly #entries = new PackedMap("did:plc:", CACHED_ACCOUNT_PACKING);
	/** The entry that was got or set last, since a message asks for its account more than once. */
	#lastDid = "";
	#last: CachedAccount | null = null;
	/** DIDs for which the index has no account, the oldest first. Bounded, since strangers can name any number of DIDs. */
	readonly #absences = new Set<string>();
	/** Such DIDs that were just read, before the first `get`. Each has a message waiting, which will call `get`. */
	readonly #newAbsences = new Set<string>();
	readonly #index: Pick<IndexReader, "account">;
	readonly #entriesMax: number;
	readonly #counters: Counters;
	/** Changes up to this ring position are in the index. */
	#appliedPosition = 0;
	/** A position on its way to become the applied one, and the log's end at the time it had become durable. */
	#mark: { position: number; lsn: number | null } | null = null;

	constructor(index: Pick<IndexReader, "account">, entriesMax: number, counters: Counters) {
		this.#index = index;
		this.#entriesMax = entriesMax;
		this.#counters = counters;
		counters.set(accountCacheLimit, entriesMax);
	}

	/** The state; null for an account that we have never seen; undefined if `load` must be called first. */
	get(did: string): CachedAccount | null | undefined {
		const isLast = this.#last !== null && did === this.#lastDid;
		if (isLast) this.#entries.touch(did);
		const state = isLast ? this.#last : this.#entries.get(did);
		if (state === undefined) return this.#absence(did);
		this.#lastDid = did;
		this.#last = state;
		return state;
	}

	/** Like `get`, for an account that was just got. Does not count as a use. */
	peek(did: string): CachedAccount | null {
		if (this.#last !== null && did === this.#lastDid) return this.#last;
		return this.#entries.peek(did) ?? null;
	}

	/** Reads the account from the index, so that `get` knows it. */
	async load(did: string): Promise<void> {
		this.#counters.add(accountCacheMisses);
		const row = await this.#index.account(did);
		if (this.#entries.has(did)) return;
		if (row === null) this.#newAbsences.add(did);
		else this.#insert(did, fromRow(row));
	}

	/** A DID that was just read is answered at least once, even if others have filled the set since: its message must get on. */
	#absence(did: string): null | undefined {
		if (!this.#newAbsences.delete(did)) return this.#absences.has(did) ? null : undefined;
		this.#absences.add(did);
		const [oldest] = this.#absences;
		if (this.#absences.size > this.#entriesMax * ABSENCES_SHARE && oldest !== undefined) this.#absences.delete(oldest);
		return null;
	}

	/** Stores the state of an account after the entry that ends at `state.position`. */
	set(did: string, state: CachedAccount): void {
		if (this.#entries.has(did)) this.#entries.set(did, state);
		else this.#insert(did, state);
		this.#lastDid = did;
		this.#last = state;
	}

	/**
	 * Learns how far the index is, and brings the metric of the cache's size up to date. Must be called from time to time.
	 *
	 * Records are published before they are acknowledged, and before they are applied. So `published` is read last. If it were read
	 * earlier it could lack acknowledged records, and states that the index has not applied yet would count as applied.
	 *
	 * @throws Damage if the readings contradict each other
	 */
	noteProgress(progress: Progress): void {
		this.#counters.set(accountCacheEntries, this.#entries.size);
		const { position } = progress;
		const acknowledged = progress.acknowledged();
		const applied = progress.applied();
		const { lastLsn, lsnUsedMax } = progress.published();
		if (acknowledged > position)
			throw new Damage(`position ${acknowledged} of a ring is durable, it ends at ${position}`);
		if (applied > lsnUsedMax) throw new Damage(`the index has applied lsn ${applied}, the log ends at ${lsnUsedMax}`);
		this.#mark ??= { position, lsn: null };
		if (this.#mark.lsn === null && acknowledged >= this.#mark.position) this.#mark.lsn = lastLsn;
		if (this.#mark.lsn !== null && applied >= this.#mark.lsn) {
			this.#appliedPosition = this.#mark.position;
			this.#mark = null;
		}
	}

	#insert(did: string, state: CachedAccount): void {
		this.#newAbsences.delete(did);
		this.#absences.delete(did);
		if (this.#entries.size >= this.#entriesMax) this.#evict();
		this.#entries.set(did, state);
	}

	#evict(): void {
		this.#last = null;
		for (let did = this.#entries.oldest; did !== null; did = this.#entries.oldest) {
			const position = this.#entries.peek(did)?.position ?? 0;
			if (position > this.#appliedPosition) break;
			this.#entries.delete(did);
			this.#counters.add(accountEvictions);
			if (this.#entries.size < this.#entriesMax) return;
		}
		if (this.#entries.size >= this.#entriesMax) this.#counters.add(accountCacheOverflows);
	}
}

function fromRow(row: Account): CachedAccount {
	const { id: _id, did: _did, ...state } = row;
	return { ...state, position: 0 };
}
