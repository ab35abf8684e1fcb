import { beforeEach, describe, expect, test } from "bun:test";
import {
	IDENTITY_CACHE_LIMITS,
	IdentityCache,
	type IdentityCacheLimits,
	REFRESH_INTERVAL_MS,
	RETRY_PAUSES_MS,
} from "../../src/identity/cache.ts";
import { hostOfPds } from "../../src/identity/did-document.ts";
import type { Resolution } from "../../src/identity/identity.ts";
import { FRESH_MS } from "../../src/identity/resolutions.ts";
import { signingKeyOfDidKey } from "../../src/identity/signing-key.ts";
import type { StoredIdentity } from "../../src/index/store.ts";
import type { DidDocumentFacts } from "../../src/log/facts.ts";
import { type CounterName, Counters, createCounterBuffer, readCounters } from "../../src/observe/counters.ts";
import { DID, K256_DID_KEY } from "./documents.ts";

const START_MS = 1_700_000_000_000;
const UNAVAILABLE: Resolution = { outcome: "unavailable", detail: "down", retryAfterMs: null };

/** A DID made of a number. */
function plc(n: number): string {
	return `did:plc:${n.toString(2).padStart(24, "a").replaceAll("0", "a").replaceAll("1", "b")}`;
}

function resolved(pds: string, did = DID, resolvedAtMs = nowMs): Resolution {
	const key = { signingKey: signingKeyOfDidKey(K256_DID_KEY), signingKeyDidKey: K256_DID_KEY };
	return {
		outcome: "resolved",
		identity: { did, ...key, pds, pdsFault: null, pdsHost: hostOfPds(pds, { allowInsecure: false }), resolvedAtMs },
	};
}

function pdsOf(resolution: Resolution | null): string | null {
	return resolution?.outcome === "resolved" ? resolution.identity.pds : null;
}

/** A network whose answers the test gives, one at a time. */
class Network {
	readonly asked: { did: string; answer: (resolution: Resolution) => void }[] = [];

	resolve(did: string): Promise<Resolution> {
		const { promise, resolve } = Promise.withResolvers<Resolution>();
		this.asked.push({ did, answer: resolve });
		return promise;
	}

	answer(index: number, resolution: Resolution): void {
		const request = this.asked[index];
		if (request === undefined) throw new Error(`nobody asked ${index + 1} times`);
		request.answer(resolution);
	}
}

let nowMs: number;
let network: Network;
let pausesMs: number[];
let facts: DidDocumentFacts[];
let stored: Map<string, StoredIdentity>;
let counterBuffer: SharedArrayBuffer;

beforeEach(() => {
	nowMs = START_MS;
	network = new Network();
	pausesMs = [];
	facts = [];
	stored = new Map();
	counterBuffer = createCounterBuffer(1);
});

function cacheWith(limits: Partial<IdentityCacheLimits> = {}): IdentityCache {
	return new IdentityCache({
		resolver: network,
		stored: async (did) => stored.get(did) ?? null,
		onResolved: (fact) => facts.push(fact),
		counters: new Counters(counterBuffer),
		limits: { ...IDENTITY_CACHE_LIMITS, ...limits },
		clock: () => nowMs,
		sleep: async (ms) => {
			pausesMs.push(ms);
			nowMs += ms;
		},
	});
}

function counted(name: CounterName): number {
	return readCounters(counterBuffer).counters[name];
}

/** Lets everything that is ready to run do so. */
function settle(): Promise<void> {
	return new Promise((resolve) => setImmediate(resolve));
}

function row(parts: Partial<StoredIdentity> = {}): StoredIdentity {
	return {
		did: DID,
		signingKey: K256_DID_KEY,
		pds: "https://stored.example.com",
		tombstoned: false,
		resolvedAtMs: START_MS - 1_000,
		...parts,
	};
}

