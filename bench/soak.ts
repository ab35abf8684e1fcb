/**
 * Does the relay stay as it is while everything around it changes? For an hour it gets 500 messages a second, while hosts come and go,
 * accounts migrate, rotate keys, are deactivated, deleted and taken down, and consumers connect, stall and leave. Each minute is a line:
 * memory, descriptors, threads, messages in and out, lags. One consumer stays, and gets each message once and in order; what the others
 * get is compared with it. The exit code is 0 if memory, descriptors and threads are flat, and nothing came wrong.
 *
 * `--minutes M`, `--rate N` (messages a second), `--replay-bytes B` and `--segment-bytes B` (the log's window), `--identities N` (the
 * cache), `--json FILE`.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { RelayProcess, type RelayStats } from "../src/sim/relay-process.ts";
import { Rng } from "../src/sim/rng.ts";
import { CheckedStream, messageName } from "./rig/checked-stream.ts";
import { Churn } from "./rig/churn.ts";
import { ChurningNetwork } from "./rig/churning-network.ts";
import { MessageLedger } from "./rig/message-ledger.ts";
import { cellsOf, MINUTE_HEADINGS, type Minute, MinuteWatch, meanOf, ratioCells } from "./rig/minutes.ts";
import { pauseFor } from "./rig/pause.ts";
import { RoamingConsumer } from "./rig/roaming-consumer.ts";
import { SeenFrames } from "./rig/seen-frames.ts";
import { riseOfLastHalf } from "./rig/trend.ts";

const BINARY = join(import.meta.dir, "..", "dist", "standpipe");
const HOSTS = 20;
const ACCOUNTS = 2_000;
const CONSUMERS = 10;
const MINUTE_MS = 60_000;
const SAMPLE_MS = 5_000;
const SETTLE_MS_MAX = 120_000;
/** How much a figure may rise over the last half of the run. */
const RISE_PERCENT_MAX = 5;
const FLAT = ["residentMib", "descriptors", "threads"] as const;

const { values: options } = parseArgs({
	options: {
		json: { type: "string" },
		minutes: { type: "string", default: "60" },
		rate: { type: "string", default: "500" },
		"replay-bytes": { type: "string", default: "192MiB" },
		"segment-bytes": { type: "string", default: "16MiB" },
		identities: { type: "string", default: "1000" },
	},
});
if (!existsSync(BINARY)) throw new Error("there is no dist/standpipe: `make build` makes it");

const rng = new Rng("soak");
const ledger = new MessageLedger();
const seen = new SeenFrames();
const network = new ChurningNetwork(rng.fork("network"), ledger);
const relay = await RelayProcess.create({
	command: [BINARY, "serve"],
	plcUrl: network.plc.url,
	env: {
		RELAY_LOG_LEVEL: "warning",
		RELAY_REPLAY_BYTES: options["replay-bytes"],
		RELAY_SEGMENT_BYTES: options["segment-bytes"],
		RELAY_IDENT_CACHE_SIZE: options.identities,
		RELAY_SLOW_CONSUMER_WINDOW: "10s",
	},
});
const kill = (): void => relay.kill();
process.on("exit", kill);
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => process.exit(1));

const churn = new Churn(network, ledger, seen, relay, rng.fork("churn"));
const steady = new CheckedStream(relay.firehoseOrigin, ledger, seen, (message) =>
	ledger.receive(message.did, messageName(message)),
);
const roaming = Array.from({ length: CONSUMERS }, (_, number) => {
	const range = async (): Promise<RelayStats["log"]> => (await relay.stats()).log;
	return new RoamingConsumer(relay.firehoseOrigin, ledger, seen, range, rng.fork(`consumer ${number}`));
});

const minutes = await run();
const stats = await settle();
const isFlat = summarize(minutes, stats);
process.off("exit", kill);
const code = await relay.stop();
if (code !== 0) ledger.fault(`the relay ended with ${code}`);
const isRight = ledger.faultCount === 0;
await network.stop();
if (options.json !== undefined) {
	const figures = Object.fromEntries(FLAT.map((name) => [`rise_percent_${name}`, risePercent(minutes, name)]));
	await Bun.write(options.json, `${JSON.stringify({ figures, minutes })}\n`);
}
for (const fault of ledger.faults) console.log(`  fault: ${fault}`);
console.log(`${isFlat ? "Flat" : "NOT FLAT"}. ${isRight ? "Nothing came wrong" : `${ledger.faultCount} FAULTS`}.`);
if (isFlat && isRight) await relay.remove();
else console.log(`The relay's log: ${relay.logPath}`);
process.exit(isFlat && isRight ? 0 : 1);

