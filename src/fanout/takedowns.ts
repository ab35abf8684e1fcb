import type { Takedown } from "../index/store.ts";
import type { RecordBatch } from "../log/log.ts";
import { tellsOfRepo } from "../log/record/message-facts.ts";
import type { Counters } from "../observe/counters.ts";
import { counter } from "../observe/metric.ts";

const takedownEvictions = counter(
	"takedown_evictions_total",
	"accounts whose takedown was forgotten since there were too many: consumers get their earlier frames again",
);

/** About 150 bytes each. An account is forgotten when the log holds nothing from before its status changed. */
export const TAKEDOWNS_MAX = 200_000;

/** One byte for each record of a batch, 1 where it is left out; null where none is. */
type LeftOut = Uint8Array | null;

/**
 * The accounts that are taken down now (rulebook 2.14), and what consumers don't get because of it: their commits and syncs from
 * before the record that said so. Status and identity messages go to everybody. What comes after that record was admitted, and is
 * always sent: so a consumer that reads ahead of the index loses nothing of an account that has just come back.
 */
export class Takedowns {
	readonly #counters: Counters;
	readonly #entriesMax: number;
	/** By DID, the record since which it is taken down. Roughly the oldest first. */
	readonly #sinceLsn = new Map<string, number>();
	#sinceLsnMax = 0;
	/** Of a batch, as long as the accounts are the same. */
	#known = new WeakMap<RecordBatch, { leftOut: LeftOut }>();

	constructor(counters: Counters, entriesMax = TAKEDOWNS_MAX) {
		this.#counters = counters;
		this.#entriesMax = entriesMax;
	}

	/**
	 * Takes what the index says of accounts, in its order.
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

	/** Which records of a batch are left out. Found once for all who read it; at the end of the log it is one comparison. */
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
			const sinceLsn = this.#sinceLsn.get(batch.repoDid(index));
			if (sinceLsn === undefined || batch.lsn(index) > sinceLsn) continue;
			leftOut ??= new Uint8Array(batch.count);
			leftOut[index] = 1;
		}
		return leftOut;
	}
}
