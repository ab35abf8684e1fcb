/**
 * How fast one consumer, and twenty, get a log of gigabytes that is not in memory, and how that delays live consumers: another
 * consumer gets 2,000 live events/s meanwhile. `--gib N` (10) is the size of the log, which is removed at the end. Verification
 * is left out: readers do not depend on it, and real commits take some ms each to make.
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { makeCorpus } from "../src/sim/corpus.ts";
import { processCpuMs, threadCpuMs } from "./rig/cpu.ts";
import { type Row, report } from "./rig/figures.ts";
import { RestampedFrames, WS_HEADER_BYTES } from "./rig/frames.ts";
import { LogFiller, makeIndex } from "./rig/log-filler.ts";
import type { NamedFrame } from "./rig/paced-frames.ts";
import { type Latency, measureLatency } from "./rig/paced-run.ts";
import { diskReadBytes, evictFiles } from "./rig/page-cache.ts";
import { withRelay } from "./rig/relay-run.ts";
import { scratchDirectory } from "./rig/scratch.ts";
import { frameName, TimedConsumer } from "./rig/timed-consumer.ts";

const { values } = parseArgs({ options: { gib: { type: "string", default: "10" }, json: { type: "string" } } });
const LOG_BYTES = Number(values.gib) * 1024 ** 3;
const FRAME_BYTES = 5_500;
const ACCOUNTS = 16;
const CONSUMERS = 20;
const LIVE_PER_S = 2_000;
const WARM_UP_MS = 4_000;
const ALONE_MS = 6_000;
const REPLAY_MS = 10_000;
/** The replaying consumers connect when the live one is measured already, so that the measurement covers the whole replay. */
const CONNECT_MS = 1_000;
const MIB = 1024 ** 2;

const RIG = join(import.meta.dir, "rig");

/** What all consumers together got, and the CPU time per frame of the thread that sent it. */
interface Flow {
	framesPerS: number;
	senderUs: number;
}

interface Replay extends Flow {
	/** Reads of the relay that were not in the page cache. */
	diskMibPerS: number;
	live: Latency;
}

const directory = scratchDirectory();
const log = join(directory, "log");
const databasePath = join(directory, "index.sqlite");
const corpus = await makeCorpus({ seed: "bench/replay", accounts: ACCOUNTS, frames: ACCOUNTS, records: 500 });
const { lastSeq, mibPerS } = await fillLog();

const bareOne = await bareFlow(1);
const bareTwenty = await bareFlow(CONSUMERS);
const { before, one, together, spread, after } = await withRelay(
	{
		command: [process.execPath, join(RIG, "noop-relay.ts")],
		hosts: 1,
		accounts: corpus.accounts,
		env: { RELAY_PERSIST_DIR: log, DATABASE_URL: `sqlite://${databasePath}` },
	},
	async ({ hosts: [host], relay }) => {
		if (host === undefined) throw new RangeError("there is no host");
		const consumer = new TimedConsumer();
		await consumer.connect(relay.firehoseOrigin);
		const frames = liveFrames();
		const live = (durationMs: number): Promise<Latency> =>
			measureLatency(host, consumer, frames, LIVE_PER_S, durationMs);
		const replay = (cursors: number[]): Promise<Replay> => measureReplay(relay, live, cursors);
		await live(WARM_UP_MS);
		const measured = {
			before: await live(ALONE_MS),
			one: await replay([0]),
			together: await replay(Array.from({ length: CONSUMERS }, () => 0)),
			spread: await replay(Array.from({ length: CONSUMERS }, (_, at) => Math.floor((lastSeq * at) / CONSUMERS))),
			after: await live(ALONE_MS),
		};
		consumer.close();
		return measured;
	},
);

const aloneP99Ms = (before.p99 + after.p99) / 2;
const rows: Row[] = [
	{ name: "log written", value: LOG_BYTES / MIB, unit: "MiB", note: `${Math.round(mibPerS)} MiB/s, with its syncs` },
	...flowRows("bare sends to one", bareOne, "the same bytes from memory, nothing else"),
	...flowRows("bare sends to twenty", bareTwenty, "in total"),
	...rowsOf("one consumer", one, bareOne),
	...rowsOf("twenty that begin together", together, bareTwenty),
	...rowsOf("twenty spread over the log", spread, bareTwenty),
	{
		name: "live p99 alone",
		value: aloneP99Ms,
		unit: "ms",
		note: `${before.p99.toFixed(1)} before, ${after.p99.toFixed(1)} after; p50 ${before.p50.toFixed(1)}, ${after.p50.toFixed(1)}`,
	},
];
await report(`replay of frames of ${FRAME_BYTES} bytes while ${LIVE_PER_S} events/s are live`, rows, {
	frames_per_s_replay: together.framesPerS,
	live_p99_ratio: together.live.p99 / aloneP99Ms,
});
process.exit(0);

