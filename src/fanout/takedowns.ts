import type { Takedown } from "../index/store.ts";
import type { RecordBatch } from "../log/log.ts";
import { tellsOfRepo } from "../log/record/message-facts.ts";
import type { Counters } from "../observe/counters.ts";
import { counter } from "../observe/metric.ts";

const takedownEvictions = counter(
	"takedown_evictions_total",
	"accounts whose takedown was forgotten because there were too many: consumers get their earlier frames again",
	"If it is not 0, the takedowns of these accounts no longer cover what was sent before: shorten `RELAY_REPLAY_WINDOW`.",
);

/** Accounts to remember, of about 150 bytes each. An account is forgotten when the log has no record from before its status changed. */
export const TAKEDOWNS_MAX = 200_000;

/** One byte for each record of a batch, 1 if it is left out; null if none is left out. */
type LeftOut = Uint8Array | null;

/**
 * The accounts that are taken down now (rulebook 2.14). Consumers don't get their commits and syncs from before the record that told of
 * it. They get all `#identity` and `#account` messages. A commit after that record was admitted, and is always sent: so a consumer that
 * is ahead of the index loses nothing of an account that has just come back.
 */
export class Takedowns {
	readonly #counters: Counters;
	readonly #entriesMax: number;
	/** By DID, the lsn of the record that told of the takedown. Roughly in order of lsn. */
	readonly #sinceLsn = new Map<string, number>();
	#sinceLsnMax = 0;
	/** Results of `leftOut`, by batch. Replaced when the accounts change. */
	#known = new WeakMap<RecordBatch, { leftOut: LeftOut }>();

	constructor(counters: Counters, entriesMax = TAKEDOWNS_MAX) {
		this.#counters = counters;
		this.#entriesMax = entriesMax;
	}

	/**
	 * Takes what the index says of accounts, in the order in which it says it.
	 *
	 * @param firstLsn no retained record has a lower lsn
	 */
	update(takedowns: readonly Takedown[], firstLsn: number): void {
		let isChanged = false;
		for (const { did, takenDownSinceLsn } of takedowns) {
			isChanged = this.#sinceLsn.delete(did) || isChanged;
			if (takenDownSinceLsn === null) continue;
			this.#sinceLsn.set(did, takenDownSinceLsn);
			this.#sinceLsnMax = Math.max(this.#sinceLsnMax, takenDownSinceLsn);
			isChanged = true;
		}
		if (!isChanged) return;
		this.#known = new WeakMap();
		for (const [did, sinceLsn] of this.#sinceLsn) {
			if (sinceLsn > firstLsn && this.#sinceLsn.size <= this.#entriesMax) return;
			if (sinceLsn > firstLsn) this.#counters.add(takedownEvictions);
			this.#sinceLsn.delete(did);
		}
	}

	/** Which records of a batch are left out. Computed once for all readers of the batch; at the end of the log it is one comparison. */
	leftOut(batch: RecordBatch): LeftOut {
		if (batch.lsn(0) > this.#sinceLsnMax || this.#sinceLsn.size === 0) return null;
		let known = this.#known.get(batch);
		if (known === undefined) {
			known = { leftOut: this.#find(batch) };
			this.#known.set(batch, known);
		}
		return known.leftOut;
	}

	#find(batch: RecordBatch): LeftOut {
		let leftOut: LeftOut = null;
		for (let index = 0; index < batch.count; index++) {
			if (!tellsOfRepo(batch.kind(index))) continue;
			const sinceLsn = this.#sinceLsn.get(batch.did(index));
			if (sinceLsn === undefined || batch.lsn(index) > sinceLsn) continue;
			leftOut ??= new Uint8Array(batch.count);
			leftOut[index] = 1;
		}
		return leftOut;
	}
}
