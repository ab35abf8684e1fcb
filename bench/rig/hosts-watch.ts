import { processCpuMs, residentMib, threadCpuMs } from "./cpu.ts";

const SAMPLE_MS = 500;
/** Threads that are named. */
const NAMED = 4;

/** What a process has used over a time. */
export interface Watched {
	/** The most memory that it had resident. */
	mibMax: number;
	/** The share of a core, and those of the busiest threads in percent, as text. */
	cpu: { share: number; busiest: string };
}

/** CPU time of a process over so many milliseconds. */
export async function idleOf(pid: number, ms: number): Promise<Watched["cpu"]> {
	return (await watchLoad(pid, () => Bun.sleep(ms))).cpu;
}

/** Watches a process until the work is done. */
export async function watchLoad(pid: number, work: () => Promise<void>): Promise<Watched> {
	const before = { allMs: processCpuMs(pid), byThread: threadCpuMs(pid), atMs: performance.now() };
	let mibMax = 0;
	const sample = (): void => {
		mibMax = Math.max(mibMax, residentMib(pid));
	};
	const timer = setInterval(sample, SAMPLE_MS);
	try {
		await work();
	} finally {
		clearInterval(timer);
	}
	sample();
	const passedMs = performance.now() - before.atMs;
	const busiest = [...threadCpuMs(pid)]
		.map(([name, ms]): [string, number] => [name, (ms - (before.byThread.get(name) ?? 0)) / passedMs])
		.sort(([, a], [, b]) => b - a)
		.slice(0, NAMED)
		.map(([name, share]) => `${name} ${(100 * share).toFixed(2)}`)
		.join(", ");
	return { mibMax, cpu: { share: (processCpuMs(pid) - before.allMs) / passedMs, busiest } };
}
