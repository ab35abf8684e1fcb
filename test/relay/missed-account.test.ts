import { expect, test } from "bun:test";
import { RelayRig, until } from "./rig.ts";

test("an account is active again although its #account never came, if its host says so when asked", async () => {
	const rig = await RelayRig.start({ seed: "missed", hosts: 1, accounts: 4 });
	const { network, relay, consumer } = rig;
	const [active, inactive, broken, silent] = network.accounts;
	const [host] = network.hosts;
	if (host === undefined || active === undefined || inactive === undefined) throw new Error("no accounts");
	if (broken === undefined || silent === undefined) throw new Error("too few accounts");
	const { promise: end, resolve: release } = Promise.withResolvers<void>();
	try {
		host.repoStatuses.set(active.did, () => Response.json({ did: active.did, active: true }));
		host.repoStatuses.set(inactive.did, () => Response.json({ did: inactive.did, active: false }));
		host.repoStatuses.set(broken.did, () => new Response("{", { status: 200 }));
		host.repoStatuses.set(silent.did, () => end.then(() => new Response()));
		for (const account of network.accounts) {
			network.send(account, await account.commit());
			network.send(account, account.account(false, "deactivated"));
		}
		for (const account of [silent, inactive, broken]) network.send(account, await account.commit(), "account-inactive");
		const commits = [await active.commit(), await active.commit()];
		for (const message of commits) network.send(active, message);

		const ours = [...rig.expected(active.did).slice(0, 2), "account ", ...commits.map(({ rev }) => `commit ${rev}`)];
		await until(() => rig.received(active.did).length === ours.length);
		expect(rig.received(active.did)).toEqual(ours);
		await until(async () => (await rig.stats()).rejected["account-inactive"] === 3);
		for (const { did } of [inactive, broken, silent]) expect(rig.received(did)).toEqual(rig.expected(did));

		// Each host was asked once for each account, under the relay's name. Later commits of inactive accounts cause no new question.
		network.send(inactive, await inactive.commit(), "account-inactive");
		await until(async () => (await rig.stats()).rejected["account-inactive"] === 4);
		expect(host.statusRequests.map(({ did }) => did).sort()).toEqual(network.accounts.map(({ did }) => did).sort());
		for (const { userAgent } of host.statusRequests) expect(userAgent).toStartWith("standpipe/");

		// The status that was found out holds after a crash. The account's next status comes from its host.
		relay.kill();
		await relay.exited();
		await relay.start();
		await consumer.connect();
		await until(() => host.connections > 0);
		network.send(active, await active.commit());
		await until(() => rig.received(active.did).length === ours.length + 1);
		expect(host.statusRequests.filter(({ did }) => did === active.did).length).toBe(1);
		expect((await rig.stats()).counters.of("accounts_found_active_total")).toBe(0);
	} finally {
		release();
		await rig.stop();
	}
}, 300_000);
