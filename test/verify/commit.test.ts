import { describe, expect, test } from "bun:test";
import { encode, toBytes } from "@atcute/cbor";
import { cidOfText } from "../../src/sim/blocks.ts";
import { type Changes, makeAccount, nested, nestedValue, rawLink, reasonOf } from "./seal.ts";

function without(field: string): (commit: Record<string, unknown>) => Record<string, unknown> {
	return (commit) => Object.fromEntries(Object.entries(commit).filter(([key]) => key !== field));
}

describe("the commit object", () => {
	test.each<[string, Changes, string | null]>([
		[
			"with a field we don't know, which is signed too",
			{ object: (commit) => ({ ...commit, extra: { deep: [1] } }) },
			null,
		],
		[
			"with 30 such fields",
			{
				object: (commit) => ({ ...commit, ...Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`x${i}`, i])) }),
			},
			null,
		],
		["with a link as prev", { object: (commit) => ({ ...commit, prev: cidOfText("prev") }) }, null],
		["without prev", { object: without("prev") }, "commit-malformed"],
		["without did", { object: without("did") }, "commit-malformed"],
		["without rev", { object: without("rev") }, "commit-malformed"],
		["without data", { object: without("data") }, "commit-malformed"],
		["without version", { object: without("version") }, "commit-malformed"],
		["with a version that is a text", { object: (commit) => ({ ...commit, version: "3" }) }, "commit-malformed"],
		["with data that is null", { object: (commit) => ({ ...commit, data: null }) }, "commit-malformed"],
		["with data of raw bytes", { object: (commit) => ({ ...commit, data: rawLink() }) }, "commit-malformed"],
		["with prev of raw bytes", { object: (commit) => ({ ...commit, prev: rawLink() }) }, "commit-malformed"],
		["with a sig that is a text", { signature: () => "signed" }, "commit-malformed"],
		["with a sig that is null", { signature: () => null }, "commit-malformed"],
		[
			"with a sig in DER",
			{ signature: (bytes) => toBytes(Uint8Array.from([0x30, 0x44, ...bytes])) },
			"signature-encoding",
		],
		["with a float", { object: (commit) => ({ ...commit, extra: 1.5 }) }, "commit-malformed"],
		[
			"with a head that is too long",
			{ block: (bytes) => Uint8Array.from([0xb8, 0x06, ...bytes.subarray(1)]) },
			"commit-malformed",
		],
		["with bytes after it", { block: (bytes) => Uint8Array.from([...bytes, 0xf6]) }, "commit-malformed"],
		["with less bytes", { block: (bytes) => bytes.subarray(0, -1) }, "commit-malformed"],
		["that is a list", { block: () => encode([1]) }, "commit-malformed"],
		["that has no bytes", { block: () => new Uint8Array() }, "commit-malformed"],
		["that is a nesting bomb", { block: () => nested(100_000) }, "commit-malformed"],
		[
			"that has a nesting bomb in it",
			{ object: (commit) => ({ ...commit, extra: nestedValue(40) }) },
			"commit-malformed",
		],
		[
			"whose did and message agree, but signed twice",
			{ block: (bytes) => Buffer.concat([bytes, bytes]) },
			"commit-malformed",
		],
	])("%s", async (_name, changes, reason) => {
		const account = await makeAccount("object", 20);
		expect(await reasonOf(account, changes)).toBe(reason);
	});
});
