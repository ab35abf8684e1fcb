import type { AccountRow, Host, RowKeys, RowSource } from "./store.ts";

export interface Loaded {
	/** The rows of the keys' DIDs. DIDs without a row are left out. */
	accounts: AccountRow[];
	/** The rows of the keys' hosts and of the accounts' hosts. Hosts without a row are left out. */
	hosts: Host[];
	/**
	 * For each introduced host that has no row although its id was in use, and for each host to be recounted: how many accounts are at it
	 * and not deleted.
	 */
	accountCounts: ReadonlyMap<number, number>;
	hostIdMax: number;
}

/** Rows that a store has loaded for one batch. Asking for an account that the keys don't name is a bug, and throws a RangeError. */
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

	/** Null if the host has no row, whether the keys name it or only an account. */
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
