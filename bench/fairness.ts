/**
 * What one account that floods costs the other accounts of its host: 200 accounts send one commit a second each, alone, beside one account
 * of their host that sends 2,000 a second, and beside 200 accounts of another host that send as much together. The latter is what the load
 * itself costs on this machine, whoever it comes from. The three follow one another several times in each turn, so that a bad minute of
 * the machine falls on all of them. Once with limits far above all that, and once with limits that the flood exceeds. All else is as by default.
 */
import { join } from "node:path";
import { SimAccount } from "../src/sim/account.ts";
import { SimClock } from "../src/sim/clock.ts";
import { SimHost } from "../src/sim/host.ts";
import { encodeFrame, type SimMessage } from "../src/sim/message.ts";
import { SimPlc } from "../src/sim/plc.ts";
import { RelayProcess } from "../src/sim/relay-process.ts";
import { Rng } from "../src/sim/rng.ts";
import { median, percentile, type Row, report } from "./rig/figures.ts";
import { until } from "./rig/relay-run.ts";
import { frameName, TimedConsumer } from "./rig/timed-consumer.ts";

const SOURCES = join(import.meta.dir, "..", "src", "main.ts");
const OTHERS = 200;
const OTHERS_PER_S = 200;
const FLOOD_PER_S = 2_000;
/** So many messages of the flood go with each of the others. */
const FLOOD_EACH = FLOOD_PER_S / OTHERS_PER_S;
/** Each of the others sends so many commits to warm up, and in each phase. */
const ROUNDS = { warmUp: 4, phase: 2 };
/** How often the phases follow one another in a turn. */
const CYCLES = 4;
const TURNS = 5;
const TICK_MS = 1;
/** The target: p99 beside the flood is at most so many times the p99 without it. */
const RATIO_MAX = 2;

/** What the others' messages are sent beside. */
const PHASES = ["calm", "flood", "elsewhere"] as const;
type Phase = (typeof PHASES)[number];

/** The limits of a trusted host, and some that leave the others more room than they need. */
const LIMITS = { far: "5000/s,50000000/h,500000000/d", exceeded: "1000/s,50000000/h,500000000/d" };

/** A frame with the name by which its arrival is recognised. */
interface Named {
	/** The host that sends it: the first has the accounts that are measured. */
	host: 0 | 1;
	seq: number;
	frame: Uint8Array<ArrayBuffer>;
	name: string;
	/** Whether it is of one of the accounts that are measured. */
	isMeasured: boolean;
}

/** What was measured in one turn: how long the others' messages took in each phase, and what became of the flood. */
interface Turn {
	tookMs: Record<Phase, number[]>;
	lateMs: number[];
	mostDelayed: number;
	leftOut: number;
	rssMib: number;
}

const rng = new Rng("bench/fairness");
const clock = new SimClock();
const create = (label: string) => SimAccount.create({ rng: rng.fork(label), clock, curve: "k256", records: 200 });
const flooding = await create("flood");
const createMany = (label: string): Promise<SimAccount[]> =>
	Promise.all(Array.from({ length: OTHERS }, (_, number) => create(`${label} ${number}`)));
const others = await createMany("other");
const elsewhere = await createMany("elsewhere");
const load = await makeLoad();

const far = await measure(LIMITS.far);
const exceeded = await measure(LIMITS.exceeded);
const rows: Row[] = [
	...rowsOf(`limits of ${LIMITS.far.split(",")[0]}, which nobody reaches`, far),
	...rowsOf(`limits of ${LIMITS.exceeded.split(",")[0]}, which the flood exceeds`, exceeded),
];
await report(`${OTHERS} accounts at 1/s beside ${FLOOD_PER_S}/s, median of ${TURNS} turns`, rows, {
	p99_ratio_far: ratioOf(far, "flood"),
	p99_ratio_exceeded: ratioOf(exceeded, "flood"),
	p99_ratio_elsewhere: ratioOf(far, "elsewhere"),
});
process.exit(0);

/** Makes the frames of a turn. The hosts' seqs follow the order in which they are sent. */
async function makeLoad(): Promise<{ warmUp: Named[]; cycles: Record<Phase, Named[]>[] }> {
	const seqs: [number, number] = [0, 0];
	const named = (message: SimMessage, host: 0 | 1, isMeasured: boolean): Named => {
		const frame = encodeFrame(message, ++seqs[host]);
		return { host, seq: seqs[host], frame, name: frameName(frame), isMeasured };
	};
	const phase = async (rounds: number, beside: Phase): Promise<Named[]> => {
		const frames: Named[] = [];
		for (let round = 0; round < rounds; round++) {
			for (const [at, other] of others.entries()) {
				frames.push(named(await other.commit(), 0, true));
				for (let each = 0; beside !== "calm" && each < FLOOD_EACH; each++) {
					const account = beside === "flood" ? flooding : elsewhere[(at * FLOOD_EACH + each) % OTHERS];
					if (account !== undefined) frames.push(named(await account.commit(), beside === "flood" ? 0 : 1, false));
				}
			}
		}
		return frames;
	};
	const warmUp = [...(await phase(ROUNDS.warmUp, "flood")), ...(await phase(1, "elsewhere"))];
	const cycles: Record<Phase, Named[]>[] = [];
	for (let cycle = 0; cycle < CYCLES; cycle++) {
		cycles.push({
			calm: await phase(ROUNDS.phase, "calm"),
			flood: await phase(ROUNDS.phase, "flood"),
			elsewhere: await phase(ROUNDS.phase, "elsewhere"),
		});
	}
	return { warmUp, cycles };
}