describe("lookup", () => {
	test("asks the network once for all who ask meanwhile, then answers from memory", async () => {
		const cache = cacheWith();
		const lookups = [cache.lookup(DID), cache.lookup(DID)];
		await settle();
		lookups.push(cache.lookup(DID));
		expect(cache.get(DID)).toBeNull();
		network.answer(0, resolved("https://a.example.com"));
		expect((await Promise.all(lookups)).map(pdsOf)).toEqual(Array(3).fill("https://a.example.com"));
		expect(pdsOf(cache.get(DID))).toBe("https://a.example.com");
		expect(pdsOf(await cache.lookup(DID))).toBe("https://a.example.com");
		expect([network.asked.length, counted("identity_lookups_total")]).toEqual([1, 1]);
	});

	test("tells the log what was resolved or tombstoned, and of nothing else", async () => {
		const cache = cacheWith();
		const outcomes: Resolution[] = [
			resolved("https://a.example.com", plc(0)),
			{ outcome: "tombstoned" },
			{ outcome: "not-found" },
			{ outcome: "malformed", detail: "" },
		];
		for (const [i, resolution] of outcomes.entries()) {
			const lookup = cache.lookup(plc(i));
			await settle();
			network.answer(i, resolution);
			expect(await lookup).toEqual(resolution);
		}
		const common = { resolvedAtMs: START_MS };
		expect(facts).toEqual([
			{ did: plc(0), signingKey: K256_DID_KEY, pds: "https://a.example.com", tombstoned: false, ...common },
			{ did: plc(1), signingKey: null, pds: null, tombstoned: true, ...common },
		]);
		expect(counted("identity_failures_total")).toBe(2);
	});

	test("keeps each outcome for its time", async () => {
		const outcomes: Resolution[] = [
			resolved("https://a.example.com"),
			{ outcome: "tombstoned" },
			{ outcome: "not-found" },
			{ outcome: "malformed", detail: "" },
		];
		for (const resolution of outcomes) {
			nowMs = START_MS;
			network = new Network();
			const cache = cacheWith();
			const lookup = cache.lookup(DID);
			await settle();
			network.answer(0, resolution);
			await lookup;
			nowMs += FRESH_MS[resolution.outcome] - 1;
			expect(cache.get(DID)).toEqual(resolution);
			nowMs += 1;
			expect(cache.get(DID)).toBeNull();
		}
	});

	test("rejects where the index can't be read, and tries again for the next who asks", async () => {
		let broken = true;
		const cache = new IdentityCache({
			resolver: network,
			stored: async () => {
				if (broken) throw new Error("disk");
				return row();
			},
			onResolved: () => {},
			counters: new Counters(counterBuffer),
			clock: () => nowMs,
		});
		await expect(cache.lookup(DID)).rejects.toThrow("disk");
		broken = false;
		expect(pdsOf(await cache.lookup(DID))).toBe("https://stored.example.com");
	});
});

describe("the index's row", () => {
	test("is taken instead of asking, with its key, and for the rest of its time", async () => {
		stored.set(DID, row());
		const cache = cacheWith();
		expect(await cache.lookup(DID)).toEqual(resolved("https://stored.example.com", DID, START_MS - 1_000));
		expect([network.asked.length, facts.length]).toEqual([0, 0]);
		nowMs = START_MS - 1_000 + FRESH_MS.resolved;
		expect(cache.get(DID)).toBeNull();
	});

	test("is taken as tombstoned where it is", async () => {
		stored.set(DID, row({ tombstoned: true, signingKey: null, pds: null }));
		expect(await cacheWith().lookup(DID)).toEqual({ outcome: "tombstoned" });
	});

	test("is not taken when it is old, or from the future", async () => {
		for (const resolvedAtMs of [START_MS - FRESH_MS.resolved, START_MS + 1]) {
			network = new Network();
			stored.set(DID, row({ resolvedAtMs }));
			const lookup = cacheWith().lookup(DID);
			await settle();
			network.answer(0, resolved("https://a.example.com"));
			expect(pdsOf(await lookup)).toBe("https://a.example.com");
		}
	});

	test("is not taken when a purge came after it", async () => {
		stored.set(DID, row());
		const cache = cacheWith();
		cache.purge(DID);
		const lookup = cache.lookup(DID);
		await settle();
		network.answer(0, { outcome: "not-found" });
		expect(await lookup).toEqual({ outcome: "not-found" });

		nowMs += FRESH_MS["not-found"];
		stored.set(DID, row({ resolvedAtMs: nowMs }));
		expect(pdsOf(await cache.lookup(DID))).toBe("https://stored.example.com");
	});
});

