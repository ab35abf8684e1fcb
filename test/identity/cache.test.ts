import { describe, expect, test } from "bun:test";
import {
	FOREIGN_LOOKUPS_MAX,
	FOREIGN_LOOKUPS_PER_SECOND,
	HOME_REFRESH_INTERVAL_MS,
	IdentityCache,
	OWN_FAILURES_MAX,
	REFRESH_INTERVAL_MS,
	STALE_MS_MAX,
	STALE_RETRY_MS,
	VAIN_RECHECK_CHARGE,
	WEB_WAIT_MS_MAX,
} from "../../src/identity/cache.ts";
import type { Resolution } from "../../src/identity/identity.ts";
import { FRESH_MS } from "../../src/identity/resolutions.ts";
import { Counters } from "../../src/observe/counters.ts";
import { Rng } from "../../src/sim/rng.ts";
import { CacheRig, HOME, NOT_FOUND, pdsOf, plc, START_WALL_MS, STRANGER, UNAVAILABLE, watch } from "./cache-rig.ts";
import { DID, K256_DID_KEY } from "./documents.ts";
import { settle } from "./fake-time.ts";

const WEB = "did:web:id.example.com";
const [OLD, NEW, LATER] = ["https://a.example.com", "https://b.example.com", "https://c.example.com"] as const;
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/** The same document, but with another key. */
function rotated(resolution: Resolution): Resolution {
	if (resolution.outcome !== "resolved") return resolution;
	return { outcome: "resolved", identity: { ...resolution.identity, signingKeyDidKey: "did:key:zNew" } };
}

/** A cache that has just resolved DID to OLD. */
async function rigHolding(did = DID): Promise<CacheRig> {
	const rig = new CacheRig();
	const lookup = rig.cache.lookup(did, HOME);
	await settle();
	await rig.answer(0, rig.resolved(OLD, did));
	await lookup;
	await rig.time.pass(1);
	return rig;
}

