/**
 * What do thousands of silent hosts cost: the time until all are connected when they are asked for, and after a restart; resident
 * memory with all of them; CPU time while they say nothing. Over TLS, with the same over plain `ws` in the same run to compare with.
 * `--hosts N` sets their number, `--idle-s S` how long they are watched. The hosts run on the same machine, and a handshake costs
 * them about what it costs the relay.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { SimPlc } from "../test/sim/plc.ts";
import { RelayProcess } from "../test/sim/relay-process.ts";
import { processCpuMs, residentMib, threadCpuMs } from "./rig/cpu.ts";
import { type Row, report } from "./rig/figures.ts";
import { LOCALHOST_CERTIFICATE } from "./rig/localhost-certificate.ts";
import { scratchDirectory } from "./rig/scratch.ts";

const BINARY = join(import.meta.dir, "..", "dist", "standpipe");
/** Hosts in one process. */
const HOSTS_PER_PROCESS = 1_500;
/** Requests for hosts that run at once. */
const ASKING = 16;
const POLL_MS = 20;
/** By then the garbage of the handshakes has been collected. */
const SETTLE_MS = 10_000;

interface Measured {
	askedS: number;
	restartS: number;
	mib: number;
	idleShare: number;
	idleByThread: [name: string, share: number][];
}

const { values: options } = parseArgs({
	options: {
		json: { type: "string" },
		hosts: { type: "string", default: "3000" },
		"idle-s": { type: "string", default: "60" },
	},
});
if (!existsSync(BINARY)) throw new Error("there is no dist/standpipe: `make build` makes it");
const count = Number(options.hosts);
const idleMs = 1000 * Number(options["idle-s"]);

const certificatePath = join(scratchDirectory(), "localhost.pem");
await Bun.write(certificatePath, LOCALHOST_CERTIFICATE);
const tls = await measure("tls");
const plain = await measure("plain");
const title = `${count.toLocaleString("en-US")} silent hosts`;
await report(title, [...rowsOf("TLS", tls, plain), ...rowsOf("plain", plain)], {
	restart_s_tls: tls.restartS,
	restart_tls_over_plain: tls.restartS / plain.restartS,
	rss_mib_tls: tls.mib,
	idle_core_percent_tls: 100 * tls.idleShare,
});

function rowsOf(name: string, measured: Measured, other?: Measured): Row[] {
	const ratio = (of: (measured: Measured) => number): { note?: string } =>
		other === undefined ? {} : { note: `${(of(measured) / of(other)).toFixed(2)} of plain` };
	const busiest = measured.idleByThread
		.slice(0, 3)
		.map(([thread, share]) => `${thread} ${(100 * share).toFixed(2)}`)
		.join(", ");
	return [
		{ name: `${name}: asked for and connected`, value: measured.askedS, unit: "s", ...ratio(({ askedS }) => askedS) },
		{ name: `${name}: connected after a restart`, value: measured.restartS, unit: "s", ...ratio((m) => m.restartS) },
		{ name: `${name}: resident`, value: measured.mib, unit: "MiB", ...ratio(({ mib }) => mib) },
		{ name: `${name}: idle`, value: 100 * measured.idleShare, unit: "% of a core", note: busiest },
	];
}

async function measure(kind: "tls" | "plain"): Promise<Measured> {
	const plc = new SimPlc();
	plc.start();
	const farms = await startHosts(kind);
	const env = { NODE_EXTRA_CA_CERTS: certificatePath, RELAY_INGEST_WORKERS: "1" };
	const relay = await RelayProcess.create({ command: [BINARY, "serve"], plcUrl: plc.url, env });
	try {
		await relay.start();
		const askedAtMs = performance.now();
		await askForAll(relay, farms.hostnames);
		await allConnected(relay);
		const askedS = (performance.now() - askedAtMs) / 1000;
		await relay.stop();
		const startedAtMs = performance.now();
		await relay.start();
		await allConnected(relay);
		const restartS = (performance.now() - startedAtMs) / 1000;
		await Bun.sleep(SETTLE_MS);
		return { askedS, restartS, mib: residentMib(relay.pid), ...(await watchIdle(relay)) };
	} finally {
		await relay.stop();
		await relay.remove();
		for (const child of farms.children) child.kill();
		await plc.stop();
	}
}

/** Starts the hosts, in some processes. */
async function startHosts(kind: "tls" | "plain"): Promise<{ children: Bun.Subprocess[]; hostnames: string[] }> {
	const children: Bun.Subprocess[] = [];
	const hostnames: string[] = [];
	for (let left = count; left > 0; left -= HOSTS_PER_PROCESS) {
		const script = join(import.meta.dir, "rig", "silent-hosts.ts");
		const child = Bun.spawn([process.execPath, script, String(Math.min(left, HOSTS_PER_PROCESS)), kind], {
			stdio: ["ignore", "pipe", "inherit"],
		});
		children.push(child);
		const ports = JSON.parse(await firstLine(child.stdout)) as number[];
		hostnames.push(...ports.map((port) => `${kind === "tls" ? "https://" : ""}localhost:${port}`));
	}
	return { children, hostnames };
}

async function firstLine(stream: ReadableStream<Uint8Array>): Promise<string> {
	let text = "";
	const decoder = new TextDecoder();
	for await (const chunk of stream) {
		text += decoder.decode(chunk, { stream: true });
		const end = text.indexOf("\n");
		if (end >= 0) return text.slice(0, end);
	}
	throw new Error("the hosts' process ended");
}

async function askForAll(relay: RelayProcess, hostnames: readonly string[]): Promise<void> {
	let next = 0;
	const ask = async (): Promise<void> => {
		for (let at = next++; at < hostnames.length; at = next++) await relay.requestCrawl(hostnames[at] ?? "");
	};
	await Promise.all(Array.from({ length: ASKING }, ask));
}

async function allConnected(relay: RelayProcess): Promise<void> {
	while ((await relay.stats()).counters.of("hosts_connected") < count) await Bun.sleep(POLL_MS);
}

/** The share of a core that the relay takes while nothing happens, as a whole and by thread. */
async function watchIdle({ pid }: RelayProcess): Promise<Pick<Measured, "idleShare" | "idleByThread">> {
	const before = { all: processCpuMs(pid), byThread: threadCpuMs(pid), atMs: performance.now() };
	await Bun.sleep(idleMs);
	const passedMs = performance.now() - before.atMs;
	const idleByThread = [...threadCpuMs(pid)]
		.map(([name, ms]): [string, number] => [name, (ms - (before.byThread.get(name) ?? 0)) / passedMs])
		.sort(([, a], [, b]) => b - a);
	return { idleShare: (processCpuMs(pid) - before.all) / passedMs, idleByThread };
}