describe("a failing network", () => {
	test("is asked again after pauses before the answer is unavailable, which is kept for seconds", async () => {
		const cache = cacheWith();
		const lookup = cache.lookup(DID);
		for (let i = 0; i <= RETRY_PAUSES_MS.length; i++) {
			await settle();
			network.answer(i, UNAVAILABLE);
		}
		expect(await lookup).toEqual(UNAVAILABLE);
		expect(pausesMs).toEqual([...RETRY_PAUSES_MS]);
		expect(counted("identity_failures_total")).toBe(3);
		expect(cache.get(DID)).toEqual(UNAVAILABLE);
		nowMs += FRESH_MS.unavailable;
		expect(cache.get(DID)).toBeNull();
		expect(facts).toEqual([]);
	});

	test("that recovers meanwhile gives its answer", async () => {
		const lookup = cacheWith().lookup(DID);
		await settle();
		network.answer(0, UNAVAILABLE);
		await settle();
		network.answer(1, resolved("https://a.example.com"));
		expect(pdsOf(await lookup)).toBe("https://a.example.com");
		expect(pausesMs).toEqual(RETRY_PAUSES_MS.slice(0, 1));
	});
});

describe("purge", () => {
	test("forgets, so that the network is asked", async () => {
		const cache = cacheWith();
		const before = cache.lookup(DID);
		await settle();
		network.answer(0, resolved("https://old.example.com"));
		await before;
		cache.purge(DID);
		expect(cache.get(DID)).toBeNull();
		const after = cache.lookup(DID);
		await settle();
		network.answer(1, resolved("https://new.example.com"));
		expect(pdsOf(await after)).toBe("https://new.example.com");
	});

	for (const [name, order] of [
		["the old answer comes first", [0, 1]],
		["the new answer comes first", [1, 0]],
	] as const) {
		test(`during a lookup: its answer is neither kept, logged, nor given to later callers (${name})`, async () => {
			const cache = cacheWith();
			const answers = [resolved("https://old.example.com"), resolved("https://new.example.com")];
			const before = cache.lookup(DID);
			await settle();
			cache.purge(DID);
			const after = cache.lookup(DID);
			await settle();
			for (const index of order) {
				network.answer(index, answers[index] ?? UNAVAILABLE);
				await settle();
				expect(pdsOf(cache.get(DID))).not.toBe("https://old.example.com");
			}
			expect(pdsOf(await before)).toBe("https://old.example.com");
			expect(pdsOf(await after)).toBe("https://new.example.com");
			expect(pdsOf(cache.get(DID))).toBe("https://new.example.com");
			expect(facts.map(({ pds }) => pds)).toEqual(["https://new.example.com"]);
		});
	}

	test("spares a lookup that still waits for its turn, and its callers get the later answer", async () => {
		const cache = cacheWith({ lookupsMax: 1 });
		const other = cache.lookup(plc(1));
		await settle();
		const before = cache.lookup(DID);
		await settle();
		cache.purge(DID);
		const after = cache.lookup(DID);
		await settle();
		network.answer(0, { outcome: "not-found" });
		await other;
		await settle();
		expect(network.asked.map(({ did }) => did)).toEqual([plc(1), DID]);
		network.answer(1, resolved("https://new.example.com"));
		expect((await Promise.all([before, after])).map(pdsOf)).toEqual(Array(2).fill("https://new.example.com"));
	});
});

