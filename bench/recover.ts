/**
 * How soon the compiled relay serves again after `kill -9` under load, with a log of 50 GiB, and how fast the index catches up.
 * Most of the log's sealed segments have holes in place of records (see `rig/sparse-segments.ts`), since a start reads only
 * their headers. The last sealed segment and the active one are real. The active one is nearly full, and a start scans all of
 * it.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { makeCorpus } from "../src/sim/corpus.ts";
import { CountingConsumer } from "./rig/counting-consumer.ts";
import { processCpuMs } from "./rig/cpu.ts";
import { type Row, report } from "./rig/figures.ts";
import { RecordedFrames, RestampedFrames } from "./rig/frames.ts";
import { LogFiller, makeIndex, SEGMENT_BYTES } from "./rig/log-filler.ts";
import { evictFiles } from "./rig/page-cache.ts";
import { until, withRelay } from "./rig/relay-run.ts";
import { scratchDirectory } from "./rig/scratch.ts";
import { makeSparseSegments } from "./rig/sparse-segments.ts";

const BINARY = join(import.meta.dir, "..", "dist", "standpipe");
const SPARSE_SEGMENTS = 198;
const SEALED_SEGMENTS = 1;
/** Space in the active segment for what is sent before the kill. */
const ROOM_BYTES = 16 * 1024 ** 2;
const FRAME_BYTES = 5_500;
/** Accounts whose rows the index writes while it catches up. */
const INDEXED_ACCOUNTS = 20_000;
const SENDING_ACCOUNTS = 4;
/** Signed commits that are sent, and how many of them a consumer has got when the relay is killed. */
const FRAMES = 3_600;
const FRAMES_BEFORE_KILL = 300;
const GIB = 1024 ** 3;

/** How long a start took until the relay could be used, and the CPU time of all its threads by then. */
interface Start {
	tookMs: number;
	cpuMs: number;
}

if (!existsSync(BINARY)) throw new Error("there is no dist/standpipe: `make build` makes it");

const directory = scratchDirectory();
const log = join(directory, "log");
const databasePath = join(directory, "index.sqlite");
const command = [BINARY, "serve"];
const corpus = await makeCorpus({ seed: "bench/recover", accounts: SENDING_ACCOUNTS, frames: FRAMES, records: 1_000 });

const empty = await withRelay({ command, hosts: 0, accounts: [] }, async ({ startMs, relay }) => ({
	tookMs: startMs,
	cpuMs: processCpuMs(relay.pid),
}));
const sparseSeq = makeSparseSegments(log, SPARSE_SEGMENTS);
const filledSeq = await fill();
await makeIndex(databasePath, log, sparseSeq);

const starts = await withRelay(
	{
		command,
		hosts: 1,
		accounts: corpus.accounts,
		env: { RELAY_PERSIST_DIR: log, DATABASE_URL: `sqlite://${databasePath}` },
	},
	async ({ hosts: [host], relay, startMs }) => {
		const catchUp: Start = { tookMs: startMs, cpuMs: processCpuMs(relay.pid) };
		if (host === undefined) throw new RangeError("there is no host");
		const consumer = new CountingConsumer();
		await consumer.connect(relay.firehoseOrigin);
		host.send(new RecordedFrames(corpus.frames.map(({ frame }) => frame)));
		await until(() => consumer.frames >= FRAMES_BEFORE_KILL);
		const { lastSeq } = (await relay.stats()).log;
		relay.kill();
		await relay.exited();
		const { frames } = consumer;
		if (frames >= FRAMES) throw new Error("the load was over before the kill");
		consumer.close();
		host.stop();

		const restart = async (): Promise<Start> => {
			const startedAtMs = performance.now();
			await relay.start();
			const reader = new CountingConsumer();
			await reader.connect(relay.firehoseOrigin, filledSeq);
			await until(() => reader.frames > 0);
			const start: Start = { tookMs: performance.now() - startedAtMs, cpuMs: processCpuMs(relay.pid) };
			await until(() => reader.frames >= frames);
			reader.close();
			const stats = await relay.stats();
			if (stats.log.lastSeq < lastSeq) throw new Error("the start lost records that were published");
			if (stats.counters.of("log_gaps_total") > 0) throw new Error("the start read what is not there, or found damage");
			relay.kill();
			await relay.exited();
			return start;
		};
		const warm = await restart();
		evictFiles(log);
		const cold = await restart();
		// At its end, `withRelay` asks the running relay whether it rejected anything.
		await relay.start();
		return { catchUp, warm, cold, frames };
	},
);

const records = filledSeq - sparseSeq;
const { catchUp, warm, cold } = starts;
const recordsPerS = (records * 1000) / (catchUp.tookMs - warm.tookMs);
const recordUs = ((catchUp.cpuMs - warm.cpuMs) * 1000) / records;
const gib = ((SPARSE_SEGMENTS + SEALED_SEGMENTS + 1) * SEGMENT_BYTES) / GIB;
const rows: Row[] = [
	row("an empty log: healthy", empty, "the same binary"),
	row(
		`${gib} GiB, after kill -9: first frame out`,
		warm,
		`${(warm.tookMs / empty.tookMs).toFixed(2)} of the empty log`,
	),
	row("  with nothing of it in the page cache", cold, `${(cold.tookMs / empty.tookMs).toFixed(2)} of the empty log`),
	row("  with an index that is behind: healthy", catchUp, `by ${records.toLocaleString("en-US")} records`),
	{
		name: "index catches up",
		value: recordsPerS,
		unit: "records/s",
		note: `${recordUs.toFixed(1)} µs of CPU time each; ${INDEXED_ACCOUNTS.toLocaleString("en-US")} accounts in turn`,
	},
];
await report(`start of the compiled relay, killed with ${starts.frames} of ${FRAMES} frames out`, rows, {
	ready_s: warm.tookMs / 1000,
	index_records_per_s: recordsPerS,
});
process.exit(0);

/** @returns the last seq of the real segments */
async function fill(): Promise<number> {
	const frames = new RestampedFrames(corpus.frames.slice(0, SENDING_ACCOUNTS), FRAME_BYTES);
	const filler = new LogFiller(log, frames, INDEXED_ACCOUNTS);
	await filler.fill((SEALED_SEGMENTS + 1) * SEGMENT_BYTES - ROOM_BYTES);
	filler.close();
	return filler.lastSeq;
}

function row(name: string, { tookMs, cpuMs }: Start, note: string): Row {
	return { name, value: tookMs / 1000, unit: "s", note: `${note}; ${(cpuMs / 1000).toFixed(2)} s of CPU time` };
}
