import type { Takedown } from "../index/store.ts";
import type { RecordBatch } from "../log/log.ts";
import { tellsOfRepo } from "../log/record/message-facts.ts";
import type { Counters } from "../observe/counters.ts";

/** About 150 bytes each. An account is forgotten when the log holds nothing from before its status changed. */
export const WITHHELD_MAX = 200_000;

/** One byte for each record of a batch, 1 where it is withheld; null where none is. */
type Judgement = Uint8Array | null;

/**
 * The commits and syncs that consumers no longer get: those of accounts that are taken down now (rulebook 2.14), from before
 * the record that said so. Status and identity messages go to everybody. What comes behind that record was admitted, and is
 * never withheld: so a consumer that reads ahead of the index loses nothing of an account that has just come back.
 */
export class Withheld {
	readonly #counters: Counters;
	readonly #entriesMax: number;
	/** By DID, the record since which it is taken down. The oldest first, but for a start's disorder. */
	readonly #sinceSeq = new Map<string, number>();
	#sinceSeqMax = 0;
	/** Of a batch, as long as the accounts are the same. */
	#judged = new WeakMap<RecordBatch, { judgement: Judgement }>();

	constructor(counters: Counters, entriesMax = WITHHELD_MAX) {
		this.#counters = counters;
		this.#entriesMax = entriesMax;
	}

	/**
	 * Takes what the index says of accounts, in its order.
	 *
	 * @param firstSeq no retained record has a lower seq
	 */
	update(takedowns: readonly Takedown[], firstSeq: number): void {
		let isChanged = false;
		for (const { did, takenDownSinceSeq } of takedowns) {
			isChanged = this.#sinceSeq.delete(did) || isChanged;
			if (takenDownSinceSeq === null) continue;
			this.#sinceSeq.set(did, takenDownSinceSeq);
			this.#sinceSeqMax = Math.max(this.#sinceSeqMax, takenDownSinceSeq);
			isChanged = true;
		}
		if (!isChanged) return;
		this.#judged = new WeakMap();
		for (const [did, sinceSeq] of this.#sinceSeq) {
			if (sinceSeq > firstSeq && this.#sinceSeq.size <= this.#entriesMax) return;
			if (sinceSeq > firstSeq) this.#counters.add("withheld_evictions_total");
			this.#sinceSeq.delete(did);
		}
	}

	/** Which records of a batch are withheld. Judged once for all who read it; at the head of the log it is one comparison. */
	judge(batch: RecordBatch): Judgement {
		if (batch.seq(0) > this.#sinceSeqMax || this.#sinceSeq.size === 0) return null;
		let judged = this.#judged.get(batch);
		if (judged === undefined) {
			judged = { judgement: this.#judge(batch) };
			this.#judged.set(batch, judged);
		}
		return judged.judgement;
	}

	#judge(batch: RecordBatch): Judgement {
		let judgement: Judgement = null;
		for (let index = 0; index < batch.count; index++) {
			if (!tellsOfRepo(batch.kind(index))) continue;
			const sinceSeq = this.#sinceSeq.get(batch.repoDid(index));
			if (sinceSeq === undefined || batch.seq(index) > sinceSeq) continue;
			judgement ??= new Uint8Array(batch.count);
			judgement[index] = 1;
		}
		return judgement;
	}
}
