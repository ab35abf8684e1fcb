import { describe, expect, test } from "bun:test";
import { fromBase58Btc } from "@atcute/multibase";
import { SimTree } from "../../../src/sim/tree.ts";
import { loadAddon } from "../../../src/verify/native-addon.ts";
import { checkSignature } from "../../../src/verify/portable/signature.ts";
import { SELF_TEST_VECTORS } from "../../../src/verify/self-test-vectors.ts";
import { decodeTouched, type Fill } from "../../../src/verify/touched.ts";
import { fixturePath } from "../../fixtures.ts";
import { linkOf, rejectionOf } from "../packed.ts";
import { nativeForTests } from "./difference.ts";
import {
	type Inversion,
	type Inverter,
	invertPortably,
	nativeInverter,
	proofBetween,
	readSuite,
	rootName,
} from "./proofs.ts";
import { makeVectors } from "./vectors.ts";

interface SignatureFixture {
	comment: string;
	messageBase64: string;
	algorithm: "ES256" | "ES256K";
	publicKeyDid: string;
	signatureBase64: string;
	validSignature: boolean;
}

interface ProofFixture {
	comment: string;
	leafValue: string;
	keys: string[];
	adds: string[];
	dels: string[];
	rootBeforeCommit: string;
	rootAfterCommit: string;
	blocksInProof: string[];
}

/** Returns whether a signature is good. */
type SignatureJudge = (message: Buffer, signature: Buffer, publicKey: Uint8Array, isP256: boolean) => boolean;

const MULTIKEY_PREFIX_BYTES = 2;

const isBuilt = nativeForTests() !== null;

function portableJudge(message: Buffer, signature: Buffer, publicKey: Uint8Array, isP256: boolean): boolean {
	const key = { curve: isP256 ? ("p256" as const) : ("k256" as const), publicKey };
	return rejectionOf(() => checkSignature(signature, message, key)) === null;
}

function nativeJudge(): SignatureJudge {
	const verifier = new (loadAddon().Verifier)(1024);
	return (...signed) => verifier.checkSignature(...signed) === 0;
}

const ENGINES: [string, SignatureJudge, Inverter][] = [
	["portable", portableJudge, invertPortably],
	...(isBuilt ? [["native", nativeJudge(), nativeInverter()] as [string, SignatureJudge, Inverter]] : []),
];

function fillOf(records: ReadonlyMap<string, unknown>): Fill {
	return records.size > 0 ? "filled" : "empty";
}

function isSame(a: Inversion, b: Inversion): boolean {
	if (a.touched === null || b.touched === null) return a.result === b.result && a.touched === b.touched;
	return a.result === b.result && Buffer.compare(a.touched, b.touched) === 0;
}

test("the built-in vectors are what the simulator makes", async () => {
	expect(await makeVectors()).toEqual([...SELF_TEST_VECTORS]);
});

describe.each(ENGINES)("the %s engine", (_name, judge, invert) => {
	describe("on the interop vectors", () => {
		test("judges the signatures as the vectors say", async () => {
			const fixtures: SignatureFixture[] = await Bun.file(fixturePath("interop/crypto/signature-fixtures.json")).json();
			expect(fixtures).toHaveLength(6);
			for (const { comment, messageBase64, algorithm, publicKeyDid, signatureBase64, validSignature } of fixtures) {
				const key = fromBase58Btc(publicKeyDid.slice("did:key:z".length)).subarray(MULTIKEY_PREFIX_BYTES);
				const message = Buffer.from(messageBase64, "base64");
				const valid = judge(message, Buffer.from(signatureBase64, "base64"), key, algorithm === "ES256");
				expect({ comment, valid }).toEqual({ comment, valid: validSignature });
			}
		});

		test("inverts the commit proofs", async () => {
			const fixtures: ProofFixture[] = await Bun.file(
				fixturePath("interop/firehose/commit-proof-fixtures.json"),
			).json();
			expect(fixtures).toHaveLength(6);
			for (const { comment, leafValue, keys, adds, dels, ...fixture } of fixtures) {
				const tree = new SimTree();
				const after = new Set([...keys, ...adds]).difference(new Set(dels));
				await tree.build(new Map([...after].map((key) => [key, { $link: leafValue }])));
				const nodes = new Map<string, Uint8Array>();
				for (const cid of fixture.blocksInProof) nodes.set(linkOf(cid), await tree.block(cid));
				const value = linkOf(leafValue);
				const ops = [
					...adds.map((path) => ({ action: "create" as const, path, cid: value, prev: null })),
					...dels.map((path) => ({ action: "delete" as const, path, cid: null, prev: value })),
				];
				const { result } = await invert({ root: linkOf(fixture.rootAfterCommit), nodes, ops });
				expect({ comment, root: result }).toEqual({ comment, root: fixture.rootBeforeCommit });
			}
		});

		test("inverts every pair of the exhaustive trees, and knows whether they have records", async () => {
			const suite = readSuite();
			expect(suite).toHaveLength(128);
			for (const before of suite) {
				for (const after of suite) {
					const proof = proofBetween(before, after);
					const { result, touched } = await invert(proof);
					if (result !== rootName(before)) expect(`${rootName(after)} to ${result}`).toBe(rootName(before));
					// All keys of the suite are in one collection.
					const expected =
						proof.ops.length === 0 ? [] : [{ name: "k", before: fillOf(before.records), after: fillOf(after.records) }];
					expect(touched && decodeTouched(touched)).toEqual(expected);
				}
			}
		});
	});
});

describe.skipIf(!isBuilt)("both engines (skipped if the addon is not built)", () => {
	describe("on the exhaustive trees", () => {
		test("give the same result if a node or an op is left out", async () => {
			const invertNatively = nativeInverter();
			const suite = readSuite();
			const outcomes = new Set<string>();
			for (const [i, before] of suite.entries()) {
				for (const [j, after] of suite.entries()) {
					const proof = proofBetween(before, after);
					const nodes = new Map([...proof.nodes].toSpliced((i + j) % (proof.nodes.size + 1), 1));
					for (const partial of [
						{ ...proof, nodes },
						{ ...proof, ops: proof.ops.slice(1) },
					]) {
						const expected = await invertPortably(partial);
						outcomes.add(expected.result);
						const found = await invertNatively(partial);
						if (!isSame(found, expected)) expect({ i, j, ...found }).toEqual({ i, j, ...expected });
					}
				}
			}
			expect(outcomes).toContain("mst-partial");
		});
	});
});
