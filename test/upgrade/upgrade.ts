import { SimConsumer } from "../../src/sim/consumer.ts";
import { SimNetwork } from "../../src/sim/network.ts";
import { RelayProcess } from "../../src/sim/relay-process.ts";

/** Messages a second of all hosts together, which go on while neither release runs. */
const PER_SECOND = 100;

/** What happened at an upgrade. */
export interface Upgraded {
	/** Messages that hosts sent, and how many of them while no relay ran. */
	sent: number;
	sentMeanwhile: number;
	/** From the order to stop until the other release was ready. */
	downMs: number;
}

/**
 * Runs one release under load, stops it, and starts another one with its data. Consumers reconnect with their cursors: one that was at the
 * end, and one that had stopped to read long before.
 *
 * @param from and `to` are commands that run a relay
 * @param messagesMin how many messages come before the upgrade, and after it
 * @throws Error if a consumer misses a message, or gets one twice or out of order, or if a seq is left out
 */
export async function upgrade(from: string[], to: string[], messagesMin: number): Promise<Upgraded> {
	const network = new SimNetwork({ seed: "upgrade", hosts: 3, accounts: 12 });
	await network.start();
	const relay = await RelayProcess.create({ command: from, plcUrl: network.plc.url });
	const [live, slow] = [new SimConsumer(relay.firehoseOrigin), new SimConsumer(relay.firehoseOrigin)];
	const stopping = new AbortController();
	let running = Promise.resolve();
	try {
		await relay.start();
		for (const consumer of [live, slow]) await consumer.connect();
		for (const host of network.hosts) await relay.requestCrawl(host.hostname);
		running = network.run(PER_SECOND, stopping.signal);
		await slow.until(() => slow.received > messagesMin / 4);
		await slow.disconnect();
		await live.until(() => live.received > messagesMin);

		const [beganAtMs, sentBefore] = [performance.now(), network.sent.length];
		const code = await relay.stop();
		if (code !== 0) throw new Error(`the old release ended with code ${code}`);
		relay.use(to);
		await relay.start();
		const downMs = performance.now() - beganAtMs;
		const sentMeanwhile = network.sent.length - sentBefore;
		for (const consumer of [live, slow]) await consumer.connect();
		const before = live.received;
		await live.until(() => live.received > before + messagesMin);
		stopping.abort();
		await running;
		for (const consumer of [live, slow]) await checkReceived(network, consumer);
		return { sent: network.sent.length, sentMeanwhile, downMs };
	} finally {
		stopping.abort();
		await running;
		for (const consumer of [live, slow]) await consumer.disconnect();
		await relay.stop();
		await network.stop();
		await relay.remove();
	}
}

/** Waits until a consumer has all messages, and checks that it has them once and in order. */
async function checkReceived(network: SimNetwork, consumer: SimConsumer): Promise<void> {
	await consumer.until(() => consumer.received >= network.sent.length);
	for (const { did } of network.accounts) {
		const sent = network.sent.filter((one) => one.did === did).map(({ type, rev }) => `${type} ${rev}`);
		const received = consumer.events.filter((one) => one.did === did).map(({ type, rev }) => `${type} ${rev}`);
		if (!Bun.deepEquals(sent, received))
			throw new Error(`of ${did} ${sent.length} messages were sent, and these came: ${received.join(", ")}`);
	}
	const { orderViolations, seqGaps, errors, infos } = consumer;
	if (orderViolations + seqGaps > 0) throw new Error(`${orderViolations} seqs out of order, ${seqGaps} gaps`);
	if (errors.length + infos.length > 0) throw new Error(`the relay said ${[...errors, ...infos].join(", ")}`);
}
