import { expect, test } from "bun:test";
import { arrivalOf } from "../../../../src/ingest/arrival.ts";
import { messageEntry } from "../../../../src/ingest/did/admit/admission.ts";
import { RECORD_OPS_MAX, RecordKind } from "../../../../src/log/record/record.ts";
import type { CommitMessage } from "../../../../src/protocol/kinds/commit.ts";
import { ShardRig } from "../shard-rig.ts";

test("an entry says how many ops its commit has, and 0 for every other kind of message", async () => {
	const rig = new ShardRig();
	const account = await ShardRig.account("ops");
	rig.identity(account);
	const messages = [account.identity(), account.account(true)];
	for (let ops = 1; ops <= 30; ops++)
		messages.push(await account.commit(Array.from({ length: ops }, () => account.newRecord())));
	messages.push(await account.sync());
	for (const [index, message] of messages.entries()) rig.send(message, index + 1);
	await rig.settle();
	const expected = messages.map(({ type, body }) => ({
		kind: RecordKind[type],
		ops: type === "commit" ? (body as { ops: unknown[] }).ops.length : 0,
	}));
	expect(rig.entries().map(({ kind, ops }) => ({ kind, ops }))).toEqual(expected);
	expect(new Set(expected.map(({ ops }) => ops)).size).toBeGreaterThan(10);
});

test("a number of ops above what a record can hold is clipped", () => {
	const entryOf = (opsCount: number): number => {
		const message: CommitMessage = {
			...{ type: "commit", did: "did:plc:a", seq: 1, seqStart: 0, seqEnd: 0, time: "" },
			...{ blocksStart: 0, blocksEnd: 0, opsStart: 0, opsCount, tooBig: false, rebase: false },
			...{ rev: "3l3qo2vuowo2b", since: null, commit: new Uint8Array(36), prevData: null },
		};
		const { did, rev, commit } = message;
		const arrival = arrivalOf({ hostId: 1, hostname: "one.example" }, new Uint8Array(1), message, () => {});
		return messageEntry(arrival, 0, { type: "repo", did, rev, commit, data: commit, touched: null }).ops;
	};
	expect([0, 1, RECORD_OPS_MAX, RECORD_OPS_MAX + 1, 2 ** 31].map(entryOf)).toEqual([
		0,
		1,
		RECORD_OPS_MAX,
		RECORD_OPS_MAX,
		RECORD_OPS_MAX,
	]);
});
