/**
 * How many frames go through the pipeline if verification costs nothing. What share of the CPU time everything but verification
 * takes with the portable engine. And how near the whole, with the native engine, comes to the rate of one core that only
 * checks signatures and hashes. Load, consumer and relay share the machine.
 */
import { join } from "node:path";
import type { EngineChoice } from "../src/config/bounds.ts";
import { type CorpusFrame, makeCorpus } from "../src/sim/corpus.ts";
import { verificationCpuMs } from "../src/sim/verification-time.ts";
import { createPortableEngine } from "../src/verify/portable/engine.ts";
import { CountingConsumer } from "./rig/counting-consumer.ts";
import { processCpuMs, threadCpuMs } from "./rig/cpu.ts";
import { median, type Row, report } from "./rig/figures.ts";
import { RecordedFrames, RestampedFrames } from "./rig/frames.ts";
import type { LoadHost } from "./rig/load-host.ts";
import { type RelayRun, until, withCopyRelay, withRelay } from "./rig/relay-run.ts";
import { TouchedMemory } from "./rig/touched-memory.ts";
import { floorUsOf } from "./rig/verification.ts";

const HOSTS = 4;
const ACCOUNTS = 16;
const FRAME_BYTES = 5_500;
/** The compilers work for a while. */
const WARM_UP_MS = 6_000;
const WINDOW_MS = 3_000;
const WINDOWS = 3;
/** Numbers of really signed commits, and how many of them only warm up both sides. */
const PORTABLE_FRAMES = 6_400;
const PORTABLE_WARM_UP = 1_600;
const NATIVE_FRAMES = 40_000;
const NATIVE_WARM_UP = 16_000;
/** What the run without verification appends to the log, at most. */
const LOG_BYTES_MAX = 5 * 1024 ** 3;

const RIG = join(import.meta.dir, "rig");
const SOURCES = join(import.meta.dir, "..", "src", "main.ts");

/** What was measured in one window of a run. CPU times are per frame. */
interface Flow {
	framesPerS: number;
	relayUs: number;
	/** The relay's CPU time by thread. */
	threadUs: ReadonlyMap<string, number>;
	loadUs: number;
}

const corpus = await makeCorpus({ seed: "bench/pipeline", accounts: ACCOUNTS, frames: NATIVE_FRAMES });
const copied = await flowOfCopy();
const noop = await flowOfNoop();
const portable = await flowWithPortable();
const native = await flowWithNative();
const frameBytes = corpus.frames.reduce((sum, { frame }) => sum + frame.length, 0) / corpus.frames.length;

const rows: Row[] = [
	{ name: "bare copy, socket to socket", value: copied.framesPerS, unit: "frames/s", note: "one thread, same load" },
	{ name: "  its CPU time", value: copied.relayUs, unit: "µs/frame" },
	{ name: "  CPU time of load and consumer", value: copied.loadUs, unit: "µs/frame" },
	{
		name: "pipeline without verification",
		value: noop.framesPerS,
		unit: "frames/s",
		note: `${(noop.framesPerS / copied.framesPerS).toFixed(2)} of the copy`,
	},
	{
		name: "  its CPU time",
		value: noop.relayUs,
		unit: "µs/frame",
		note: `${(noop.relayUs / copied.relayUs).toFixed(2)} of the copy`,
	},
	...byThread(noop),
	{ name: "  CPU time of load and consumer", value: noop.loadUs, unit: "µs/frame" },
	{
		name: "pipeline with the portable engine",
		value: portable.framesPerS,
		unit: "frames/s",
		note: `frames of ${Math.round(frameBytes)} bytes`,
	},
	{ name: "  its CPU time", value: portable.relayUs, unit: "µs/frame" },
	{ name: "  verification alone", value: portable.verifyUs, unit: "µs/frame" },
	{ name: "  share that is not verification", value: 100 * portable.share, unit: "%" },
];
const figures: Record<string, number> = {
	frames_per_s_noop: noop.framesPerS,
	share_not_verification: portable.share,
};
if (native !== null) {
	rows.push(
		{ name: "pipeline with the native engine", value: native.framesPerS, unit: "frames/s" },
		{ name: "  its CPU time", value: native.relayUs, unit: "µs/frame" },
		...byThread(native),
		{ name: "  CPU time of load and consumer", value: native.loadUs, unit: "µs/frame" },
		{ name: "  signatures and hashes alone", value: native.floorUs, unit: "µs/frame", note: "the floor, on one core" },
		{ name: "  share of that core's rate", value: 100 * native.share, unit: "%" },
	);
	figures["commits_per_s"] = native.framesPerS;
	figures["share_of_floor"] = native.share;
}
await report(`frames of ${FRAME_BYTES} bytes from ${HOSTS} hosts to one consumer`, rows, figures);
process.exit(0);

function flowOfCopy(): Promise<Flow> {
	return withCopyRelay(HOSTS, ({ hosts, pid, origin }) =>
		withConsumer(origin, (consumer) => measureFlow(hosts, consumer, pid)),
	);
}

async function flowOfNoop(): Promise<Flow> {
	const memory = new TouchedMemory(LOG_BYTES_MAX);
	try {
		return await runRelay(join(RIG, "noop-relay.ts"), async ({ hosts, relay }, consumer) => {
			const timer = setInterval(() => memory.keepAheadOf(consumer.bytes), 50);
			const flow = await measureFlow(hosts, consumer, relay.pid);
			clearInterval(timer);
			return flow;
		});
	} finally {
		memory.remove();
	}
}

