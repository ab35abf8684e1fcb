import { expect, test } from "bun:test";
import type { Account } from "../../src/index/store.ts";
import { AccountCache, type AccountState } from "../../src/ingest/accounts.ts";
import { Counters, createCounterBuffer, readCounters } from "../../src/observe/counters.ts";

const ENTRIES_MAX = 10;

function stateAt(position: number): AccountState {
	return {
		host: 1,
		hostSeq: 1,
		upstreamActive: true,
		upstreamStatus: null,
		localStatus: null,
		rev: `rev ${position}`,
		data: null,
		commit: null,
		position,
	};
}

function cacheOver(rows: ReadonlyMap<string, AccountState> = new Map()) {
	const buffer = createCounterBuffer(1);
	const account = async (did: string): Promise<Account | null> => {
		const row = rows.get(did);
		return row === undefined ? null : { id: 1, did, statusSeq: 0, ...row };
	};
	return {
		cache: new AccountCache({ account }, ENTRIES_MAX, new Counters(buffer)),
		counters: () => readCounters(buffer).counters,
	};
}

test("an account is asked of the index once", async () => {
	const { cache } = cacheOver(new Map([["a", stateAt(7)]]));
	expect(cache.get("a")).toBeUndefined();
	await Promise.all([cache.load("a"), cache.load("b")]);
	expect(cache.get("a")).toMatchObject({ rev: "rev 7", position: 0 });
	expect(cache.get("b")).toBeNull();
});

test("a row that is read late does not replace what was learned meanwhile", async () => {
	const { cache } = cacheOver(new Map([["a", stateAt(1)]]));
	const load = cache.load("a");
	cache.set("a", stateAt(2));
	await load;
	expect(cache.get("a")?.rev).toBe("rev 2");
});

test("a state leaves the full cache only when the index has it; until then the cache grows, and says so", () => {
	const { cache, counters } = cacheOver();
	for (let position = 1; position <= ENTRIES_MAX + 5; position++) cache.set(`did ${position}`, stateAt(position));
	expect(counters().account_evictions_total).toBe(0);
	expect(counters().account_cache_overflows_total).toBe(5);
	expect(cache.get("did 1")).not.toBeUndefined();

	// Handed over up to 15, durable up to there as the log's seq 100; the index is at 99, then at 100.
	const progress = { position: 15, acknowledged: 14, lastSeq: 99, appliedSeq: 99 };
	cache.noteProgress(progress);
	cache.noteProgress({ ...progress, acknowledged: 15, lastSeq: 100 });
	cache.set("one more", stateAt(16));
	expect(counters().account_evictions_total).toBe(0);
	cache.noteProgress({ ...progress, acknowledged: 16, lastSeq: 101, appliedSeq: 100 });
	cache.set("and another", stateAt(17));
	expect(counters().account_evictions_total).toBe(7);
	// The one used last is kept, though it is the oldest; what the index lacks is kept in any case.
	expect(cache.get("did 2")).toBeUndefined();
	expect(cache.get("did 1")).not.toBeUndefined();
	expect(cache.get("one more")).not.toBeUndefined();
});
