// sim/: a synthetic network on this machine, of hosts, accounts and a PLC directory, with a relay as a process of its own: for the demo, tests and benches.

import { messageOf } from "../observe/log-value.ts";
import type { RejectionReason } from "../protocol/reasons.ts";
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

export interface DemoOptions {
	/** Starts a relay. */
	command: string[];
	/** Messages a second. */
	rate: number;
	/** For how long the hosts send; null for no limit. */
	durationMs: number | null;
	/** Ends the demo; its summary still comes. */
	signal: AbortSignal;
	/** Takes the report, line by line. */
	line: (text: string) => void;
	/** Called with the dashboard's address once the relay runs. */
	onDashboard: (url: string) => void;
}

/** The relay, or what it made of the messages, is not as it should be. The message says how, and where its log is. */
export class DemoFailed extends Error {
	override readonly name = "DemoFailed";
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

async function start({ command, line, onDashboard }: DemoOptions): Promise<Demo> {
	line(`standpipe demo: a PLC directory, ${HOSTS} hosts with ${ACCOUNTS} accounts, the relay, and one consumer.`);
	line(`About 1 message in ${BROKEN_SHARE} is broken on purpose: the relay has to reject it, and to say why.`);
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
		throw new DemoFailed(`${messageOf(error)}. Its log: ${relay.logPath}`, { cause: error });
	}
	const dashboard = `http://127.0.0.1:${relay.internalPort}/`;
	line(`The dashboard is at ${dashboard}`);
	line(`The firehose is at ${relay.firehoseOrigin}/xrpc/com.atproto.sync.subscribeRepos. Ctrl-C ends it all.\n`);
	onDashboard(dashboard);
	return demo;
}

/** Prints a line a second until the signal is aborted, and then a last one. */
async function report(
	{ network, relay, consumer, lagsMs, sent }: Demo,
	signal: AbortSignal,
	line: (text: string) => void,
): Promise<void> {
	let last: Sample | null = null;
	for (;;) {
		const sample: Sample = { atMs: performance.now(), stats: await relay.stats(), received: consumer.received };
		if (last !== null) line(reportLine(last, sample, HOSTS, lagsMs.splice(0)));
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

/**
 * Runs a small network on this machine, for people to watch, until the signal is aborted, and then says what became of all messages.
 * The relay is a separate process. All else that it needs is simulated here. No traffic leaves this machine.
 *
 * @throws DemoFailed if the outcome of a message was not the one that the network's oracle expected, or if the relay ended by itself
 */
export async function runDemo(options: DemoOptions): Promise<void> {
	const { rate, line } = options;
	const ending = new AbortController();
	options.signal.addEventListener("abort", () => ending.abort(), { once: true });
	const demo = await start(options);
	let died = false;
	void demo.relay.exited().then(() => {
		died = true;
		ending.abort();
	});

	// The hosts send nothing until the relay is connected to all of them, since a new host is followed from its live end.
	while (!ending.signal.aborted && demo.network.hosts.some((host) => host.connections === 0)) {
		await sleep(20, ending.signal);
	}
	if (options.durationMs !== null) setTimeout(() => ending.abort(), options.durationMs);
	const traffic = demo.network.run(rate, ending.signal, () => step(demo));
	await Promise.all([traffic, report(demo, ending.signal, line)]).catch((error: unknown) => {
		ending.abort();
		if (!died) throw error;
	});
	if (died) throw new DemoFailed(`the relay ended by itself. Its log: ${demo.relay.logPath}`);
	await finish(demo, line);
}

/** Lets the last messages through, ends all parts, and says how they fared. */
async function finish(demo: Demo, line: (text: string) => void): Promise<void> {
	demo.sent.take(demo.network);
	const summary = summaryLines(demo.sent, await settle(demo), demo.consumer);
	const code = await demo.relay.stop();
	await demo.consumer.disconnect();
	await demo.network.stop();
	line(`\n${summary.lines.join("\n")}`);
	if (!summary.agrees || code !== 0) {
		const fault = code === 0 ? "what came out is not what had to" : `the relay ended with code ${code}`;
		throw new DemoFailed(`${fault}. Its log: ${demo.relay.logPath}`);
	}
	await demo.relay.remove();
}
