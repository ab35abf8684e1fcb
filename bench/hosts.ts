/**
 * What do thousands of hosts cost: the time until all are connected when they are asked for, and after a restart; resident memory; CPU time while
 * they say nothing. The hosts speak TLS, and plain `ws` in the same run to compare with. Then their accounts commit: each once, which takes a
 * request to the directory for each, and at a steady rate. After one more restart they commit again, and the directory must not be asked.
 *
 * `--hosts N`, `--accounts N` (0: none commit), `--events-per-s R`, `--load-s S`, `--idle-s S` and `--settle-s S` (before the idle time) set the size. `--indigo PATH` runs
 * indigo's relay with the plain hosts: it refuses those of this machine that speak TLS. The hosts run on the same machine, and a handshake costs them about what it costs the relay.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { RelayProcess } from "../src/sim/relay-process.ts";
import { processCpuMs, residentMib } from "./rig/cpu.ts";
import { type Row, report } from "./rig/figures.ts";
import { idleOf, type Watched, watchLoad } from "./rig/hosts-watch.ts";
import { indigo } from "./rig/indigo.ts";
import { LOCALHOST_CERTIFICATE } from "./rig/localhost-certificate.ts";
import { NumberedDirectory } from "./rig/many-accounts.ts";
import { ManyHosts, makeSharedKey } from "./rig/many-hosts-process.ts";
import { PeerProcess } from "./rig/peer.ts";
import { scratchDirectory } from "./rig/scratch.ts";

const BINARY = join(import.meta.dir, "..", "dist", "standpipe");
/** Requests for hosts that run at once. */
const ASKING = 16;
const POLL_MS = 20;
const CONNECTED_MS_MAX = 10 * 60_000;
/** Seconds of the load after the last restart. */
const KNOWN_S = 20;

/** What all hosts that say nothing cost. */
interface Silent {
	/** Until all were connected: when they were asked for (null if they can't be), and after a restart. */
	askedS: number | null;
	restartS: number;
	/** CPU time of the asking, and of the relay in it, for each host. */
	askedCpuMs: number;
	askedRelayCpuMs: number;
	mib: number;
	idle: Watched["cpu"];
}

/** What their accounts cost. */
interface Loaded {
	/** First commits of all accounts, with as many requests to the directory. */
	firstPerS: number;
	mib: number;
	steady: Watched;
	/** Commits after the last restart, and requests to the directory meanwhile. */
	knownCommits: number;
	knownRequests: number;
	/** The most memory that was resident then. */
	knownMib: number;
}

const { values: options } = parseArgs({
	options: {
		json: { type: "string" },
		hosts: { type: "string", default: "3000" },
		accounts: { type: "string", default: "250000" },
		"events-per-s": { type: "string", default: "1000" },
		"load-s": { type: "string", default: "60" },
		"idle-s": { type: "string", default: "60" },
		"settle-s": { type: "string", default: "45" },
		indigo: { type: "string" },
	},
});
if (!existsSync(BINARY)) throw new Error("there is no dist/standpipe: `make build` makes it");
const count = Number(options.hosts);
const accounts = Math.floor(Number(options.accounts) / count) * count;
const perS = Number(options["events-per-s"]);
const loadS = Number(options["load-s"]);
const idleMs = 1000 * Number(options["idle-s"]);
/** By then the garbage of the handshakes has been collected, and the runtime's own timers have become slow. */
const settleMs = 1000 * Number(options["settle-s"]);

const certificatePath = join(scratchDirectory(), "localhost.pem");
await Bun.write(certificatePath, LOCALHOST_CERTIFICATE);
const key = makeSharedKey();
const tls = await withHosts("tls", measure);
// Only for a comparison with the other relay do accounts of plain hosts commit.
const isCompared = options.indigo !== undefined && accounts > 0;
const plain = await withHosts("plain", (hosts, directory) => measure(hosts, directory, isCompared));
const other = options.indigo === undefined ? null : await measureIndigo(options.indigo);
await report(
	`${count.toLocaleString("en-US")} hosts, ${accounts.toLocaleString("en-US")} accounts`,
	[
		...silentRows("TLS", tls.silent, ["plain", plain.silent]),
		...silentRows("plain", plain.silent),
		...(tls.loaded === null ? [] : loadedRows("TLS", tls.loaded)),
		...(plain.loaded === null ? [] : loadedRows("plain", plain.loaded)),
		...(other === null ? [] : silentRows("indigo, plain", other.silent, ["standpipe", plain.silent])),
		...(other?.loaded == null ? [] : loadedRows("indigo, plain", other.loaded)),
	],
	{
		asked_s_tls: tls.silent.askedS ?? 0,
		restart_s_tls: tls.silent.restartS,
		restart_tls_over_plain: tls.silent.restartS / plain.silent.restartS,
		rss_mib_tls: tls.silent.mib,
		idle_core_percent_tls: 100 * tls.silent.idle.share,
		...(tls.loaded === null
			? {}
			: { rss_mib_loaded: tls.loaded.mib, directory_requests_after_restart: tls.loaded.knownRequests }),
	},
);

