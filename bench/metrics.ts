/**
 * What metrics cost, and whether they answer under load. What a scrape takes with 3,000 hosts. What counting and being scraped
 * each second take of the relay's CPU time at 2,000 events/s, without verification, which makes the share larger than it is. And how long
 * `/metrics` and `/_healthz` take, asked each 100 ms, while the relay has as much load as it takes. It is compared with a bare server on
 * the same machine.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { createTalliesBuffer, HostTallies } from "../src/hosts/tallies.ts";
import { renderMetrics } from "../src/http/metrics.ts";
import { BusiestHosts } from "../src/monitor/busiest-hosts.ts";
import { Counters } from "../src/observe/counters.ts";
import { CELLS_MAX, counter, histogram } from "../src/observe/metric.ts";
import { Totals } from "../src/observe/totals.ts";
import { makeCorpus } from "../src/sim/corpus.ts";
import { declaredMetrics } from "../test/docs/metrics-table.ts";
import { FIGURES } from "../test/monitor/figures.ts";
import { CountingConsumer } from "./rig/counting-consumer.ts";
import { threadCpuMs } from "./rig/cpu.ts";
import { median, percentile, type Row, report } from "./rig/figures.ts";
import { RestampedFrames } from "./rig/frames.ts";
import type { LoadHost } from "./rig/load-host.ts";
import { type NamedFrame, PacedFrames } from "./rig/paced-frames.ts";
import { type RelayRun, withRelay } from "./rig/relay-run.ts";

const HOSTS = 4;
const ACCOUNTS = 16;
const FRAME_BYTES = 5_500;
const EVENTS_PER_S = 2_000;
const WARM_UP_MS = 5_000;
const TURN_MS = 8_000;
const TURNS = 4;
const SCRAPE_INTERVAL_MS = 1_000;
const PROBE_INTERVAL_MS = 100;
/** Of the scrape that is measured alone. */
const MANY_HOSTS = 3_000;
const THREADS = 8;
const SCRAPES = 200;
/** What the code counts for one event, from the host's socket to one consumer: read from the code, and rounded up. */
const ADDS_PER_EVENT = 20;
const OBSERVED_PER_EVENT = 8;
const COUNTED = 20_000_000;

const { values } = parseArgs({ options: { seconds: { type: "string", default: "60" } }, strict: false });
const underLoadMs = Number(values.seconds) * 1000;
const command = [process.execPath, join(import.meta.dir, "rig", "noop-relay.ts")];

const corpus = await makeCorpus({ seed: "bench/metrics", accounts: ACCOUNTS, frames: ACCOUNTS });
const alone = await scrapeAlone();
const countingUs = measureCounting();
const turns = await runWith({}, measureTurns);
// The log's size is limited, so that a minute does not fill the disk.
const load = await runWith({ RELAY_REPLAY_BYTES: "1GiB" }, measureUnderLoad);

const relayUs = median(turns.map(({ without }) => without.relayUs));
const scrapeShare = median(
	turns.map(({ scraped, without }) => (scraped.controlUs - without.controlUs) / without.relayUs),
);
const rows: Row[] = [
	{
		name: `a scrape with ${MANY_HOSTS} hosts`,
		value: alone.ms,
		unit: "ms of CPU",
		note: `${Math.round(alone.bytes / 1000)} kB`,
	},
	{
		name: "counting",
		value: countingUs,
		unit: "µs/event",
		note: `${ADDS_PER_EVENT} numbers and ${OBSERVED_PER_EVENT} histograms`,
	},
	{ name: `the relay at ${EVENTS_PER_S} events/s, without verification`, value: relayUs, unit: "µs/event" },
	{ name: "  share of counting", value: (100 * countingUs) / relayUs, unit: "%", note: "of the CPU time" },
	{
		name: "  share of a scrape each second",
		value: 100 * scrapeShare,
		unit: "%",
		note: "of the CPU time, by the control thread, in turns",
	},
	{ name: "events under load", value: load.eventsPerS, unit: "events/s" },
	...rowsOfProbe("/metrics", load.metrics),
	...rowsOfProbe("/_healthz", load.healthz),
	...rowsOfProbe("a bare server", load.bare),
];
await report("what metrics cost, and whether they answer under load", rows, {
	scrape_ms_3000_hosts: alone.ms,
	metrics_share: countingUs / relayUs + scrapeShare,
	metrics_p99_ms_load: percentile(load.metrics.tookMs, 0.99),
	healthz_p99_ms_load: percentile(load.healthz.tookMs, 0.99),
	probe_failures_load: load.metrics.failures + load.healthz.failures,
});
process.exit(0);

