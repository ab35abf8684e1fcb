import { expect, test } from "bun:test";
import type { Account } from "../../../src/index/store.ts";
import { AccountCache, type Progress } from "../../../src/ingest/did/accounts.ts";
import type { CachedAccount } from "../../../src/ingest/did/cached-account.ts";
import { Counters } from "../../../src/observe/counters.ts";
import { Damage } from "../../../src/runtime/boundary.ts";
import { Rng } from "../../../src/sim/rng.ts";
import { counted } from "../../observe/counted.ts";

const ENTRIES_MAX = 10;

function stateAt(position: number): CachedAccount {
	return {
		host: 1,
		hostSeq: 1,
		lastTimeMs: 0,
		upstreamActive: true,
		upstreamStatus: null,
		localStatus: null,
		waitingSinceUs: null,
		statusLsn: 0,
		rev: `rev ${position}`,
		data: null,
		commit: null,
		position,
	};
}

/** Progress that does not move while it is read. */
function progress(at: { position: number; acknowledged: number; lastLsn: number; applied: number }): Progress {
	return {
		position: at.position,
		acknowledged: () => at.acknowledged,
		applied: () => at.applied,
		published: () => ({ lastLsn: at.lastLsn, lsnUsedMax: at.lastLsn }),
	};
}

function cacheOver(rows: ReadonlyMap<string, CachedAccount> = new Map()) {
	const counters = new Counters();
	const account = async (did: string): Promise<Account | null> => {
		const row = rows.get(did);
		return row === undefined ? null : { id: 1, did, ...row };
	};
	const index = { account };
	return {
		index,
		cache: new AccountCache(index, ENTRIES_MAX, counters),
		counters: () => counted(counters),
	};
}

test("the index is asked for an account once", async () => {
	const { cache, counters } = cacheOver(new Map([["a", stateAt(7)]]));
	expect(cache.get("a")).toBeUndefined();
	await Promise.all([cache.load("a"), cache.load("b")]);
	expect(cache.get("a")).toMatchObject({ rev: "rev 7", position: 0 });
	expect(cache.get("b")).toBeNull();
	expect(counters().of("account_cache_misses_total")).toBe(2);
	cache.noteProgress(progress({ position: 0, acknowledged: 0, lastLsn: 0, applied: 0 }));
	expect(counters().of("account_cache_entries")).toBe(1);
	expect(counters().of("account_cache_limit_entries")).toBe(ENTRIES_MAX);
});

test("a row that arrives late does not replace a newer state", async () => {
	const { cache } = cacheOver(new Map([["a", stateAt(1)]]));
	const load = cache.load("a");
	cache.set("a", stateAt(2));
	await load;
	expect(cache.get("a")?.rev).toBe("rev 2");
});

test("a state leaves the full cache only when the index has it; until then the cache grows, and says so", () => {
	const { cache, counters } = cacheOver();
	for (let position = 1; position <= ENTRIES_MAX + 5; position++) cache.set(`did ${position}`, stateAt(position));
	expect(counters().of("account_evictions_total")).toBe(0);
	expect(counters().of("account_cache_overflows_total")).toBe(5);
	expect(cache.get("did 1")).not.toBeUndefined();

	// All is handed over up to position 15, which is durable when the log ends at lsn 100. The index is at 99, then at 100.
	cache.noteProgress(progress({ position: 15, acknowledged: 14, lastLsn: 99, applied: 99 }));
	cache.noteProgress(progress({ position: 15, acknowledged: 15, lastLsn: 100, applied: 99 }));
	cache.set("one more", stateAt(16));
	expect(counters().of("account_evictions_total")).toBe(0);
	cache.noteProgress(progress({ position: 16, acknowledged: 16, lastLsn: 101, applied: 100 }));
	cache.set("and another", stateAt(17));
	expect(counters().of("account_evictions_total")).toBe(7);
	// The last used entry is kept, although it is the oldest. Entries that the index lacks are always kept.
	expect(cache.get("did 2")).toBeUndefined();
	expect(cache.get("did 1")).not.toBeUndefined();
	expect(cache.get("one more")).not.toBeUndefined();
});

