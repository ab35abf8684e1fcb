import { describe, expect, test } from "bun:test";
import { STALE_MS_MAX } from "../../src/identity/cache.ts";
import { resolutionOfData } from "../../src/identity/mirror.ts";
import { FRESH_MS } from "../../src/identity/resolutions.ts";
import { CacheRig, HOME, NOT_FOUND, pdsOf, plc, STRANGER, UNAVAILABLE, watch } from "./cache-rig.ts";
import { DID, K256_DID_KEY } from "./documents.ts";
import { settle } from "./fake-time.ts";

const LAG_MS_MAX = 60_000;
const HOUR_MS = 3_600_000;

/** A rig with a mirror that knows the DID, and was complete so long ago. */
function rigWith(lagMs: number, pds = "https://mirrored.example.com"): CacheRig {
	const rig = new CacheRig({}, { mirrorLagMaxMs: LAG_MS_MAX });
	mirror(rig, pds, lagMs);
	return rig;
}

function mirror(rig: CacheRig, pds: string, lagMs: number): void {
	rig.mirrored.set(DID, { resolution: rig.resolved(pds), completeUntilMs: rig.wallMs - lagMs });
}

describe("a mirror that lags little", () => {
	test("answers in place of the directory, and what it says is kept and logged", async () => {
		const rig = rigWith(1_000);
		expect(pdsOf(await rig.cache.lookup(DID, HOME))).toBe("https://mirrored.example.com");
		expect(pdsOf(rig.cache.get(DID))).toBe("https://mirrored.example.com");
		expect(rig.asked).toEqual([]);
		expect(rig.facts).toMatchObject([{ did: DID, pds: "https://mirrored.example.com" }]);
		expect(rig.mirrorLookups).toBe(1);
		await rig.cache.lookup(DID, HOME);
		expect(rig.mirrorLookups).toBe(1);
	});

	test("is asked again when its answer is old", async () => {
		const rig = rigWith(0);
		await rig.cache.lookup(DID, HOME);
		await rig.time.pass(FRESH_MS.resolved + 1);
		mirror(rig, "https://later.example.com", 0);
		expect(pdsOf(await rig.cache.lookup(DID, HOME))).toBe("https://later.example.com");
		expect(rig.asked).toEqual([]);
	});

	test("goes before an older row of the index, but not before a newer one", async () => {
		for (const [ageMs, expected] of [
			[2 * FRESH_MS.resolved, "https://mirrored.example.com"],
			[0, "https://stored.example.com"],
		] as const) {
			const rig = rigWith(1_000);
			rig.store(ageMs);
			expect(pdsOf(await rig.cache.lookup(DID, HOME))).toBe(expected);
			expect(rig.asked).toEqual([]);
		}
	});

	test("says that a DID is tombstoned", async () => {
		const rig = rigWith(0);
		rig.mirrored.set(DID, { resolution: { outcome: "tombstoned" }, completeUntilMs: rig.wallMs });
		expect(await rig.cache.lookup(DID, HOME)).toEqual({ outcome: "tombstoned" });
		expect(rig.facts).toMatchObject([{ did: DID, tombstoned: true }]);
	});

	test("leaves DIDs that it does not know to the directory, and those of other methods", async () => {
		const rig = rigWith(0);
		rig.network = () => NOT_FOUND;
		expect(await rig.cache.lookup(plc(7), STRANGER)).toEqual(NOT_FOUND);
		expect(rig.asked).toEqual([plc(7)]);
		const before = rig.mirrorLookups;
		await rig.cache.lookup("did:web:example.com", STRANGER);
		expect(rig.mirrorLookups).toBe(before);
	});

	test("is no answer to a suspicion: the directory is asked, as before", async () => {
		const rig = rigWith(1_000);
		rig.network = () => rig.resolved("https://new.example.com");
		for (const ask of ["refresh", "recheck"] as const) {
			await rig.time.pass(HOUR_MS);
			const sinceMs = rig.time.nowMs;
			expect(pdsOf(await rig.cache[ask](DID, HOME, sinceMs))).toBe("https://new.example.com");
		}
		expect(rig.asked).toEqual([DID, DID]);
		expect(pdsOf(await rig.cache.lookup(DID, HOME))).toBe("https://new.example.com");
	});
});

