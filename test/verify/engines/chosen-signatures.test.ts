import { expect, test } from "bun:test";
import { encode } from "@atcute/cbor";
import { p256 } from "@noble/curves/nist.js";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { cidOfText } from "../../../src/sim/blocks.ts";
import { tidOf } from "../../../src/sim/clock.ts";
import { sealSync, signCommit, type UnsignedCommit } from "../../../src/sim/commit.ts";
import { makeDidPlc, type SimCurve, SimKey } from "../../../src/sim/keys.ts";
import { Rng } from "../../../src/sim/rng.ts";
import type { Engine } from "../../../src/verify/engine.ts";
import { describeEngines, judgeWith } from "./each.ts";

const CURVES = { k256: secp256k1.Point, p256: p256.Point };
const SCALAR_BYTES = 32;

function bytesOf(scalar: bigint): Uint8Array {
	return Buffer.from(scalar.toString(16).padStart(2 * SCALAR_BYTES, "0"), "hex");
}

/** The first `count` points whose x is `from`, `from + step` and so on. Not every x has a point. */
function pointsFrom(curve: SimCurve, from: bigint, step: 1n | -1n, count: number) {
	const points = [];
	for (let x = from; points.length < count; x += step) {
		try {
			points.push(CURVES[curve].fromBytes(Uint8Array.from([2, ...bytesOf(x)])));
		} catch {
			// No point has this x.
		}
	}
	return points;
}

type Point = ReturnType<typeof pointsFrom>[number];

/** A commit whose signature is chosen first. The key is then computed so that the signature is valid. */
class ChosenSignature {
	readonly curve: SimCurve;
	readonly r: bigint;
	readonly #commit: UnsignedCommit;
	readonly #point: Point;

	constructor(curve: SimCurve, point: Point) {
		this.curve = curve;
		this.#point = point;
		this.r = point.toAffine().x % CURVES[curve].Fn.ORDER;
		const rng = new Rng(`chosen ${curve}`);
		this.#commit = { did: makeDidPlc(rng), version: 3, data: cidOfText("data"), rev: tidOf(1e15, 0), prev: null };
	}

	/** The one key for which r and `s` sign the commit: (s·R - e·G) / r. */
	#keyFor(s: bigint): Uint8Array {
		const { BASE, Fn } = CURVES[this.curve];
		const digest = new Bun.CryptoHasher("sha256").update(encode(this.#commit)).digest("hex");
		const e = Fn.create(BigInt(`0x${digest}`));
		const inverse = Fn.inv(this.r);
		const [u, v] = [Fn.mul(s, inverse), Fn.neg(Fn.mul(e, inverse))];
		return this.#point.multiply(u).add(BASE.multiply(v)).toBytes(true);
	}

	/** An engine's reason for the commit with this key. `given` can replace r and s in the commit by others than were chosen. */
	async judge(engine: Engine, s: bigint, given: { r?: bigint; s?: bigint } = {}): Promise<string | null> {
		const { curve } = this;
		const signature = Buffer.concat([bytesOf(given.r ?? this.r), bytesOf(given.s ?? s)]);
		// Whose key signs does not matter, since the signature is replaced.
		const signed = signCommit(this.#commit, new SimKey(curve, new Rng("any")), () => signature);
		const message = await sealSync(this.#commit, signed, "2026-01-01T00:00:00Z");
		return judgeWith(engine, message, { curve, publicKey: this.#keyFor(s) }).reason;
	}
}

describeEngines((engine, curve) => {
	const { ORDER: n } = CURVES[curve].Fn;
	const { ORDER: p } = CURVES[curve].Fp;
	const half = n / 2n;
	const anywhere = BigInt(`0x${Buffer.from(new Rng("anywhere").bytes(30)).toString("hex")}`);

	test.each<[string, bigint, 1n | -1n]>([
		["tiny", 1n, 1n],
		["anywhere", anywhere, 1n],
		["just below the order", n - 1n, -1n],
		["just beyond the order, so that r is tiny", n + 1n, 1n],
		["just below the field's size", p - 1n, -1n],
	])("takes a signature whose point's x is %s, with any s up to half of the order", async (_name, from, step) => {
		for (const point of pointsFrom(curve, from, step, 4)) {
			const chosen = new ChosenSignature(curve, point);
			for (const s of [1n, 2n, anywhere, half - 1n, half]) {
				expect({ s, reason: await chosen.judge(engine, s) }).toEqual({ s, reason: null });
			}
			for (const s of [half + 1n, half + 2n, n - 2n, n - 1n]) {
				expect({ s, reason: await chosen.judge(engine, s) }).toEqual({ s, reason: "signature-high-s" });
				// The equivalent signature with a low s is good.
				expect({ s, reason: await chosen.judge(engine, s, { s: n - s }) }).toEqual({ s, reason: null });
			}
		}
	});

	test("accepts no other r and no other s for them", async () => {
		for (const point of [...pointsFrom(curve, 1n, 1n, 2), ...pointsFrom(curve, n + 1n, 1n, 2)]) {
			const chosen = new ChosenSignature(curve, point);
			const { r } = chosen;
			const others = await Promise.all([
				chosen.judge(engine, half, { s: half - 1n }),
				chosen.judge(engine, half - 1n, { s: half }),
				chosen.judge(engine, half, { r: r + 1n }),
				chosen.judge(engine, half, { r: half }),
			]);
			expect(new Set(others)).toEqual(new Set(["signature-invalid"]));
			// The same value modulo the order, but above it.
			const beyond = await Promise.all([
				chosen.judge(engine, half, { r: r + n }),
				chosen.judge(engine, half, { r: 0n }),
				chosen.judge(engine, half, { r: n }),
				chosen.judge(engine, 1n, { s: n + 1n }),
				chosen.judge(engine, 1n, { s: n }),
				chosen.judge(engine, 1n, { s: 0n }),
			]);
			expect(new Set(beyond)).toEqual(new Set(["signature-encoding"]));
		}
	});
});
