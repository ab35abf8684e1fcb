import { expect, test } from "bun:test";
import { RelayRig, until } from "./rig.ts";

test("an account that is deleted and created again begins with a first commit, also after a crash", async () => {
	const rig = await RelayRig.start({ seed: "deletion", hosts: 1, accounts: 2 });
	const { network, relay, consumer } = rig;
	try {
		for (const first of [...network.accounts]) {
			const host = network.hostOf(first);
			const old = [await first.commit(), await first.commit()];
			for (const message of old) network.send(first, message);
			network.send(first, first.account(false, "deleted"));
			await until(() => rig.received(first.did).length === 3);

			const anew = await first.madeAnew();
			network.moveAccount(anew, host);
			if (first === network.accounts[1]) {
				relay.kill();
				await relay.exited();
				await relay.start();
				await consumer.connect();
				await until(() => host.connections > 0);
			}
			network.send(anew, anew.identity());
			network.send(anew, anew.account(true));
			for (const message of old) network.send(anew, message, "rev-stale");
			network.send(anew, await anew.commit([]));
			network.send(anew, await anew.sync());
			network.send(anew, await anew.commit());
			await until(() => rig.received(first.did).length >= rig.expected(first.did).length);
			expect(rig.received(first.did)).toEqual(rig.expected(first.did));
		}
		expect((await rig.stats()).rejected["rev-stale"]).toBe(2);
		expect(consumer.errors).toEqual([]);
	} finally {
		await rig.stop();
	}
}, 300_000);
