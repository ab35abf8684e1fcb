/**
 * This relay beside others: the same corpus, directory, hosts and consumers for each of them, one after the other on one
 * machine. `--indigo PATH` and `--rsky PATH` name the programs of indigo's relay and of rsky-relay; without them only this
 * relay is measured. `--json FILE` and `--svg FILE` write the figures and a chart of them.
 */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { makeCorpus } from "../test/sim/corpus.ts";
import { type BarPanel, barChart } from "./rig/bar-chart.ts";
import { rounded } from "./rig/figures.ts";
import { indigo } from "./rig/indigo.ts";
import type { Peer } from "./rig/peer.ts";
import { rsky } from "./rig/rsky.ts";
import { standpipe } from "./rig/standpipe.ts";
import { PACED_FRAMES_PER_S, TRIAL_FRAMES, type Trial, tryPeer } from "./rig/trial.ts";

const BINARY = join(import.meta.dir, "..", "dist", "standpipe");
const ACCOUNTS = 16;

/** What is said of each relay. */
interface Figure {
	/** Its name in the JSON, before the relay's. */
	key: string;
	name: string;
	unit: string;
	better: "more" | "less";
	of(trial: Trial): number;
	/** False for what another panel of the chart shows already. */
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

/** A relay and what it did, or why that is not known. */
interface Entry {
	name: string;
	result: Trial | string;
}

const { values: options } = parseArgs({
	options: {
		json: { type: "string" },
		svg: { type: "string" },
		indigo: { type: "string" },
		rsky: { type: "string" },
	},
});
if (!existsSync(BINARY)) throw new Error("there is no dist/standpipe: `make build` makes it");
const peers: Peer[] = [standpipe(BINARY)];
if (options.indigo !== undefined) peers.push(indigo(resolve(options.indigo)));
if (options.rsky !== undefined) peers.push(rsky(resolve(options.rsky)));

const corpus = await makeCorpus({ seed: "bench/versus", accounts: ACCOUNTS, frames: TRIAL_FRAMES });
const entries: Entry[] = [];
for (const peer of peers) entries.push({ name: peer.name, result: await resultOf(peer) });
printTable(entries);
if (options.json !== undefined) await Bun.write(options.json, `${JSON.stringify(jsonOf(entries), null, "\t")}\n`);
if (options.svg !== undefined) {
	await Bun.write(options.svg, barChart("Relays on one machine with the same load", panelsOf(entries)));
}
// A peer that could not be measured is a line of the table; this relay must be measurable.
process.exit(typeof entries[0]?.result === "string" ? 1 : 0);

async function resultOf(peer: Peer): Promise<Trial | string> {
	console.error(`measuring ${peer.name} …`);
	try {
		return await tryPeer(peer, corpus);
	} catch (error) {
		return `not measured: ${error instanceof Error ? error.message : String(error)}`;
	}
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

function printTable(entries: readonly Entry[]): void {
	const rows = [
		["", "", ...entries.map(({ name }) => name)],
		...FIGURES.map((figure) => [
			figure.name,
			figure.unit,
			...entries.map(({ result }) => (typeof result === "string" ? "–" : rounded(figure.of(result)))),
		]),
	];
	const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
	const bytes = corpus.frames.reduce((sum, { frame }) => sum + frame.length, 0) / corpus.frames.length;
	console.log(`${TRIAL_FRAMES} commits of ${Math.round(bytes)} bytes from ${ACCOUNTS} accounts`);
	for (const row of rows) {
		const cells = row.map((cell, at) => (at < 2 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0)));
		console.log(`  ${cells.join("  ")}`.trimEnd());
	}
	for (const { name, result } of entries) {
		for (const line of typeof result === "string" ? [result] : remarksOn(result)) console.log(`${name}: ${line}`);
	}
}

/** What the numbers of a trial don't say. */
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

function jsonOf(entries: readonly Entry[]): object {
	const figures = entries.flatMap(({ name, result }) =>
		typeof result === "string" ? [] : FIGURES.map(({ key, of }) => [`${key}_${name}`, of(result)]),
	);
	return { figures: Object.fromEntries(figures), relays: Object.fromEntries(entries.map((e) => [e.name, e.result])) };
}

function panelsOf(entries: readonly Entry[]): BarPanel[] {
	return FIGURES.filter(({ drawn }) => drawn !== false).map(({ name, unit, better, of }) => ({
		title: name,
		note: `${unit}, ${better} is better`,
		bars: entries.map(({ name: label, result }) => {
			if (typeof result === "string") return { label, value: null, text: "not measured" };
			const value = of(result);
			return Number.isFinite(value)
				? { label, value, text: rounded(value) }
				: { label, value: null, text: "never came" };
		}),
	}));
}