test("readings that contradict each other are damage", () => {
	const { cache } = cacheOver();
	const at = { position: 5, acknowledged: 5, lastLsn: 9, applied: 9 };
	expect(() => cache.noteProgress(progress({ ...at, acknowledged: 6 }))).toThrow(Damage);
	expect(() => cache.noteProgress(progress({ ...at, applied: 10 }))).toThrow(Damage);
	expect(() => cache.noteProgress(progress(at))).not.toThrow();
});

/** A relay in which the other threads advance a little whenever they are read. Each entry's lsn is its position. */
class BusyRelay {
	readonly #rng: Rng;
	handedOver = 0;
	published = 0;
	durable = 0;
	applied = 0;

	constructor(seed: string) {
		this.#rng = new Rng(seed);
	}

	/** Moves each thread forward by a few entries, but not past the thread before it. */
	getOn(): void {
		const upTo = (from: number, to: number): number => from + this.#rng.int(to - from + 1);
		this.published = upTo(this.published, this.handedOver);
		this.durable = upTo(this.durable, this.published);
		this.applied = upTo(this.applied, this.published);
	}

	progress(): Progress {
		const read = <Value>(value: () => Value): Value => {
			this.getOn();
			const seen = value();
			this.getOn();
			return seen;
		};
		return {
			position: this.handedOver,
			acknowledged: () => read(() => this.durable),
			applied: () => read(() => this.applied),
			published: () => read(() => ({ lastLsn: this.published, lsnUsedMax: this.published })),
		};
	}
}

test("however the other threads advance while they are read, no state is forgotten before the index has applied it", () => {
	let evictions = 0;
	for (let run = 0; run < 200; run++) {
		const rng = new Rng(`busy ${run}`);
		const relay = new BusyRelay(`relay ${run}`);
		const { cache, counters } = cacheOver();
		const changes = new Map<string, number>();
		for (let step = 0; step < 300; step++) {
			const did = `did ${rng.int(3 * ENTRIES_MAX)}`;
			cache.set(did, stateAt(++relay.handedOver));
			changes.set(did, relay.handedOver);
			if (rng.int(3) === 0) cache.noteProgress(relay.progress());
			for (const [changed, position] of changes) {
				if (cache.get(changed) === undefined) expect(position).toBeLessThanOrEqual(relay.applied);
			}
		}
		evictions += counters().of("account_evictions_total");
	}
	expect(evictions).toBeGreaterThan(1_000);
});

test("made-up DIDs push no account out, and each is answered for the message that waits for it", async () => {
	const states = new Map(Array.from({ length: ENTRIES_MAX }, (_, n) => [`real ${n}`, stateAt(n)]));
	const { cache, counters } = cacheOver(states);
	for (const did of states.keys()) await cache.load(did);
	const madeUp = Array.from({ length: 50 * ENTRIES_MAX }, (_, n) => `made up ${n}`);
	await Promise.all(madeUp.map((did) => cache.load(did)));
	for (const did of madeUp) expect(cache.get(did)).toBeNull();
	for (const did of states.keys()) expect(cache.get(did)).not.toBeUndefined();
	expect(counters().of("account_evictions_total")).toBe(0);
	// The made-up DIDs are forgotten again.
	expect(madeUp.filter((did) => cache.get(did) === null).length).toBeLessThan(ENTRIES_MAX);
});

test("an account that is created is no longer absent", async () => {
	const { cache } = cacheOver();
	await cache.load("a");
	expect(cache.get("a")).toBeNull();
	await cache.load("b");
	cache.set("a", stateAt(1));
	cache.set("b", stateAt(2));
	expect([cache.get("a")?.rev, cache.get("b")?.rev]).toEqual(["rev 1", "rev 2"]);
});
