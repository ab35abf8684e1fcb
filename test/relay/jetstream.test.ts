import { expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../../src/sim/relay-process.ts";
import { RelayRig, until } from "./rig.ts";

/** The program of Jetstream, version 2. To run this test, set `JETSTREAM` to its path. */
const PROGRAM = process.env["JETSTREAM"] ?? "";
const KILLS = 5;
const STEPS_PER_LIFE = 30;

/** Jetstream as a consumer of the relay. It counts each seq that it does not see as lost. */
class Jetstream {
	readonly #child: Bun.Subprocess;
	readonly #metrics: string;

	constructor(dir: string, relayUrl: string, plcUrl: string, did: string) {
		const debugPort = freePort();
		this.#metrics = `http://127.0.0.1:${debugPort}/metrics`;
		const flags = {
			"--addr": `127.0.0.1:${freePort()}`,
			"--debug-addr": `127.0.0.1:${debugPort}`,
			"--relay-url": relayUrl,
			"--plc-url": plcUrl,
			"--data-dir": dir,
			// The repo of one account only, since hosts of the synthetic network serve no repos.
			"--backfill-repos": did,
		};
		this.#child = Bun.spawn([PROGRAM, "serve", ...Object.entries(flags).flat(), "--skip-merge-discovery"], {
			stdout: "ignore",
			stderr: "ignore",
		});
	}

	/** The value of one of its metrics of the firehose; null if it does not answer yet. */
	async metric(name: string): Promise<number | null> {
		try {
			const text = await (await fetch(this.#metrics)).text();
			const value = new RegExp(`^jetstream_livestream_${name} (\\S+)$`, "m").exec(text)?.[1];
			return value === undefined ? null : Number(value);
		} catch {
			return null;
		}
	}

	async stop(): Promise<void> {
		this.#child.kill();
		await this.#child.exited;
	}
}

test.skipIf(PROGRAM === "")(
	"Jetstream finds no gap, over restarts by kill -9 (skipped unless JETSTREAM names its program)",
	async () => {
		const rig = await RelayRig.start({ seed: "jetstream", hosts: 2, accounts: 20 });
		const { network, relay, consumer } = rig;
		const dir = await mkdtemp(join(tmpdir(), "standpipe-jetstream-"));
		const did = network.accounts[0]?.did ?? "";
		const jetstream = new Jetstream(dir, `http://127.0.0.1:${relay.apiPort}`, network.plc.url, did);
		try {
			// Its start subscribes twice. Of what comes before the second time, it may see only the end.
			await until(async () => {
				await network.step();
				return ((await jetstream.metric("events_received_total")) ?? 0) > 50;
			});
			for (let kill = 0; kill <= KILLS; kill++) {
				const before = (await jetstream.metric("events_received_total")) ?? 0;
				let sent = 0;
				for (let step = 0; step < STEPS_PER_LIFE; step++) sent += await network.step();
				expect(sent).toBeGreaterThan(0);
				await until(
					async () => ((await jetstream.metric("events_received_total")) ?? 0) >= before + STEPS_PER_LIFE / 2,
				);
				if (kill === KILLS) break;
				relay.kill();
				await relay.exited();
				await relay.start();
				await consumer.connect();
			}
			expect(await jetstream.metric("sequence_gaps_total")).toBe(0);
			expect(await jetstream.metric("sequence_gap_missed_seqs_total")).toBe(0);
		} finally {
			await jetstream.stop();
			await rig.stop();
			await rm(dir, { recursive: true, force: true });
		}
	},
	300_000,
);
