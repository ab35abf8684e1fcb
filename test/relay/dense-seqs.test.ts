import { expect, test } from "bun:test";
import { SimConsumer } from "../../src/sim/consumer.ts";
import { Rng } from "../../src/sim/rng.ts";
import { RelayRig, until } from "./rig.ts";

const ROUNDS = 20;
const PER_SECOND = 100;
/** Maximum number of messages between two kills. */
const ROUND_MESSAGES_MAX = 60;

test(`a consumer that takes any gap between seqs for a loss raises no alarm over ${ROUNDS} kills`, async () => {
	const rng = new Rng("dense seqs");
	const rig = await RelayRig.start({ seed: "dense seqs", hosts: 3, accounts: 9 });
	const { network, relay, consumer } = rig;
	// The relay has a cursor of a host when the host's first message is in the log.
	for (const account of network.accounts) network.send(account, account.account(true));
	await consumer.until(() => consumer.received === network.sent.length);
	const traffic = new AbortController();
	const running = network.run(PER_SECOND, traffic.signal);
	try {
		for (let round = 0; round < ROUNDS; round++) {
			const count = consumer.received + 1 + rng.int(ROUND_MESSAGES_MAX);
			await consumer.until(() => consumer.received >= count);
			relay.kill();
			await relay.exited();
			await until(() => !consumer.connected);
			await relay.start();
			await consumer.connect();
		}
		traffic.abort();
		await running;
		for (const { did } of network.accounts) await until(() => rig.received(did).length >= rig.expected(did).length);
		const { log } = await relay.stats();
		// Control records have lsns only.
		expect(log.lastLsn).toBeGreaterThan(log.lastSeq);
		expect(log.lastSeq).toBe(consumer.received);
		const replayer = new SimConsumer(relay.firehoseOrigin);
		await replayer.connect(0);
		await replayer.until(() => replayer.received >= consumer.received);
		for (const { events, seqGaps, infos } of [consumer, replayer]) {
			expect(events.map(({ seq }) => seq)).toEqual(events.map((_, at) => 1 + at));
			expect([seqGaps, infos]).toEqual([0, []]);
		}
		await replayer.disconnect();
	} finally {
		traffic.abort();
		await running;
		await rig.stop();
	}
}, 600_000);
