import { describe, expect, test } from "bun:test";
import { MemoryBlockstore, MST, readCarWithRoot } from "@atproto/repo";
import { SimAccount } from "../../src/sim/account.ts";
import { SimClock } from "../../src/sim/clock.ts";
import type { SimCurve } from "../../src/sim/keys.ts";
import { encodeFrame, type SimMessage } from "../../src/sim/message.ts";
import { Rng } from "../../src/sim/rng.ts";
import { nextMessages } from "../../src/sim/traffic.ts";
import { carOf, invertWithReference, ReferenceFollower, referenceView } from "./reference.ts";

const FIXED_MS = Date.UTC(2026, 0, 1);
const EMPTY_ROOT = "bafyreie5737gdxlw5i64vzichcalba3z2v5n6icifvx5xytvske7mr3hpm";

function makeAccount(seed: string, records: number, curve: SimCurve = "k256"): Promise<SimAccount> {
	return SimAccount.create({ rng: new Rng(seed), clock: new SimClock(() => FIXED_MS), curve, records });
}

function linkText(value: unknown): string {
	return (value as { $link: string }).$link;
}

/** The next `count` commits in an account's traffic, each with the MST root and rev before it. */
async function* commits(
	account: SimAccount,
	count: number,
): AsyncGenerator<{ message: SimMessage; data: string | null; rev: string | null }> {
	for (let made = 0; made < count; ) {
		const before = { data: account.data, rev: account.rev };
		for (const message of await nextMessages(account)) {
			if (message.type !== "commit") continue;
			made++;
			yield { message, ...before };
		}
	}
}

describe.each(["k256", "p256"] as const)("commits signed with %s", (curve) => {
	test("the reference implementation verifies a chain from genesis", async () => {
		const account = await makeAccount("chain", 0, curve);
		const follower = new ReferenceFollower();
		for await (const { message } of commits(account, 80)) {
			expect(await follower.follow(message, account.key.didKey)).toBe(account.data ?? "");
		}
		expect(account.recordCount).toBeGreaterThan(20);
	});

	test("the reference implementation undoes each commit with the blocks of its CAR alone", async () => {
		const account = await makeAccount("proofs", 400, curve);
		for await (const { message, data, rev } of commits(account, 150)) {
			expect(linkText(message.body.prevData)).toBe(data ?? "");
			expect(message.body.since).toBe(rev);
			const ops = message.body.ops as unknown[];
			if (ops.length > 0) expect(await invertWithReference(message)).toBe(data ?? "");
		}
	});
});

test("a repo that loses all its records ends at the empty tree, and goes on from there", async () => {
	const account = await makeAccount("drain", 12);
	for (let record = account.anyRecord(); record !== null; record = account.anyRecord()) {
		const before = account.data ?? "";
		expect(await invertWithReference(await account.commit([{ action: "delete", path: record.path }]))).toBe(before);
	}
	expect(account.data).toBe(EMPTY_ROOT);
	expect(await invertWithReference(await account.commit())).toBe(EMPTY_ROOT);
});

test("a genesis commit has no prevData and since null", async () => {
	const account = await makeAccount("genesis", 0);
	const { body } = await account.commit([account.newRecord()]);
	expect(Object.hasOwn(body, "prevData")).toBe(false);
	expect(body.since).toBeNull();
});

test("a pre-populated repo is what the reference implementation builds of the same records", async () => {
	const account = await makeAccount("built", 120);
	const built = account.data;
	let tree = await MST.create(new MemoryBlockstore());
	// Undoing deletes until the repo is empty shows every record, and gives them as the reference's own CIDs.
	for (let record = account.anyRecord(); record !== null; record = account.anyRecord()) {
		const message = await account.commit([{ action: "delete", path: record.path }]);
		for (const { path, prev } of referenceView(message).ops) if (prev !== undefined) tree = await tree.add(path, prev);
	}
	expect(String(await tree.getPointer())).toBe(built ?? "");
});

test("the commit block is never the first of its CAR, and is its root", async () => {
	const account = await makeAccount("order", 200);
	for await (const { message } of commits(account, 30)) {
		const { root, blocks } = await readCarWithRoot(carOf(message));
		expect(String(root)).toBe(linkText(message.body.commit));
		const cids = blocks.cids().map(String);
		if (cids.length > 1) expect(cids[0]).not.toBe(String(root));
	}
});

test("a draft that is not applied leaves no trace", async () => {
	const account = await makeAccount("draft", 100);
	const before = { data: account.data, rev: account.rev };
	for (let i = 0; i < 5; i++) await account.draft([account.newRecord(), account.newRecord()]);
	expect({ data: account.data, rev: account.rev }).toEqual(before);
	expect(await invertWithReference(await account.commit())).toBe(before.data ?? "");
});

test("equal seeds make equal frames, other seeds others", async () => {
	const frames = async (seed: string): Promise<string[]> => {
		const account = await makeAccount(seed, 50);
		const made: string[] = [];
		for await (const { message } of commits(account, 20)) {
			made.push(Buffer.from(encodeFrame(message, made.length + 1)).toString("hex"));
		}
		return made;
	};
	expect(await frames("one")).toEqual(await frames("one"));
	expect((await frames("one"))[0]).not.toBe((await frames("two"))[0]);
});
