import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { RejectionReason } from "../../src/protocol/reasons.ts";
import type { SimAccount } from "../../src/sim/account.ts";
import { brokenCommit } from "../../src/sim/broken-commit.ts";
import type { SimMessage } from "../../src/sim/message.ts";
import { LENIENT_CASES, STRICT_ONLY } from "../verify/strict-only.ts";
import { RelayRig, until } from "./rig.ts";

/** Messages that a lenient relay passes on and counts under their reason. */
const CASES: [string, RejectionReason, (account: SimAccount) => Promise<SimMessage>][] = [
	...[...STRICT_ONLY].map((reason): (typeof CASES)[number] => [
		reason,
		reason,
		(account) => brokenCommit(reason, account),
	]),
	...Object.entries(LENIENT_CASES).map(([name, { reason, make }]): (typeof CASES)[number] => [name, reason, make]),
];

describe.each([
	["lenient", "true"],
	["strict", "false"],
])("a %s relay", (name, lenient) => {
	let rig: RelayRig;
	let passed = 0;

	beforeAll(async () => {
		const network = { seed: `a ${name} relay`, hosts: 1, accounts: CASES.length, recordsMax: 20 };
		rig = await RelayRig.start(network, { RELAY_LENIENT_SYNC_VALIDATION: lenient });
	});
	afterAll(async () => rig.stop());

	/** How many messages were counted under the reason, as passed on or as dropped. */
	async function counted(reason: RejectionReason): Promise<number> {
		const stats = await rig.stats();
		return (lenient === "true" ? stats.lenient : stats.rejected)[reason];
	}

	test.each(CASES)(`${lenient === "true" ? "passes on" : "drops"} %s`, async (_name, reason, make) => {
		const account = rig.network.accounts[passed++];
		if (account === undefined) throw new Error("an account for each case");
		rig.network.send(account, await account.commit());
		const before = await counted(reason);
		rig.network.send(account, await make(account), lenient === "true" ? "pass" : reason);
		rig.network.send(account, await account.commit());
		await until(() => rig.received(account.did).length === rig.expected(account.did).length);
		expect(rig.received(account.did)).toEqual(rig.expected(account.did));
		await until(async () => (await counted(reason)) === before + 1);
	});

	test("counts nothing else, and closes no connection", async () => {
		const { rejected, lenient: passedOn } = await rig.stats();
		const sum = (counts: Record<string, number>): number =>
			Object.values(counts).reduce((all, count) => all + count, 0);
		expect([sum(rejected), sum(passedOn)]).toEqual(lenient === "true" ? [0, CASES.length] : [CASES.length, 0]);
		const { json } = await rig.relay.admin(`pds/failures?host=${rig.network.hosts[0]?.hostname}`);
		const report = json as { rejected: number; lenient: number };
		expect([report.rejected, report.lenient]).toEqual([sum(rejected), sum(passedOn)]);
		expect(rig.network.hosts.map(({ cursors }) => cursors.length)).toEqual([1]);
		expect(rig.consumer.errors).toEqual([]);
	});
});