/** The bench takes many minutes. */
function progress(text: string): void {
	console.error(text);
}

function silentRows(name: string, silent: Silent, versus?: [name: string, other: Silent]): Row[] {
	const ratio = (of: (silent: Silent) => number | null): string => {
		const [mine, others] = [of(silent), versus === undefined ? null : of(versus[1])];
		return mine === null || others === null ? "" : `${(mine / others).toFixed(2)} of ${versus?.[0]}`;
	};
	const cpu = `CPU time each: relay ${silent.askedRelayCpuMs.toFixed(2)} ms, with hosts and bench ${silent.askedCpuMs.toFixed(2)}`;
	const asked = { name: `${name}: asked for and connected`, value: silent.askedS ?? 0, unit: "s" };
	return [
		...(silent.askedS === null ? [] : [{ ...asked, note: [ratio((of) => of.askedS), cpu].filter(Boolean).join("; ") }]),
		{ name: `${name}: connected after a restart`, value: silent.restartS, unit: "s", note: ratio((of) => of.restartS) },
		{ name: `${name}: resident`, value: silent.mib, unit: "MiB", note: ratio((of) => of.mib) },
		{ name: `${name}: idle`, value: 100 * silent.idle.share, unit: "% of a core", note: silent.idle.busiest },
	];
}

function loadedRows(name: string, loaded: Loaded): Row[] {
	const { steady } = loaded;
	return [
		{ name: `${name}: first commit of each account`, value: loaded.firstPerS, unit: "commits/s" },
		{ name: `${name}: resident after that`, value: loaded.mib, unit: "MiB" },
		{ name: `${name}: at ${perS}/s, resident at most`, value: steady.mibMax, unit: "MiB" },
		{ name: `${name}: at ${perS}/s`, value: 100 * steady.cpu.share, unit: "% of a core", note: steady.cpu.busiest },
		{ name: `${name}: the same after a restart, resident at most`, value: loaded.knownMib, unit: "MiB" },
		{
			name: `${name}: requests to the directory after a restart`,
			value: loaded.knownRequests,
			unit: "requests",
			note: `${loaded.knownCommits.toLocaleString("en-US")} commits`,
		},
	];
}

async function withHosts<T>(
	kind: "tls" | "plain",
	use: (hosts: ManyHosts, directory: NumberedDirectory) => Promise<T>,
): Promise<T> {
	const hosts = await ManyHosts.start(kind, count, accounts, key);
	const directory = new NumberedDirectory(key.multibase, (account) => hosts.endpointOf(account));
	try {
		return await use(hosts, directory);
	} finally {
		hosts.stop();
		await directory.stop();
	}
}

async function measure(
	hosts: ManyHosts,
	directory: NumberedDirectory,
	isLoaded = accounts > 0,
): Promise<{ silent: Silent; loaded: Loaded | null }> {
	const env = { NODE_EXTRA_CA_CERTS: certificatePath, RELAY_INGEST_WORKERS: "1" };
	const relay = await RelayProcess.create({ command: [BINARY, "serve"], plcUrl: directory.url, env });
	try {
		await relay.start();
		const pids = [...hosts.pids, process.pid, relay.pid];
		const cpuMs = (): number => pids.reduce((sum, pid) => sum + processCpuMs(pid), 0);
		const before = { allMs: cpuMs(), relayMs: processCpuMs(relay.pid) };
		const askedAtMs = performance.now();
		await askForAll(relay, hosts.hostnames);
		const askedS = await allConnected(hosts, askedAtMs);
		const askedCpuMs = (cpuMs() - before.allMs) / count;
		const askedRelayCpuMs = (processCpuMs(relay.pid) - before.relayMs) / count;
		const restartS = await restart(relay, hosts);
		await Bun.sleep(settleMs);
		const silent = { askedS, restartS, askedCpuMs, askedRelayCpuMs, mib: residentMib(relay.pid) };
		const idle = await idleOf(relay.pid, idleMs);
		progress(`silent: ${JSON.stringify({ ...silent, idle })}`);
		const loaded = isLoaded ? await load(relay, hosts, directory) : null;
		return { silent: { ...silent, idle }, loaded };
	} finally {
		await relay.stop();
		await relay.remove();
	}
}