function rowsOfProbe(name: string, { tookMs, failures }: Probe): Row[] {
	return [
		{ name: `  ${name}, p50`, value: percentile(tookMs, 0.5), unit: "ms" },
		{ name: "    p99", value: percentile(tookMs, 0.99), unit: "ms" },
		{ name: "    failures", value: failures, unit: `of ${tookMs.length}` },
	];
}

/** What the control thread does for one scrape: all metrics of eight threads, and 3,000 hosts of which each sends something. */
async function scrapeAlone(): Promise<{ ms: number; bytes: number }> {
	const declared = await declaredMetrics();
	const totals = new Totals();
	for (let thread = 0; thread < THREADS; thread++)
		totals.include({ row: new Float64Array(CELLS_MAX), metrics: declared });
	const tallies = new HostTallies(createTalliesBuffer());
	const ids = Array.from({ length: MANY_HOSTS }, (_, at) => at + 1);
	const own = ids.map((id) => tallies.of(id, 0));
	const hosts = function* () {
		for (const id of ids) {
			const tally = tallies.read(id);
			if (tally !== null) yield { hostname: `pds-${id}.example.com`, ...tally };
		}
	};
	let nowMs = 0;
	const busiest = new BusiestHosts(
		() => ({ hosts: hosts(), rest: tallies.readRest() }),
		() => nowMs,
	);
	const cpuMs: number[] = [];
	let bytes = 0;
	for (let scrape = 0; scrape < SCRAPES; scrape++) {
		for (const tally of own) tally.addEvent();
		nowMs += 15_000;
		const before = process.cpuUsage();
		const text = await renderMetrics({ totals: totals.read(), figures: { ...FIGURES, busiest: busiest.series() } });
		const { user, system } = process.cpuUsage(before);
		cpuMs.push((user + system) / 1000);
		bytes = text.length;
	}
	return { ms: median(cpuMs), bytes };
}

/** What counting takes for one event. */
function measureCounting(): number {
	const numbers = Array.from({ length: ADDS_PER_EVENT }, (_, at) =>
		counter(`bench_${at}_total`, "a number", "Nothing to do."),
	);
	const bounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
	const histograms = Array.from({ length: OBSERVED_PER_EVENT }, (_, at) =>
		histogram(`bench_${at}_seconds`, "a time", "Nothing to do.", bounds),
	);
	const counters = new Counters();
	const events = COUNTED / (ADDS_PER_EVENT + OBSERVED_PER_EVENT);
	const event = (at: number): void => {
		for (const number of numbers) counters.add(number, 3);
		for (const one of histograms) counters.observe(one, (at % 100) / 10_000);
	};
	for (let at = 0; at < events / 10; at++) event(at);
	const startMs = performance.now();
	for (let at = 0; at < events; at++) event(at);
	return ((performance.now() - startMs) * 1000) / events;
}

/** CPU time of the relay per event, and of its control thread. */
interface Cost {
	relayUs: number;
	controlUs: number;
}

/** Load at a fixed rate, in turns without and with a scrape each second. */
async function measureTurns({ hosts: [host], relay }: RelayRun): Promise<{ without: Cost; scraped: Cost }[]> {
	if (host === undefined) throw new RangeError("there is no host");
	const source = new RestampedFrames(framesOf(0), FRAME_BYTES);
	await paced(host, source, WARM_UP_MS);
	const found: { without: Cost; scraped: Cost }[] = [];
	for (let turn = 0; turn < TURNS; turn++) {
		const without = await costOf(relay.pid, () => paced(host, source, TURN_MS));
		const timer = setInterval(() => void fetch(metricsUrl(relay.internalPort)), SCRAPE_INTERVAL_MS);
		const scraped = await costOf(relay.pid, () => paced(host, source, TURN_MS));
		clearInterval(timer);
		found.push({ without, scraped });
	}
	return found;
}

