import { existsSync } from "node:fs";
import { join } from "node:path";
import { SimConsumer } from "../../src/sim/consumer.ts";
import { SimNetwork, type SimNetworkOptions } from "../../src/sim/network.ts";
import { RelayProcess, type RelayStats } from "../../src/sim/relay-process.ts";

const ROOT = join(import.meta.dir, "..", "..");
const BINARY = join(ROOT, "dist", "standpipe");
const POLL_MS = 10;

/** The compiled binary, which `make test` builds first; without it, the sources. */
export const RELAY_COMMAND = existsSync(BINARY)
	? [BINARY, "serve"]
	: [process.execPath, join(ROOT, "src", "main.ts"), "serve"];

/** Polls until `condition` holds. Throws after `timeoutMs`. */
export async function until(condition: () => boolean | Promise<boolean>, timeoutMs = 240_000): Promise<void> {
	const giveUpAtMs = Date.now() + timeoutMs;
	while (!(await condition())) {
		if (Date.now() > giveUpAtMs) throw new Error(`after ${timeoutMs} ms: not (${condition})`);
		await Bun.sleep(POLL_MS);
	}
}

/** Whether the index has applied all of the log. */
export function isIndexed({ lastLsn, appliedLsn }: RelayStats["log"]): boolean {
	return appliedLsn === lastLsn;
}

/** A synthetic network, the relay as a process, and a consumer that is connected from the start. */
export class RelayRig {
	readonly network: SimNetwork;
	readonly relay: RelayProcess;
	readonly consumer: SimConsumer;

	private constructor(network: SimNetwork, relay: RelayProcess) {
		this.network = network;
		this.relay = relay;
		this.consumer = new SimConsumer(relay.firehoseOrigin);
	}

	static async start(
		options: SimNetworkOptions,
		env: Record<string, string> = {},
		command = RELAY_COMMAND,
	): Promise<RelayRig> {
		const network = new SimNetwork(options);
		await network.start();
		const relay = await RelayProcess.create({ command, plcUrl: network.plc.url, env });
		const rig = new RelayRig(network, relay);
		await relay.start();
		await rig.consumer.connect();
		for (const host of network.hosts) await relay.requestCrawl(host.hostname);
		await until(() => network.hosts.every((host) => host.connections > 0));
		return rig;
	}

	/** Ends the relay without a drain, and starts it again; without its index, if that is to be lost. */
	async crash(loses: "nothing" | "index"): Promise<void> {
		const { relay, network, consumer } = this;
		const connections = network.hosts.map((host) => host.cursors.length);
		relay.kill();
		await relay.exited();
		if (loses === "index") relay.removeIndex();
		await relay.start();
		await consumer.connect();
		await until(() => network.hosts.every((host, at) => host.cursors.length > (connections[at] ?? 0)));
	}

	async stop(): Promise<void> {
		await this.consumer.disconnect();
		await this.relay.stop();
		await this.network.stop();
		await this.relay.remove();
	}

	stats(): Promise<RelayStats> {
		return this.relay.stats();
	}

	/** The messages of a DID that the consumer got, each as its type and rev. */
	received(did: string): string[] {
		return this.consumer.events.filter((event) => event.did === did).map(({ type, rev }) => `${type} ${rev ?? ""}`);
	}

	/** The messages of a DID that it should have got. */
	expected(did: string): string[] {
		return this.network.sent
			.filter((sent) => sent.did === did && sent.expected === "pass")
			.map(({ type, rev }) => `${type} ${rev ?? ""}`);
	}
}
