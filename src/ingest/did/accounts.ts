import type { AccountState } from "../../account/state.ts";
import type { Account, IndexReader } from "../../index/store.ts";
import type { PositionSnapshot } from "../../log/position.ts";
import type { Counters } from "../../observe/counters.ts";
import { counter } from "../../observe/metric.ts";
import { Damage } from "../../runtime/boundary.ts";

const accountEvictions = counter("account_evictions_total", "account states that left the cache since it was full");
const accountCacheOverflows = counter(
	"account_cache_overflows_total",
	"times the account cache was full of states the index had not applied yet",
);

/** What a shard knows of an account: the index's row, ahead of it by what the index has not applied yet. */
export interface CachedAccount extends AccountState {
	/** Ring position of its last change; 0 where the index has it as it is. */
	readonly position: number;
}

/** Progress of the log, which decides what may leave the cache. All of it moves on while it is read. */
export interface Progress {
	/** Position after the last entry handed over. Only this thread moves it. */
	position: number;
	/** How far the ring is durable. */
	acknowledged(): number;
	/** Lsn of the last record that the index has applied. */
	applied(): number;
	/** What the log has published. */
	published(): Pick<PositionSnapshot, "lastLsn" | "lsnUsedMax">;
}

/** DIDs without an account are remembered up to this part of the limit, apart from the accounts. */
const ABSENCES_SHARE = 1 / 8;

/**
 * States of the accounts that a shard dealt with lately. On a miss the index is asked, which is right only for accounts
 * whose last change it has applied: so an entry leaves not before that, even if the cache must grow for it.
 */
export class AccountCache {
	readonly #entries = new Map<string, CachedAccount>();
	/** DIDs that the index has no account of, the oldest first. Strangers can name any number of them. */
	readonly #absences = new Set<string>();
	/** Those that nobody has asked for since they were read. Each has a message that will. */
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
	}

	/** The state; null for an account we have never seen; undefined where `load` has to be asked first. */
	get(did: string): CachedAccount | null | undefined {
		const state = this.#entries.get(did);
		if (state === undefined) return this.#absence(did);
		// Last used goes last: the map's order is the order of eviction.
		this.#entries.delete(did);
		this.#entries.set(did, state);
		return state;
	}

	/** As `get` of an account that was just asked for, which a further look does not keep for longer. */
	peek(did: string): CachedAccount | null {
		return this.#entries.get(did) ?? null;
	}

	/** Reads the account from the index, so that `get` knows it. */
	async load(did: string): Promise<void> {
		const row = await this.#index.account(did);
		if (this.#entries.has(did)) return;
		if (row === null) this.#newAbsences.add(did);
		else this.#insert(did, fromRow(row));
	}

	/** What was just read is told of once at least, however many others came meanwhile: who waits for it must get on. */
	#absence(did: string): null | undefined {
		if (!this.#newAbsences.delete(did)) return this.#absences.has(did) ? null : undefined;
		this.#absences.add(did);
		const [oldest] = this.#absences;
		if (this.#absences.size > this.#entriesMax * ABSENCES_SHARE && oldest !== undefined) this.#absences.delete(oldest);
		return null;
	}

	/** Stores what an account has become by the entry that ends at `state.position`. */
	set(did: string, state: CachedAccount): void {
		if (this.#entries.has(did)) this.#entries.set(did, state);
		else this.#insert(did, state);
	}

	/**
	 * Learns how far the index is. Call it now and then.
	 *
	 * What is acknowledged was published before, and what is applied was published before. So what is published is read last: read
	 * earlier, it could lack the acknowledged records, and states that the index has yet to apply would count as applied.
	 *
	 * @throws Damage if the readings contradict each other
	 */
	noteProgress(progress: Progress): void {
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
		for (const [did, state] of this.#entries) {
			if (state.position > this.#appliedPosition) break;
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
