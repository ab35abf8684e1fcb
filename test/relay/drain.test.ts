import { expect, test } from "bun:test";
import { SimConsumer } from "../../src/sim/consumer.ts";
import { bulkyCommit } from "./bulky-commit.ts";
import { expectReceived } from "./expect-received.ts";
import { RelayRig, until } from "./rig.ts";

test("SIGTERM under load: all accepted messages go out, consumers get 1001, exit 0; the restart loses and repeats nothing", async () => {
	const rig = await RelayRig.start({ seed: "drain", hosts: 3, accounts: 9 });
	const { network, relay, consumer } = rig;
	const traffic = new AbortController();
	const running = network.run(100, traffic.signal);
	try {
		// The relay must keep up here: a drain has a time limit, after which it leaves a backlog to the hosts.
		await consumer.until(() => consumer.received > 300 && network.sent.length - consumer.received < 20);
		// A drain that exceeds its time ends with 1.
		expect(await relay.stop()).toBe(0);
		await consumer.until(() => consumer.closes.length > 0);
		expect(consumer.closes).toEqual([{ code: 1001, reason: "relay is shutting down" }]);

		await relay.start();
		await consumer.connect();
		await consumer.until(() => consumer.received > 600);
		traffic.abort();
		await running;
		await expectReceived(rig, network.accounts);
		// The cursors were stored after all messages, so hosts had nothing to repeat.
		expect((await rig.stats()).counters.of("messages_replayed_total")).toBe(0);

		// After a clean stop no seq is left out.
		const replayer = new SimConsumer(relay.firehoseOrigin);
		await replayer.connect(0);
		await replayer.until(() => replayer.received >= consumer.received);
		expect(replayer.events.map(({ seq }) => seq)).toEqual(replayer.events.map((_, at) => 1 + at));
		await replayer.disconnect();
	} finally {
		traffic.abort();
		await running;
		await rig.stop();
	}
}, 300_000);

/** More than the buffers of two sockets, of about 100 kB each. */
const BULKY_COMMITS = 200;

test("from SIGTERM on probes are told that the relay shuts down, on both ports, and that it lives", async () => {
	// Longer than the test waits: the consumer that does not read holds the drain up until then.
	const rig = await RelayRig.start({ seed: "ready", hosts: 1, accounts: 2 }, { RELAY_DRAIN_TIMEOUT: "10m" });
	const { network, relay } = rig;
	const slow = new SimConsumer(relay.firehoseOrigin);
	const status = async (port: number, path: string) => (await fetch(`http://127.0.0.1:${port}${path}`)).status;
	try {
		expect(await status(relay.apiPort, "/_health")).toBe(200);
		await slow.connect();
		slow.pause();
		for (let sent = 0; sent < BULKY_COMMITS; sent++)
			for (const account of network.accounts.slice(0, 1)) network.send(account, await bulkyCommit(account));
		await rig.consumer.until(() => rig.consumer.received >= BULKY_COMMITS);
		relay.terminate();
		await until(async () => (await relay.fault()) !== null);
		expect(await relay.fault()).toBe("the relay is shutting down");
		expect(await status(relay.apiPort, "/_health")).toBe(503);
		expect(await status(relay.apiPort, "/xrpc/_health?exclude=log,index")).toBe(503);
		expect(await status(relay.internalPort, "/_healthz")).toBe(200);
		expect(slow.closes).toEqual([]);
		slow.resume();
		expect(await relay.exited()).toBe(0);
	} finally {
		await slow.disconnect();
		await rig.stop();
	}
}, 300_000);