async function costOf(pid: number, run: () => Promise<number>): Promise<Cost> {
	const before = threadCpuMs(pid);
	const events = await run();
	const after = threadCpuMs(pid);
	const control = controlThreadOf(pid);
	const usOf = (thread: string): number => (((after.get(thread) ?? 0) - (before.get(thread) ?? 0)) * 1000) / events;
	return { relayUs: [...after.keys()].reduce((sum, thread) => sum + usOf(thread), 0), controlUs: usOf(control) };
}

/** The main thread has the program's name. */
function controlThreadOf(pid: number): string {
	return readFileSync(`/proc/${pid}/comm`, "utf8").trim();
}

async function paced(host: LoadHost, source: RestampedFrames, durationMs: number): Promise<number> {
	let sent = 0;
	const frames = (function* (): Generator<NamedFrame, undefined> {
		for (;;) yield { name: `${sent++}`, bytes: source.nextFrame() };
	})();
	await new PacedFrames(frames, EVENTS_PER_S).sendThrough(host, durationMs);
	return sent;
}

interface Probe {
	tookMs: number[];
	failures: number;
}

/** As much load as the relay takes, while two probes ask. */
async function measureUnderLoad(run: RelayRun, consumer: CountingConsumer) {
	const { hosts, relay } = run;
	for (const [number, host] of hosts.entries()) host.send(new RestampedFrames(framesOf(number), FRAME_BYTES));
	await Bun.sleep(WARM_UP_MS);
	const bareServer = Bun.spawn([process.execPath, join(import.meta.dir, "rig", "bare-server.ts")], { stdout: "pipe" });
	const { value } = await bareServer.stdout.getReader().read();
	const before = consumer.frames;
	const startMs = performance.now();
	const [metrics, healthz, bare] = await Promise.all([
		probe(metricsUrl(relay.internalPort)),
		probe(`http://127.0.0.1:${relay.internalPort}/_healthz`),
		probe(`http://127.0.0.1:${Number(new TextDecoder().decode(value))}/`),
	]);
	bareServer.kill();
	const eventsPerS = ((consumer.frames - before) * 1000) / (performance.now() - startMs);
	for (const host of hosts) host.pause();
	return { eventsPerS, metrics, healthz, bare };
}

/** Asks at fixed times, whatever the answers take. */
async function probe(url: string): Promise<Probe> {
	const tookMs: number[] = [];
	let failures = 0;
	const asked: Promise<void>[] = [];
	const endMs = performance.now() + underLoadMs;
	for (let dueMs = performance.now(); dueMs < endMs; dueMs += PROBE_INTERVAL_MS) {
		await Bun.sleep(Math.max(0, dueMs - performance.now()));
		const ask = async (): Promise<void> => {
			try {
				const response = await fetch(url);
				await response.arrayBuffer();
				if (!response.ok) failures++;
			} catch {
				failures++;
			}
			tookMs.push(performance.now() - dueMs);
		};
		asked.push(ask());
	}
	await Promise.all(asked);
	return { tookMs, failures };
}

function metricsUrl(port: number): string {
	return `http://127.0.0.1:${port}/metrics`;
}

function framesOf(host: number) {
	return corpus.frames.filter(({ account }) => corpus.accounts.indexOf(account) % HOSTS === host);
}

async function runWith<Result>(
	env: Record<string, string>,
	use: (run: RelayRun, consumer: CountingConsumer) => Promise<Result>,
): Promise<Result> {
	return withRelay({ command, hosts: HOSTS, accounts: corpus.accounts, env }, async (run) => {
		const consumer = new CountingConsumer();
		await consumer.connect(run.relay.firehoseOrigin);
		try {
			return await use(run, consumer);
		} finally {
			consumer.close();
		}
	});
}
