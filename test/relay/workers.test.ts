import { expect, test } from "bun:test";
import { Rng } from "../../src/sim/rng.ts";
import { expectReceived } from "./expect-received.ts";
import { RelayRig } from "./rig.ts";

/** A frame may have 5,000,000 bytes. The commit's blocks and fields take some of them. */
const PADDING_MAX = 4_900_000;

test("with four workers, frames of up to 5 MB pass between them, and messages of one account keep their order", async () => {
	const rig = await RelayRig.start({ seed: "workers", hosts: 5, accounts: 15 }, { RELAY_INGEST_WORKERS: "4" });
	const { network, consumer } = rig;
	const rng = new Rng("workers");
	try {
		const sizes: number[] = [];
		for (let round = 0; round < 8; round++) {
			for (const account of network.accounts) {
				const message = await account.commit();
				// A field that the relay doesn't know, and passes on.
				const bytes = rng.int(4) === 0 ? rng.int(PADDING_MAX) : rng.int(20_000);
				message.body.padding = "x".repeat(round === 0 ? PADDING_MAX : bytes);
				sizes.push(String(message.body.padding).length);
				network.send(account, message);
				network.send(account, await account.commit());
			}
		}
		await expectReceived(rig, network.accounts);
		const received = consumer.events.map(({ frameBytes }) => frameBytes);
		expect(Math.max(...received)).toBeGreaterThan(PADDING_MAX);
		const sum = (numbers: number[]): number => numbers.reduce((total, number) => total + number, 0);
		expect(sum(received)).toBeGreaterThan(sum(sizes));
	} finally {
		await rig.stop();
	}
}, 300_000);
