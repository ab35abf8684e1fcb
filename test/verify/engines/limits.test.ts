import { describe, expect, test } from "bun:test";
import { encode, toBytes } from "@atcute/cbor";
import {
	CAR_BLOCKS_MAX,
	CAR_ROOTS_MAX,
	COMMIT_BLOCKS_BYTES_MAX,
	COMMIT_OPS_MAX,
	MST_NODE_ENTRIES_MAX,
	PATH_BYTES_MAX,
	REPO_RECORD_BYTES_MAX,
	SYNC_BLOCKS_BYTES_MAX,
} from "../../../src/protocol/limits.ts";
import { cidBytes, cidOf, cidOfText, encodeCar } from "../../../src/sim/blocks.ts";
import { linkOf as cidLinkOf, type SimOp, type SimWrite } from "../../../src/sim/commit.ts";
import type { SimMessage } from "../../../src/sim/message.ts";
import { loadAddon } from "../../../src/verify/native-addon.ts";
import { readCar } from "../../../src/verify/portable/car.ts";
import { rejectionOf } from "../packed.ts";
import { create, makeAccount, POST, seal } from "../seal.ts";
import { carIn, carSection } from "../strict-only.ts";
import { buildTree, heightOf } from "../trees.ts";
import { nativeForTests } from "./difference.ts";
import { describeEngines, judgeWith } from "./each.ts";

/** Gives a message a CAR of exactly this many bytes, by adding a block that nothing needs. */
function pad(message: SimMessage, bytes: number): SimMessage {
	const car = carIn(message);
	// The section's length takes two or three bytes besides its content.
	for (let headBytes = 2; headBytes <= 3; headBytes++) {
		const data = new Uint8Array(bytes - car.length - headBytes - 36).fill(0x78);
		const padded = Buffer.concat([car, carSection(Buffer.concat([cidBytes(cidOf(data)), data]))]);
		if (padded.length === bytes) return { ...message, body: { ...message.body, blocks: toBytes(padded) } };
	}
	throw new Error(`the CAR can't be made ${bytes} bytes long`);
}

/** A record whose block has exactly this many bytes. */
function recordOf(bytes: number): Record<string, unknown> {
	const text = "x".repeat(bytes - encode({ text: "x".repeat(100_000) }).length + 100_000);
	return { text };
}

describeEngines((engine, curve) => {
	test("blocks of as many bytes as allowed, and one more", async () => {
		const account = await makeAccount(`bytes ${curve}`, 20, curve);
		for (const [make, limit, strictOnly] of [
			[() => account.commit(), COMMIT_BLOCKS_BYTES_MAX, false],
			[() => account.sync(), COMMIT_BLOCKS_BYTES_MAX, false],
			[() => account.sync(), SYNC_BLOCKS_BYTES_MAX, true],
		] as const) {
			const message = await make();
			const most = judgeWith(engine, pad(message, limit), account.key);
			const isLongSync = message.type === "sync" && limit > SYNC_BLOCKS_BYTES_MAX;
			expect(most).toMatchObject({ reason: isLongSync ? "blocks-too-large" : null, strictOnly: isLongSync });
			expect(judgeWith(engine, pad(message, limit + 1), account.key)).toMatchObject({
				reason: "blocks-too-large",
				strictOnly,
			});
		}
	});

	test("a record of as many bytes as allowed, and one more", async () => {
		const account = await makeAccount(`record ${curve}`, 20, curve);
		const reasonOf = async (bytes: number): Promise<string | null> => {
			expect(encode(recordOf(bytes)).length).toBe(bytes);
			return judgeWith(engine, await account.commit([create(`of-${bytes}`, recordOf(bytes))]), account.key).reason;
		};
		expect(await reasonOf(REPO_RECORD_BYTES_MAX)).toBeNull();
		expect(await reasonOf(REPO_RECORD_BYTES_MAX + 1)).toBe("record-too-large");
	});

	test("as many roots as allowed, and one more", async () => {
		const account = await makeAccount(`roots ${curve}`, 20, curve);
		const reasonOf = async (count: number): Promise<string | null> => {
			// What the other roots link to does not matter.
			const roots = Array.from({ length: count - 1 }, (_, index) => cidOfText(`root ${index}`));
			return judgeWith(engine, await seal(account, { roots: (commit) => [commit, ...roots] }), account.key).reason;
		};
		expect(await reasonOf(CAR_ROOTS_MAX)).toBeNull();
		expect(await reasonOf(CAR_ROOTS_MAX + 1)).toBe("car-malformed");
	});

	test("as many ops as allowed, and one more", async () => {
		const account = await makeAccount(`ops ${curve}`, 300, curve);
		const writes = Array.from({ length: COMMIT_OPS_MAX + 1 }, (_, index) => create(`op-${index}`));
		expect(judgeWith(engine, await seal(account, { writes: writes.slice(1) }), account.key).reason).toBeNull();
		expect(judgeWith(engine, await seal(account, { writes }), account.key).reason).toBe("ops-too-many");
	});

	test("paths as long as allowed, and one character more", async () => {
		const account = await makeAccount(`paths ${curve}`, 20, curve);
		const collection = `${`${"a".repeat(63)}.`.repeat(4)}${"b".repeat(61)}`;
		const reasonOf = async (path: string): Promise<string | null> =>
			judgeWith(engine, await seal(account, { writes: [{ action: "create", path, record: {} }] }), account.key).reason;
		expect(`${collection}/${"k".repeat(512)}`.length).toBe(830);
		expect(await reasonOf(`${collection}/${"k".repeat(512)}`)).toBeNull();
		expect(await reasonOf(`${collection}/${"k".repeat(513)}`)).toBe("op-malformed");
		expect(await reasonOf(`${collection.replace("b", "bb")}/k`)).toBe("op-malformed");
	});

	test("a node of as many entries as allowed, and one more", async () => {
		const account = await makeAccount(`entries ${curve}`, 1, curve);
		const keys: string[] = [];
		for (let i = 0; keys.length <= MST_NODE_ENTRIES_MAX; i++) {
			if (heightOf(`${POST}/${i}`) === 0) keys.push(`${POST}/${i}`);
		}
		const reasonOf = async (count: number): Promise<string | null> => {
			const record = encode({ text: "one" });
			const records = new Map(keys.slice(0, count).map((key) => [key, cidOf(record)]));
			const after = buildTree(records);
			const [path = ""] = keys;
			records.delete(path);
			const message = await seal(account, {
				writes: [],
				draft: (draft) => {
					draft.commit.data = cidLinkOf(after.link);
					draft.prevData = cidLinkOf(buildTree(records).link);
					draft.ops.push({ action: "create", path, cid: cidOf(record) });
					draft.nodes.set(after.link, after.bytes);
					draft.records.set(cidOf(record).$link, Uint8Array.from(record));
				},
			});
			return judgeWith(engine, message, account.key).reason;
		};
		expect(await reasonOf(MST_NODE_ENTRIES_MAX)).toBeNull();
		expect(await reasonOf(MST_NODE_ENTRIES_MAX + 1)).toBe("mst-malformed");
	});

	test("a key in the tree of as many bytes as allowed, and one more", async () => {
		const account = await makeAccount(`long key ${curve}`, 1, curve);
		const reasonOf = async (bytes: number): Promise<string | null> => {
			// No op may have such a path, but a node may have such a key.
			const key = `zzz${"z".repeat(bytes - 3)}`;
			const tree = buildTree(new Map([[key, cidOfText("value")]]));
			const message = await seal(account, {
				writes: [],
				draft: (draft) => {
					draft.commit.data = cidLinkOf(tree.link);
					draft.prevData = cidLinkOf(tree.link);
					draft.nodes.set(tree.link, tree.bytes);
				},
			});
			return judgeWith(engine, message, account.key).reason;
		};
		expect(await reasonOf(PATH_BYTES_MAX)).toBeNull();
		expect(await reasonOf(PATH_BYTES_MAX + 1)).toBe("mst-malformed");
	});
});

