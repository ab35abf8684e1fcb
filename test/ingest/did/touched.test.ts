import { expect, test } from "bun:test";
import { decodeRepoFacts } from "../../../src/log/record/facts.ts";
import { RecordFlag } from "../../../src/log/record/record.ts";
import { brokenCommit } from "../../../src/sim/broken-commit.ts";
import { decodeTouched } from "../../../src/verify/touched.ts";
import { ShardRig } from "./shard-rig.ts";

const create = (path: string) => ({ action: "create" as const, path, record: { path } });
const remove = (path: string) => ({ action: "delete" as const, path });

/** For each entry in the ring its flags and the collections that it lists; undefined for an entry without a list. */
function listed(rig: ShardRig): [flags: number, list: string[] | undefined][] {
	return rig.entries().map(({ flags, facts }) => {
		const { touched } = decodeRepoFacts(facts);
		const list = touched === null ? undefined : decodeTouched(touched);
		return [flags, list?.map(({ name, before, after }) => `${name} ${before} ${after}`)];
	});
}

test("an entry lists the collections that its commit touches; a #sync's lists none", async () => {
	const rig = new ShardRig();
	const account = await ShardRig.account("touched");
	rig.identity(account);
	const [a1, a2, b1] = ["com.example.a/1", "com.example.a/2", "com.example.b/1"];
	rig.send(await account.commit([create(b1), create(a1)]), 1);
	const missed = await account.commit([create(a2)]);
	// A commit that does not chain is verified too.
	rig.send(await account.commit([remove(b1)]), 3);
	rig.send(await account.commit([]), 4);
	rig.send(await account.sync(), 5);
	rig.send(missed, 6);
	await rig.settle();
	expect(rig.rejected).toEqual({ "rev-stale": 1 });
	expect(listed(rig)).toEqual([
		[0, ["com.example.a empty filled", "com.example.b empty filled"]],
		[RecordFlag.discontinuous, ["com.example.b filled empty"]],
		[0, []],
		[0, undefined],
	]);
});

test("an entry that only a lenient relay passes lists them if its tree is sound", async () => {
	const rig = new ShardRig({ strict: false });
	const account = await ShardRig.account("lenient");
	rig.identity(account);
	const tooBig = await account.commit([create("com.example.a/1")]);
	rig.send({ ...tooBig, body: { ...tooBig.body, tooBig: true } }, 1);
	rig.send(await brokenCommit("prev-data-mismatch", account), 2);
	await rig.settle();
	expect(listed(rig)).toEqual([
		[RecordFlag.lenient, ["com.example.a empty filled"]],
		[RecordFlag.lenient | RecordFlag.discontinuous, undefined],
	]);
});
