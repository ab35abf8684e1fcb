import { describe, expect, test } from "bun:test";
import { encode } from "@atcute/cbor";
import { cidOf, cidOfText } from "../../src/sim/blocks.ts";
import type { SimOp, SimWrite } from "../../src/sim/commit.ts";
import {
	type Changes,
	create,
	existing,
	judge,
	makeAccount,
	nested,
	nestedValue,
	POST,
	rawLink,
	reasonOf,
	seal,
} from "./seal.ts";

function onOps(change: (op: SimOp) => void): Changes {
	return { draft: ({ ops }) => ops.forEach(change) };
}

describe("ops", () => {
	test.each<[string, Changes, string | null]>([
		["with a field we don't know", onOps((op) => Object.assign(op, { extra: [1] })), null],
		["create with prev null", onOps((op) => Object.assign(op, { prev: null })), null],
		["create with prev", onOps((op) => Object.assign(op, { prev: cidOfText("prev") })), "op-malformed"],
		["create without cid", onOps((op) => Object.assign(op, { cid: null })), "op-malformed"],
		["create with a cid that is a text", onOps((op) => Object.assign(op, { cid: "cid" })), "op-malformed"],
		["create with a cid of raw bytes", onOps((op) => Object.assign(op, { cid: rawLink() })), "op-malformed"],
		["of action null", onOps((op) => Object.assign(op, { action: null })), "op-malformed"],
		["of an action in capitals", onOps((op) => Object.assign(op, { action: "CREATE" })), "op-malformed"],
		["with a path that is a number", onOps((op) => Object.assign(op, { path: 7 })), "op-malformed"],
		["with a leading slash", onOps((op) => Object.assign(op, { path: `/${op.path}` })), "op-malformed"],
		["with a path of three parts", onOps((op) => Object.assign(op, { path: `${op.path}/x` })), "op-malformed"],
		["with the record key ..", onOps((op) => Object.assign(op, { path: `${POST}/..` })), "op-malformed"],
		[
			"with a path of 2,000 bytes",
			onOps((op) => Object.assign(op, { path: `${POST}/${"x".repeat(2000)}` })),
			"op-malformed",
		],
		["that are texts", { body: (body) => Object.assign(body, { ops: ["create"] }) }, "op-malformed"],
		["that are empty maps", { body: (body) => Object.assign(body, { ops: [{}] }) }, "op-malformed"],
	])("%s", async (_name, changes, reason) => {
		expect(await reasonOf(await makeAccount("ops", 20), changes)).toBe(reason);
	});

	test("of deletes and updates follow their own rules", async () => {
		const account = await makeAccount("delete", 40);
		const remove: SimWrite[] = [{ action: "delete", path: existing(account) }];
		const update: SimWrite[] = [{ action: "update", path: existing(account), record: { text: "new" } }];
		expect(await reasonOf(account, { writes: remove })).toBeNull();
		expect(await reasonOf(account, { writes: update })).toBeNull();
		const withCid = onOps((op) => Object.assign(op, { cid: cidOfText("cid") }));
		expect(await reasonOf(account, { writes: remove, ...withCid })).toBe("op-malformed");
		const withoutCid = { writes: remove, ...onOps((op) => Reflect.deleteProperty(op, "cid")) };
		expect(await reasonOf(account, withoutCid)).toBe("op-malformed");
	});

	test.each(["delete", "update"] as const)("a %s without prev passes a lenient relay only", async (action) => {
		const account = await makeAccount("legacy", 40);
		const write = { action, path: existing(account), record: { text: "new" } } as SimWrite;
		const legacy = { writes: [write], ...onOps((op) => Reflect.deleteProperty(op, "prev")) };
		expect(judge(await seal(account, legacy), account.key)).toMatchObject({
			reason: "prev-data-missing",
			strictOnly: true,
		});
	});

	test("a delete of a record that is still in the tree", async () => {
		const account = await makeAccount("still", 20);
		const writes: SimWrite[] = [{ action: "update", path: existing(account), record: { text: "new" } }];
		const asDelete = onOps((op) => Object.assign(op, { action: "delete", cid: null }));
		expect(await reasonOf(account, { writes, ...asDelete })).toBe("op-tree-mismatch");
	});

	test("an update to the identical record is a good no-op", async () => {
		const account = await makeAccount("identical", 20);
		await account.commit([create("same")]);
		const writes: SimWrite[] = [{ action: "update", path: `${POST}/same`, record: { text: "hello" } }];
		expect(await reasonOf(account, { writes })).toBeNull();
	});

	test.each<[string, (op: SimOp) => void, string]>([
		["a delete of what was not there", (op) => Object.assign(op, { path: `${POST}/never` }), "prev-data-mismatch"],
		["a delete with a wrong prev", (op) => Object.assign(op, { prev: cidOfText("wrong") }), "prev-data-mismatch"],
	])("%s", async (_name, change, reason) => {
		const account = await makeAccount("wrong", 1);
		const writes: SimWrite[] = [{ action: "delete", path: existing(account) }];
		expect(await reasonOf(account, { writes, ...onOps(change) })).toBe(reason);
	});
});

describe("records", () => {
	/** Makes the commit's only record consist of these bytes. */
	async function reasonOfRecord(bytes: Uint8Array): Promise<string | null> {
		const account = await makeAccount("record", 0);
		const record = Uint8Array.from(bytes);
		const changes: Changes = {
			writes: [],
			draft: (draft) => {
				draft.ops.push({ action: "create", path: `${POST}/a`, cid: cidOf(record) });
				draft.records.set(cidOf(record).$link, record);
			},
		};
		return reasonOf(account, changes);
	}

	const text = encode({ text: "x" });

	// The tree does not have such a record. So if the record is good, the check of the tree fails.
	test.each<[string, Uint8Array, string]>([
		["with a float", encode({ x: 1.5 }), "op-tree-mismatch"],
		["with keys in the wrong order", Buffer.from("a2626161016162 02".replace(" ", ""), "hex"), "op-tree-mismatch"],
		["of 32 levels", encode({ x: nestedValue(31) }), "op-tree-mismatch"],
		["of 33 levels", encode({ x: nestedValue(32) }), "record-malformed"],
		["that is a nesting bomb", nested(900_000), "record-malformed"],
		["that says it has a million items", Buffer.from("ba000f4240", "hex"), "record-malformed"],
		["that is a text", encode("text"), "record-malformed"],
		["without bytes", new Uint8Array(), "record-malformed"],
		["with bytes after it", Buffer.concat([text, text]), "record-malformed"],
		["that is truncated", text.subarray(0, -1), "record-malformed"],
		["of indefinite length", Buffer.from("bfff", "hex"), "record-malformed"],
		["of 1,048,576 bytes", encode({ text: "x".repeat(1_048_576 - 11) }), "op-tree-mismatch"],
		["of 1,048,577 bytes", encode({ text: "x".repeat(1_048_576 - 10) }), "record-too-large"],
	])("%s", async (_name, bytes, reason) => {
		expect(await reasonOfRecord(bytes)).toBe(reason);
	});
});
