/**
 * What the dashboard costs the relay if it is open in ten browsers, at 2,000 events/s. Verification, most of the relay's work, is
 * replaced by nothing, so that an endless load costs the rig almost nothing: what an event's verification costs is measured apart.
 */
import { join } from "node:path";
import { makeCorpus } from "../src/sim/corpus.ts";
import { verificationCpuMs } from "../src/sim/verification-time.ts";
import { createNativeEngine } from "../src/verify/native.ts";
import { createPortableEngine } from "../src/verify/portable/engine.ts";
import { CountingConsumer } from "./rig/counting-consumer.ts";
import { processCpuMs, taskCpuMs, threadCpuMs } from "./rig/cpu.ts";
import { DashboardPages } from "./rig/dashboard-load.ts";
import { median, report } from "./rig/figures.ts";
import { RestampedFrames } from "./rig/frames.ts";
import { type NamedFrame, PacedFrames } from "./rig/paced-frames.ts";
import { type RelayRun, withRelay } from "./rig/relay-run.ts";

const ACCOUNTS = 16;
const FRAME_BYTES = 5_500;
const FRAMES_PER_S = 2_000;
const PAGES = 10;
const ROUNDS = 4;
/** Several times as long as the page waits between two looks at its tables. */
const TURN_MS = 18_000;
const WARM_UP_MS = 15_000;
const WARM_UP_REQUESTS = 500;
/** Each takes some ms to make. The first of each account warms the engine up too. */
const VERIFIED_FRAMES = 400;
const TARGET_PERCENT = 1;

/** CPU time of the relay in ms for each second. */
interface Cpu {
	all: number;
	/** Of the threads that answer pages. The runtime's own threads, such as its compiler's, work for all and can't be divided. */
	answering: number;
}

const corpus = await makeCorpus({ seed: "bench/dashboard", accounts: ACCOUNTS, frames: VERIFIED_FRAMES });
const engine = createNativeEngine({ reference: createPortableEngine(), onPanic: () => undefined });
const verifyUs = (verificationCpuMs(engine, corpus.frames, corpus.frames) * 1000) / VERIFIED_FRAMES;

const turns = await withRelay(
	{
		command: [process.execPath, join(import.meta.dir, "rig", "noop-relay.ts")],
		hosts: 1,
		accounts: corpus.accounts,
	},
	measureTurns,
);
const without = median(turns.map(({ alone }) => alone.all));
const relayMs = without + (FRAMES_PER_S * verifyUs) / 1000;
const pagesMs = median(turns.map(({ alone, open }) => open.answering - alone.answering));
const percent = (100 * pagesMs) / relayMs;
await report(
	`the dashboard in ${PAGES} browsers, at ${FRAMES_PER_S} events/s`,
	[
		{ name: "the relay without verification", value: without, unit: "ms of CPU time a second" },
		{
			name: "verification",
			value: (FRAMES_PER_S * verifyUs) / 1000,
			unit: "ms of CPU time a second",
			note: "native engine",
		},
		{ name: `${PAGES} pages`, value: pagesMs, unit: "ms of CPU time a second", note: `median of ${ROUNDS} rounds` },
		{
			name: "  with the runtime's threads",
			value: median(turns.map(({ alone, open }) => open.all - alone.all)),
			unit: "ms of CPU time a second",
			note: "of the whole process, whose own work varies by more",
		},
		{ name: "  answers", value: median(turns.map(({ answersPerS }) => answersPerS)), unit: "/s" },
		{ name: "  share of the relay with verification", value: percent, unit: "%", note: `at most ${TARGET_PERCENT}` },
	],
	{ dashboard_percent: percent },
);
process.exit(0);

async function measureTurns({
	hosts: [host],
	relay,
}: RelayRun): Promise<{ alone: Cpu; open: Cpu; answersPerS: number }[]> {
	if (host === undefined) throw new RangeError("there is no host");
	const consumer = new CountingConsumer();
	await consumer.connect(relay.firehoseOrigin);
	const frames = endless(new RestampedFrames(corpus.frames.slice(0, ACCOUNTS), FRAME_BYTES));
	const turn = async (durationMs: number): Promise<Cpu> => {
		const start = cpuOf(relay.pid);
		const startMs = performance.now();
		await new PacedFrames(frames, FRAMES_PER_S).sendThrough(host, durationMs);
		const seconds = (performance.now() - startMs) / 1000;
		const end = cpuOf(relay.pid);
		return {
			all: (end.all - start.all) / seconds,
			answering: (end.answering - start.answering) / seconds,
		};
	};
	const origin = `http://127.0.0.1:${relay.internalPort}`;
	await warmUp(origin);
	await turn(WARM_UP_MS);
	const rounds: { alone: Cpu; open: Cpu; answersPerS: number }[] = [];
	for (let round = 0; round < ROUNDS; round++) {
		// Each comes first as often as the other, since the relay's own work changes while it runs.
		const isAloneFirst = round % 2 === 0;
		const before = isAloneFirst ? await turn(TURN_MS) : null;
		const pages = new DashboardPages(origin, PAGES);
		const open = await turn(TURN_MS);
		const answersPerS = await pages.stop();
		rounds.push({ alone: before ?? (await turn(TURN_MS)), open, answersPerS });
	}
	consumer.close();
	return rounds;
}

/** Asks as often as pages do within some minutes, so that the runtime has compiled what answers. */
async function warmUp(origin: string): Promise<void> {
	for (let time = 0; time < WARM_UP_REQUESTS; time++)
		for (const part of ["live?since=0", "hosts", "consumers"])
			await (await fetch(`${origin}/dashboard/${part}`)).text();
}

function cpuOf(pid: number): Cpu {
	return { all: processCpuMs(pid), answering: taskCpuMs(pid, pid) + (threadCpuMs(pid).get("reads") ?? 0) };
}

function* endless(source: RestampedFrames): Generator<NamedFrame> {
	for (;;) yield { name: "", bytes: source.nextFrame() };
}
