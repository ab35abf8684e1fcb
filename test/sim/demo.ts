/**
 * A small network on one machine, for people to watch: `bun test/sim/demo.ts [--relay COMMAND] [--rate N] [--seconds N]`.
 * The relay is a separate process. All else that it needs is simulated here. No traffic leaves this machine.
 */
import { parseArgs } from "node:util";
import type { RejectionReason } from "../../src/protocol/reasons.ts";
import { BROKEN_COMMIT_REASONS, brokenCommit } from "./broken-commit.ts";
import { SimConsumer } from "./consumer.ts";
import { rejectedTotal, reportLine, type Sample, summaryLines } from "./demo-report.ts";
import { SimNetwork } from "./network.ts";
import { RelayProcess, type RelayStats } from "./relay-process.ts";

const HOSTS = 10;
const ACCOUNTS = 100;
const RECORDS_MAX = 1500;
/** One message of this many is broken on purpose. */
const BROKEN_SHARE = 100;
const BACKLOG_MAX = 2000;
const LAST_MESSAGES_MS_MAX = 60_000;

/** Reasons whose messages are megabytes long, or are expensive to make. The demo leaves them to the tests. */
const COSTLY_REASONS: readonly RejectionReason[] = ["blocks-too-large", "ops-too-many", "record-too-large"];
const DEMO_REASONS = BROKEN_COMMIT_REASONS.filter((reason) => !COSTLY_REASONS.includes(reason));

/** Counts the messages that were sent, and removes them from the network's oracle, so that a long run doesn't use more memory. */
class SentCount {
	good = 0;
	broken = 0;

	take(network: SimNetwork): void {
		for (const { expected } of network.sent.splice(0)) {
			if (expected === "pass") this.good++;
			else this.broken++;
		}
	}
}

/** The parts of a running demo. */
interface Demo {
	network: SimNetwork;
	relay: RelayProcess;
	consumer: SimConsumer;
	lagsMs: number[];
	sent: SentCount;
}

/** Lets a random account send something, which is sometimes a broken commit. */
async function step({ network }: Demo): Promise<number> {
	const account = network.rng.pick(network.accounts);
	if (network.rng.int(BROKEN_SHARE) > 0 || account.rev === null) return network.step();
	const reason = network.rng.pick(DEMO_REASONS);
	network.send(account, await brokenCommit(reason, account), reason);
	return 1;
}

async function start(command: string[]): Promise<Demo> {
	console.log(
		`standpipe demo: a PLC directory, ${HOSTS} hosts with ${ACCOUNTS} accounts, the relay, and one consumer.`,
	);
	console.log(`About 1 message in ${BROKEN_SHARE} is broken on purpose: the relay has to reject it, and to say why.`);
	const options = { hosts: HOSTS, accounts: ACCOUNTS, recordsMax: RECORDS_MAX, backlogMax: BACKLOG_MAX };
	const network = new SimNetwork({ seed: "demo", ...options });
	await network.start();
	const relay = await RelayProcess.create({ command, plcUrl: network.plc.url });
	// The relay must end with this process, even if the demo fails.
	process.on("exit", () => relay.kill());
	const lagsMs: number[] = [];
	const consumer = new SimConsumer(relay.firehoseOrigin, {
		eventsMax: 0,
		onEvent: ({ timeMs, receivedAtMs }) => void lagsMs.push(receivedAtMs - timeMs),
	});
	const demo = { network, relay, consumer, lagsMs, sent: new SentCount() };
	try {
		await relay.start();
		await consumer.connect();
		for (const host of network.hosts) await relay.requestCrawl(host.hostname);
	} catch (error) {
		throw new Error(`${error instanceof Error ? error.message : error}. Its log: ${relay.logPath}`, { cause: error });
	}
	console.log(`The firehose is at ${relay.firehoseOrigin}/xrpc/com.atproto.sync.subscribeRepos. Ctrl-C ends it all.\n`);
	return demo;
}

/** Prints a line a second until the signal is aborted, and then a last one. */
async function report({ network, relay, consumer, lagsMs, sent }: Demo, signal: AbortSignal): Promise<void> {
	let last: Sample | null = null;
	for (;;) {
		const sample: Sample = { atMs: performance.now(), stats: await relay.stats(), received: consumer.received };
		if (last !== null) console.log(reportLine(last, sample, HOSTS, lagsMs.splice(0)));
		last = sample;
		sent.take(network);
		if (signal.aborted) return;
		await sleep(1000, signal);
	}
}

/** Waits for `ms`, or until the signal is aborted. */
async function sleep(ms: number, signal: AbortSignal): Promise<void> {
	const done = Promise.withResolvers<void>();
	const timer = setTimeout(done.resolve, ms);
	signal.addEventListener("abort", () => done.resolve(), { once: true });
	if (signal.aborted) done.resolve();
	await done.promise;
	clearTimeout(timer);
}

/** Waits until the last messages have come through and the relay has counted them. */
async function settle({ relay, consumer, sent }: Demo): Promise<RelayStats> {
	await consumer.until(() => consumer.received >= sent.good, LAST_MESSAGES_MS_MAX).catch(() => undefined);
	const giveUpAtMs = Date.now() + LAST_MESSAGES_MS_MAX;
	let stats = await relay.stats();
	while (rejectedTotal(stats) < sent.broken && Date.now() < giveUpAtMs) {
		await Bun.sleep(50);
		stats = await relay.stats();
	}
	return stats;
}

/** Returns the exit code: 0 if the outcome of each message was the one that the network's oracle expected. */
async function main(): Promise<number> {
	const { values } = parseArgs({
		options: {
			relay: { type: "string", default: `${process.execPath} src/main.ts serve` },
			rate: { type: "string", default: "200" },
			seconds: { type: "string" },
		},
	});
	const ending = new AbortController();
	for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, () => ending.abort());
	const demo = await start(values.relay.split(" "));
	let died = false;
	void demo.relay.exited().then(() => {
		died = true;
		ending.abort();
	});

	// The hosts send nothing until the relay is connected to all of them, since a new host is followed from its live end.
	while (!ending.signal.aborted && demo.network.hosts.some((host) => host.connections === 0)) {
		await sleep(20, ending.signal);
	}
	if (values.seconds !== undefined) setTimeout(() => ending.abort(), Number(values.seconds) * 1000);
	const traffic = demo.network.run(Number(values.rate), ending.signal, () => step(demo));
	await Promise.all([traffic, report(demo, ending.signal)]).catch((error: unknown) => {
		ending.abort();
		if (!died) throw error;
	});
	if (died) {
		console.error(`The relay ended by itself. Its log: ${demo.relay.logPath}`);
		return 1;
	}
	demo.sent.take(demo.network);
	const summary = summaryLines(demo.sent, await settle(demo), demo.consumer);
	const code = await demo.relay.stop();
	await demo.consumer.disconnect();
	await demo.network.stop();
	console.log(`\n${summary.lines.join("\n")}`);
	if (summary.agrees && code === 0) {
		await demo.relay.remove();
		return 0;
	}
	const fault = code === 0 ? "What came out is not what had to" : `The relay ended with code ${code}`;
	console.error(`${fault}. Its log: ${demo.relay.logPath}`);
	return 1;
}

process.exit(
	await main().catch((error: unknown) => {
		console.error(error instanceof Error ? error.message : error);
		return 1;
	}),
);