describe("lookup", () => {
	test("asks the network once for all questions at the same time, then answers from memory", async () => {
		const rig = new CacheRig();
		const lookups = [rig.cache.lookup(DID, HOME), rig.cache.lookup(DID, STRANGER)];
		await settle();
		lookups.push(rig.cache.lookup(DID, HOME));
		expect(rig.cache.get(DID)).toBeNull();
		await rig.answer(0, rig.resolved(OLD));
		expect((await Promise.all(lookups)).map(pdsOf)).toEqual(Array(3).fill(OLD));
		expect(pdsOf(rig.cache.get(DID))).toBe(OLD);
		expect(pdsOf(await rig.cache.lookup(DID, HOME))).toBe(OLD);
		expect([rig.asked.length, rig.counted("identity_lookups_total")]).toEqual([1, 1]);
	});

	test("tells the log what was resolved or tombstoned, and nothing else", async () => {
		const rig = new CacheRig();
		const outcomes: Resolution[] = [
			rig.resolved(OLD, plc(0)),
			{ outcome: "tombstoned" },
			NOT_FOUND,
			{ outcome: "malformed", detail: "" },
		];
		for (const [i, resolution] of outcomes.entries()) {
			const lookup = rig.cache.lookup(plc(i), HOME);
			await settle();
			await rig.answer(i, resolution);
			expect(await lookup).toEqual(resolution);
		}
		const common = { resolvedAtMs: START_WALL_MS };
		expect(rig.facts).toEqual([
			{ did: plc(0), signingKey: K256_DID_KEY, pds: OLD, tombstoned: false, ...common },
			{ did: plc(1), signingKey: null, pds: null, tombstoned: true, ...common },
		]);
		expect(rig.counted("identity_failures_total")).toBe(2);
		expect(rig.answers()).toEqual({ resolved: 1, tombstoned: 1, "not-found": 1, malformed: 1 });
		rig.cache.measure();
		expect(rig.counted("identity_cache_entries")).toBe(4);
		expect(rig.counted("identity_cache_limit_entries")).toBeGreaterThan(4);
	});

	test("keeps each answer for its time", async () => {
		for (const outcome of ["resolved", "tombstoned", "not-found", "malformed"] as const) {
			const rig = new CacheRig();
			const resolution: Resolution =
				outcome === "resolved" ? rig.resolved(OLD) : outcome === "malformed" ? { outcome, detail: "" } : { outcome };
			rig.network = () => resolution;
			await rig.cache.lookup(DID, HOME);
			await rig.time.pass(FRESH_MS[outcome] - 1);
			expect(rig.cache.get(DID)).toEqual(resolution);
			await rig.time.pass(1);
			expect(rig.cache.get(DID)).toBeNull();
		}
	});

	test("measures the time of each request to the network, by the DID's method, whatever the answer is", async () => {
		const rng = new Rng("lookup seconds");
		const rig = new CacheRig();
		const expected = { plc: { count: 0, sum: 0 }, web: { count: 0, sum: 0 } };
		rig.network = (did) => rng.pick([rig.resolved(OLD, did), NOT_FOUND, UNAVAILABLE, { outcome: "tombstoned" }]);
		rig.latencyMs = () => {
			const latencyMs = rng.pick([0, 1, 30, rng.int(20_000)]);
			const did = rig.asked.at(-1) ?? "";
			const of = did.startsWith("did:web:") ? expected.web : expected.plc;
			of.count++;
			of.sum += latencyMs / 1000;
			return latencyMs;
		};
		for (let n = 0; n < 100; n++) {
			const did = rng.int(2) === 0 ? plc(n) : `did:web:n${n}.example.com`;
			void rig.cache.lookup(did, HOME);
			await rig.time.pass(rng.int(1_000));
		}
		await rig.time.pass(HOUR_MS);
		expect(Math.min(expected.plc.count, expected.web.count)).toBeGreaterThan(20);
		for (const method of ["plc", "web"] as const) {
			const { count = 0, sum = 0 } = rig.lookupSeconds()[method] ?? {};
			expect(count).toBe(expected[method].count);
			expect(sum).toBeCloseTo(expected[method].sum, 6);
		}
	});

	test("rejects if the index can't be read, and tries again for the next question", async () => {
		let broken = true;
		const cache = new IdentityCache({
			resolver: { resolve: async () => NOT_FOUND },
			stored: async () => {
				if (broken) throw new Error("disk");
				return null;
			},
			onResolved: () => {},
			counters: new Counters(),
		});
		await expect(cache.lookup(DID, HOME)).rejects.toThrow("disk");
		broken = false;
		expect(await cache.lookup(DID, HOME)).toEqual(NOT_FOUND);
	});

	test("rejects if the resolver throws, which it must not, and tries again for the next question", async () => {
		const rig = new CacheRig();
		rig.network = () => {
			throw new TypeError("undefined is not an object");
		};
		await expect(rig.cache.lookup(DID, HOME)).rejects.toThrow("undefined is not an object");
		rig.network = () => NOT_FOUND;
		expect(await rig.cache.lookup(DID, HOME)).toEqual(NOT_FOUND);
	});
});

describe("the index's row", () => {
	test("is used instead of asking, with its key, and for the rest of its time", async () => {
		const rig = new CacheRig();
		rig.store(1_000);
		const { outcome, identity } = rig.resolved("https://stored.example.com") as Resolution & { outcome: "resolved" };
		const stored = { outcome, identity: { ...identity, resolvedAtMs: START_WALL_MS - 1_000 } };
		expect(await rig.cache.lookup(DID, HOME)).toEqual(stored);
		expect([rig.asked.length, rig.facts.length]).toEqual([0, 0]);
		await rig.time.pass(FRESH_MS.resolved - 1_001);
		expect(rig.cache.get(DID)).not.toBeNull();
		await rig.time.pass(1);
		expect(rig.cache.get(DID)).toBeNull();
	});

	test("is used as tombstoned if it is", async () => {
		const rig = new CacheRig();
		rig.store(1_000, { tombstoned: true, signingKey: null, pds: null });
		expect(await rig.cache.lookup(DID, HOME)).toEqual({ outcome: "tombstoned" });
	});

	test("is asked for again when it is old, or from the future", async () => {
		for (const ageMs of [FRESH_MS.resolved, -1, -365 * 24 * HOUR_MS]) {
			const rig = new CacheRig();
			rig.store(ageMs);
			rig.network = () => rig.resolved(NEW);
			expect(pdsOf(await rig.cache.lookup(DID, HOME))).toBe(NEW);
		}
	});

	test("is asked for again when it is from before a recheck", async () => {
		const rig = new CacheRig({ entriesMax: 1 });
		rig.network = () => rig.resolved(NEW);
		await rig.cache.recheck(DID, HOME, rig.time.nowMs);
		await rig.time.pass(1);
		rig.network = () => rig.resolved(LATER, plc(1));
		await rig.cache.lookup(plc(1), HOME);
		rig.store(10);
		rig.network = () => rig.resolved(LATER);
		expect(pdsOf(await rig.cache.lookup(DID, HOME))).toBe(LATER);
	});
});

