import { describe, expect, test } from "bun:test";
import { fromBase58Btc } from "@atcute/multibase";
import { SimKey } from "../../src/sim/keys.ts";
import { Rng } from "../../src/sim/rng.ts";
import type { SigningKey } from "../../src/verify/engine.ts";
import { checkSignature } from "../../src/verify/portable/signature.ts";
import { fixturePath } from "../fixtures.ts";
import { rejectionOf } from "./packed.ts";

interface SignatureFixture {
	comment: string;
	messageBase64: string;
	algorithm: "ES256" | "ES256K";
	publicKeyDid: string;
	signatureBase64: string;
	tags: string[];
}

/** The reason for which each kind of fixture must be rejected, by tag. A fixture without a tag is valid. */
const REASONS: Record<string, string> = { "high-s": "signature-high-s", "der-encoded": "signature-encoding" };

const MULTIKEY_PREFIX_BYTES = 2;

function keyOf(fixture: SignatureFixture): SigningKey {
	const multikey = fromBase58Btc(fixture.publicKeyDid.slice("did:key:z".length));
	return {
		curve: fixture.algorithm === "ES256K" ? "k256" : "p256",
		publicKey: multikey.subarray(MULTIKEY_PREFIX_BYTES),
	};
}

describe("the interop signatures", () => {
	test("are valid or not as the vectors say", async () => {
		const fixtures: SignatureFixture[] = await Bun.file(fixturePath("interop/crypto/signature-fixtures.json")).json();
		expect(fixtures).toHaveLength(6);
		for (const fixture of fixtures) {
			const message = Buffer.from(fixture.messageBase64, "base64");
			const signature = Buffer.from(fixture.signatureBase64, "base64");
			const reason = rejectionOf(() => checkSignature(signature, message, keyOf(fixture)));
			expect({ comment: fixture.comment, reason }).toEqual({
				comment: fixture.comment,
				reason: REASONS[fixture.tags[0] ?? ""] ?? null,
			});
		}
	});
});

describe.each([
	["k256", "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"],
	["p256", "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"],
] as const)("signatures on %s", (curve, orderHex) => {
	const key = new SimKey(curve, new Rng("signature"));
	const message = Buffer.from("a message");
	const good = key.sign(message);
	const half = (BigInt(`0x${orderHex}`) / 2n).toString(16).padStart(64, "0");
	const r = Buffer.from(good.subarray(0, 32)).toString("hex");
	const s = Buffer.from(good.subarray(32)).toString("hex");

	test.each([
		["a good one", r + s, null],
		["r of zero", "0".repeat(64) + s, "signature-encoding"],
		["s of zero", r + "0".repeat(64), "signature-encoding"],
		["r of the order", orderHex + s, "signature-encoding"],
		["s of the order", r + orderHex, "signature-encoding"],
		["s beyond the order", r + "f".repeat(64), "signature-encoding"],
		["no bytes", "", "signature-encoding"],
		["63 bytes", r + s.slice(2), "signature-encoding"],
		["65 bytes", `${r + s}00`, "signature-encoding"],
		["s of exactly half the order", r + half, "signature-invalid"],
		["s of half the order and one", r + (BigInt(`0x${half}`) + 1n).toString(16).padStart(64, "0"), "signature-high-s"],
		["r and s swapped or wrong", r + r.replace(/^./, "1"), "signature-invalid"],
	])("%s", (_name, hex, reason) => {
		expect(rejectionOf(() => checkSignature(Buffer.from(hex, "hex"), message, key))).toBe(reason);
	});

	test("the equivalent with a high s, another message and another key are refused", () => {
		const reason = (signature: Uint8Array, text: string, other: SigningKey): string | null =>
			rejectionOf(() => checkSignature(signature, Buffer.from(text), other));
		expect(reason(key.withHighS(good), "a message", key)).toBe("signature-high-s");
		expect(reason(good, "a messagf", key)).toBe("signature-invalid");
		expect(reason(good, "a message", new SimKey(curve, new Rng("other")))).toBe("signature-invalid");
	});
});
