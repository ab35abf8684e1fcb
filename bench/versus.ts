/**
 * Compares this relay with others. Each gets the same corpus, directory, hosts and consumers, one relay after the other on one
 * machine. `--indigo PATH` and `--rsky PATH` name the programs of indigo's relay and of rsky-relay; without them only this
 * relay is measured. `--rounds N` measures each N times, the relays in turn, and gives the medians, in case the machine does
 * other things too. `--json FILE` and `--svg FILE` write the figures and a chart of them.
 */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { makeCorpus } from "../src/sim/corpus.ts";
import { type BarPanel, barChart } from "./rig/bar-chart.ts";
import { median, rounded } from "./rig/figures.ts";
import { indigo } from "./rig/indigo.ts";
import type { Peer } from "./rig/peer.ts";
import { rsky } from "./rig/rsky.ts";
import { standpipe } from "./rig/standpipe.ts";
import { PACED_FRAMES_PER_S, TRIAL_FRAMES, type Trial, tryPeer } from "./rig/trial.ts";

const BINARY = join(import.meta.dir, "..", "dist", "standpipe");
const ACCOUNTS = 16;
const ROUNDS_MAX = 20;

/** One figure that is measured for each relay. */
interface Figure {
	/** Its name in the JSON; the relay's name follows it. */
	key: string;
	name: string;
	unit: string;
	better: "more" | "less";
	of(trial: Trial): number;
	/** False if another panel of the chart shows it already. */
	drawn?: false;
}

const FIGURES: readonly Figure[] = [
	{ key: "commits_per_s", name: "sustained", unit: "commits/s", better: "more", of: (trial) => trial.commitsPerS },
	{
		key: "cpu_s_per_million",
		name: "CPU time per million commits",
		unit: "s",
		better: "less",
		of: (trial) => trial.cpuSPerMillion,
	},
	{ ...delivered(1), drawn: false },
	delivered(50),
	delivered(200),
	latency("p50", (trial) => trial.latencyP50Ms),
	latency("p99", (trial) => trial.latencyP99Ms),
	{ key: "peak_mib", name: "peak memory", unit: "MiB", better: "less", of: (trial) => trial.peakMib },
	{ key: "cold_start_ms", name: "cold start", unit: "ms", better: "less", of: (trial) => trial.coldStartMs },
	{ key: "catch_up_s", name: "catching up", unit: "s", better: "less", of: (trial) => trial.catchUp.seconds },
];

/** A relay with its result of each round, or with why there is none. */
interface Entry {
	name: string;
	/** Null if the command line does not name its program. */
	peer: Peer | null;
	trials: Trial[];
	failure: string | null;
}

const { values: options } = parseArgs({
	options: {
		json: { type: "string" },
		svg: { type: "string" },
		indigo: { type: "string" },
		rsky: { type: "string" },
		rounds: { type: "string", default: "1" },
	},
});
if (!existsSync(BINARY)) throw new Error("there is no dist/standpipe: `make build` makes it");

const rounds = Number(options.rounds);
if (!Number.isInteger(rounds) || rounds < 1 || rounds > ROUNDS_MAX) {
	throw new RangeError(`--rounds must be a whole number from 1 to ${ROUNDS_MAX}`);
}

const corpus = await makeCorpus({ seed: "bench/versus", accounts: ACCOUNTS, frames: TRIAL_FRAMES });
const ours = entryOf("standpipe", BINARY, standpipe);
const entries = [ours, entryOf("indigo", options.indigo, indigo), entryOf("rsky-relay", options.rsky, rsky)];
for (let round = 0; round < rounds; round++) {
	for (const entry of entries) if (entry.failure === null) await measure(entry);
}
printTable();
if (options.json !== undefined) await Bun.write(options.json, `${JSON.stringify(toJson(), null, "\t")}\n`);
if (options.svg !== undefined) {
	await Bun.write(options.svg, barChart("Relays on one machine with the same load", panels()));
}
// Another relay that could not be measured only gets a line in the output. If this relay could not be, the bench has failed.
process.exit(ours.failure === null ? 0 : 1);

