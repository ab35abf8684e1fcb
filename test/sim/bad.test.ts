import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { BROKEN_COMMIT_REASONS, brokenCommit } from "../../src/sim/broken-commit.ts";
import { SimNetwork } from "../../src/sim/network.ts";
import { BAD_REASONS, sendBad } from "./bad.ts";
import { invertWithReference, ReferenceFollower } from "./reference.ts";

describe("bad messages", () => {
	const network = new SimNetwork({ seed: "bad", hosts: 2, accounts: 1, recordsMax: 0 });
	beforeAll(() => network.start());
	afterAll(() => network.stop());

	test.each(BAD_REASONS)("%s is noted once, and the account's chain goes on", async (reason) => {
		const account = network.accounts[0];
		if (account === undefined) throw new Error("the network has an account");
		network.sent.length = 0;
		const outcome = await sendBad(reason, network, account);
		expect(network.sent.filter((sent) => sent.expected !== "pass").map((sent) => sent.expected)).toEqual([reason]);
		outcome.heal();
		const before = outcome.account.data;
		const message = await outcome.account.commit();
		expect((message.body.prevData as { $link: string }).$link).toBe(before ?? "");
		expect(await invertWithReference(message)).toBe(before ?? "");
	});

	test.each(
		BROKEN_COMMIT_REASONS.filter((reason) =>
			["car-", "commit-malformed", "signature-", "record-missing", "mst-"].some((start) => reason.startsWith(start)),
		),
	)("the reference implementation rejects %s as well", async (reason) => {
		const account = await network.addAccount(0);
		const follower = new ReferenceFollower();
		await follower.follow(await account.commit(), account.key.didKey);
		const bad = await brokenCommit(reason, account);
		const verdict = Promise.all([follower.follow(bad, account.key.didKey), invertWithReference(bad)]);
		expect(verdict).rejects.toThrow();
		await follower.follow(await account.commit(), account.key.didKey);
	});
});
