/**
 * What one account that floods costs the other accounts of its host: 200 accounts send one commit a second each, alone and beside one
 * that sends 2,000 a second. Once with limits far above all that, and once with limits that the flood exceeds. All else is as by default.
 */
import { join } from "node:path";
import { SimAccount } from "../test/sim/account.ts";
import { SimClock } from "../test/sim/clock.ts";
import { SimHost } from "../test/sim/host.ts";
import { encodeFrame, type SimMessage } from "../test/sim/message.ts";
import { SimPlc } from "../test/sim/plc.ts";
import { RelayProcess } from "../test/sim/relay-process.ts";
import { Rng } from "../test/sim/rng.ts";
import { median, percentile, type Row, report } from "./rig/figures.ts";
import { until } from "./rig/relay-run.ts";
import { frameName, TimedConsumer } from "./rig/timed-consumer.ts";

const SOURCES = join(import.meta.dir, "..", "src", "main.ts");
const OTHERS = 200;
const OTHERS_PER_S = 200;
const FLOOD_PER_S = 2_000;
/** So many messages of the flood go with each of the others. */
const FLOOD_EACH = FLOOD_PER_S / OTHERS_PER_S;
/** Each of the others sends so many commits to warm up, alone, and beside the flood. */
const ROUNDS = { warmUp: 4, calm: 8, flood: 8 };
const TURNS = 5;
const TICK_MS = 1;
/** The target: p99 beside the flood is at most so many times the p99 without it. */
const RATIO_MAX = 2;

/** The limits of a trusted host, and some that leave the others more room than they need. */
const LIMITS = { far: "5000/s,50000000/h,500000000/d", exceeded: "1000/s,50000000/h,500000000/d" };

/** A frame with the name by which its arrival is recognised. */
interface Named {
	seq: number;
	frame: Uint8Array<ArrayBuffer>;
	name: string;
	isFlood: boolean;
}

/** What was measured in one turn: how long the others' messages took, alone and beside the flood, and what became of the flood. */
interface Turn {
	calmMs: number[];
	floodMs: number[];
	lateMs: number[];
	mostDelayed: number;
	leftOut: number;
	rssMib: number;
}

const rng = new Rng("bench/fairness");
const clock = new SimClock();
const create = (label: string) => SimAccount.create({ rng: rng.fork(label), clock, curve: "k256", records: 200 });
const flooding = await create("flood");
const others = await Promise.all(Array.from({ length: OTHERS }, (_, number) => create(`other ${number}`)));
const phases = await makePhases();

const far = await measure(LIMITS.far);
const exceeded = await measure(LIMITS.exceeded);
const rows: Row[] = [
	...rowsOf(`limits of ${LIMITS.far.split(",")[0]}, which nobody reaches`, far),
	...rowsOf(`limits of ${LIMITS.exceeded.split(",")[0]}, which the flood exceeds`, exceeded),
];
await report(`${OTHERS} accounts at 1/s beside one at ${FLOOD_PER_S}/s, one host, median of ${TURNS} turns`, rows, {
	p99_ratio_far: ratioOf(far),
	p99_ratio_exceeded: ratioOf(exceeded),
});
process.exit(0);

/** Makes the frames of all phases. The host's seqs follow the order in which they are sent. */
async function makePhases(): Promise<{ warmUp: Named[]; calm: Named[]; flood: Named[] }> {
	let seq = 0;
	const named = (message: SimMessage, isFlood: boolean): Named => {
		const frame = encodeFrame(message, ++seq);
		return { seq, frame, name: frameName(frame), isFlood };
	};
	const phase = async (rounds: number, floodEach: number): Promise<Named[]> => {
		const frames: Named[] = [];
		for (let round = 0; round < rounds; round++) {
			for (const other of others) {
				frames.push(named(await other.commit(), false));
				for (let each = 0; each < floodEach; each++) frames.push(named(await flooding.commit(), true));
			}
		}
		return frames;
	};
	return {
		warmUp: await phase(ROUNDS.warmUp, FLOOD_EACH),
		calm: await phase(ROUNDS.calm, 0),
		flood: await phase(ROUNDS.flood, FLOOD_EACH),
	};
}

async function measure(limits: string): Promise<Turn[]> {
	const turns: Turn[] = [];
	for (let turn = 0; turn < TURNS; turn++) turns.push(await measureTurn(limits));
	return turns;
}