describe("a step of the system's clock", () => {
	const STEPS_MS = [-400 * 24 * HOUR_MS, -HOUR_MS, HOUR_MS, 400 * 24 * HOUR_MS];

	test("neither outdates what is in memory nor keeps it longer", async () => {
		for (const stepMs of STEPS_MS) {
			const rig = await rigHolding();
			rig.wallStepMs = stepMs;
			await rig.time.pass(FRESH_MS.resolved - 2);
			expect(pdsOf(rig.cache.get(DID))).toBe(OLD);
			await rig.time.pass(1);
			expect(rig.cache.get(DID)).toBeNull();
		}
	});

	test("between two runs keeps no row for ever; while the directory fails, each row is used on or waited for", async () => {
		for (const stepMs of STEPS_MS) {
			const rig = new CacheRig();
			rig.store(HOUR_MS);
			rig.wallStepMs = stepMs;
			rig.network = () => UNAVAILABLE;
			const lookup = watch(rig.cache.lookup(DID, HOME));
			await rig.time.pass(MINUTE_MS);
			rig.network = () => rig.resolved(NEW);
			await rig.time.pass(FRESH_MS.resolved);
			const again = watch(rig.cache.lookup(DID, HOME));
			await rig.time.pass(MINUTE_MS);
			expect(lookup.value).not.toBeNull();
			expect(pdsOf(again.value)).toBe(NEW);
		}
	});
});

