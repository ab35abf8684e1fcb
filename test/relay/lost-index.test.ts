import { expect, test } from "bun:test";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { inspectSegment } from "../../src/log/local/examine/inspect.ts";
import { systemLogFs } from "../../src/log/local/log-fs.ts";
import type { RelayProcess } from "../../src/sim/relay-process.ts";
import { bulkyCommit } from "./bulky-commit.ts";
import { expectReceived } from "./expect-received.ts";
import { isIndexed, RelayRig, until } from "./rig.ts";

const MIB = 1024 * 1024;

interface ListedHost {
	hostname: string;
	seq: number;
}

async function listedHosts(relay: RelayProcess): Promise<ListedHost[]> {
	const response = await fetch(`${relay.firehoseOrigin.replace("ws", "http")}/xrpc/com.atproto.sync.listHosts`);
	const { hosts } = (await response.json()) as { hosts: ListedHost[] };
	return hosts.map(({ hostname, seq }) => ({ hostname, seq }));
}

async function errorLines(relay: RelayProcess): Promise<string[]> {
	const lines = (await Bun.file(relay.logPath).text()).trim().split("\n");
	return lines.filter((line) => line.includes('"level":"error"'));
}

function startRig(seed: string): Promise<RelayRig> {
	return RelayRig.start(
		{ seed, hosts: 2, accounts: 4 },
		{ RELAY_SEGMENT_BYTES: String(MIB), RELAY_REPLAY_BYTES: String(3 * MIB), RELAY_INITIAL_SEQ_NUMBER: "1000" },
	);
}

/** A stopped relay whose index is gone, and whose log does not have the first records of its hosts any more. */
async function withoutIndex(seed: string): Promise<{ rig: RelayRig; hosts: ListedHost[] }> {
	const rig = await startRig(seed);
	const { network, relay, consumer } = rig;
	// A log that begins at any number is complete.
	expect(await errorLines(relay)).toEqual([]);
	while ((await rig.stats()).log.firstSeq === 1_000) {
		for (const account of network.accounts) network.send(account, await bulkyCommit(account));
		await expectReceived(rig, network.accounts);
		// Retention waits for the index.
		await until(async () => isIndexed((await rig.stats()).log));
	}
	await consumer.disconnect();
	expect(await relay.stop()).toBe(0);
	await relay.start();
	const hosts = await listedHosts(relay);
	expect(await relay.stop()).toBe(0);
	relay.removeIndex();
	return { rig, hosts };
}

/** Damages all records that the log's segments restate, and those of hosts. */
function damageState(directory: string): void {
	for (const name of readdirSync(directory).filter((name) => name.endsWith(".seg"))) {
		const path = join(directory, name);
		const content = readFileSync(path);
		inspectSegment(systemLogFs, path, (part) => {
			if (part.part === "record" && (part.kind === "host" || part.flags.includes("restated")))
				content.fill(0, part.offset, part.offset + 8);
			return true;
		});
		writeFileSync(path, content);
	}
}

test("without its index a start has the hosts and their cursors from the log, and says what else is lost", async () => {
	const { rig, hosts } = await withoutIndex("lost index");
	const { network, relay, consumer } = rig;
	try {
		expect(hosts.map(({ hostname }) => hostname)).toEqual(network.hosts.map(({ hostname }) => hostname));
		for (const { seq } of hosts) expect(seq).toBeGreaterThan(0);
		for (const account of network.accounts) network.send(account, await account.commit());

		await relay.start();
		const { counters } = await rig.stats();
		expect(counters.all).toMatchObject({ hosts_known: 2, hosts_lost: 0, index_unknown_host_records_total: 0 });
		expect(await errorLines(relay)).toEqual([
			expect.stringContaining("2 hosts, with their cursors, were restored from the log"),
		]);
		await consumer.connect();
		// The hosts are followed without a new request, and messages that they sent meanwhile come once.
		for (const account of network.accounts) network.send(account, await account.commit());
		await expectReceived(rig, network.accounts);
		const seqs = new Map((await listedHosts(relay)).map(({ hostname, seq }) => [hostname, seq]));
		for (const { hostname, seq } of hosts) expect(seqs.get(hostname)).toBeGreaterThanOrEqual(seq);

		expect(await relay.stop()).toBe(0);
		await relay.start();
		// The loss is reported once.
		expect(await errorLines(relay)).toHaveLength(1);
	} finally {
		await rig.stop();
	}
}, 300_000);

test("if the log's state is damaged too, a start says that hosts are lost, makes nothing up, and follows them again when asked", async () => {
	const { rig, hosts } = await withoutIndex("lost index and state");
	const { network, relay, consumer } = rig;
	try {
		damageState(relay.logDirectory);
		await relay.start();
		expect(await listedHosts(relay)).toEqual([]);
		const { counters, log } = await rig.stats();
		expect(counters.all).toMatchObject({ hosts_known: 0, hosts_lost: 2 });
		expect(counters.of("index_unknown_host_records_total")).toBeGreaterThan(0);
		const errors = await errorLines(relay);
		expect(errors).toContainEqual(expect.stringContaining("is damaged in every segment of the log"));
		expect(errors.at(-1)).toContain("2 hosts are lost");
		expect(network.hosts.every(({ connections }) => connections === 0)).toBe(true);

		await consumer.connect();
		for (const { hostname } of hosts) await relay.requestCrawl(hostname);
		await until(() => network.hosts.every(({ connections }) => connections > 0));
		for (const account of network.accounts) network.send(account, await account.commit());
		await expectReceived(rig, network.accounts);
		const names = hosts.map(({ hostname }) => hostname);
		await until(async () =>
			Bun.deepEquals(
				(await listedHosts(relay)).map(({ hostname }) => hostname),
				names,
			),
		);
		expect(await relay.stop()).toBe(0);
		await relay.start();
		await until(async () => (await rig.stats()).counters.of("hosts_known") === 2);
		// The loss is reported once.
		expect((await rig.stats()).counters.of("hosts_lost")).toBe(0);
		expect((await rig.stats()).log.lastSeq).toBeGreaterThan(log.lastSeq);
	} finally {
		await rig.stop();
	}
}, 300_000);

test("a new log that takes the index of another over learns the hosts from it, and restores them if that is lost then", async () => {
	const rig = await startRig("lost log, lost index");
	const { network, relay, consumer } = rig;
	try {
		for (const account of network.accounts) network.send(account, await account.commit());
		await until(async () => consumer.received >= network.accounts.length && isIndexed((await relay.stats()).log));
		await consumer.disconnect();
		expect(await relay.stop()).toBe(0);
		rmSync(relay.logDirectory, { recursive: true });
		const later = { RELAY_INITIAL_SEQ_NUMBER: "50000" };
		await relay.start(later);
		const hosts = await listedHosts(relay);
		expect(hosts.map(({ hostname }) => hostname)).toEqual(network.hosts.map(({ hostname }) => hostname));
		expect(await relay.stop()).toBe(0);
		relay.removeIndex();

		await relay.start(later);
		expect(await listedHosts(relay)).toEqual(hosts);
		await until(() => network.hosts.every(({ connections }) => connections > 0));
		expect((await relay.stats()).counters.all).toMatchObject({ hosts_known: 2, hosts_lost: 0 });
	} finally {
		await rig.stop();
	}
}, 300_000);
