import { readdirSync } from "node:fs";
import type { RelayProcess, RelayStats } from "../../src/sim/relay-process.ts";
import { processCpuMs, residentMib } from "./cpu.ts";
import { median } from "./figures.ts";

const MIB = 1024 ** 2;

/** What a minute of a soak shows. */
export interface Minute {
	/** Of the relay: the median of the minute. */
	residentMib: number;
	/** Objects of all threads' heaps after their last collection. */
	heapMib: number;
	descriptors: number;
	threads: number;
	/** A share of one core. */
	cpu: number;
	inPerS: number;
	outPerS: number;
	/** Messages rejected in this minute. */
	rejected: number;
	/** The most messages that were on their way from hosts to the log, those of hosts that are down among them. */
	logLag: number;
	/** The most records that the index was behind the log. */
	indexLag: number;
	hosts: number;
	consumers: number;
	/** Resident memory of the load's process. It must not grow either. */
	loadMib: number;
}

/** The columns of the table, with their headings. */
const COLUMNS: readonly [keyof Minute, string, digits: number][] = [
	["residentMib", "MiB", 1],
	["heapMib", "heap MiB", 1],
	["descriptors", "fds", 0],
	["threads", "threads", 0],
	["cpu", "cores", 2],
	["inPerS", "in/s", 0],
	["outPerS", "out/s", 0],
	["rejected", "rejected", 0],
	["logLag", "log lag", 0],
	["indexLag", "index lag", 0],
	["hosts", "hosts", 0],
	["consumers", "consumers", 0],
	["loadMib", "load MiB", 1],
];

export const MINUTE_HEADINGS: readonly string[] = COLUMNS.map(([, heading]) => heading);

/** The cells of a minute, under `MINUTE_HEADINGS`. */
export function cellsOf(minute: Minute): string[] {
	return COLUMNS.map(([name, , digits]) => minute[name].toFixed(digits));
}

/** Each column's mean over some minutes. */
export function meanOf(minutes: readonly Minute[]): Minute {
	const means = COLUMNS.map(([name]) => [
		name,
		minutes.reduce((sum, minute) => sum + minute[name], 0) / minutes.length,
	]);
	return Object.fromEntries(means) as Minute;
}

/** Each column of one as a ratio to the other's; 1 if they are equal. */
export function ratioCells(later: Minute, earlier: Minute): string[] {
	return COLUMNS.map(([name]) => (later[name] === earlier[name] ? 1 : later[name] / earlier[name]).toFixed(2));
}

interface Sample {
	atMs: number;
	cpuMs: number;
	residentMib: number;
	loadMib: number;
	pending: number;
	threads: number;
	stats: RelayStats;
}

/** Watches a relay, minute by minute. It keeps the samples of the current minute only. */
export class MinuteWatch {
	readonly #relay: RelayProcess;
	#samples: Sample[] = [];
	#last: Sample | null = null;

	constructor(relay: RelayProcess) {
		this.#relay = relay;
	}

	/** @param pending messages that are on their way now */
	async sample(pending: number): Promise<void> {
		const { pid } = this.#relay;
		this.#samples.push({
			atMs: performance.now(),
			cpuMs: processCpuMs(pid),
			residentMib: residentMib(pid),
			loadMib: residentMib(process.pid),
			pending,
			threads: readdirSync(`/proc/${pid}/task`).length,
			stats: await this.#relay.stats(),
		});
		this.#last ??= this.#samples[0] ?? null;
	}

	/** Ends the minute. */
	endMinute(): Minute {
		const samples = this.#samples;
		const [last, before] = [samples.at(-1), this.#last];
		if (last === undefined || before === null) throw new Error("the minute has no samples");
		this.#samples = [];
		this.#last = last;
		const seconds = (last.atMs - before.atMs) / 1000;
		const rise = (name: string): number => last.stats.counters.of(name) - before.stats.counters.of(name);
		const rejectedBy = ({ stats }: Sample): number => Object.values(stats.rejected).reduce((sum, one) => sum + one, 0);
		const middle = (of: (sample: Sample) => number): number => median(samples.map(of));
		const most = (of: (sample: Sample) => number): number => Math.max(...samples.map(of));
		return {
			residentMib: middle((sample) => sample.residentMib),
			heapMib: middle(({ stats }) => heapBytes(stats) / MIB),
			descriptors: middle(({ stats }) => stats.openFiles.open),
			threads: middle(({ threads }) => threads),
			cpu: (last.cpuMs - before.cpuMs) / 1000 / seconds,
			inPerS: rise("frames_received_total") / seconds,
			outPerS: rise("frames_sent_total") / seconds,
			rejected: rejectedBy(last) - rejectedBy(before),
			logLag: most(({ pending }) => pending),
			indexLag: most(({ stats }) => stats.log.lastLsn - stats.log.appliedLsn),
			hosts: middle(({ stats }) => stats.counters.of("hosts_connected")),
			consumers: middle(({ stats }) => stats.counters.of("consumers_connected")),
			loadMib: middle((sample) => sample.loadMib),
		};
	}
}

function heapBytes(stats: RelayStats): number {
	return Object.values(stats.threads).reduce((sum, { memory }) => sum + (memory?.heapUsedBytes ?? 0), 0);
}