async function fillLog(): Promise<{ lastSeq: number; mibPerS: number }> {
	const startMs = performance.now();
	const filler = new LogFiller(log, restamped(), ACCOUNTS);
	await filler.fill(LOG_BYTES);
	filler.close();
	const mibPerS = (LOG_BYTES / MIB / (performance.now() - startMs)) * 1000;
	await makeIndex(databasePath, log, filler.lastLsn);
	return { lastSeq: filler.lastSeq, mibPerS };
}

function restamped(): RestampedFrames {
	return new RestampedFrames(corpus.frames, FRAME_BYTES);
}

function* liveFrames(): Generator<NamedFrame> {
	const frames = restamped();
	for (;;) {
		const bytes = frames.nextFrame();
		yield { name: frameName(bytes.subarray(WS_HEADER_BYTES)), bytes };
	}
}

/** Lets consumers replay from the disk while another one is live. */
async function measureReplay(
	relay: { pid: number; firehoseOrigin: string },
	live: (durationMs: number) => Promise<Latency>,
	cursors: readonly number[],
): Promise<Replay> {
	evictFiles(log);
	const readBytes = diskReadBytes(relay.pid);
	const startMs = performance.now();
	const measuring = live(CONNECT_MS + REPLAY_MS);
	const flow = await replayFlow(relay.firehoseOrigin, cursors, () => threadCpuMs(relay.pid).get("fanout 0") ?? 0);
	const diskMibPerS = ((diskReadBytes(relay.pid) - readBytes) / MIB / (performance.now() - startMs)) * 1000;
	return { ...flow, diskMibPerS, live: await measuring };
}

async function replayFlow(origin: string, cursors: readonly number[], senderCpuMs: () => number): Promise<Flow> {
	const script = join(RIG, "replay-consumers.ts");
	const child = Bun.spawn([process.execPath, script, origin, String(REPLAY_MS), ...cursors.map(String)], {
		stdout: "pipe",
		stderr: "inherit",
	});
	const lines = linesOf(child.stdout);
	await lines.next();
	const startCpuMs = senderCpuMs();
	const { value } = await lines.next();
	const cpuMs = senderCpuMs() - startCpuMs;
	const { frames, tookMs } = JSON.parse(value ?? "") as { frames: number; tookMs: number };
	return { framesPerS: (frames * 1000) / tookMs, senderUs: (cpuMs * 1000) / frames };
}

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
	const decoder = new TextDecoder();
	for await (const bytes of stream) yield* decoder.decode(bytes).trimEnd().split("\n");
}

async function bareFlow(consumers: number): Promise<Flow> {
	const child = Bun.spawn([process.execPath, join(RIG, "bare-sender.ts"), String(FRAME_BYTES)], {
		stdout: "pipe",
		stderr: "inherit",
	});
	try {
		const { value } = await linesOf(child.stdout).next();
		const cursors = Array.from({ length: consumers }, () => 0);
		return await replayFlow(`ws://127.0.0.1:${Number(value)}`, cursors, () => processCpuMs(child.pid));
	} finally {
		child.kill();
	}
}

function flowRows(name: string, { framesPerS, senderUs }: Flow, note: string): Row[] {
	return [
		{ name, value: framesPerS, unit: "frames/s", note },
		{ name: "  its sender's CPU time", value: senderUs, unit: "µs/frame" },
	];
}

function rowsOf(name: string, replay: Replay, bare: Flow): Row[] {
	const { framesPerS, senderUs, diskMibPerS, live } = replay;
	const sustained =
		live.framesPerS / LIVE_PER_S >= 0.95 ? "" : `; only ${Math.round(live.framesPerS)} events/s were live`;
	return [
		{
			name,
			value: framesPerS,
			unit: "frames/s",
			note: `${(framesPerS / bare.framesPerS).toFixed(2)} of the bare sends`,
		},
		{
			name: "  CPU time of the fan-out",
			value: senderUs,
			unit: "µs/frame",
			note: `${(senderUs / bare.senderUs).toFixed(2)} of the bare sends; it serves the live consumer too`,
		},
		{ name: "  read from disk", value: diskMibPerS, unit: "MiB/s" },
		{ name: "  live p50", value: live.p50, unit: "ms", note: `the host was late by ${live.lateP99.toFixed(1)} at p99` },
		{
			name: "  live p99",
			value: live.p99,
			unit: "ms",
			note: `${(live.p99 / aloneP99Ms).toFixed(2)} times the p99 without replay${sustained}`,
		},
	];
}
