import { expect, test } from "bun:test";
import { SimConsumer } from "../../src/sim/consumer.ts";
import { RelayRig } from "./rig.ts";

test("commits and syncs of a taken-down account are not replayed until it is back, also after a restart", async () => {
	const rig = await RelayRig.start({ seed: "takedown", hosts: 1, accounts: 2 }, { RELAY_FANOUT_WORKERS: "2" });
	const { network, relay, consumer } = rig;
	const [gone, other] = network.accounts;
	if (gone === undefined || other === undefined) throw new Error("the network has no two accounts");
	try {
		await network.burst(20);
		for (const account of [gone, other]) network.send(account, await account.commit());
		network.send(gone, gone.account(false, "takendown"));
		network.send(other, await other.commit());
		// Either account's message may come last: messages of two accounts have no order.
		await consumer.until(() => [gone, other].every(({ did }) => rig.received(did).length === rig.expected(did).length));
		expect(rig.received(gone.did)).toEqual(rig.expected(gone.did));

		const withoutRepo = rig.expected(gone.did).filter((event) => !/^(commit|sync)/.test(event));
		expect(withoutRepo.at(-1)).toStartWith("account");
		expect(withoutRepo.length).toBeLessThan(rig.expected(gone.did).length);
		expect(await replayUntil(() => withoutRepo)).toEqual(rig.expected(other.did));

		expect(await relay.stop()).toBe(0);
		await relay.start();
		expect(await replayUntil(() => withoutRepo)).toEqual(rig.expected(other.did));

		await consumer.connect();
		network.send(gone, gone.account(true));
		network.send(gone, await gone.commit());
		await consumer.until(() => rig.received(gone.did).length === rig.expected(gone.did).length);
		expect(rig.received(gone.did)).toEqual(rig.expected(gone.did));
		expect(await replayUntil(() => rig.expected(gone.did))).toEqual(rig.expected(other.did));
	} finally {
		await rig.stop();
	}

	/** Replays the log, again and again, until the account's part of it is as expected. Returns the other account's part. */
	async function replayUntil(expected: () => string[]): Promise<string[]> {
		const end = consumer.cursor ?? 0;
		for (;;) {
			const replayer = new SimConsumer(relay.firehoseOrigin);
			await replayer.connect(0);
			await replayer.until(() => (replayer.cursor ?? 0) >= end);
			await replayer.disconnect();
			const of = (did: string): string[] =>
				replayer.events.filter((event) => event.did === did).map(({ type, rev }) => `${type} ${rev ?? ""}`);
			if (Bun.deepEquals(of(gone?.did ?? ""), expected())) return of(other?.did ?? "");
		}
	}
}, 300_000);
