import { expect, test } from "bun:test";
import { RelayRig, until } from "../relay/rig.ts";
import { SimConsumer, type SimEvent } from "../sim/consumer.ts";
import { Rng } from "../sim/rng.ts";

const ROUNDS = Number(process.env["CRASH_ROUNDS"] ?? 20);
const SEED = process.env["CRASH_SEED"] ?? "kill -9";
const EVENTS_PER_SECOND = 300;

function keyOf({ did, type, rev, seq }: SimEvent): string {
	return `${seq} ${did} ${type} ${rev ?? ""}`;
}

/**
 * The relay is killed in the middle of a burst, started again on what it left, and the consumer comes back with its
 * cursor: again and again, at moments that the seed decides. The network's own list of what it sent is the oracle.
 */
test(
	`killed ${ROUNDS} times, nothing is missing, nothing comes twice, no seq is used twice`,
	async () => {
		const rng = new Rng(SEED);
		const rig = await RelayRig.start({ seed: SEED, hosts: 3, accounts: 12 });
		const { network, relay, consumer } = rig;
		const traffic = new AbortController();
		const running = network.run(EVENTS_PER_SECOND, traffic.signal);
		let killedInFlight = 0;
		try {
			for (let round = 0; round < ROUNDS; round++) {
				const count = consumer.received + 1 + rng.int(200);
				await consumer.until(() => consumer.received >= count, 120_000);
				await Bun.sleep(rng.int(40));
				const sent = network.sent.length;
				relay.kill();
				await consumer.until(() => !consumer.connected, 120_000);
				if (sent > consumer.received) killedInFlight++;
				await relay.exited();
				await relay.start();
				await consumer.connect();
			}
			traffic.abort();
			await running;
			const dids = network.accounts.map(({ did }) => did);
			await until(() => dids.every((did) => rig.received(did).length >= rig.expected(did).length), 240_000);

			for (const did of dids) expect(rig.received(did)).toEqual(rig.expected(did));
			expect(consumer.orderViolations).toBe(0);
			expect(consumer.infos).toEqual([]);
			expect(consumer.errors).toEqual([]);

			// Whoever replays the whole log gets the very same: no seq has stood for two messages.
			const replayer = new SimConsumer(relay.firehoseOrigin);
			await replayer.connect(0);
			await replayer.until(() => replayer.received >= consumer.received, 120_000);
			expect(replayer.events.map(keyOf)).toEqual(consumer.events.map(keyOf));
			await replayer.disconnect();
			// The kills did fall into work under way.
			expect(killedInFlight).toBeGreaterThan(ROUNDS / 4);
		} finally {
			traffic.abort();
			await running;
			await rig.stop();
		}
	},
	60_000 + ROUNDS * 60_000,
);
