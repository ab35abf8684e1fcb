/**
 * What traces cost: of no message, of 1 % and of all, in turns. Each share has a compiled relay of its own, with verification, one host and
 * one consumer; one of them has load at a time. A receiver in a process of its own takes the spans. `--before FILE` adds another binary
 * without traces, such as one of an older commit.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type CorpusFrame, makeCorpus } from "../src/sim/corpus.ts";
import { threadCpuMs } from "./rig/cpu.ts";
import { median, type Row, report } from "./rig/figures.ts";
import { firstLine } from "./rig/first-line.ts";
import { RecordedFrames, withWsHeader } from "./rig/frames.ts";
import type { NamedFrame } from "./rig/paced-frames.ts";
import { measureLatency } from "./rig/paced-run.ts";
import { type RelayRun, until, withRelay } from "./rig/relay-run.ts";
import { frameName, TimedConsumer } from "./rig/timed-consumer.ts";

const BINARY = join(import.meta.dir, "..", "dist", "standpipe");
const ACCOUNTS = 16;
const EVENTS_PER_S = 2_000;
const TURNS = 5;
/** Two seconds of load. */
const TURN_FRAMES = 4_000;
const WARM_UP_FRAMES = 8_000;
/** The control thread sends spans when a turn has ended, too. They belong to the turn. */
const SETTLE_MS = 1_000;

/** A relay that is measured. */
interface Variant {
	name: string;
	binary: string;
	/** The share of messages that are traced; null if no receiver is set. */
	ratio: number | null;
}

interface Turn {
	cpuUs: number;
	p50Ms: number;
	p99Ms: number;
}

/** A relay under test, between its turns. */
interface Measured {
	variant: Variant;
	run: RelayRun;
	consumer: TimedConsumer;
	turns: Turn[];
	spans: number;
	dropped: number;
}

const { values } = parseArgs({ options: { before: { type: "string" } }, strict: false });
const before = typeof values.before === "string" ? values.before : null;
const off: Variant = { name: "off", binary: BINARY, ratio: null };
const variants: Variant[] = [
	off,
	...(before === null ? [] : [{ name: "off, the other binary", binary: before, ratio: null }]),
	{ name: "1 %", binary: BINARY, ratio: 0.01 },
	{ name: "100 %", binary: BINARY, ratio: 1 },
];
for (const { binary } of variants) if (!existsSync(binary)) throw new Error(`there is no ${binary}`);

const frames = WARM_UP_FRAMES + TURNS * TURN_FRAMES;
const corpus = await makeCorpus({ seed: "bench/tracing", accounts: ACCOUNTS, frames });
const sink = Bun.spawn([process.execPath, join(import.meta.dir, "rig", "otlp-sink.ts")], { stdout: "pipe" });
const receiver = `http://127.0.0.1:${Number(await firstLine(sink.stdout))}`;
const measured = await withAll(variants, []);
sink.kill();

const [base] = measured;
if (base === undefined) throw new RangeError("nothing was measured");
await report(
	`what traces cost, at ${EVENTS_PER_S} events/s, in turns`,
	measured.flatMap((one) => rowsOf(one, base)),
	Object.fromEntries(measured.flatMap((one) => figuresOf(one, base))),
);
process.exit(0);

/** Starts a relay for each variant, one within the other, and then measures all of them. */
async function withAll([variant, ...others]: readonly Variant[], started: readonly Measured[]): Promise<Measured[]> {
	if (variant === undefined) return await measureInTurns(started);
	const traces: Record<string, string> =
		variant.ratio === null
			? {}
			: { OTEL_EXPORTER_OTLP_ENDPOINT: receiver, OTEL_TRACES_SAMPLER_ARG: String(variant.ratio) };
	const env = { RELAY_VERIFY_ENGINE: "native", ...traces };
	const options = { command: [variant.binary, "serve"], hosts: 1, accounts: corpus.accounts, env };
	return await withRelay(options, async (run) => {
		const consumer = new TimedConsumer();
		await consumer.connect(run.relay.firehoseOrigin);
		try {
			return await withAll(others, [...started, { variant, run, consumer, turns: [], spans: 0, dropped: 0 }]);
		} finally {
			consumer.close();
		}
	});
}