describe("while the directory fails", () => {
	test("an unknown DID is waited for, with growing pauses, until there is an answer", async () => {
		const rig = new CacheRig();
		rig.network = () => UNAVAILABLE;
		const lookup = watch(rig.cache.lookup(DID, HOME));
		await rig.time.pass(6 * HOUR_MS);
		expect(lookup.value).toBeNull();
		// At most one try a minute once the pauses have grown.
		expect(rig.asked.length).toBeGreaterThan(60);
		expect(rig.asked.length).toBeLessThan(6 * 90);
		expect(rig.counted("identity_waits_total")).toBe(rig.asked.length);
		rig.network = () => rig.resolved(OLD);
		await rig.time.pass(2 * MINUTE_MS);
		expect(pdsOf(lookup.value)).toBe(OLD);
		expect(rig.counted("identity_outages_total")).toBe(1);
	});

	test("thousands of unknown DIDs cost no more requests than one", async () => {
		const rig = new CacheRig();
		rig.network = () => UNAVAILABLE;
		const lookups = Array.from({ length: 3_000 }, (_, n) =>
			watch(rig.cache.lookup(plc(n), { ...HOME, hostId: n % 7 })),
		);
		await rig.time.pass(HOUR_MS);
		expect(rig.asked.length).toBeLessThan(200);
		rig.network = (did) => rig.resolved(OLD, did);
		await rig.time.pass(5 * MINUTE_MS);
		expect(lookups.map(({ value }) => pdsOf(value))).toEqual(Array(3_000).fill(OLD));
	});

	test("a known document is used on for days, and not for longer", async () => {
		const rig = await rigHolding();
		rig.network = () => UNAVAILABLE;
		await rig.time.pass(FRESH_MS.resolved);
		expect(rig.cache.get(DID)).toBeNull();
		let uses = 0;
		for (; rig.time.nowMs < STALE_MS_MAX - HOUR_MS; uses++) {
			const lookup = watch(rig.cache.lookup(DID, HOME));
			await settle();
			expect(pdsOf(lookup.value)).toBe(OLD);
			// A document that is used on is not asked for at every message.
			expect(pdsOf(rig.cache.get(DID))).toBe(OLD);
			await rig.time.pass(HOUR_MS);
		}
		expect(uses).toBeGreaterThan(40);
		expect(rig.counted("identity_stale_uses_total")).toBe(uses);
		await rig.time.pass(2 * HOUR_MS);
		const lookup = watch(rig.cache.lookup(DID, HOME));
		await rig.time.pass(HOUR_MS);
		expect(lookup.value).toBeNull();
		rig.network = () => rig.resolved(NEW);
		await rig.time.pass(2 * MINUTE_MS);
		expect(pdsOf(lookup.value)).toBe(NEW);
	});

	test("the index's old row is used on too", async () => {
		const rig = new CacheRig();
		rig.store(STALE_MS_MAX - 1_000);
		rig.network = () => UNAVAILABLE;
		expect(pdsOf(await rig.cache.lookup(DID, HOME))).toBe("https://stored.example.com");
		rig.store(STALE_MS_MAX, { did: plc(1) });
		const lookup = watch(rig.cache.lookup(plc(1), HOME));
		await rig.time.pass(HOUR_MS);
		expect(lookup.value).toBeNull();
	});

	test("known documents don't wait in the queue of unknown DIDs, even if a try hangs", async () => {
		const rig = new CacheRig({ lookupsMax: 1 });
		rig.store(2 * FRESH_MS.resolved);
		watch(rig.cache.lookup(plc(1), STRANGER));
		watch(rig.cache.lookup(plc(2), STRANGER));
		const known = watch(rig.cache.lookup(DID, HOME));
		await settle();
		for (let i = 0; i < 3; i++) {
			expect(known.value).toBeNull();
			rig.network = i === 2 ? () => UNAVAILABLE : null;
			await rig.answer(i, UNAVAILABLE);
		}
		expect(pdsOf(known.value)).toBe("https://stored.example.com");
	});

	test("a known document is asked for again soon after the directory is back", async () => {
		const rig = await rigHolding();
		await rig.time.pass(FRESH_MS.resolved);
		rig.network = () => UNAVAILABLE;
		await rig.cache.lookup(DID, HOME);
		rig.network = () => rig.resolved(NEW);
		await rig.time.pass(STALE_RETRY_MS);
		expect(pdsOf(await rig.cache.lookup(DID, HOME))).toBe(NEW);
	});

	test("failures of one DID alone end with unavailable at last, while others are answered", async () => {
		const rig = new CacheRig();
		rig.network = (did) => (did === DID ? UNAVAILABLE : rig.resolved(OLD, did));
		const broken = watch(rig.cache.lookup(DID, HOME));
		for (let n = 0; broken.value === null && n < 1_000; n++) {
			await rig.time.pass(MINUTE_MS);
			expect(pdsOf(await rig.cache.lookup(plc(n), HOME))).toBe(OLD);
		}
		expect(broken.value).toEqual(UNAVAILABLE);
		expect(rig.asked.filter((did) => did === DID).length).toBeGreaterThanOrEqual(OWN_FAILURES_MAX);
		expect(rig.cache.get(DID)).toEqual(UNAVAILABLE);
		await rig.time.pass(FRESH_MS.unavailable);
		expect(rig.cache.get(DID)).toBeNull();
	});

	test("a DID is not given up for failures at a time when no DID was answered", async () => {
		const rig = new CacheRig();
		rig.network = () => UNAVAILABLE;
		const lookups = Array.from({ length: 20 }, (_, n) => watch(rig.cache.lookup(plc(n), HOME)));
		await rig.time.pass(5 * 24 * HOUR_MS);
		expect(lookups.every(({ value }) => value === null)).toBe(true);
	});
});

describe("a directory that asks to be left alone", () => {
	const BUSY: Resolution = { outcome: "unavailable", detail: "HTTP status 429", retryAfterMs: 10 * MINUTE_MS };

	test("is asked for nothing until then, then for one thing at a time until it answers", async () => {
		const rig = new CacheRig();
		rig.network = () => BUSY;
		const lookups = [0, 1, 2, 3].map((n) => watch(rig.cache.lookup(plc(n), { ...HOME, hostId: n })));
		await settle();
		const before = rig.asked.length;
		lookups.push(watch(rig.cache.lookup(plc(4), STRANGER)));
		await rig.time.pass(10 * MINUTE_MS - 1);
		expect(rig.asked.length).toBe(before);
		rig.network = null;
		await rig.time.pass(1_000);
		expect(rig.asked.length).toBe(before + 1);
		rig.network = (did) => rig.resolved(OLD, did);
		await rig.answer(before, NOT_FOUND);
		await rig.time.pass(20 * MINUTE_MS);
		expect(lookups.every(({ value }) => value !== null)).toBe(true);
		expect(rig.counted("identity_outages_total")).toBe(1);
	});

	test("does not keep known documents from being used", async () => {
		const rig = await rigHolding();
		rig.network = () => BUSY;
		watch(rig.cache.lookup(plc(1), STRANGER));
		await settle();
		const asked = rig.asked.length;
		rig.store(2 * FRESH_MS.resolved, { did: plc(2) });
		expect(pdsOf(await rig.cache.lookup(plc(2), HOME))).toBe("https://stored.example.com");
		expect(pdsOf(await rig.cache.recheck(DID, HOME, rig.time.nowMs))).toBe(OLD);
		expect(rig.asked.length).toBe(asked);
	});
});

