import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { DIALS_MAX } from "../../src/hosts/manager.ts";
import { openSqliteReader } from "../../src/index/sqlite/store.ts";
import type { Host } from "../../src/index/store.ts";
import { SimHost } from "../../src/sim/host.ts";
import { SimNetwork } from "../../src/sim/network.ts";
import { RelayProcess } from "../../src/sim/relay-process.ts";
import { RELAY_COMMAND, RelayRig, until } from "./rig.ts";

/** What the public port says of a host, by both methods. */
async function statusesOf(relay: RelayProcess, hostname: string): Promise<string[]> {
	const base = `http://127.0.0.1:${relay.apiPort}/xrpc/com.atproto.sync`;
	const status = (await (await fetch(`${base}.getHostStatus?hostname=${hostname}`)).json()) as { status: string };
	const list = (await (await fetch(`${base}.listHosts?limit=1000`)).json()) as {
		hosts: { hostname: string; status: string }[];
	};
	return [status.status, list.hosts.find((host) => host.hostname === hostname)?.status ?? "not listed"];
}

/** The row of a host in the relay's index. */
async function rowOf(relay: RelayProcess, hostname: string): Promise<Host> {
	const reader = openSqliteReader(relay.indexPath);
	const row = await reader.hostByName(hostname);
	await reader.close();
	if (row === null) throw new Error(`${hostname} has no row`);
	return row;
}

describe("a PDS", () => {
	let rig: RelayRig;
	let host: SimHost;
	beforeEach(async () => {
		rig = await RelayRig.start({ seed: "host status", hosts: 1, accounts: 1 }, { RELAY_MAX_READS_PER_IP: "1000" });
		host = rig.network.hosts[0] as SimHost;
		await rig.network.burst(1);
		await until(async () => (await statusesOf(rig.relay, host.hostname)).join() === "active,active");
	});
	afterEach(() => rig.stop());

	test("that is killed is offline while it is down, with the reason, and active when it is back", async () => {
		await host.stop();
		await until(async () => (await statusesOf(rig.relay, host.hostname)).join() === "offline,offline");
		await until(async () => (await rowOf(rig.relay, host.hostname)).connection.lastError?.fault === "refused");
		host.start();
		await until(async () => (await statusesOf(rig.relay, host.hostname)).join() === "active,active");
		const { connection } = await rowOf(rig.relay, host.hostname);
		expect(connection).toMatchObject({ connected: true, nextAttemptMs: null, lastError: { fault: "refused" } });
		expect(connection.lastEventMs).not.toBeNull();
	});

	test("that is down when the relay stops is not dialled before its time after the start", async () => {
		const dialledAtMs: number[] = [];
		const { port } = new URL(host.endpoint);
		await host.stop();
		const refusing = Bun.serve({
			hostname: "127.0.0.1",
			port,
			fetch: () => {
				dialledAtMs.push(Date.now());
				return new Response("no", { status: 502 });
			},
		});
		let planned: Host["connection"] | undefined;
		await until(async () => {
			const { connection } = await rowOf(rig.relay, host.hostname);
			planned = connection;
			return connection.failures >= 3 && connection.nextAttemptMs !== null;
		});
		expect(planned?.lastError).toMatchObject({
			fault: "http-status",
			text: "it answered the handshake with HTTP 502",
		});
		const before = dialledAtMs.length;
		await rig.relay.stop();
		await rig.relay.start();
		expect((await statusesOf(rig.relay, host.hostname))[0]).toBe("offline");
		await until(() => dialledAtMs.length > before);
		const nextAttemptMs = planned?.nextAttemptMs ?? Number.NaN;
		// The clocks of both are the same but for a step of a few ms.
		expect(dialledAtMs[before]).toBeGreaterThan(nextAttemptMs - 100);
		await until(async () => (await rowOf(rig.relay, host.hostname)).connection.failures > (planned?.failures ?? 0));
		await refusing.stop(true);
		await rig.relay.requestCrawl(host.hostname);
		host.start();
		await until(async () => (await statusesOf(rig.relay, host.hostname)).join() === "active,active");
	});
});

test(`of 300 hosts at a start, ${DIALS_MAX} are dialled at once, and then all are connected`, async () => {
	const network = new SimNetwork({ seed: "many hosts", hosts: 0, accounts: 0 });
	await network.start();
	const hosts = Array.from({ length: 300 }, () => new SimHost());
	for (const host of hosts) host.start();
	const relay = await RelayProcess.create({ command: RELAY_COMMAND, plcUrl: network.plc.url });
	const connected = (): number => hosts.filter(({ connections }) => connections === 1).length;
	const handshakes = (): number => hosts.reduce((sum, { cursors }) => sum + cursors.length, 0);
	try {
		await relay.start();
		for (const host of hosts) await relay.requestCrawl(host.hostname);
		await until(() => connected() === hosts.length);
		await relay.stop();
		const before = handshakes();
		for (const host of hosts) host.hangHandshakes();
		await relay.start();
		await until(() => handshakes() - before >= DIALS_MAX);
		expect(handshakes() - before).toBe(DIALS_MAX);
		const { counters } = await relay.stats();
		expect([counters.of("hosts_dialling"), counters.of("hosts_queued")]).toEqual([DIALS_MAX, 300 - DIALS_MAX]);
		for (const host of hosts) host.releaseHandshakes();
		await until(() => connected() === hosts.length);
		await until(async () => (await relay.stats()).counters.of("hosts_connected") === hosts.length);
		const after = (await relay.stats()).counters;
		expect([after.of("hosts_dialling"), after.of("hosts_queued")]).toEqual([0, 0]);
	} finally {
		await relay.stop();
		await relay.remove();
		for (const host of hosts) await host.stop();
		await network.stop();
	}
});
