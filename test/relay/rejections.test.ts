import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { SimAccount } from "../sim/account.ts";
import { BAD_REASONS, type BadReason, sendBad } from "../sim/bad.ts";
import { RelayRig, until } from "./rig.ts";

/** Messages that can't be received at all end their connection. */
const CLOSING: ReadonlySet<BadReason> = new Set(["frame-too-large"]);

let rig: RelayRig;
const accounts: SimAccount[] = [];

beforeAll(async () => {
	rig = await RelayRig.start({ seed: "rejections", hosts: 2, accounts: BAD_REASONS.length });
	accounts.push(...rig.network.accounts);
});

afterAll(async () => {
	expect(await rig.relay.stop()).toBe(0);
	await rig.stop();
});

async function rejections(reason: BadReason): Promise<number> {
	return (await rig.stats()).rejected[reason];
}

describe("each reason, sent through a socket", () => {
	for (const [index, reason] of BAD_REASONS.entries()) {
		test(reason, async () => {
			const account = accounts[index];
			if (account === undefined) throw new Error("an account for each reason");
			const before = await rejections(reason);
			const { account: sender, heal } = await sendBad(reason, rig.network, account);
			const host = rig.network.hostOf(sender);
			const connectsBefore = host.cursors.length;

			// It is counted once, under its name.
			await until(async () => (await rejections(reason)) > before);
			expect(await rejections(reason)).toBe(before + 1);

			// The connection is closed if the rule says so, and made again; else it is kept.
			if (CLOSING.has(reason)) {
				await until(() => host.cursors.length > connectsBefore && host.connections > 0);
			}

			// The account's next good message is accepted, and nothing but good messages went out.
			heal();
			const good = await sender.commit();
			rig.network.send(sender, good);
			await until(() => rig.received(sender.did).includes(`commit ${good.rev}`));
			expect(rig.received(sender.did)).toEqual(rig.expected(sender.did));
			if (!CLOSING.has(reason)) expect(host.cursors.length).toBe(connectsBefore);
		}, 300_000);
	}
});

test("no other message was rejected, and none came twice or out of order", async () => {
	const { rejected } = await rig.stats();
	expect(Object.values(rejected).reduce((sum, count) => sum + count, 0)).toBe(BAD_REASONS.length);
	expect(rig.consumer.orderViolations).toBe(0);
	expect(rig.consumer.errors).toEqual([]);
});
