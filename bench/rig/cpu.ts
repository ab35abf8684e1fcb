import { existsSync, readdirSync, readFileSync } from "node:fs";

/** Unit of CPU time in /proc. It is a hundredth of a second on every Linux. */
const TICK_MS = 10;
const MIB = 1024 ** 2;

/** CPU time of a process so far, user and system, all threads. Resolution 10 ms. */
export function processCpuMs(pid: number): number {
	return cpuMsOf(`/proc/${pid}/stat`);
}

/**
 * CPU time of a process so far, by the names of its threads; threads of one name are added up. Bun gives a worker's name to its
 * thread. Finer than a tick if the kernel counts it, since a thread with one live consumer uses only one or two ticks a second.
 */
export function threadCpuMs(pid: number): Map<string, number> {
	const tasks = `/proc/${pid}/task`;
	const cpuMs = new Map<string, number>();
	for (const id of readdirSync(tasks)) {
		const name = readFileSync(`${tasks}/${id}/comm`, "utf8").trim();
		cpuMs.set(name, (cpuMs.get(name) ?? 0) + taskCpuMs(pid, Number(id)));
	}
	return cpuMs;
}

/** CPU time of one thread of a process so far. The main thread has the process's id. */
export function taskCpuMs(pid: number, id: number): number {
	const task = `/proc/${pid}/task/${id}`;
	return fineCpuMsOf(`${task}/schedstat`) ?? cpuMsOf(`${task}/stat`);
}

/** Resident memory of a process. */
export function residentMib(pid: number): number {
	return statusMib(pid, "VmRSS");
}

/** The most memory that a process has had resident so far. */
export function peakResidentMib(pid: number): number {
	return statusMib(pid, "VmHWM");
}

function statusMib(pid: number, field: string): number {
	const kib = new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
	if (kib === undefined) throw new Error(`/proc says nothing of the memory of process ${pid}`);
	return (Number(kib) * 1024) / MIB;
}

/** The first number of a `schedstat` is the CPU time in nanoseconds. Null if the kernel does not count it. */
function fineCpuMsOf(path: string): number | null {
	if (!existsSync(path)) return null;
	const [ns = ""] = readFileSync(path, "utf8").split(" ");
	return Number(ns) / 1e6;
}

function cpuMsOf(path: string): number {
	const stat = readFileSync(path, "utf8");
	// The second field is a name in brackets, which may hold anything; utime and stime are the 14th and 15th.
	const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
	return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}
