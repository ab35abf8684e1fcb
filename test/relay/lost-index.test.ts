import { expect, test } from "bun:test";
import { rmSync } from "node:fs";
import type { RelayProcess } from "../sim/relay-process.ts";
import { bulkyCommit } from "./bulky-commit.ts";
import { expectReceived } from "./expect-received.ts";
import { isIndexed, RelayRig, until } from "./rig.ts";

const MIB = 1024 * 1024;

async function listedHosts(relay: RelayProcess): Promise<string[]> {
	const response = await fetch(`${relay.firehoseOrigin.replace("ws", "http")}/xrpc/com.atproto.sync.listHosts`);
	const { hosts } = (await response.json()) as { hosts: { hostname: string }[] };
	return hosts.map(({ hostname }) => hostname);
}

async function errorLines(relay: RelayProcess): Promise<string[]> {
	const lines = (await Bun.file(relay.logPath).text()).trim().split("\n");
	return lines.filter((line) => line.includes('"level":"error"'));
}

test("without its index a start says what is lost, makes nothing up, and follows the hosts again when asked", async () => {
	const rig = await RelayRig.start(
		{ seed: "lost index", hosts: 2, accounts: 4 },
		{ RELAY_SEGMENT_BYTES: String(MIB), RELAY_REPLAY_BYTES: String(3 * MIB), RELAY_INITIAL_SEQ_NUMBER: "1000" },
	);
	const { network, relay, consumer } = rig;
	const names = network.hosts.map(({ hostname }) => hostname);
	try {
		// A log that begins anywhere lacks nothing.
		expect(await errorLines(relay)).toEqual([]);
		while ((await rig.stats()).log.firstSeq === 1_000) {
			for (const account of network.accounts) network.send(account, await bulkyCommit(account));
			await expectReceived(rig, network.accounts);
			// Retention waits for the index.
			await until(async () => isIndexed((await rig.stats()).log));
		}
		expect(await listedHosts(relay)).toEqual(names);
		expect(await relay.stop()).toBe(0);
		for (const suffix of ["", "-wal", "-shm"]) rmSync(`${relay.indexPath}${suffix}`, { force: true });

		await relay.start();
		expect(await listedHosts(relay)).toEqual([]);
		const { counters, log } = await rig.stats();
		expect(counters.all).toMatchObject({ hosts_known: 0, hosts_lost: 2 });
		expect(counters.of("index_unknown_host_records_total")).toBeGreaterThan(0);
		const errors = await errorLines(relay);
		expect(errors).toEqual([
			expect.stringContaining("2 hosts are not followed any more. Stop the relay and put back a copy"),
		]);
		expect(network.hosts.every(({ connections }) => connections === 0)).toBe(true);

		await consumer.connect();
		for (const name of names) await relay.requestCrawl(name);
		await until(() => network.hosts.every(({ connections }) => connections > 0));
		for (const account of network.accounts) network.send(account, await account.commit());
		await expectReceived(rig, network.accounts);
		await until(async () => Bun.deepEquals(await listedHosts(relay), names));
		expect(await relay.stop()).toBe(0);
		await relay.start();
		await until(async () => (await rig.stats()).counters.of("hosts_known") === 2);
		// It was said once.
		expect((await rig.stats()).counters.of("hosts_lost")).toBe(0);
		expect(await errorLines(relay)).toHaveLength(1);
		expect((await rig.stats()).log.lastSeq).toBeGreaterThan(log.lastSeq);
	} finally {
		await rig.stop();
	}
}, 300_000);
