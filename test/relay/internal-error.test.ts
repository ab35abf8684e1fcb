import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { RelayRig, until } from "./rig.ts";

let rig: RelayRig;

beforeAll(async () => {
	const command = [process.execPath, join(import.meta.dir, "faulty-relay.ts")];
	rig = await RelayRig.start({ seed: "internal errors", hosts: 2, accounts: 4 }, {}, command);
});

afterAll(async () => {
	expect(await rig.relay.stop()).toBe(0);
	await rig.stop();
});

test("a fault of the relay costs the sender the message and the connection, and no other host anything", async () => {
	const { network } = rig;
	const [account, other] = network.accounts;
	if (account === undefined || other === undefined) throw new Error("two accounts");
	const [host, otherHost] = [network.hostOf(account), network.hostOf(other)];
	expect(host).not.toBe(otherHost);
	const otherConnects = otherHost.cursors.length;
	for (let round = 1; round <= 3; round++) {
		const connects = host.cursors.length;
		network.send(account, await account.commit());
		network.send(account, await account.sync(), "internal-error");
		await until(async () => (await rig.stats()).rejected["internal-error"] === round);
		await until(() => host.cursors.length > connects && host.connections > 0);
		// Later messages are taken, and the message itself is not asked for again.
		for (const sender of [account, other]) {
			const good = await sender.commit();
			network.send(sender, good);
			await until(() => rig.received(sender.did).includes(`commit ${good.rev}`));
		}
	}
	expect(rig.received(account.did)).toEqual(rig.expected(account.did));
	expect(otherHost.cursors.length).toBe(otherConnects);
	expect((await rig.stats()).rejected["internal-error"]).toBe(3);
}, 300_000);