async function measure(limits: string): Promise<Turn[]> {
	const turns: Turn[] = [];
	for (let turn = 0; turn < TURNS; turn++) turns.push(await measureTurn(limits));
	return turns;
}

/** One turn with a relay of its own: warm-up, then the phases in cycles. */
async function measureTurn(limits: string): Promise<Turn> {
	const hosts = [new SimHost(), new SimHost()] as const;
	const plc = new SimPlc();
	for (const part of [plc, ...hosts]) part.start();
	for (const account of [flooding, ...others]) plc.register(account, hosts[0].endpoint);
	for (const account of elsewhere) plc.register(account, hosts[1].endpoint);
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
		for (const host of hosts) await relay.requestCrawl(host.hostname);
		await until(() => hosts.every((host) => host.connections > 0));
		return await sendPhases(hosts, relay, consumer);
	} finally {
		consumer.close();
		await relay.stop();
		process.off("exit", kill);
		await relay.remove();
		for (const part of [plc, ...hosts]) await part.stop();
	}
}

async function sendPhases(
	hosts: readonly [SimHost, SimHost],
	relay: RelayProcess,
	consumer: TimedConsumer,
): Promise<Turn> {
	await send(hosts, consumer, load.warmUp, OTHERS_PER_S * 4);
	let mostDelayed = 0;
	const watch = setInterval(async () => {
		mostDelayed = Math.max(mostDelayed, (await relay.stats()).counters.of("delayed_messages"));
	}, 500);
	const tookMs: Turn["tookMs"] = { calm: [], flood: [], elsewhere: [] };
	const lateMs: number[] = [];
	for (const cycle of load.cycles) {
		for (const phase of PHASES) {
			const perS = OTHERS_PER_S + (phase === "calm" ? 0 : FLOOD_PER_S);
			const sent = await send(hosts, consumer, cycle[phase], perS);
			tookMs[phase].push(...sent.tookMs);
			lateMs.push(...sent.lateMs);
		}
	}
	clearInterval(watch);
	const stats = await relay.stats();
	return {
		tookMs,
		lateMs,
		mostDelayed,
		leftOut: stats.counters.of("messages_left_out_total"),
		rssMib: stats.rssBytes / 1024 ** 2,
	};
}

/**
 * Sends frames by the clock, no matter how fast the relay takes them, and waits for all, so that none falls into the next phase. Returns
 * how long the measured ones took from when they were due until the consumer had them, and how late the hosts were.
 */
async function send(
	hosts: readonly [SimHost, SimHost],
	consumer: TimedConsumer,
	frames: readonly Named[],
	framesPerS: number,
): Promise<{ tookMs: number[]; lateMs: number[] }> {
	consumer.arrivedMs.clear();
	const startMs = performance.now();
	const dueMs = (at: number): number => startMs + (at * 1000) / framesPerS;
	const lateMs: number[] = [];
	let at = 0;
	while (at < frames.length) {
		for (let frame = frames[at]; frame !== undefined && dueMs(at) <= performance.now(); frame = frames[++at]) {
			lateMs.push(performance.now() - dueMs(at));
			hosts[frame.host].emitFrame(frame.frame, frame.seq);
		}
		await Bun.sleep(TICK_MS);
	}
	await until(() => frames.every(({ name }) => consumer.arrivedMs.has(name)));
	const tookMs = [...frames.entries()]
		.filter(([, { isMeasured }]) => isMeasured)
		.map(([number, { name }]) => (consumer.arrivedMs.get(name) ?? Number.NaN) - dueMs(number));
	return { tookMs, lateMs };
}

/** The median of the turns' percentiles: in one turn the machine may stand still for a moment. */
function ofTurns(turns: readonly Turn[], phase: Phase, share: number): number {
	return median(turns.map(({ tookMs }) => percentile(tookMs[phase], share)));
}

/** The median of the turns' ratios: p99 in a phase to p99 in the calm that alternates with it. */
function ratioOf(turns: readonly Turn[], phase: Phase): number {
	return median(turns.map(({ tookMs }) => percentile(tookMs[phase], 0.99) / percentile(tookMs.calm, 0.99)));
}

function rowsOf(title: string, turns: readonly Turn[]): Row[] {
	const of = (figure: "mostDelayed" | "leftOut" | "rssMib"): number => median(turns.map((turn) => turn[figure]));
	const p99 = (name: string, phase: Phase): Row => ({
		name,
		value: ofTurns(turns, phase, 0.99),
		unit: "ms",
		note: `p50 ${ofTurns(turns, phase, 0.5).toPrecision(3)} ms`,
	});
	return [
		p99(`${title}: p99 of the ${OTHERS} alone`, "calm"),
		p99("  beside the flood", "flood"),
		p99("  beside as much load from another host", "elsewhere"),
		{ name: "  ratio of the flood to calm", value: ratioOf(turns, "flood"), unit: "", note: `at most ${RATIO_MAX}` },
		{ name: "  ratio of load elsewhere to calm", value: ratioOf(turns, "elsewhere"), unit: "" },
		{ name: "  host late by, p99", value: median(turns.map(({ lateMs }) => percentile(lateMs, 0.99))), unit: "ms" },
		{ name: "  messages of the flood that waited, at most", value: of("mostDelayed"), unit: "" },
		{ name: "  messages of the flood that were left out, and asked for later", value: of("leftOut"), unit: "" },
		{ name: "  relay, resident", value: of("rssMib"), unit: "MiB" },
	];
}
