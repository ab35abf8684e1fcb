import { expect, test } from "bun:test";
import type { Identity, Resolution } from "../../src/identity/identity.ts";
import { type Known, KnownPacking } from "../../src/identity/known.ts";
import { didKeyOf } from "../../src/identity/signing-key.ts";
import { PackedMap } from "../../src/runtime/packed-map.ts";
import { Rng } from "../../src/sim/rng.ts";
import type { SigningKey } from "../../src/verify/engine.ts";

function identityOf(rng: Rng, did: string): Identity {
	const rarely = <T>(usual: T, rare: readonly T[]): T => (rng.int(12) === 0 ? rng.pick(rare) : usual);
	const signingKey: SigningKey = { curve: rng.pick(["k256", "p256"] as const), publicKey: rng.bytes(33) };
	const host = `pds${rng.int(20)}.example.com`;
	const pds = rarely<string | null>(`https://${host}`, [null, "https://é.example.com"]);
	return {
		did: rarely(did, ["did:plc:other"]),
		signingKey: rarely<SigningKey | null>(signingKey, [null, { ...signingKey, publicKey: rng.bytes(32) }]),
		signingKeyDidKey: rarely<string | null>(didKeyOf(signingKey), [null, "", "did:key:zé", "z".repeat(65)]),
		pds,
		pdsFault: pds === null ? "there is none" : rarely<string | null>(null, ["odd"]),
		pdsHost: rarely<string | null>(host, [null, "other.example.com"]),
		resolvedAtMs: rng.pick([0, rng.int(2 ** 32), 1_700_000_000_000.5]),
	};
}

function knownOf(rng: Rng, did: string): Known {
	const failures: Resolution[] = [
		{ outcome: "not-found" },
		{ outcome: "tombstoned" },
		{ outcome: "malformed", detail: "x" },
	];
	const resolved: Resolution = { outcome: "resolved", identity: identityOf(rng, did) };
	const resolution = rng.int(12) === 0 ? rng.pick(failures) : resolved;
	const time = (): number => rng.pick([-1e9 * rng.float(), 1e9 * rng.float(), rng.int(2 ** 32)]);
	return { resolution, askedAtMs: time(), goodUntilMs: time() };
}

test("whatever a DID resolved to, it comes back as it was, also if others have taken its place meanwhile", () => {
	const rng = new Rng("known");
	const packing = new KnownPacking();
	const map = new PackedMap("did:plc:", packing);
	const model = new Map<string, Known>();
	const read: { found: Known | undefined; text: string }[] = [];
	const letters = (count: number): string => Array.from({ length: count }, () => rng.pick([..."abc234"])).join("");
	const dids = Array.from({ length: 200 }, () =>
		rng.pick([`did:plc:${letters(24)}`, `did:web:${letters(5)}.example.com`]),
	);
	let packed = 0;
	for (let step = 0; step < 20_000; step++) {
		const did = rng.pick(dids);
		if (rng.int(4) === 0) {
			map.delete(did);
			model.delete(did);
		} else {
			const known = knownOf(rng, did);
			if (packing.fits(did, known)) packed++;
			map.set(did, known);
			model.set(did, known);
		}
		const asked = rng.pick(dids);
		const found = map.peek(asked);
		expect(found).toEqual(model.get(asked));
		if (step % 100 === 0) read.push({ found, text: JSON.stringify(found) ?? "" });
	}
	expect(packed).toBeGreaterThan(3_000);
	for (const { found, text } of read) expect(JSON.stringify(found) ?? "").toBe(text);
});