describe("refresh", () => {
	async function cacheHolding(pds: string): Promise<IdentityCache> {
		const cache = cacheWith();
		const lookup = cache.lookup(DID);
		await settle();
		network.answer(0, resolved(pds));
		await lookup;
		return cache;
	}

	test("asks the network in spite of cache and index, and keeps the answer", async () => {
		stored.set(DID, row({ resolvedAtMs: START_MS }));
		const cache = cacheWith();
		await cache.lookup(DID);
		const refresh = cache.refresh(DID, nowMs);
		await settle();
		expect(pdsOf(cache.get(DID))).toBe("https://stored.example.com");
		network.answer(0, resolved("https://new.example.com"));
		expect(pdsOf(await refresh)).toBe("https://new.example.com");
		expect(pdsOf(cache.get(DID))).toBe("https://new.example.com");
		expect(counted("identity_refreshes_total")).toBe(1);
	});

	test("serves all who came before it began", async () => {
		const cache = await cacheHolding("https://old.example.com");
		const refreshes = [cache.refresh(DID, START_MS - 5_000), cache.refresh(DID, START_MS)];
		await settle();
		expect(network.asked.length).toBe(2);
		network.answer(1, resolved("https://new.example.com"));
		expect((await Promise.all(refreshes)).map(pdsOf)).toEqual(Array(2).fill("https://new.example.com"));
		expect(pdsOf(await cache.refresh(DID, START_MS))).toBe("https://new.example.com");
		expect([network.asked.length, counted("identity_refreshes_limited_total")]).toEqual([2, 0]);
	});

	test("for who came after the last one waits until the DID may be asked for again", async () => {
		const cache = await cacheHolding("https://old.example.com");
		const first = cache.refresh(DID, nowMs);
		await settle();
		network.answer(1, resolved("https://new.example.com"));
		await first;

		nowMs += 1;
		const later = cache.refresh(DID, nowMs);
		await settle();
		expect(pausesMs).toEqual([REFRESH_INTERVAL_MS - 1]);
		network.answer(2, resolved("https://later.example.com"));
		expect(pdsOf(await later)).toBe("https://later.example.com");
		expect([counted("identity_refreshes_total"), counted("identity_refreshes_limited_total")]).toEqual([2, 1]);
	});

	test("that fails leaves what is known", async () => {
		const cache = await cacheHolding("https://old.example.com");
		const refresh = cache.refresh(DID, nowMs);
		for (let i = 1; i <= 1 + RETRY_PAUSES_MS.length; i++) {
			await settle();
			network.answer(i, UNAVAILABLE);
		}
		expect(await refresh).toEqual(UNAVAILABLE);
		expect(pdsOf(cache.get(DID))).toBe("https://old.example.com");
	});
});

describe("limits", () => {
	test("on lookups at once: who comes later waits in order, but did:web never before did:plc", async () => {
		const cache = cacheWith({ lookupsMax: 2 });
		const webs = ["a", "b", "c"].map((name) => `did:web:${name}.example.com`);
		const lookups = [...webs, ...[0, 1, 2, 3].map(plc)].map((did) => cache.lookup(did));
		await settle();
		const askedFor = (): string[] => network.asked.map(({ did }) => did);
		expect(askedFor()).toEqual([...webs.slice(0, 2), plc(0), plc(1)]);
		network.answer(3, { outcome: "not-found" });
		await settle();
		network.answer(0, { outcome: "not-found" });
		await settle();
		expect(askedFor().slice(4)).toEqual([plc(2), webs[2] ?? ""]);
		for (let i = 0; i < lookups.length; i++) {
			network.answer(i, { outcome: "not-found" });
			await settle();
		}
		expect((await Promise.all(lookups)).length).toBe(7);
	});

	async function fill(cache: IdentityCache, count: number): Promise<void> {
		for (let i = 0; i < count; i++) {
			const lookup = cache.lookup(plc(i));
			await settle();
			network.answer(i, resolved("https://a.example.com", plc(i)));
			await lookup;
		}
	}

	test("on entries: the least recently used one leaves, and is counted", async () => {
		const cache = cacheWith({ entriesMax: 3 });
		await fill(cache, 3);
		expect(cache.get(plc(0))).not.toBeNull();
		stored.set(plc(9), row({ did: plc(9) }));
		await cache.lookup(plc(9));
		expect([0, 1, 2, 9].map((n) => cache.get(plc(n)) !== null)).toEqual([true, false, true, true]);
		expect(counted("identity_evictions_total")).toBe(1);
	});

	test("on bytes: entries leave until the rest fits", async () => {
		const cache = cacheWith({ bytesMax: 2_500 });
		await fill(cache, 10);
		const kept = Array.from({ length: 10 }, (_, n) => cache.get(plc(n)) !== null);
		expect(kept).toEqual([...Array(7).fill(false), true, true, true]);
		expect(counted("identity_evictions_total")).toBe(7);
	});
});
