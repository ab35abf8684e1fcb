import { describe, expect, test } from "bun:test";
import { encode, toBytes } from "@atcute/cbor";
import { REJECTION_REASON_NAMES } from "../../src/protocol/reasons.ts";
import type { SimAccount } from "../sim/account.ts";
import { cidOf, cidOfText, encodeCar } from "../sim/blocks.ts";
import { BROKEN_COMMIT_REASONS, brokenCommit } from "../sim/broken-commit.ts";
import type { SimOp, SimWrite } from "../sim/commit.ts";
import { SimKey } from "../sim/keys.ts";
import { Rng } from "../sim/rng.ts";
import { nextMessages } from "../sim/traffic.ts";
import { type Changes, judge, makeAccount, reasonOf, seal } from "./seal.ts";

/** What only a strict relay drops: check 13. */
const STRICT_ONLY = new Set<string>(REJECTION_REASON_NAMES.slice(REJECTION_REASON_NAMES.indexOf("mst-malformed")));
/** Of the reasons that one broken commit can have, those that an engine finds: checks 6 and 9 to 13. */
const ENGINE_REASONS = BROKEN_COMMIT_REASONS.filter(
	(reason) => !["message-", "did-", "rev-"].some((prefix) => reason.startsWith(prefix)),
);
const EMPTY_ROOT = "bafyreie5737gdxlw5i64vzichcalba3z2v5n6icifvx5xytvske7mr3hpm";

const POST = "app.bsky.feed.post";

function create(rkey: string, record: Record<string, unknown> = { text: "hello" }): SimWrite {
	return { action: "create", path: `${POST}/${rkey}`, record };
}

function onOps(change: (op: SimOp) => void): Changes {
	return { draft: ({ ops }) => ops.forEach(change) };
}

function existing(account: SimAccount): string {
	const record = account.anyRecord();
	if (record === null) throw new Error("the account has no record");
	return record.path;
}

describe.each(["k256", "p256"] as const)("commits signed with %s", (curve) => {
	test("chains of random commits are good, from the first on", async () => {
		for (const seed of ["one", "two"]) {
			const account = await makeAccount(`chain ${seed}`, 0, curve);
			for (let i = 0; i < 100; i++) {
				for (const message of await nextMessages(account)) {
					if (message.type !== "commit" && message.type !== "sync") continue;
					const { reason, data } = judge(message, account.key);
					expect(reason).toBeNull();
					expect(cidText(data)).toBe(account.data ?? "");
				}
			}
		}
	});

	test.each(ENGINE_REASONS)("%s", async (reason) => {
		const account = await makeAccount(reason, 40, curve);
		const verdict = judge(await brokenCommit(reason, account), account.key);
		const strictOnly = STRICT_ONLY.has(reason);
		expect(verdict).toMatchObject({ reason, strictOnly });
		expect(verdict.commit === null).toBe(!strictOnly);
		expect(verdict.data === null).toBe(!strictOnly);
		expect(judge(await account.commit(), account.key).reason).toBeNull();
	});
});

function cidText(cid: Uint8Array | null): string {
	return cid === null ? "" : `b${base32(cid)}`;
}

function base32(bytes: Uint8Array): string {
	const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, "0")).join("");
	return (bits.match(/.{1,5}/g) ?? [])
		.map((group) => "abcdefghijklmnopqrstuvwxyz234567"[Number.parseInt(group.padEnd(5, "0"), 2)])
		.join("");
}

test("a verdict keeps nothing of the frame", async () => {
	const account = await makeAccount("copy", 10);
	const verdict = judge(await account.commit(), account.key);
	expect(verdict.commit?.buffer.byteLength).toBe(36);
	expect(verdict.data?.buffer.byteLength).toBe(36);
	expect(cidText(verdict.commit)).toBe(account.head ?? "");
});

