/**
 * How long a message takes from its host's socket to a consumer's, at three rates and with every batch synced. Host and
 * consumer are one process with one clock. It is compared with one `fdatasync`, and with a bare copy from socket to socket
 * under the same load. Also the same while one client loops `listRepos`.
 */
import { join } from "node:path";
import { type CorpusFrame, makeCorpus } from "../src/sim/corpus.ts";
import { measureSyncs } from "../src/sim/disk-sync.ts";
import { processCpuMs } from "./rig/cpu.ts";
import { percentile, type Row, report } from "./rig/figures.ts";
import { RecordedFrames, withWsHeader } from "./rig/frames.ts";
import type { LoadHost } from "./rig/load-host.ts";
import type { NamedFrame } from "./rig/paced-frames.ts";
import { type Latency, measureLatency } from "./rig/paced-run.ts";
import { measureBesideReads } from "./rig/reader-load.ts";
import { until, withCopyRelay, withRelay } from "./rig/relay-run.ts";
import { frameName, TimedConsumer } from "./rig/timed-consumer.ts";

const SOURCES = join(import.meta.dir, "..", "src", "main.ts");
const ACCOUNTS = 16;
/** The commits are really signed. Each takes some ms to make, which is most of the bench's time. */
const LOADS = [
	{ framesPerS: 500, frames: 2_000 },
	{ framesPerS: 2_000, frames: 8_000 },
	{ framesPerS: 10_000, frames: 10_000 },
];
/** Frames to warm up the compilers. They are not measured. */
const WARM_UP_FRAMES = 16_000;
const SYNCS_PER_LOAD = 100;
/** Load of the turns with and without a client that reads the index. */
const READS_FRAMES_PER_S = 500;
const READS_FRAMES = 6_000;
/** The target for p99 at 2,000 events/s is so many ms and two syncs. */
const P99_MS_MAX_WITHOUT_SYNCS = 5;
/** A rate counts as sustained if this share of it was reached. */
const SUSTAINED_SHARE = 0.95;

/**
 * A latency with the CPU time of the process between the sockets. If a rate was not reached and the process used little of a
 * core, the machine was busy.
 */
interface Load extends Latency {
	cpuUs: number;
	cores: number;
}

const total = LOADS.reduce((sum, { frames }) => sum + frames, WARM_UP_FRAMES);
const corpus = await makeCorpus({ seed: "bench/latency", accounts: ACCOUNTS, frames: total + READS_FRAMES });
const syncsMs: number[] = [];

const copied = await withCopyRelay(1, ({ hosts, pid, origin }) => measureLoads(hosts, origin, pid));
const { relayed, besideReads } = await withRelay(
	{
		command: [process.execPath, SOURCES],
		hosts: 1,
		accounts: corpus.accounts,
		env: { RELAY_VERIFY_ENGINE: "native", RELAY_SYNC_MODE: "always", RELAY_MAX_READS_PER_IP: "1000000" },
	},
	async (run) => ({
		relayed: await measureLoads(run.hosts, run.relay.firehoseOrigin, run.relay.pid),
		besideReads: await measureBesideReads(run, corpus.frames.slice(total).map(namedFrame), READS_FRAMES_PER_S),
	}),
);

const syncMs = percentile(syncsMs, 0.5);
const p99Ms = relayed[1]?.p99 ?? Number.NaN;
const rows: Row[] = [
	{ name: "one fdatasync", value: syncMs, unit: "ms", note: "median" },
	{ name: "  p99", value: percentile(syncsMs, 0.99), unit: "ms" },
	...LOADS.flatMap(({ framesPerS }, at) => rowsOf(framesPerS, relayed[at], copied[at])),
	{
		name: "target for p99 at 2,000 events/s",
		value: P99_MS_MAX_WITHOUT_SYNCS + 2 * syncMs,
		unit: "ms at most",
		note: `${P99_MS_MAX_WITHOUT_SYNCS} ms and two fdatasyncs`,
	},
	{ name: `p99 at ${READS_FRAMES_PER_S} events/s, nobody reads the index`, value: besideReads.p99Alone, unit: "ms" },
	{ name: "  one client loops listRepos?limit=1000", value: besideReads.p99BesideReads, unit: "ms" },
	{ name: "  its ratio to the p99 before", value: besideReads.ratio, unit: "", note: "median of three turns" },
	{ name: "  pages that the client gets", value: besideReads.readsPerS, unit: "/s" },
];
await report("from a host's socket to a consumer's, native engine, sync=always", rows, {
	p99_ms_2000: p99Ms,
	fdatasync_ms: syncMs,
	live_p99_ratio_reads: besideReads.ratio,
});
process.exit(0);

/** Measures each load in turn, after the warm-up. */
async function measureLoads([host]: readonly LoadHost[], origin: string, pid: number): Promise<Load[]> {
	if (host === undefined) throw new RangeError("there is no host");
	const consumer = new TimedConsumer();
	await consumer.connect(origin);
	host.send(new RecordedFrames(corpus.frames.slice(0, WARM_UP_FRAMES).map(({ frame }) => frame)));
	await until(() => consumer.arrivedMs.size === WARM_UP_FRAMES);
	const loads: Load[] = [];
	let at = WARM_UP_FRAMES;
	for (const { framesPerS, frames } of LOADS) {
		syncsMs.push(...measureSyncs(SYNCS_PER_LOAD));
		const named = corpus.frames.slice(at, at + frames).map(namedFrame);
		const startCpuMs = processCpuMs(pid);
		const latency = await measureLatency(host, consumer, named.values(), framesPerS);
		const cpuUs = ((processCpuMs(pid) - startCpuMs) * 1000) / frames;
		loads.push({ ...latency, cpuUs, cores: (cpuUs * latency.framesPerS) / 1_000_000 });
		at += frames;
	}
	consumer.close();
	return loads;
}

function namedFrame({ frame }: CorpusFrame): NamedFrame {
	return { name: frameName(frame), bytes: withWsHeader(frame) };
}

function rowsOf(framesPerS: number, relayed: Load | undefined, copied: Load | undefined): Row[] {
	if (relayed === undefined || copied === undefined) throw new RangeError(`${framesPerS}/s was not measured`);
	const reached = relayed.framesPerS / framesPerS >= SUSTAINED_SHARE ? "" : "not sustained: the times include the wait";
	const ms = (name: string, value: number, copy: number): Row => ({
		name: `  ${name}`,
		value,
		unit: "ms",
		note: `copy ${copy.toPrecision(3)} ms`,
	});
	return [
		{
			name: `at ${framesPerS.toLocaleString("en-US")} events/s, reached`,
			value: relayed.framesPerS,
			unit: "events/s",
			note: [`copy ${Math.round(copied.framesPerS)}`, reached].filter(Boolean).join("; "),
		},
		ms("p50", relayed.p50, copied.p50),
		ms("p99", relayed.p99, copied.p99),
		ms("p99.9", relayed.p999, copied.p999),
		ms("host late by, p99", relayed.lateP99, copied.lateP99),
		{
			name: "  CPU time",
			value: relayed.cpuUs,
			unit: "µs/event",
			note: `${relayed.cores.toFixed(2)} of a core; copy ${copied.cpuUs.toFixed(1)} µs`,
		},
	];
}