/** A relay whose program is not given is listed too, as not measured. */
function entryOf(name: string, program: string | undefined, peerOf: (program: string) => Peer): Entry {
	if (program === undefined)
		return { name, peer: null, trials: [], failure: "not measured: its program was not given" };
	return { name, peer: peerOf(resolve(program)), trials: [], failure: null };
}

async function measure(entry: Entry): Promise<void> {
	if (entry.peer === null) return;
	console.error(`measuring ${entry.name} …`);
	try {
		entry.trials.push(await tryPeer(entry.peer, corpus));
	} catch (error) {
		entry.failure = `not measured: ${error instanceof Error ? error.message : String(error)}`;
	}
}

/** The median of the rounds; null for a relay that failed in one of them. */
function medianOf({ trials, failure }: Entry, figure: Figure): number | null {
	return failure === null ? median(trials.map((trial) => figure.of(trial))) : null;
}

function textOf(value: number | null): string {
	if (value === null) return "not measured";
	return Number.isFinite(value) ? rounded(value) : "never came";
}

function delivered(consumers: number): Figure {
	return {
		key: `frames_per_s_${consumers}`,
		name: `delivered to ${consumers} consumer${consumers === 1 ? "" : "s"}`,
		unit: "frames/s",
		better: "more",
		of: ({ deliveries }) => deliveries.find((delivery) => delivery.consumers === consumers)?.framesPerS ?? 0,
	};
}

function latency(quantile: string, of: Figure["of"]): Figure {
	return {
		key: `latency_${quantile}_ms`,
		name: `latency ${quantile} at ${PACED_FRAMES_PER_S}/s`,
		unit: "ms",
		better: "less",
		of,
	};
}

function printTable(): void {
	const rows = [
		["", "", ...entries.map(({ name }) => name)],
		...FIGURES.map((figure) => [figure.name, figure.unit, ...entries.map((entry) => textOf(medianOf(entry, figure)))]),
	];
	const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
	const bytes = corpus.frames.reduce((sum, { frame }) => sum + frame.length, 0) / corpus.frames.length;
	console.log(`${TRIAL_FRAMES} commits of ${Math.round(bytes)} bytes from ${ACCOUNTS} accounts, rounds: ${rounds}`);
	for (const row of rows) {
		const cells = row.map((cell, at) => (at < 2 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0)));
		console.log(`  ${cells.join("  ")}`.trimEnd());
	}
	for (const { name, trials, failure } of entries) {
		const remarks = new Set([...trials.flatMap(remarksOn), ...(failure === null ? [] : [failure])]);
		for (const remark of remarks) console.log(`${name}: ${remark}`);
	}
}

/** Remarks on a trial that its figures do not show. */
function remarksOn({ deliveries, catchUp }: Trial): string[] {
	const short = deliveries
		.filter(({ missing }) => missing > 0)
		.map(({ consumers, missing }) => `${missing} frames never came to ${consumers} consumers`);
	const limited = deliveries
		.filter(({ consumersBusy }) => consumersBusy > 0.9)
		.map(({ consumers }) => `with ${consumers} consumers, their process was busy all the time`);
	const faults = [
		[catchUp.missing, "missing"],
		[catchUp.repeated, "repeated"],
		[catchUp.outOfOrder, "out of order"],
	].filter(([count]) => count !== 0);
	const found =
		faults.length === 0 ? "every message once, in order" : faults.map((fault) => fault.join(" ")).join(", ");
	const end = catchUp.disconnected ? ", disconnected" : "";
	return [...short, ...limited, `catching up with ${catchUp.backlog} messages: ${found}${end}`];
}

function toJson(): object {
	const figures = entries.flatMap((entry) =>
		FIGURES.map((figure) => [`${figure.key}_${entry.name}`, medianOf(entry, figure)] as const),
	);
	return {
		figures: Object.fromEntries(figures.filter(([, value]) => value !== null)),
		relays: entries.map(({ name, trials, failure }) => ({ name, trials, failure })),
	};
}

function panels(): BarPanel[] {
	return FIGURES.filter(({ drawn }) => drawn !== false).map((figure) => ({
		title: figure.name,
		note: `${figure.unit}, ${figure.better} is better`,
		bars: entries.map((entry) => {
			const value = medianOf(entry, figure);
			return { label: entry.name, value: Number.isFinite(value) ? value : null, text: textOf(value) };
		}),
	}));
}
