import { expect, test } from "bun:test";
import { type SimCurve, SimKey } from "../../src/sim/keys.ts";
import { Rng } from "../../src/sim/rng.ts";
import { portableSignatureCheck, selectSignatureCheck } from "../../src/verify/signature-check.ts";

const CURVES: readonly SimCurve[] = ["k256", "p256"];
const SIGNATURES = 200;

test("the check of the native code and the portable one say the same", () => {
	const native = selectSignatureCheck("native");
	const rng = new Rng("signature check");
	const keys = CURVES.flatMap((curve) => [new SimKey(curve, rng), new SimKey(curve, rng)]);
	const seen = { valid: 0, invalid: 0 };
	for (let at = 0; at < SIGNATURES; at++) {
		const [signer, other] = [rng.pick(keys), rng.pick(keys)];
		const message = rng.bytes(rng.int(300));
		const good = signer.sign(message);
		const forms = [good, signer.withHighS(good), good.subarray(1), new Uint8Array(64), flipped(rng, good)];
		for (const signature of forms)
			for (const { curve, publicKey } of [signer, other]) {
				const isValid = portableSignatureCheck(message, signature, { curve, publicKey });
				expect(native(message, signature, { curve, publicKey })).toBe(isValid);
				seen[isValid ? "valid" : "invalid"]++;
			}
	}
	expect(seen.valid).toBeGreaterThanOrEqual(SIGNATURES);
	expect(seen.invalid).toBeGreaterThan(SIGNATURES);
});

test("the portable check is used if it is chosen", () => {
	expect(selectSignatureCheck("portable")).toBe(portableSignatureCheck);
	expect(selectSignatureCheck("auto")).not.toBe(portableSignatureCheck);
});

function flipped(rng: Rng, bytes: Uint8Array): Uint8Array {
	const copy = Uint8Array.from(bytes);
	const at = rng.int(copy.length);
	copy[at] = (copy[at] ?? 0) ^ (1 << rng.int(8));
	return copy;
}