describe("a did:web whose host fails", () => {
	test("is used on if it is known", async () => {
		const rig = await rigHolding(WEB);
		rig.network = () => UNAVAILABLE;
		await rig.time.pass(2 * FRESH_MS.resolved);
		expect(pdsOf(await rig.cache.lookup(WEB, HOME))).toBe(OLD);
	});

	test("is waited for a while if it is not known, and delays neither the directory nor other names", async () => {
		const rig = new CacheRig();
		rig.network = (did) => (did === WEB ? UNAVAILABLE : rig.resolved(OLD, did));
		const lookup = watch(rig.cache.lookup(WEB, HOME));
		for (let n = 0; n < 10; n++) {
			expect(pdsOf(await rig.cache.lookup(plc(n), HOME))).toBe(OLD);
			expect(pdsOf(await rig.cache.lookup(`did:web:${n}.example.com`, HOME))).toBe(OLD);
		}
		await rig.time.pass(WEB_WAIT_MS_MAX / 4);
		expect([lookup.value, rig.asked.filter((did) => did === WEB).length > 1]).toEqual([null, true]);
		await rig.time.pass(WEB_WAIT_MS_MAX);
		expect(lookup.value).toEqual(UNAVAILABLE);
		// The next message does not wait for it again.
		expect(rig.cache.get(WEB)).toEqual(UNAVAILABLE);
		rig.network = () => rig.resolved(NEW, WEB);
		await rig.time.pass(FRESH_MS.unavailable);
		expect(pdsOf(await rig.cache.lookup(WEB, HOME))).toBe(NEW);
	});

	test("is not waited for if too many messages of the host wait for such names already", async () => {
		const rig = new CacheRig();
		rig.mayWaitForWeb = false;
		rig.network = () => UNAVAILABLE;
		expect(await rig.cache.lookup(WEB, HOME)).toEqual(UNAVAILABLE);
	});

	test("is left alone for as long as it asks for", async () => {
		const retryAfterMs = 30 * MINUTE_MS;
		const rig = new CacheRig();
		rig.network = () => ({ outcome: "unavailable", detail: "HTTP status 429", retryAfterMs });
		expect((await rig.cache.lookup(WEB, HOME)).outcome).toBe("unavailable");
		for (let passedMs = 0; passedMs < retryAfterMs; passedMs += 5 * MINUTE_MS) {
			expect((await rig.cache.lookup(WEB, HOME)).outcome).toBe("unavailable");
			expect((await rig.cache.refresh(WEB, STRANGER, rig.time.nowMs)).outcome).toBe("unavailable");
			await rig.time.pass(5 * MINUTE_MS);
		}
		expect(rig.asked.length).toBe(1);
	});

	test("is given up for a message that can't be judged without a new document, and used on for others", async () => {
		const rig = await rigHolding(WEB);
		rig.network = () => UNAVAILABLE;
		const refresh = watch(rig.cache.refresh(WEB, STRANGER, rig.time.nowMs));
		await rig.time.pass(2 * WEB_WAIT_MS_MAX);
		expect(refresh.value).toEqual(UNAVAILABLE);
		expect(pdsOf(rig.cache.get(WEB))).toBe(OLD);
		await rig.time.pass(FRESH_MS.resolved);
		expect(pdsOf(await rig.cache.lookup(WEB, HOME))).toBe(OLD);
	});
});