/** Lets the hosts send for a while, and returns the median one of several windows. */
async function measureFlow(hosts: readonly LoadHost[], consumer: CountingConsumer, relayPid: number): Promise<Flow> {
	for (const [number, host] of hosts.entries()) {
		host.send(new RestampedFrames(framesOf(number, corpus.frames.slice(0, ACCOUNTS)), FRAME_BYTES));
	}
	await Bun.sleep(WARM_UP_MS);
	const flows: Flow[] = [];
	for (let window = 0; window < WINDOWS; window++) {
		const start = sample(consumer, relayPid);
		await Bun.sleep(WINDOW_MS);
		flows.push(flowBetween(start, sample(consumer, relayPid)));
	}
	for (const host of hosts) host.pause();
	const framesPerS = median(flows.map((flow) => flow.framesPerS));
	const middle = flows.find((flow) => flow.framesPerS === framesPerS);
	if (middle === undefined) throw new Error("no window has the median rate");
	return middle;
}

interface Sample {
	atMs: number;
	frames: number;
	relayMs: number;
	threadMs: ReadonlyMap<string, number>;
	loadMs: number;
}

function sample(consumer: CountingConsumer, relayPid: number): Sample {
	return {
		atMs: performance.now(),
		frames: consumer.frames,
		relayMs: processCpuMs(relayPid),
		threadMs: threadCpuMs(relayPid),
		loadMs: processCpuMs(process.pid),
	};
}

function flowBetween(start: Sample, end: Sample): Flow {
	const frames = end.frames - start.frames;
	const usPerFrame = (startMs: number, endMs: number): number => ((endMs - startMs) * 1000) / frames;
	const threads = [...end.threadMs].map(
		([thread, ms]) => [thread, usPerFrame(start.threadMs.get(thread) ?? 0, ms)] as const,
	);
	return {
		framesPerS: (frames * 1000) / (end.atMs - start.atMs),
		relayUs: usPerFrame(start.relayMs, end.relayMs),
		threadUs: new Map(threads),
		loadUs: usPerFrame(start.loadMs, end.loadMs),
	};
}

/** Measures the relay with the portable engine, and the engine alone on the same commits. */
async function flowWithPortable(): Promise<Flow & { verifyUs: number; share: number }> {
	const warmUp = corpus.frames.slice(0, PORTABLE_WARM_UP);
	const rest = corpus.frames.slice(PORTABLE_WARM_UP, PORTABLE_FRAMES);
	const verifyUs = (verificationCpuMs(createPortableEngine(), warmUp, rest) * 1000) / rest.length;
	const flow = await flowOfSigned("portable", warmUp, rest);
	return { ...flow, verifyUs, share: 1 - verifyUs / flow.relayUs };
}

/** Measures the relay with the native engine, and the floor (see `bench/verify.ts`). Null if the addon is not built. */
async function flowWithNative(): Promise<(Flow & { floorUs: number; share: number }) | null> {
	const warmUp = corpus.frames.slice(0, NATIVE_WARM_UP);
	const rest = corpus.frames.slice(NATIVE_WARM_UP);
	const floorUs = floorUsOf(rest);
	if (floorUs === null) return null;
	const flow = await flowOfSigned("native", warmUp, rest);
	return { ...flow, floorUs, share: (flow.framesPerS * floorUs) / 1_000_000 };
}

function flowOfSigned(engine: EngineChoice, warmUp: CorpusFrame[], rest: CorpusFrame[]): Promise<Flow> {
	const use = async ({ hosts, relay }: RelayRun, consumer: CountingConsumer): Promise<Flow> => {
		// Both are made in advance, so that the load only costs its writing.
		const recorded = (frames: readonly CorpusFrame[]): RecordedFrames[] =>
			hosts.map((_, number) => new RecordedFrames(framesOf(number, frames).map(({ frame }) => frame)));
		const first = recorded(warmUp);
		const second = recorded(rest);
		const send = async (sources: readonly RecordedFrames[], count: number): Promise<void> => {
			const end = consumer.frames + count;
			for (const [number, source] of sources.entries()) hosts[number]?.send(source);
			await until(() => consumer.frames === end);
		};
		await send(first, warmUp.length);
		const start = sample(consumer, relay.pid);
		await send(second, rest.length);
		return flowBetween(start, sample(consumer, relay.pid));
	};
	return runRelay(SOURCES, use, { RELAY_VERIFY_ENGINE: engine });
}

/** The frames of a host: accounts are dealt out to the hosts in turn. */
function framesOf(host: number, frames: readonly CorpusFrame[]): CorpusFrame[] {
	return frames.filter(({ account }) => corpus.accounts.indexOf(account) % HOSTS === host);
}

function byThread({ threadUs }: Flow): Row[] {
	return ["ingest 0", "log", "fanout 0", "index"].map((thread) => ({
		name: `    of it ${thread}`,
		value: threadUs.get(thread) ?? 0,
		unit: "µs/frame",
	}));
}

/** Runs a relay that follows hosts and has one consumer. */
function runRelay(
	entry: string,
	use: (run: RelayRun, consumer: CountingConsumer) => Promise<Flow>,
	env: Record<string, string> = {},
): Promise<Flow> {
	const options = { command: [process.execPath, entry], hosts: HOSTS, accounts: corpus.accounts, env };
	return withRelay(options, (run) => withConsumer(run.relay.firehoseOrigin, (consumer) => use(run, consumer)));
}

async function withConsumer(origin: string, use: (consumer: CountingConsumer) => Promise<Flow>): Promise<Flow> {
	const consumer = new CountingConsumer();
	await consumer.connect(origin);
	try {
		return await use(consumer);
	} finally {
		consumer.close();
	}
}
