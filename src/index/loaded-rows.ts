import type { AccountRow, Host, RowKeys, RowSource } from "./store.ts";

export interface Loaded {
	/** Those of the keys that have a row. */
	accounts: AccountRow[];
	/** Those that have a row, of the keys and of the accounts. */
	hosts: Host[];
	/** By host, the accounts that are at it and not deleted: of those introduced that have no row, if they were known before. */
	accountCounts: ReadonlyMap<number, number>;
	hostIdMax: number;
}

/** Rows that a store has loaded for one batch. To ask for what the keys don't name is a mistake, not an absent row. */
export class LoadedRows implements RowSource {
	readonly #keys: RowKeys;
	readonly #accounts: Map<string, AccountRow>;
	readonly #hosts: Map<number, Host>;
	readonly #loaded: Loaded;

	constructor(keys: RowKeys, loaded: Loaded) {
		this.#keys = keys;
		this.#loaded = loaded;
		this.#accounts = new Map(loaded.accounts.map((row) => [row.did, row]));
		this.#hosts = new Map(loaded.hosts.map((row) => [row.id, row]));
	}

	account(did: string): AccountRow | null {
		const row = this.#accounts.get(did);
		if (row === undefined && !this.#keys.dids.has(did)) throw new RangeError(`the row of ${did} was not loaded`);
		return row ?? null;
	}

	/** Null also for one that only accounts name, and that has no row. */
	host(id: number): Host | null {
		return this.#hosts.get(id) ?? null;
	}

	hostIdMax(): number {
		return this.#loaded.hostIdMax;
	}

	countAccounts(host: number): number {
		return this.#loaded.accountCounts.get(host) ?? 0;
	}
}