describe("recheck", () => {
	test("asks the network although cache and index have a document, and keeps the answer", async () => {
		const rig = new CacheRig();
		rig.store(0);
		await rig.cache.lookup(DID, HOME);
		await rig.time.pass(1);
		const recheck = rig.cache.recheck(DID, HOME, rig.time.nowMs);
		await settle();
		expect(pdsOf(rig.cache.get(DID))).toBe("https://stored.example.com");
		await rig.answer(0, rig.resolved(NEW));
		expect(pdsOf(await recheck)).toBe(NEW);
		expect(pdsOf(rig.cache.get(DID))).toBe(NEW);
		expect(rig.counted("identity_refreshes_total")).toBe(1);
	});

	test("is not answered by a request from before it", async () => {
		const rig = new CacheRig();
		const before = rig.cache.lookup(DID, HOME);
		await rig.time.pass(1);
		const after = watch(rig.cache.recheck(DID, HOME, rig.time.nowMs));
		await rig.answer(0, rig.resolved(OLD));
		expect(pdsOf(await before)).toBe(OLD);
		expect(after.value).toBeNull();
		await rig.answer(1, rig.resolved(NEW));
		expect(pdsOf(after.value)).toBe(NEW);
	});

	test("of one DID costs one request a second, however often it is asked for, and each is judged by a later one", async () => {
		const rig = await rigHolding();
		let version = 0;
		rig.network = () => rig.resolved(`https://v${++version}.example.com`);
		const rechecks: { atVersion: number; watched: { value: Resolution | null } }[] = [];
		for (let n = 0; n < 300; n++) {
			rechecks.push({ atVersion: version, watched: watch(rig.cache.recheck(DID, HOME, rig.time.nowMs)) });
			// No message comes at the same moment as a request.
			await rig.time.pass(10.5);
		}
		await rig.time.pass(HOME_REFRESH_INTERVAL_MS);
		expect(rig.asked.length).toBeLessThanOrEqual(1 + 5);
		for (const { atVersion, watched } of rechecks) {
			const judgedBy = Number(pdsOf(watched.value)?.match(/v(\d+)/)?.[1]);
			expect(judgedBy).toBeGreaterThan(atVersion);
		}
	});

	test("uses the known document if the try fails, and waits if there is none", async () => {
		const rig = await rigHolding();
		rig.network = () => UNAVAILABLE;
		expect(pdsOf(await rig.cache.recheck(DID, HOME, rig.time.nowMs))).toBe(OLD);
		const unknown = watch(rig.cache.recheck(plc(1), HOME, rig.time.nowMs));
		await rig.time.pass(HOUR_MS);
		expect(unknown.value).toBeNull();
		rig.network = () => NOT_FOUND;
		await rig.time.pass(2 * MINUTE_MS);
		expect(unknown.value).toEqual(NOT_FOUND);
	});

	test("is not delayed by a stranger's refresh that waits for its interval", async () => {
		const rig = await rigHolding();
		rig.network = () => rig.resolved(NEW);
		await rig.cache.refresh(DID, STRANGER, rig.time.nowMs);
		await rig.time.pass(1);
		const [refresh, recheck] = [
			watch(rig.cache.refresh(DID, STRANGER, rig.time.nowMs)),
			watch(rig.cache.recheck(DID, HOME, rig.time.nowMs)),
		];
		await rig.time.pass(HOME_REFRESH_INTERVAL_MS);
		expect([pdsOf(refresh.value), pdsOf(recheck.value)]).toEqual([NEW, NEW]);
	});
});