describeEngines((engine, curve) => {
	test("updates to an identical record are good, alone and among others", async () => {
		const account = await makeAccount(`no-op ${curve}`, 50, curve);
		const same: SimWrite[] = Array.from({ length: 5 }, (_, index) => create(`same-${index}`));
		await account.commit(same);
		const again = same.map((write): SimWrite => ({ ...write, action: "update" }) as SimWrite);
		for (const writes of [again.slice(0, 1), again, [...again, create("new"), account.newRecord()]]) {
			const message = await account.commit(writes);
			const noOps = (message.body.ops as SimOp[]).filter(({ cid, prev }) => cid?.$link === prev?.$link);
			expect(noOps.length).toBe(Math.min(writes.length, 5));
			expect(judgeWith(engine, message, account.key).reason).toBeNull();
		}
		const wrong = await seal(account, {
			writes: again.slice(0, 1),
			draft: ({ ops }) => ops.forEach((op) => void Object.assign(op, { prev: cidOfText("another") })),
		});
		expect(judgeWith(engine, wrong, account.key).reason).toBe("prev-data-mismatch");
	});

	test.each([0, 1, 60])("a commit without ops needs no node of a tree of %d records", async (records) => {
		const account = await makeAccount(`no ops ${curve} ${records}`, records, curve);
		if (records === 0) await account.commit([]);
		const without = await seal(account, { writes: [], draft: ({ nodes }) => nodes.clear() });
		expect(judgeWith(engine, without, account.key).reason).toBeNull();
		const other = await seal(account, {
			writes: [],
			draft: (draft) => {
				draft.nodes.clear();
				draft.commit.data = cidOfText("another tree");
			},
		});
		expect(judgeWith(engine, other, account.key).reason).toBe("prev-data-mismatch");
	});
});

// So many blocks don't fit in any message. So this limit can only be tested with the CAR readers by themselves.
const native = nativeForTests();
const READERS: [string, (car: Buffer) => string | null][] = [
	["portable", (car) => rejectionOf(() => readCar(car, 0, car.length))],
];
if (native !== null) {
	const { Verifier, reasonNames } = loadAddon();
	READERS.push([
		"native",
		(car) => {
			const root = cidBytes(cidOfText("the root of a tree that is not there"));
			const found = new Verifier(1024).invert(Buffer.concat([car, root]), car.length, 0);
			return found.length === 1 ? (reasonNames()[(found[0] ?? 0) - 1] ?? "panic") : null;
		},
	]);
}

describe.each(READERS)("the %s reader of CARs", (_name, reasonOf) => {
	test("accepts as many blocks as allowed, and not one more", async () => {
		const header = await encodeCar([cidOfText("root")], new Map());
		const block = carSection(Buffer.concat([cidBytes(cidOfText("")), new Uint8Array()]));
		const blocks = new Array<Uint8Array>(CAR_BLOCKS_MAX).fill(block);
		expect(reasonOf(Buffer.concat([header, ...blocks]))).toBeNull();
		expect(reasonOf(Buffer.concat([header, ...blocks, block]))).toBe("car-malformed");
	});
});