describe("many ops in one commit", () => {
	test("200 creates, then updates and deletes of them, are good", async () => {
		const account = await makeAccount("many", 300);
		const writes = Array.from({ length: 200 }, (_, i) => create(`many-${i}`));
		expect(judge(await account.commit(writes), account.key).reason).toBeNull();
		const changes = writes.map(
			({ path }, i): SimWrite =>
				i % 2 === 0 ? { action: "delete", path } : { action: "update", path, record: { text: `changed ${i}` } },
		);
		expect(judge(await account.commit(changes), account.key).reason).toBeNull();
	});

	test("a repo of one key after the other shrinks to the empty tree and grows again", async () => {
		const account = await makeAccount("shrink", 60);
		for (let record = account.anyRecord(); record !== null; record = account.anyRecord()) {
			const message = await account.commit([{ action: "delete", path: record.path }]);
			expect(judge(message, account.key).reason).toBeNull();
		}
		expect(account.data).toBe(EMPTY_ROOT);
		expect(judge(await account.commit(), account.key).reason).toBeNull();
	});
});

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
		["with bytes behind it", { block: (bytes) => Uint8Array.from([...bytes, 0xf6]) }, "commit-malformed"],
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

function without(field: string): (commit: Record<string, unknown>) => Record<string, unknown> {
	return (commit) => Object.fromEntries(Object.entries(commit).filter(([key]) => key !== field));
}

/** A link with the codec of raw bytes. */
function rawLink(): { $link: string } {
	return { $link: "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku" };
}

function nested(depth: number): Uint8Array {
	return new Uint8Array(depth).fill(0x81);
}

function nestedValue(depth: number): unknown {
	return depth === 0 ? 0 : [nestedValue(depth - 1)];
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

	// The tree names no such record, so a record that is good lets the check of the tree speak.
	test.each<[string, Uint8Array, string]>([
		["with a float", encode({ x: 1.5 }), "op-tree-mismatch"],
		["with keys in the wrong order", Buffer.from("a2626161016162 02".replace(" ", ""), "hex"), "op-tree-mismatch"],
		["of 32 levels", encode({ x: nestedValue(31) }), "op-tree-mismatch"],
		["of 33 levels", encode({ x: nestedValue(32) }), "record-malformed"],
		["that is a nesting bomb", nested(900_000), "record-malformed"],
		["that says it has a million items", Buffer.from("ba000f4240", "hex"), "record-malformed"],
		["that is a text", encode("text"), "record-malformed"],
		["without bytes", new Uint8Array(), "record-malformed"],
		["with bytes behind it", Buffer.concat([text, text]), "record-malformed"],
		["that is truncated", text.subarray(0, -1), "record-malformed"],
		["of indefinite length", Buffer.from("bfff", "hex"), "record-malformed"],
		["of 1,048,576 bytes", encode({ text: "x".repeat(1_048_576 - 11) }), "op-tree-mismatch"],
		["of 1,048,577 bytes", encode({ text: "x".repeat(1_048_576 - 10) }), "record-too-large"],
	])("%s", async (_name, bytes, reason) => {
		expect(await reasonOfRecord(bytes)).toBe(reason);
	});
});

describe("the previous tree", () => {
	test("a genesis commit must invert to the empty tree", async () => {
		const account = await makeAccount("genesis", 0);
		expect(await reasonOf(account, { writes: [create("a"), create("b")] })).toBeNull();
		expect(await reasonOf(account, { writes: [] })).toBeNull();
		const incomplete: Changes = { writes: [create("a"), create("b")], draft: ({ ops }) => void ops.pop() };
		expect(await reasonOf(account, incomplete)).toBe("prev-data-mismatch");
	});

	test("a commit that claims to be the first of a repo with records is not", async () => {
		const account = await makeAccount("not-first", 30);
		const changes: Changes = {
			draft: (draft) => {
				draft.prevData = null;
				draft.since = null;
			},
		};
		expect(await reasonOf(account, changes)).toBe("prev-data-mismatch");
	});

	test("an empty commit needs no MST node, but the tree it was made from", async () => {
		const account = await makeAccount("empty", 30);
		expect(await reasonOf(account, { writes: [], draft: ({ nodes }) => nodes.clear() })).toBeNull();
		const other: Changes = {
			writes: [],
			draft: (draft) => {
				draft.prevData = cidOfText("other");
			},
		};
		expect(await reasonOf(account, other)).toBe("prev-data-mismatch");
	});

	test("what every relay checks comes before what only strict ones do", async () => {
		const account = await makeAccount("order", 30);
		const changes: Changes = {
			draft: ({ nodes, records }) => {
				nodes.clear();
				records.clear();
			},
			body: (body) => Object.assign(body, { tooBig: true, time: "never" }),
		};
		expect(judge(await seal(account, changes), account.key)).toMatchObject({
			reason: "record-missing",
			strictOnly: false,
		});
	});
});