describe("refresh", () => {
	test("answers all questions from before it began", async () => {
		const rig = await rigHolding();
		const refreshes = [rig.cache.refresh(DID, HOME, rig.time.nowMs), rig.cache.refresh(DID, STRANGER, rig.time.nowMs)];
		await settle();
		expect(rig.asked.length).toBe(2);
		await rig.answer(1, rig.resolved(NEW));
		expect((await Promise.all(refreshes)).map(pdsOf)).toEqual([NEW, NEW]);
		expect(pdsOf(await rig.cache.refresh(DID, HOME, rig.time.nowMs))).toBe(NEW);
		expect([rig.asked.length, rig.counted("identity_refreshes_limited_total")]).toEqual([2, 0]);
	});

	test("for a question after the last one waits until the DID may be asked for again", async () => {
		const rig = await rigHolding();
		rig.network = () => rig.resolved(NEW);
		await rig.cache.refresh(DID, HOME, rig.time.nowMs);
		await rig.time.pass(1);
		rig.network = () => rig.resolved(LATER);
		const later = watch(rig.cache.refresh(DID, HOME, rig.time.nowMs));
		await rig.time.pass(REFRESH_INTERVAL_MS - 2);
		expect([later.value, rig.asked.length]).toEqual([null, 2]);
		await rig.time.pass(1);
		expect(pdsOf(later.value)).toBe(LATER);
		expect([rig.counted("identity_refreshes_total"), rig.counted("identity_refreshes_limited_total")]).toEqual([2, 1]);
	});

	test("waits while the directory fails, and does not keep known documents from being used", async () => {
		const rig = await rigHolding();
		rig.network = () => UNAVAILABLE;
		const refresh = watch(rig.cache.refresh(DID, STRANGER, rig.time.nowMs));
		await rig.time.pass(2 * FRESH_MS.resolved);
		expect(refresh.value).toBeNull();
		expect(pdsOf(await rig.cache.lookup(DID, HOME))).toBe(OLD);
		expect(pdsOf(await rig.cache.recheck(DID, HOME, rig.time.nowMs))).toBe(OLD);
		rig.network = () => rig.resolved(NEW);
		await rig.time.pass(2 * MINUTE_MS);
		expect(pdsOf(refresh.value)).toBe(NEW);
		expect(pdsOf(rig.cache.get(DID))).toBe(NEW);
	});
});

describe("a host that names thousands of made-up DIDs", () => {
	test("delays another host's new account by no more than a few lookups", async () => {
		const rig = new CacheRig({ lookupsMax: 4 });
		for (let n = 1; n <= 5_000; n++) watch(rig.cache.lookup(plc(n), STRANGER));
		await settle();
		const before = rig.asked.length;
		const good = watch(rig.cache.lookup(DID, HOME));
		await settle();
		expect(rig.asked.slice(before)).toEqual([DID]);
		await rig.answer(before, rig.resolved(OLD));
		expect(pdsOf(good.value)).toBe(OLD);
	});

	test("takes turns with all others, also for the same DID", async () => {
		const rig = new CacheRig({ lookupsMax: 1 });
		const hosts = [3, 4, 5, 6].map((hostId) => ({ hostId, hostname: `h${hostId}.example.com` }));
		for (let n = 1; n <= 500; n++) watch(rig.cache.lookup(plc(n), STRANGER));
		// The stranger's host names the DID as well, at the end of its queue.
		watch(rig.cache.lookup(DID, STRANGER));
		for (const [n, host] of hosts.entries()) watch(rig.cache.lookup(n === 0 ? DID : plc(1_000 + n), host));
		await settle();
		for (let turn = 0; turn < 8; turn++) await rig.answer(turn, NOT_FOUND);
		const asked = rig.asked.slice(0, 8);
		for (const did of [DID, plc(1_001), plc(1_002), plc(1_003)]) expect(asked).toContain(did);
		expect(rig.asked.filter((did) => did === DID).length).toBe(1);
	});

	test("has a quota: lookups beyond it wait, and are answered", async () => {
		const rig = new CacheRig();
		rig.network = () => NOT_FOUND;
		const named = FOREIGN_LOOKUPS_MAX + 100;
		const lookups = Array.from({ length: named }, (_, n) => watch(rig.cache.lookup(plc(n), STRANGER)));
		await settle();
		expect(rig.asked.length).toBeGreaterThanOrEqual(FOREIGN_LOOKUPS_MAX);
		expect(rig.asked.length).toBeLessThan(FOREIGN_LOOKUPS_MAX + 20);
		expect(rig.counted("identity_lookups_limited_total")).toBeGreaterThan(0);
		await rig.time.pass((named / FOREIGN_LOOKUPS_PER_SECOND) * 1000);
		expect(lookups.every(({ value }) => value?.outcome === "not-found")).toBe(true);
	});

	test("pays for DIDs of other hosts too, and no host pays for its own", async () => {
		const count = 3 * FOREIGN_LOOKUPS_MAX;
		for (const [asker, isLimited] of [
			[STRANGER, true],
			[HOME, false],
		] as const) {
			const rig = new CacheRig();
			rig.network = (did) => rig.resolved(OLD, did);
			for (let n = 0; n < count; n++) watch(rig.cache.lookup(plc(n), asker));
			for (let round = 0; round < 50; round++) await settle();
			expect(rig.asked.length < count).toBe(isLimited);
		}
	});

	test("pays a little for a lookup again that brings nothing new, and nothing for one that does", async () => {
		const count = 2 * (FOREIGN_LOOKUPS_MAX / VAIN_RECHECK_CHARGE);
		for (const [isNews, isLimited] of [
			[false, true],
			[true, false],
		] as const) {
			const rig = new CacheRig();
			rig.network = (did) => rig.resolved(OLD, did);
			for (let n = 0; n < count; n++) await rig.cache.lookup(plc(n), HOME);
			await rig.time.pass(1);
			if (isNews) rig.network = (did) => rotated(rig.resolved(OLD, did));
			for (let n = 0; n < count; n++) watch(rig.cache.recheck(plc(n), HOME, rig.time.nowMs));
			for (let round = 0; round < 100; round++) await settle();
			const rechecked = rig.asked.length - count;
			expect([rechecked < count, rechecked >= count / 2]).toEqual([isLimited, true]);
		}
	});

	test("pushes no real identity out of the cache", async () => {
		const rig = new CacheRig({ entriesMax: 100 });
		rig.network = (did) => rig.resolved(OLD, did);
		for (let n = 0; n < 50; n++) await rig.cache.lookup(plc(n), HOME);
		rig.network = () => NOT_FOUND;
		for (let n = 1_000; n < 2_000; n++) {
			await rig.cache.lookup(plc(n), { hostId: n, hostname: "made.up.com" });
		}
		for (let n = 0; n < 50; n++) expect(pdsOf(rig.cache.get(plc(n)))).toBe(OLD);
	});
});

