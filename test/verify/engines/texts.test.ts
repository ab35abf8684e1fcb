import { expect, test } from "bun:test";
import { encode } from "@atcute/cbor";
import { cidOf } from "../../../src/sim/blocks.ts";
import { Rng } from "../../../src/sim/rng.ts";
import { cborHead, cborInteger, cborMap, cborText } from "../../sim/any-cbor.ts";
import { anyUtf8Text, BROKEN_UTF8 } from "../../sim/any-text.ts";
import { makeAccount, POST, seal } from "../seal.ts";
import { describeEngines, judgeWith } from "./each.ts";

const ROUNDS = 20;

/** A CBOR text with these bytes in it. */
function textWith(rng: Rng, inner: Uint8Array): Buffer {
	const bytes = Buffer.concat([Buffer.from(anyUtf8Text(rng)), inner, Buffer.from(rng.int(2) === 0 ? "" : "z")]);
	return Buffer.concat([cborHead(3, bytes.length), bytes]);
}

/** A map that has the text as a value, and one that has it as a key. */
function recordsWith(text: Buffer): Buffer[] {
	return [cborMap(new Map([["x", text]])), Buffer.concat([cborHead(5, 1), text, cborInteger(1)])];
}

describeEngines((engine, curve) => {
	/** The engine's reason for a commit of which one record consists of these bytes. */
	async function reasonOfRecord(record: Uint8Array<ArrayBuffer>, seed: string): Promise<string | null> {
		const account = await makeAccount(seed, 0, curve);
		const message = await seal(account, {
			writes: [],
			draft: (draft) => {
				draft.ops.push({ action: "create", path: `${POST}/a`, cid: cidOf(record) });
				draft.records.set(cidOf(record).$link, record);
			},
		});
		return judgeWith(engine, message, account.key).reason;
	}

	test.each(Object.keys(BROKEN_UTF8))("a record with %s in a text or a key is malformed", async (what) => {
		const rng = new Rng(`broken ${what}`);
		for (let round = 0; round < ROUNDS; round++) {
			const text = textWith(rng, BROKEN_UTF8[what]?.(rng) ?? Buffer.of());
			for (const record of recordsWith(text))
				expect(await reasonOfRecord(Uint8Array.from(record), what)).toBe("record-malformed");
		}
	});

	test("any other text may be in a record, also one with a NUL: records are passed on, and not stored", async () => {
		const rng = new Rng("records with texts");
		for (let round = 0; round < 5 * ROUNDS; round++) {
			// The tree does not have the record, so if the record is good, the check of the tree fails.
			for (const record of recordsWith(cborText(anyUtf8Text(rng))))
				expect(await reasonOfRecord(Uint8Array.from(record), "texts")).toBe("op-tree-mismatch");
		}
	});

	test.each(["did", "rev"])("a commit object with a NUL in its %s is not the message's", async (field) => {
		const account = await makeAccount(`nul ${field}`, 3, curve);
		const message = await seal(account, {
			object: (commit) => ({ ...commit, [field]: `${commit[field]}\0` }),
		});
		expect(["commit-malformed", `commit-${field}-mismatch`]).toContain(
			judgeWith(engine, message, account.key).reason ?? "good",
		);
	});

	test("a commit object with bytes that are not UTF-8 in its did is malformed", async () => {
		const account = await makeAccount("broken did", 3, curve);
		for (const make of Object.values(BROKEN_UTF8)) {
			const did = textWith(new Rng("did"), make(new Rng("broken did")));
			const message = await seal(account, {
				block: (bytes) => {
					const own = encode(account.did);
					const at = Buffer.from(bytes).indexOf(own);
					expect(at).toBeGreaterThan(0);
					return Buffer.concat([bytes.subarray(0, at), did, bytes.subarray(at + own.length)]);
				},
			});
			expect(judgeWith(engine, message, account.key).reason).toBe("commit-malformed");
		}
	});
});
