import { Database } from "bun:sqlite";
import { median } from "./figures.ts";
import type { NamedFrame } from "./paced-frames.ts";
import { measureLatency } from "./paced-run.ts";
import type { RelayRun } from "./relay-run.ts";
import { TimedConsumer } from "./timed-consumer.ts";

/** More than one page of `listRepos`. */
const ACCOUNTS = 2_000;
/** The first bytes of a commit's CID: DAG-CBOR and SHA-256. */
const CID_PREFIX = [0x01, 0x71, 0x12, 0x20];
const CID_HASH_BYTES = 32;
const ROUNDS = 3;

/** Live latency with and without a client that loops `listRepos?limit=1000`. */
export interface ReaderLoad {
	/** Medians over the rounds, in ms. */
	p99Alone: number;
	p99BesideReads: number;
	/** Median of the rounds' own ratios. */
	ratio: number;
	readsPerS: number;
}

/**
 * Measures with and without reads, in turns. The relay must not limit reads.
 *
 * @param frames each turn gets the same number of them, in order
 */
export async function measureBesideReads(
	{ hosts: [host], relay }: RelayRun,
	frames: readonly NamedFrame[],
	framesPerS: number,
): Promise<ReaderLoad> {
	if (host === undefined) throw new RangeError("there is no host");
	addAccounts(relay.indexPath);
	const consumer = new TimedConsumer();
	await consumer.connect(relay.firehoseOrigin);
	const perTurn = Math.floor(frames.length / (2 * ROUNDS));
	const measure = async (turn: number): Promise<number> => {
		const own = frames.slice(turn * perTurn, (turn + 1) * perTurn);
		return (await measureLatency(host, consumer, own.values(), framesPerS)).p99;
	};
	const rounds: { alone: number; beside: number; readsPerS: number }[] = [];
	for (let round = 0; round < ROUNDS; round++) {
		const alone = await measure(2 * round);
		const reads = new ReadLoop(`http://127.0.0.1:${relay.apiPort}`);
		const beside = await measure(2 * round + 1);
		rounds.push({ alone, beside, readsPerS: await reads.stop() });
	}
	consumer.close();
	return {
		p99Alone: median(rounds.map(({ alone }) => alone)),
		p99BesideReads: median(rounds.map(({ beside }) => beside)),
		ratio: median(rounds.map(({ alone, beside }) => beside / alone)),
		readsPerS: median(rounds.map(({ readsPerS }) => readsPerS)),
	};
}

/** The client that loops, in a process of its own, so that it does not delay the rig's timers. */
class ReadLoop {
	readonly #child: Bun.Subprocess<"ignore", "pipe", "inherit">;
	readonly #startMs = performance.now();

	constructor(origin: string) {
		const script = new URL("./read-loop.ts", import.meta.url).pathname;
		this.#child = Bun.spawn([process.execPath, script, origin], { stdin: "ignore", stdout: "pipe", stderr: "inherit" });
	}

	/** @returns answers per second */
	async stop(): Promise<number> {
		this.#child.kill("SIGTERM");
		const answers = Number(await this.#child.stdout.text());
		if (!(answers > 0)) throw new Error("no read was answered");
		return (answers * 1000) / (performance.now() - this.#startMs);
	}
}

/** Adds accounts without messages, so that a page of the listing is full. It writes to the index of the running relay. */
function addAccounts(databasePath: string): void {
	const database = new Database(databasePath);
	database.run("PRAGMA busy_timeout = 10000");
	const insert = database.prepare(
		`INSERT INTO account (did, host, host_seq, last_time_ms, upstream_active, status_lsn, taken_down, rev, commit_cid, data_cid)
		VALUES (?, 1, 0, 0, 1, 0, 0, '3kaaaaaaaaaaa', ?, ?)`,
	);
	const cid = (): Uint8Array =>
		Uint8Array.from([...CID_PREFIX, ...crypto.getRandomValues(new Uint8Array(CID_HASH_BYTES))]);
	database.transaction(() => {
		for (let at = 0; at < ACCOUNTS; at++) insert.run(`did:web:account-${at}.bench.example.com`, cid(), cid());
	})();
	database.close();
}
