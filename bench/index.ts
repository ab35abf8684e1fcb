/**
 * What the index costs on each store: SQLite, and a PostgreSQL server on the same machine. Records applied per second, reads of accounts
 * that are in no cache, bytes on disk, and what the store of a relay does to its latency. The stores take turns.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { openIndexReader, openIndexWriter } from "../src/index/open.ts";
import type { StoredRecord } from "../src/log/record/stored-record.ts";
import { makeCorpus } from "../src/sim/corpus.ts";
import { Rng } from "../src/sim/rng.ts";
import { NEW_LOG } from "../test/index/store-cases.ts";
import { median, percentile, type Row, report } from "./rig/figures.ts";
import { RecordedFrames, withWsHeader } from "./rig/frames.ts";
import { didOf, IndexRecords } from "./rig/index-records.ts";
import { type BenchStore, postgresStore, sqliteStore } from "./rig/index-stores.ts";
import { measureLatency } from "./rig/paced-run.ts";
import { until, withRelay } from "./rig/relay-run.ts";
import { scratchDirectory } from "./rig/scratch.ts";
import { frameName, TimedConsumer } from "./rig/timed-consumer.ts";

const BINARY = join(import.meta.dir, "..", "dist", "standpipe");
const ACCOUNTS = 200_000;
/** As many records as the follower gives the index at most, and as many as gather in its 25 ms at 2,000 events/s. */
const CATCH_UP_BATCH = 5_000;
const LIVE_BATCH = 50;
const CATCH_UP_RECORDS = 200_000;
const LIVE_RECORDS = 20_000;
const READS = 5_000;
/** Reads that wait at the same time, as after a start under load. */
const READS_AT_ONCE = 500;
const SENDING_ACCOUNTS = 16;
const WARM_UP_FRAMES = 6_000;
const FRAMES_PER_S = 2_000;
const FRAMES = 8_000;
const LATENCY_TURNS = 3;

interface StoreFigures {
	newAccountsPerS: number;
	catchUpPerS: number;
	livePerS: number;
	liveMs: number[];
	bytesPerAccount: number;
	readMs: number[];
	readsAtOnceMs: number[];
	relayP50Ms: number[];
	relayP99Ms: number[];
}

if (!existsSync(BINARY)) throw new Error("there is no dist/standpipe: `make build` makes it");
const postgres = await postgresStore();
const stores: readonly [BenchStore, BenchStore] = [sqliteStore(scratchDirectory()), postgres];
const figures = new Map<BenchStore, StoreFigures>();
for (const store of stores) figures.set(store, await measureStore(store));
await measureRelays();
const [sqlite, served] = stores.map((store) => figuresOf(store)) as [StoreFigures, StoreFigures];

const p99Ratio = median(served.relayP99Ms.map((ms, turn) => ms / (sqlite.relayP99Ms[turn] ?? Number.NaN)));
const rows: Row[] = [
	...pair("new accounts, with identities", "records/s", ({ newAccountsPerS }) => newAccountsPerS),
	...pair(`catch-up, ${CATCH_UP_BATCH} commits at a time`, "records/s", ({ catchUpPerS }) => catchUpPerS),
	...pair(`live, ${LIVE_BATCH} commits at a time`, "records/s", ({ livePerS }) => livePerS),
	...pair("  one such batch, p50", "ms", ({ liveMs }) => percentile(liveMs, 0.5)),
	...pair("  p99", "ms", ({ liveMs }) => percentile(liveMs, 0.99)),
	...pair("an account that no cache has, p50", "ms", ({ readMs }) => percentile(readMs, 0.5)),
	...pair("  p99", "ms", ({ readMs }) => percentile(readMs, 0.99)),
	...pair(`  ${READS_AT_ONCE} at once, p50`, "ms", ({ readsAtOnceMs }) => percentile(readsAtOnceMs, 0.5)),
	...pair("  p99", "ms", ({ readsAtOnceMs }) => percentile(readsAtOnceMs, 0.99)),
	...pair("an account with its identity", "bytes on disk", ({ bytesPerAccount }) => bytesPerAccount),
	...pair(`host to consumer at ${FRAMES_PER_S}/s, p50`, "ms", ({ relayP50Ms }) => median(relayP50Ms)),
	...pair("  p99", "ms", ({ relayP99Ms }) => median(relayP99Ms)),
	{ name: "  ratio of the turns' p99", value: p99Ratio, unit: "", note: "median; at most 1.5" },
];
await report(`the index on both stores, ${ACCOUNTS.toLocaleString("en-US")} accounts`, rows, {
	catch_up_records_per_s_sqlite: sqlite.catchUpPerS,
	catch_up_records_per_s_postgres: served.catchUpPerS,
	read_p99_ms_postgres: percentile(served.readMs, 0.99),
	bytes_per_account_sqlite: sqlite.bytesPerAccount,
	bytes_per_account_postgres: served.bytesPerAccount,
	p99_ratio_postgres: p99Ratio,
});
await postgres.stop();
process.exit(0);