/** Runs the load for the time, and prints a line each minute. */
async function run(): Promise<Minute[]> {
	await relay.start();
	await steady.connect(null);
	for (let count = 0; count < HOSTS; count++) await churn.follow(network.addPlace());
	for (let count = 0; count < ACCOUNTS; count++) await network.addMember();
	const ending = new AbortController();
	const load = Promise.all([
		network.run(Number(options.rate), ending.signal),
		churn.run(ending.signal),
		...roaming.map((consumer) => consumer.run(ending.signal)),
	]);
	const watched = watch();
	await Promise.race([watched, load]);
	ending.abort();
	await load;
	return watched;
}

async function watch(): Promise<Minute[]> {
	const watching = new MinuteWatch(relay);
	const minutes: Minute[] = [];
	await watching.sample(ledger.pending);
	printLine("minute", MINUTE_HEADINGS);
	for (let minute = 1; minute <= Number(options.minutes); minute++) {
		const endMs = performance.now() + MINUTE_MS;
		while (performance.now() < endMs) {
			await Bun.sleep(Math.min(SAMPLE_MS, endMs - performance.now()));
			await watching.sample(ledger.pending);
		}
		network.trim();
		const ended = watching.endMinute();
		minutes.push(ended);
		printLine(String(minute), cellsOf(ended));
		if (!steady.isOpen) throw new Error(`the relay has ended the steady consumer: ${[...steady.notices.keys()]}`);
	}
	return minutes;
}

/** Waits until all that is on its way has come. */
async function settle(): Promise<RelayStats> {
	const giveUp = AbortSignal.timeout(SETTLE_MS_MAX);
	while (ledger.pending > 0 && !giveUp.aborted) await pauseFor(100, giveUp);
	for (const fault of ledger.unsettled()) ledger.fault(fault);
	const stats = await relay.stats();
	for (const [reason, count] of Object.entries(stats.rejected)) {
		const planned = reason === "account-inactive" ? churn.withheld : 0;
		if (count !== planned) ledger.fault(`${count} messages were rejected by ${reason}, and ${planned} had to be`);
	}
	return stats;
}

/** Prints the figures of the first and the last third, and what has happened. Returns whether memory and the like are flat. */
function summarize(minutes: readonly Minute[], { counters, rejected }: RelayStats): boolean {
	const third = Math.max(1, Math.floor(minutes.length / 3));
	const first = meanOf(minutes.slice(0, third));
	const last = meanOf(minutes.slice(-third));
	printLine("first third", cellsOf(first));
	printLine("last third", cellsOf(last));
	printLine("ratio", ratioCells(last, first));
	const total = (of: (consumer: RoamingConsumer) => number): number => roaming.reduce((sum, one) => sum + of(one), 0);
	console.log(
		listOf("Messages", {
			sent: network.sent,
			received: ledger.received,
			"received by roaming consumers": total(({ frames }) => frames),
			compared: seen.compared,
			"rejected as planned": churn.withheld,
		}),
	);
	console.log(listOf("Rejected", Object.fromEntries(Object.entries(rejected).filter(([, count]) => count > 0))));
	console.log(listOf("Happened", churn.counts));
	console.log(
		listOf("Roaming consumers", {
			visits: total(({ visits }) => visits),
			stalls: total(({ stalls }) => stalls),
			"dropped as too slow": total(({ dropped }) => dropped),
			"told that their cursor is outdated": total(({ notices }) => notices.get("OutdatedCursor") ?? 0),
		}),
	);
	console.log(
		listOf("Relay", {
			"segments removed": counters.of("segments_removed_total"),
			"identities evicted": counters.of("identity_evictions_total"),
			"connections to hosts": counters.of("host_connects_total"),
			discontinuities: counters.of("discontinuities_total"),
		}),
	);
	const rises = FLAT.map((name) => [name, risePercent(minutes, name)] as const);
	console.log(listOf("Rise over the last half, in percent", Object.fromEntries(rises)));
	return rises.every(([, percent]) => percent <= RISE_PERCENT_MAX);
}

function risePercent(minutes: readonly Minute[], name: keyof Minute): number {
	return Number((100 * riseOfLastHalf(minutes.map((minute) => minute[name]))).toFixed(1));
}

function listOf(title: string, counts: Readonly<Record<string, number>>): string {
	const items = Object.entries(counts).map(([name, count]) => `${name} ${count.toLocaleString("en-US")}`);
	return `${title}: ${items.join(", ")}`;
}

function printLine(name: string, cells: readonly string[]): void {
	const padded = cells.map((cell, at) => cell.padStart(Math.max(8, MINUTE_HEADINGS[at]?.length ?? 0)));
	console.log(`${name.padEnd(11)} ${padded.join(" ")}`);
}
