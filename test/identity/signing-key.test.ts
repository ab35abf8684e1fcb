import { heapStats } from "bun:jsc";
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { toBase58Btc } from "@atcute/multibase";
import { p256 } from "@noble/curves/nist.js";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { didKeyOf, SigningKeyError, signingKeyOfDidKey, signingKeyOfMethod } from "../../src/identity/signing-key.ts";
import { SimKey } from "../../src/sim/keys.ts";
import { Rng } from "../../src/sim/rng.ts";
import { fixturePath } from "../fixtures.ts";

const CURVES = {
	k256: { curve: secp256k1, prefix: [0xe7, 0x01], legacyType: "EcdsaSecp256k1VerificationKey2019" },
	p256: { curve: p256, prefix: [0x80, 0x24], legacyType: "EcdsaSecp256r1VerificationKey2019" },
} as const;

function multibase(...parts: Iterable<number>[]): string {
	return `z${toBase58Btc(Uint8Array.from(parts.flatMap((part) => [...part])))}`;
}

describe("the key vectors", () => {
	test("did:key of K-256 and P-256", () => {
		const k256 = JSON.parse(readFileSync(fixturePath("interop/crypto/w3c_didkey_K256.json"), "utf8"));
		for (const { privateKeyBytesHex, publicDidKey } of k256) {
			const publicKey = secp256k1.getPublicKey(Buffer.from(privateKeyBytesHex, "hex"), true);
			expect(signingKeyOfDidKey(publicDidKey)).toEqual({ curve: "k256", publicKey });
			expect(didKeyOf({ curve: "k256", publicKey })).toBe(publicDidKey);
		}
		const p256Vectors = JSON.parse(readFileSync(fixturePath("interop/crypto/w3c_didkey_P256.json"), "utf8"));
		for (const { publicDidKey } of p256Vectors) expect(didKeyOf(signingKeyOfDidKey(publicDidKey))).toBe(publicDidKey);
		expect(k256.length + p256Vectors.length).toBeGreaterThan(1);
	});

	test("the legacy forms in the signature vectors are the same keys as their did:key", () => {
		const vectors = JSON.parse(readFileSync(fixturePath("interop/crypto/signature-fixtures.json"), "utf8"));
		expect(vectors.length).toBe(6);
		for (const { didDocSuite, publicKeyMultibase, publicKeyDid } of vectors) {
			expect(didKeyOf(signingKeyOfMethod(didDocSuite, publicKeyMultibase))).toBe(publicKeyDid);
		}
	});
});

for (const [name, { curve, prefix, legacyType }] of Object.entries(CURVES)) {
	describe(name, () => {
		const secret = new Uint8Array(32).fill(7);
		const compressed = curve.getPublicKey(secret, true);
		const uncompressed = curve.getPublicKey(secret, false);

		test("is read from a Multikey and from both legacy forms", () => {
			for (const key of [
				signingKeyOfMethod("Multikey", multibase(prefix, compressed)),
				signingKeyOfMethod(legacyType, multibase(compressed)),
				signingKeyOfMethod(legacyType, multibase(uncompressed)),
			]) {
				expect<unknown>(key).toEqual({ curve: name, publicKey: compressed });
			}
		});

		test("is refused if its length is wrong, or if it is not on the curve", () => {
			const offCurve = Uint8Array.from(uncompressed);
			offCurve[64] = (offCurve[64] ?? 0) ^ 1;
			for (const [type, text] of [
				["Multikey", multibase(prefix, uncompressed)],
				["Multikey", multibase(prefix, compressed.subarray(0, 32))],
				["Multikey", multibase(prefix, compressed, [0])],
				["Multikey", multibase(prefix, [2], new Uint8Array(32).fill(0xff))],
				["Multikey", multibase(compressed)],
				[legacyType, multibase(offCurve)],
				[legacyType, multibase(compressed.subarray(1))],
				[legacyType, multibase(prefix, compressed)],
			] as const) {
				expect(() => signingKeyOfMethod(type, text)).toThrow(SigningKeyError);
			}
			expect(() => signingKeyOfDidKey(`did:key:${multibase(prefix, uncompressed)}`)).toThrow(SigningKeyError);
		});
	});
}

test("other types and encodings are refused, and long ones without being decoded", () => {
	for (const [type, text] of [
		["Ed25519VerificationKey2020", "zQ3shokFTS3brHcDQrn82RUDfCZESWL1ZdCEJwekUDPQiYBme"],
		["Multikey", "z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"],
		["Multikey", "uQ3shokFTS3brHcDQrn82RUDfCZESWL1ZdCEJwekUDPQiYBme"],
		["Multikey", "z0OIl"],
		["Multikey", ""],
		["Multikey", `z${"2".repeat(1_000_000)}`],
	] as const) {
		expect(() => signingKeyOfMethod(type, text)).toThrow(SigningKeyError);
	}
	expect(() => signingKeyOfDidKey("did:plc:7iza6de2dwap2sbkpav7c6c6")).toThrow(SigningKeyError);
});

test("a did:key that nobody has read yet takes the memory of one string", () => {
	const key = signingKeyOfDidKey(new SimKey("k256", new Rng("did:key")).didKey);
	const strings = (): number => {
		Bun.gc(true);
		return heapStats().objectTypeCounts["string"] ?? 0;
	};
	const before = strings();
	const kept = Array.from({ length: 10_000 }, () => didKeyOf(key));
	expect(strings() - before).toBeLessThan(5 * kept.length);
	expect(new Set(kept).size).toBe(1);
});
