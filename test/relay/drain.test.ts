import { expect, test } from "bun:test";
import { SimConsumer } from "../sim/consumer.ts";
import { expectReceived } from "./expect-received.ts";
import { RelayRig } from "./rig.ts";

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