describe("limits", () => {
	test("on lookups at once: later ones wait, but did:plc never for did:web", async () => {
		const rig = new CacheRig({ lookupsMax: 2 });
		const webs = ["a", "b", "c"].map((name) => `did:web:${name}.example.com`);
		const askers = [1, 2, 3, 4].map((hostId) => ({ hostId, hostname: "h.example.com" }));
		const ask = (did: string, index: number) => watch(rig.cache.lookup(did, askers[index] ?? HOME));
		const lookups = [...webs.map(ask), ...[0, 1, 2, 3].map((n) => ask(plc(n), n))];
		await settle();
		expect(rig.asked).toEqual([...webs.slice(0, 2), plc(0), plc(1)]);
		await rig.answer(3, NOT_FOUND);
		await rig.answer(0, NOT_FOUND);
		expect(rig.asked.slice(4)).toEqual([plc(2), webs[2] ?? ""]);
		for (let i = 0; i < lookups.length; i++) await rig.answer(i, NOT_FOUND);
		expect(lookups.every(({ value }) => value !== null)).toBe(true);
	});

	test("on lookups of one host at once: half of them", async () => {
		const rig = new CacheRig({ lookupsMax: 8 });
		for (let n = 0; n < 20; n++) watch(rig.cache.lookup(`did:web:${n}.example.com`, STRANGER));
		await settle();
		expect(rig.asked.length).toBe(4);
	});

	async function fill(rig: CacheRig, count: number): Promise<void> {
		rig.network = (did) => rig.resolved(OLD, did);
		for (let i = 0; i < count; i++) await rig.cache.lookup(plc(i), HOME);
	}

	test("on entries: the least recently used one is evicted, and counted", async () => {
		const rig = new CacheRig({ entriesMax: 3 });
		await fill(rig, 3);
		expect(rig.cache.get(plc(0))).not.toBeNull();
		rig.store(1_000, { did: plc(9) });
		await rig.cache.lookup(plc(9), HOME);
		expect([0, 1, 2, 9].map((n) => rig.cache.get(plc(n)) !== null)).toEqual([true, false, true, true]);
		expect(rig.counted("identity_evictions_total")).toBe(1);
	});

	test("on bytes: entries are evicted until the rest fits", async () => {
		const rig = new CacheRig({ bytesMax: 750 });
		await fill(rig, 10);
		const kept = Array.from({ length: 10 }, (_, n) => rig.cache.get(plc(n)) !== null);
		expect(kept).toEqual([...Array(7).fill(false), true, true, true]);
		expect(rig.counted("identity_evictions_total")).toBe(7);
	});
});