async function measureStore(store: BenchStore): Promise<StoreFigures> {
	const url = await store.newUrl();
	const writer = await openIndexWriter(url, NEW_LOG);
	const records = new IndexRecords(new Rng("bench/index"), ACCOUNTS);
	const apply = async (batches: Iterable<StoredRecord[]>): Promise<{ perS: number; tookMs: number[] }> => {
		const tookMs: number[] = [];
		let applied = 0;
		for (const batch of batches) {
			const startMs = performance.now();
			await writer.apply(batch);
			tookMs.push(performance.now() - startMs);
			applied += batch.length;
		}
		return { perS: (applied * 1000) / tookMs.reduce((sum, ms) => sum + ms, 0), tookMs };
	};
	await apply([records.hosts()]);
	const emptyBytes = await store.bytes(url);
	const filled = await apply(records.newAccounts(CATCH_UP_BATCH));
	const bytesPerAccount = ((await store.bytes(url)) - emptyBytes) / ACCOUNTS;
	const caughtUp = await apply(records.commits(CATCH_UP_RECORDS, CATCH_UP_BATCH));
	const live = await apply(records.commits(LIVE_RECORDS, LIVE_BATCH));
	const reads = await measureReads(url);
	await writer.store.close();
	return {
		newAccountsPerS: filled.perS,
		catchUpPerS: caughtUp.perS,
		livePerS: live.perS,
		liveMs: live.tookMs,
		bytesPerAccount,
		...reads,
		relayP50Ms: [],
		relayP99Ms: [],
	};
}

/** Reads accounts one after the other, and many at once. */
async function measureReads(url: string): Promise<Pick<StoreFigures, "readMs" | "readsAtOnceMs">> {
	const reader = await openIndexReader(url, () => 0);
	const rng = new Rng("bench/index reads");
	const read = async (): Promise<number> => {
		const startMs = performance.now();
		if ((await reader.account(didOf(rng.int(ACCOUNTS)))) === null) throw new Error("an account is not in the index");
		return performance.now() - startMs;
	};
	const readMs: number[] = [];
	while (readMs.length < READS) readMs.push(await read());
	const readsAtOnceMs: number[] = [];
	while (readsAtOnceMs.length < READS)
		readsAtOnceMs.push(...(await Promise.all(Array.from({ length: READS_AT_ONCE }, read))));
	await reader.close();
	return { readMs, readsAtOnceMs };
}

/** Measures the compiled relay with one store after the other, several times. */
async function measureRelays(): Promise<void> {
	const corpus = await makeCorpus({
		seed: "bench/index",
		accounts: SENDING_ACCOUNTS,
		frames: WARM_UP_FRAMES + FRAMES,
		records: 1_000,
	});
	const warmUp = corpus.frames.slice(0, WARM_UP_FRAMES).map(({ frame }) => frame);
	const measured = corpus.frames.slice(WARM_UP_FRAMES);
	const turn = async (store: BenchStore): Promise<void> => {
		const env = { RELAY_VERIFY_ENGINE: "native", DATABASE_URL: await store.newUrl() };
		const options = { command: [BINARY, "serve"], hosts: 1, accounts: corpus.accounts, env };
		await withRelay(options, async ({ hosts: [host], relay }) => {
			if (host === undefined) throw new RangeError("there is no host");
			const consumer = new TimedConsumer();
			await consumer.connect(relay.firehoseOrigin);
			host.send(new RecordedFrames(warmUp));
			await until(() => consumer.arrivedMs.size === WARM_UP_FRAMES);
			const frames = measured.map(({ frame }) => ({ name: frameName(frame), bytes: withWsHeader(frame) }));
			const { p50, p99 } = await measureLatency(host, consumer, frames.values(), FRAMES_PER_S);
			consumer.close();
			figuresOf(store).relayP50Ms.push(p50);
			figuresOf(store).relayP99Ms.push(p99);
		});
	};
	for (let at = 0; at < LATENCY_TURNS; at++) for (const store of stores) await turn(store);
}

function figuresOf(store: BenchStore): StoreFigures {
	const found = figures.get(store);
	if (found === undefined) throw new RangeError(`${store.name} was not measured`);
	return found;
}

/** A line for each store; the second one's note is its ratio to the first one's. */
function pair(name: string, unit: string, figureOf: (of: StoreFigures) => number): Row[] {
	const [first, second] = stores.map((store) => figureOf(figuresOf(store))) as [number, number];
	return [
		{ name, value: first, unit, note: "SQLite" },
		{ name: "", value: second, unit, note: `PostgreSQL, ${(second / first).toPrecision(3)} of it` },
	];
}
