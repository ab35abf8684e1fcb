import { expect, test } from "bun:test";
import { SimNetwork } from "../../src/sim/network.ts";
import { RelayProcess } from "../../src/sim/relay-process.ts";
import { RELAY_COMMAND, until } from "./rig.ts";

type Action = Record<string, unknown>;

async function actionsOf(relay: RelayProcess): Promise<string[]> {
	const { json } = await relay.admin("actions");
	return (json as { actions: Action[] }).actions.map(({ action, subject }) => `${action} ${subject}`).reverse();
}

test("two relays that are each other's siblings do what either is asked for, once", async () => {
	const network = new SimNetwork({ seed: "siblings", hosts: 1, accounts: 1 });
	await network.start();
	const options = { command: RELAY_COMMAND, plcUrl: network.plc.url };
	const relays = [await RelayProcess.create(options), await RelayProcess.create(options)] as const;
	const [one, two] = relays;
	try {
		await one.start({ RELAY_SIBLING_RELAYS: `http://127.0.0.1:${two.apiPort}` });
		await two.start({ RELAY_SIBLING_RELAYS: `http://127.0.0.1:${one.apiPort}` });
		const [host] = network.hosts;
		const [account] = network.accounts;
		if (host === undefined || account === undefined) throw new Error("the network is empty");
		const { did } = account;
		await one.requestCrawl(host.hostname);
		await until(() => host.connections === 2);
		const success = { status: 200, json: { success: "true" } };
		expect(await two.admin("repo/takeDown", { did })).toEqual(success);
		await until(async () => (await actionsOf(one)).includes(`takeDown ${did}`));
		expect(await one.admin("repo/reverseTakedown", { did })).toEqual(success);
		expect(await one.admin("subs/banDomain", { Domain: "spam.pds.com" })).toEqual(success);
		const done = [
			`requestCrawl ${host.hostname}`,
			`takeDown ${did}`,
			`reverseTakedown ${did}`,
			"banDomain spam.pds.com",
		];
		await until(async () => (await actionsOf(two)).length >= done.length);
		// A call of one's own settings is nobody else's.
		expect((await one.admin("subs/setPerDayLimit?limit=3", {})).status).toBe(200);
		for (const relay of relays) {
			const actions = await actionsOf(relay);
			expect(actions.filter((action) => !action.startsWith("changeSetting"))).toEqual(done);
			const accepted = relay === one ? 3 : 1;
			await until(async () => {
				const counts: unknown = (await relay.stats()).counters.all["sibling_requests_total"];
				return Bun.deepEquals(counts, { accepted, refused: 0, failed: 0, dropped: 0 });
			});
		}
	} finally {
		for (const relay of relays) {
			await relay.stop();
			await relay.remove();
		}
		await network.stop();
	}
}, 300_000);