describe("a mirror that lags much", () => {
	test("is no answer while the directory answers", async () => {
		const rig = rigWith(LAG_MS_MAX + 1);
		rig.network = () => rig.resolved("https://new.example.com");
		expect(pdsOf(await rig.cache.lookup(DID, HOME))).toBe("https://new.example.com");
		expect(rig.asked).toEqual([DID]);
	});

	test("is the last known document while the directory fails, up to the age that any may have", async () => {
		for (const [lagMs, isUsed] of [
			[HOUR_MS, true],
			[STALE_MS_MAX - 1, true],
			[STALE_MS_MAX + 1, false],
		] as const) {
			const rig = rigWith(lagMs);
			rig.network = () => UNAVAILABLE;
			const looked = watch(rig.cache.lookup(DID, HOME));
			await settle();
			expect(pdsOf(looked.value)).toBe(isUsed ? "https://mirrored.example.com" : null);
			expect(rig.facts).toEqual([]);
		}
	});
});

test("a mirror that is older than what is known is not used", async () => {
	const rig = rigWith(FRESH_MS.resolved + 2 * HOUR_MS);
	rig.store(FRESH_MS.resolved + HOUR_MS);
	rig.network = () => UNAVAILABLE;
	expect(pdsOf(await rig.cache.lookup(DID, HOME))).toBe("https://stored.example.com");
});

describe("while the directory fails", () => {
	test("a message that needs a newer document is judged once the mirror is complete up to it", async () => {
		const rig = rigWith(1_000);
		await rig.cache.lookup(DID, HOME);
		rig.network = () => UNAVAILABLE;
		await rig.time.pass(HOUR_MS);
		const refreshed = watch(rig.cache.refresh(DID, HOME, rig.time.nowMs));
		await rig.time.pass(10 * 60_000);
		expect(refreshed.value).toBeNull();

		mirror(rig, "https://moved.example.com", HOUR_MS);
		await rig.time.pass(10 * 60_000);
		expect(refreshed.value).toBeNull();
		mirror(rig, "https://moved.example.com", 0);
		await rig.time.pass(10 * 60_000);
		expect(pdsOf(refreshed.value)).toBe("https://moved.example.com");
		expect(pdsOf(rig.cache.get(DID))).toBe("https://moved.example.com");
	});

	test("an unknown DID is resolved as soon as the mirror knows it", async () => {
		const rig = new CacheRig({}, { mirrorLagMaxMs: LAG_MS_MAX });
		rig.network = () => UNAVAILABLE;
		const looked = watch(rig.cache.lookup(DID, HOME));
		await rig.time.pass(10 * 60_000);
		expect(looked.value).toBeNull();
		mirror(rig, "https://mirrored.example.com", 0);
		await rig.time.pass(2 * 60_000);
		expect(pdsOf(looked.value)).toBe("https://mirrored.example.com");
	});

	test("a broken mirror ends the lookup", async () => {
		const rig = rigWith(0);
		rig.mirrorFault = new Error("broken");
		expect(String(await rig.cache.lookup(DID, HOME).catch((error: unknown) => error))).toContain("broken");
	});
});

describe("what operations say", () => {
	const data = { tombstoned: false, signingKey: K256_DID_KEY, pds: "https://pds.example.com" };
	const options = { allowInsecure: false };

	test("resolves like the directory's document", () => {
		const resolution = resolutionOfData(DID, data, 17, options);
		expect(resolution).toMatchObject({
			outcome: "resolved",
			identity: {
				did: DID,
				signingKeyDidKey: K256_DID_KEY,
				pds: "https://pds.example.com",
				pdsHost: "pds.example.com",
				resolvedAtMs: 17,
			},
		});
		expect(resolutionOfData(DID, { ...data, tombstoned: true }, 17, options)).toEqual({ outcome: "tombstoned" });
	});

	test("may lack a key or a PDS that can be used", () => {
		for (const signingKey of [null, "did:key:zNothing", "", "not a key"])
			expect(resolutionOfData(DID, { ...data, signingKey }, 0, options)).toMatchObject({
				identity: { signingKey: null, signingKeyDidKey: null },
			});
		for (const pds of [null, "", "http://pds.example.com", "https://pds.example.com/path", "https://127.0.0.1"])
			expect(resolutionOfData(DID, { ...data, pds }, 0, options)).toMatchObject({
				identity: { pds: null, pdsHost: null },
			});
	});
});