/** One turn with a relay of its own: warm-up without limits, then calm, then the flood. */
async function measureTurn(limits: string): Promise<Turn> {
	const host = new SimHost();
	host.start();
	const plc = new SimPlc();
	plc.start();
	for (const account of [flooding, ...others]) plc.register(account, host.endpoint);
	const relay = await RelayProcess.create({
		command: [process.execPath, SOURCES],
		plcUrl: plc.url,
		env: { RELAY_LOG_LEVEL: "warning", RELAY_VERIFY_ENGINE: "native", RELAY_HOST_EVENT_LIMITS: limits },
	});
	const kill = (): void => relay.kill();
	process.prependListener("exit", kill);
	const consumer = new TimedConsumer();
	try {
		await relay.start();
		await consumer.connect(relay.firehoseOrigin);
		await relay.requestCrawl(host.hostname);
		await until(() => host.connections > 0);
		await send(host, consumer, phases.warmUp, OTHERS_PER_S * 4, () => true);
		const calm = await send(host, consumer, phases.calm, OTHERS_PER_S, () => true);
		let mostDelayed = 0;
		const flood = send(host, consumer, phases.flood, OTHERS_PER_S + FLOOD_PER_S, ({ isFlood }) => !isFlood);
		const watch = setInterval(async () => {
			mostDelayed = Math.max(mostDelayed, (await relay.stats()).counters.of("delayed_messages"));
		}, 500);
		const { tookMs, lateMs } = await flood;
		clearInterval(watch);
		return {
			calmMs: calm.tookMs,
			floodMs: tookMs,
			lateMs,
			mostDelayed,
			leftOut: (await relay.stats()).counters.of("messages_left_out_total"),
			rssMib: (await relay.stats()).rssBytes / 1024 ** 2,
		};
	} finally {
		consumer.close();
		await relay.stop();
		process.off("exit", kill);
		await relay.remove();
		await plc.stop();
		await host.stop();
	}
}

/**
 * Sends frames by the clock, no matter how fast the relay takes them, and waits for those that count. Returns how long these took from
 * when they were due until the consumer had them, and how late the host was.
 */
async function send(
	host: SimHost,
	consumer: TimedConsumer,
	frames: readonly Named[],
	framesPerS: number,
	counts: (frame: Named) => boolean,
): Promise<{ tookMs: number[]; lateMs: number[] }> {
	consumer.arrivedMs.clear();
	const startMs = performance.now();
	const dueMs = (at: number): number => startMs + (at * 1000) / framesPerS;
	const lateMs: number[] = [];
	let at = 0;
	while (at < frames.length) {
		for (let frame = frames[at]; frame !== undefined && dueMs(at) <= performance.now(); frame = frames[++at]) {
			lateMs.push(performance.now() - dueMs(at));
			host.emitFrame(frame.frame, frame.seq);
		}
		await Bun.sleep(TICK_MS);
	}
	const counted = [...frames.entries()].filter(([, frame]) => counts(frame));
	await until(() => counted.every(([, { name }]) => consumer.arrivedMs.has(name)));
	const tookMs = counted.map(([number, { name }]) => (consumer.arrivedMs.get(name) ?? Number.NaN) - dueMs(number));
	return { tookMs, lateMs };
}

/** The median of the turns' percentiles: in one turn the machine may stand still for a moment. */
function ofTurns(turns: readonly Turn[], times: "calmMs" | "floodMs" | "lateMs", share: number): number {
	return median(turns.map((turn) => percentile(turn[times], share)));
}

function ratioOf(turns: readonly Turn[]): number {
	return ofTurns(turns, "floodMs", 0.99) / ofTurns(turns, "calmMs", 0.99);
}

function rowsOf(title: string, turns: readonly Turn[]): Row[] {
	const of = (figure: "mostDelayed" | "leftOut" | "rssMib"): number => median(turns.map((turn) => turn[figure]));
	const p99 = (name: string, times: "calmMs" | "floodMs"): Row => ({
		name,
		value: ofTurns(turns, times, 0.99),
		unit: "ms",
		note: `p50 ${ofTurns(turns, times, 0.5).toPrecision(3)} ms`,
	});
	return [
		p99(`${title}: p99 of the ${OTHERS} alone`, "calmMs"),
		p99("  beside the flood", "floodMs"),
		{ name: "  ratio", value: ratioOf(turns), unit: "", note: `at most ${RATIO_MAX}` },
		{ name: "  host late by, p99", value: ofTurns(turns, "lateMs", 0.99), unit: "ms" },
		{ name: "  messages of the flood that waited, at most", value: of("mostDelayed"), unit: "" },
		{ name: "  messages of the flood that were left out, and asked for later", value: of("leftOut"), unit: "" },
		{ name: "  relay, resident", value: of("rssMib"), unit: "MiB" },
	];
}
