import { describe, expect, test } from "bun:test";
import { IngestWhy } from "../../src/ingest/why.ts";
import { brokenCommit } from "../../src/sim/broken-commit.ts";
import { ShardRig } from "./did/shard-rig.ts";

const NO_HOSTS = { delayView: () => null };

function whyOf(rig: ShardRig): IngestWhy {
	const nothing = { peek: () => null };
	const { shard, lastRejections, failures } = rig;
	const nowMs = (): number => rig.nowMs;
	return new IngestWhy({
		accounts: nothing,
		identities: nothing,
		lastRejections,
		failures,
		shard,
		hosts: NO_HOSTS,
		nowMs,
	});
}

describe("a worker tells", () => {
	test("which message of an account was rejected last, by whom it was sent, and whether one has passed since", async () => {
		const rig = new ShardRig();
		const why = whyOf(rig);
		const [account, other] = [await ShardRig.account("one"), await ShardRig.account("two")];
		for (const one of [account, other]) rig.identity(one);
		rig.send(await account.commit(), 1);
		await rig.settle();
		expect(why.account(account.did, [1]).rejections).toEqual([]);
		rig.send(await brokenCommit("rev-syntax", account), 2);
		await rig.settle();
		expect(why.account(account.did, [1]).rejections).toMatchObject([
			{ hostname: "one.example", did: account.did, type: "commit", reason: "rev-syntax", upstreamSeq: 2 },
		]);
		expect(why.host(1, null).rejection).toMatchObject({ did: account.did, upstreamSeq: 2 });
		// Another kind of message says nothing of commits.
		rig.send(account.identity(), 3);
		await rig.settle();
		expect(why.account(account.did, [1]).rejections).toMatchObject([{ upstreamSeq: 2, passedSince: false }]);
		rig.send(await account.commit(), 4);
		await rig.settle();
		expect(why.account(account.did, [1]).rejections).toMatchObject([{ upstreamSeq: 2, passedSince: true }]);
		expect(why.account(other.did, [1]).rejections).toEqual([]);
	});

	test("that another host sends messages of it, beside what its own host sent", async () => {
		const rig = new ShardRig();
		const why = whyOf(rig);
		const account = await ShardRig.account("sent by two");
		rig.identity(account);
		rig.send(await account.commit(), 1);
		rig.send(await account.commit(), 7, 2);
		await rig.settle();
		expect(why.account(account.did, [1]).rejections).toMatchObject([
			{ hostname: "two.example", reason: "host-mismatch", upstreamSeq: 7, passedSince: false },
		]);
		expect(why.host(1, null).rejection).toBeNull();
	});

	test("how many messages wait for the account's identity, by host", async () => {
		const rig = new ShardRig();
		const why = whyOf(rig);
		const account = await ShardRig.account("looked up");
		rig.identity(account);
		const release = rig.holdLookups(account.did);
		for (let seq = 1; seq <= 3; seq++) rig.send(await account.commit(), seq);
		await rig.settle();
		rig.nowMs += 20_000;
		expect(why.account(account.did, [1, 1])).toMatchObject({ waiting: 3 });
		expect(Math.round(why.account(account.did, [1]).waitingForMs / 1_000)).toBe(20);
		expect(why.account(account.did, [2])).toMatchObject({ waiting: 0, waitingForMs: 0 });
		expect(why.account(account.did, []).waiting).toBe(0);
		release();
		await rig.settle();
		expect(why.account(account.did, [1]).waiting).toBe(0);
	});
});
