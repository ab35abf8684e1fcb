/** Resident memory of an idle relay: the compiled binary, with one silent host. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { SimNetwork } from "../src/sim/network.ts";
import { RelayProcess } from "../src/sim/relay-process.ts";
import { residentMib } from "./rig/cpu.ts";
import { report } from "./rig/figures.ts";

const BINARY = join(import.meta.dir, "..", "dist", "standpipe");
/** By then the garbage of the start has been collected. */
const SETTLE_MS = 8_000;

if (!existsSync(BINARY)) throw new Error("there is no dist/standpipe: `make build` makes it");

const relayMib = await relayRss();
const bareMib = await bareRss();
await report(
	"an idle relay with one host",
	[
		{ name: "bare Bun", value: bareMib, unit: "MiB", note: "no program, no workers" },
		{ name: "relay", value: relayMib, unit: "MiB", note: `${(relayMib / bareMib).toFixed(2)} of bare Bun` },
	],
	{ idle_rss_mib: relayMib },
);

async function relayRss(): Promise<number> {
	const network = new SimNetwork({ seed: "bench/idle", hosts: 1, accounts: 1 });
	await network.start();
	const relay = await RelayProcess.create({ command: [BINARY, "serve"], plcUrl: network.plc.url });
	try {
		await relay.start();
		for (const host of network.hosts) await relay.requestCrawl(host.hostname);
		while (network.hosts.some((host) => host.connections === 0)) await Bun.sleep(10);
		// Send one message, so that every thread has done some work.
		await network.burst(1);
		await Bun.sleep(SETTLE_MS);
		return residentMib(relay.pid);
	} finally {
		await relay.stop();
		await relay.remove();
		await network.stop();
	}
}

async function bareRss(): Promise<number> {
	const child = Bun.spawn([process.execPath, "-e", "setInterval(() => {}, 1000)"]);
	await Bun.sleep(SETTLE_MS);
	const mib = residentMib(child.pid);
	child.kill();
	return mib;
}