async function askForAll(relay: RelayProcess, hostnames: readonly string[]): Promise<void> {
	let next = 0;
	const ask = async (): Promise<void> => {
		for (let at = next++; at < hostnames.length; at = next++) await relay.requestCrawl(hostnames[at] ?? "");
	};
	await Promise.all(Array.from({ length: ASKING }, ask));
}

/** Waits until all hosts have a connection. Returns the seconds since `sinceMs`. */
async function allConnected(hosts: ManyHosts, sinceMs: number): Promise<number> {
	while ((await hosts.connections()) < count) {
		if (performance.now() - sinceMs > CONNECTED_MS_MAX) throw new Error("the relay did not connect to all hosts");
		await Bun.sleep(POLL_MS);
	}
	return (performance.now() - sinceMs) / 1000;
}

async function restart(
	relay: { start(): Promise<unknown>; stop(): Promise<unknown> },
	hosts: ManyHosts,
): Promise<number> {
	await relay.stop();
	while ((await hosts.connections()) > 0) await Bun.sleep(POLL_MS);
	const startedAtMs = performance.now();
	await relay.start();
	return await allConnected(hosts, startedAtMs);
}

async function load(relay: RelayProcess, hosts: ManyHosts, directory: NumberedDirectory): Promise<Loaded> {
	const allPassed = async (commits: number): Promise<void> => {
		for (;;) {
			const { log, rejected } = await relay.stats();
			const failed = Object.entries(rejected).find(([, times]) => times > 0);
			if (failed !== undefined) throw new Error(`the relay rejected messages: ${failed.join(" ")}`);
			if (log.lastSeq >= commits) return;
			await Bun.sleep(POLL_MS);
		}
	};
	const beganAtMs = performance.now();
	let commits = await hosts.sendEach(allPassed);
	const firstPerS = (1000 * commits) / (performance.now() - beganAtMs);
	const mib = residentMib(relay.pid);
	progress(`${commits} accounts have committed: ${Math.round(firstPerS)}/s, ${Math.round(mib)} MiB`);
	const steady = await watchLoad(relay.pid, async () => {
		commits += await hosts.sendPaced(perS, loadS);
		await allPassed(commits);
	});
	progress(`load: ${JSON.stringify(steady)}`);
	const requestsBefore = directory.requests;
	await restart(relay, hosts);
	const before = commits;
	const { mibMax: knownMib } = await watchLoad(relay.pid, async () => {
		commits += await hosts.sendPaced(perS, Math.min(KNOWN_S, loadS));
		await allPassed(commits);
	});
	const known = { knownMib, knownCommits: commits - before, knownRequests: directory.requests - requestsBefore };
	return { firstPerS, mib, steady, ...known };
}

/** The same with indigo's relay. It can't be asked for hosts on this machine: it is measured from a restart on. */
async function measureIndigo(program: string): Promise<{ silent: Silent; loaded: Loaded | null }> {
	return await withHosts("plain", async (hosts, directory) => {
		const hostnames = hosts.ports.map((port) => `localhost:${port}`);
		const network = { plcUrl: directory.url, accounts: [], hostnames };
		const relay = await PeerProcess.create(indigo(program), network);
		try {
			const startedAtMs = performance.now();
			await relay.start();
			const restartS = await allConnected(hosts, startedAtMs);
			await Bun.sleep(settleMs);
			const mib = residentMib(relay.pid);
			const idle = await idleOf(relay.pid, idleMs);
			const silent = { askedS: null, restartS, askedCpuMs: 0, askedRelayCpuMs: 0, mib, idle };
			return { silent, loaded: accounts === 0 ? null : await loadIndigo(relay, hosts, directory) };
		} finally {
			await relay.stop();
			await relay.remove();
		}
	});
}

/** It does not tell how many messages it has passed. So it is done when it has asked for all accounts, and hardly uses the processor. */
async function loadIndigo(relay: PeerProcess, hosts: ManyHosts, directory: NumberedDirectory): Promise<Loaded> {
	const beganAtMs = performance.now();
	const commits = await hosts.sendEach(async (sent) => {
		while (directory.requests < sent) await Bun.sleep(POLL_MS);
	});
	const firstPerS = (1000 * commits) / (performance.now() - beganAtMs);
	const mib = residentMib(relay.pid);
	const steady = await watchLoad(relay.pid, async () => {
		await hosts.sendPaced(perS, loadS);
	});
	const requestsBefore = directory.requests;
	await restart(relay, hosts);
	let knownCommits = 0;
	const { mibMax: knownMib } = await watchLoad(relay.pid, async () => {
		knownCommits = await hosts.sendPaced(perS, Math.min(KNOWN_S, loadS));
	});
	return { firstPerS, mib, steady, knownMib, knownCommits, knownRequests: directory.requests - requestsBefore };
}
