/** Keys of one query. */
const KEYS_MAX = 500;

/** Joins the lookups of one turn of the event loop into one query, or a few. */
export class Lookups<Row> {
	readonly #find: (keys: string[]) => Promise<ReadonlyMap<string, Row>>;
	/** Lookups that no query has been made for yet. */
	#waiting = new Map<string, PromiseWithResolvers<Row | null>>();

	/** @param find returns the rows of up to 500 keys; keys without a row are left out */
	constructor(find: (keys: string[]) => Promise<ReadonlyMap<string, Row>>) {
		this.#find = find;
	}

	/** The row of a key; null if it has none. Rejects as `find` does. */
	get(key: string): Promise<Row | null> {
		const waiting = this.#waiting.get(key);
		if (waiting !== undefined) return waiting.promise;
		if (this.#waiting.size === 0) setImmediate(() => this.#flush());
		const lookup = Promise.withResolvers<Row | null>();
		this.#waiting.set(key, lookup);
		// Those that come after it in the same turn are found by the flush that it has scheduled, or by their own.
		if (this.#waiting.size === KEYS_MAX) this.#flush();
		return lookup.promise;
	}

	#flush(): void {
		const lookups = this.#waiting;
		if (lookups.size === 0) return;
		this.#waiting = new Map();
		void this.#answer(lookups);
	}

	async #answer(lookups: ReadonlyMap<string, PromiseWithResolvers<Row | null>>): Promise<void> {
		try {
			const rows = await this.#find([...lookups.keys()]);
			for (const [key, { resolve }] of lookups) resolve(rows.get(key) ?? null);
		} catch (error) {
			for (const { reject } of lookups.values()) reject(error);
		}
	}
}