describe("#sync", () => {
	test("is judged by its commit alone", async () => {
		const account = await makeAccount("sync", 30);
		const message = await account.sync();
		expect(judge(message, account.key)).toMatchObject({ reason: null, strictOnly: false });
		expect(judge(message, new SimKey("k256", new Rng("other"))).reason).toBe("signature-invalid");
	});

	test.each<[string, Record<string, unknown>, string, boolean]>([
		["without blocks", { blocks: toBytes(new Uint8Array()) }, "blocks-empty", false],
		["of 10,001 bytes", { blocks: toBytes(new Uint8Array(10_001)) }, "blocks-too-large", false],
		["of 10,000 bytes", { blocks: toBytes(new Uint8Array(10_000)) }, "car-malformed", false],
		["of another account", { did: "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa" }, "commit-did-mismatch", false],
		["of another rev", { rev: "3zzzzzzzzzzzz" }, "commit-rev-mismatch", false],
		["at no time", { time: "now" }, "time-syntax", true],
	])("%s", async (_name, fields, reason, strictOnly) => {
		const account = await makeAccount("sync", 30);
		const message = await account.sync();
		Object.assign(message.body, fields);
		expect(judge(message, account.key)).toMatchObject({ reason, strictOnly });
	});

	test("with a root that is no commit", async () => {
		const account = await makeAccount("sync", 30);
		const message = await account.sync();
		const reasonOfRoot = async (root: { $link: string }): Promise<string | null> => {
			message.body.blocks = toBytes(await encodeCar([root], new Map()));
			return judge(message, account.key).reason;
		};
		expect(await reasonOfRoot(cidOfText("absent"))).toBe("car-block-missing");
		expect(await reasonOfRoot(rawLink())).toBe("car-malformed");
	});
});

describe("damaged CARs", () => {
	test("truncated at every byte are rejected, never thrown over", async () => {
		const account = await makeAccount("truncated", 200);
		const whole = await seal(account);
		expect(judge(whole, account.key).reason).toBeNull();
		const car = (whole.body.blocks as { buf: Uint8Array }).buf;
		for (let length = 0; length < car.length; length++) {
			const body = { ...whole.body, blocks: toBytes(car.subarray(0, length)) };
			const { reason, commit } = judge({ ...whole, body }, account.key);
			// Cut between two blocks the CAR is valid, and lacks the commit, which is its last one.
			expect(reason === "blocks-empty" || reason === "car-malformed" || reason === "car-block-missing").toBe(true);
			expect(commit).toBeNull();
		}
	});

	test("with one byte changed are rejected, never thrown over", async () => {
		const account = await makeAccount("flipped", 200);
		const whole = await seal(account);
		const car = Buffer.from((whole.body.blocks as { buf: Uint8Array }).buf);
		const rng = new Rng("flips");
		for (let at = 0; at < car.length; at++) {
			const flipped = Buffer.from(car);
			flipped[at] = (flipped[at] ?? 0) ^ (1 << rng.int(8));
			const body = { ...whole.body, blocks: toBytes(flipped) };
			expect(judge({ ...whole, body }, account.key).reason).not.toBeNull();
		}
	});
});