async function measureInTurns(relays: readonly Measured[]): Promise<Measured[]> {
	for (const { run, consumer } of relays) {
		const source = new RecordedFrames(corpus.frames.slice(0, WARM_UP_FRAMES).map(({ frame }) => frame));
		run.hosts[0]?.send(source);
		await until(() => consumer.arrivedMs.size === WARM_UP_FRAMES);
	}
	for (let turn = 0; turn < TURNS; turn++) {
		const from = WARM_UP_FRAMES + turn * TURN_FRAMES;
		const named = corpus.frames.slice(from, from + TURN_FRAMES).map(namedFrame);
		for (const one of relays) one.turns.push(await measureTurn(one, named));
	}
	return await Promise.all(relays.map(withSpans));
}

async function measureTurn({ run, consumer }: Measured, named: readonly NamedFrame[]): Promise<Turn> {
	const { hosts, relay } = run;
	const [host] = hosts;
	if (host === undefined) throw new RangeError("there is no host");
	const startMs = cpuMs(relay.pid);
	const { p50, p99 } = await measureLatency(host, consumer, named.values(), EVENTS_PER_S);
	await Bun.sleep(SETTLE_MS);
	return { cpuUs: ((cpuMs(relay.pid) - startMs) * 1000) / named.length, p50Ms: p50, p99Ms: p99 };
}

/** @throws Error if messages were to be traced and nobody has got a span, or if no message was and somebody has */
async function withSpans(one: Measured): Promise<Measured> {
	const { counters } = await one.run.relay.stats();
	// A binary of an older commit counts none of it.
	const count = (name: string): number => counters.all[name] ?? 0;
	const spans = count("trace_spans_exported_total");
	const isTraced = one.variant.ratio !== null;
	if (isTraced !== spans > 0) throw new Error(`${one.variant.name}: ${spans} spans were sent`);
	return { ...one, spans, dropped: count("trace_spans_dropped_total") + count("trace_notes_dropped_total") };
}

function cpuMs(pid: number): number {
	return threadCpuMs(pid)
		.values()
		.reduce((sum, ms) => sum + ms, 0);
}

function namedFrame({ frame }: CorpusFrame): NamedFrame {
	return { name: frameName(frame), bytes: withWsHeader(frame) };
}

/** The median over the turns of the ratio to the same turn of another relay. */
function ratioOf({ turns }: Measured, base: Measured, figure: keyof Turn): number {
	return median(turns.map((turn, at) => turn[figure] / (base.turns[at]?.[figure] ?? Number.NaN)));
}

function rowsOf(one: Measured, base: Measured): Row[] {
	const row = (name: string, figure: keyof Turn, unit: string): Row => ({
		name,
		value: median(one.turns.map((turn) => turn[figure])),
		unit,
		...(one === base ? {} : { note: `${ratioOf(one, base, figure).toFixed(2)} of off` }),
	});
	const sent = { name: "  spans sent", value: one.spans, unit: "", note: `${one.dropped} spans or notes dropped` };
	return [
		row(`${one.variant.name}: CPU time`, "cpuUs", "µs/event"),
		row("  host to consumer, p50", "p50Ms", "ms"),
		row("  p99", "p99Ms", "ms"),
		...(one.variant.ratio === null ? [] : [sent]),
	];
}

function figuresOf(one: Measured, base: Measured): [name: string, value: number][] {
	const { ratio } = one.variant;
	if (ratio === null) return [];
	const percent = 100 * ratio;
	return [
		[`trace_cpu_ratio_${percent}`, ratioOf(one, base, "cpuUs")],
		[`trace_p99_ratio_${percent}`, ratioOf(one, base, "p99Ms")],
	];
}
