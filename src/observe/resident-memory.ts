import { openSync, readSync } from "node:fs";

const STATUS = "/proc/self/status";
/** The file is some 1.5 kB long. */
const STATUS_BYTES_MAX = 16_384;

/**
 * Returns a function that gives the process's resident memory in bytes. The runtime's own function opens a file at each call,
 * and throws at the limit of open files. This one opens the file once and keeps it open.
 */
export function residentMemory(): () => number {
	let file: number;
	try {
		file = openSync(STATUS, "r");
	} catch {
		return process.memoryUsage.rss;
	}
	const target = Buffer.alloc(STATUS_BYTES_MAX);
	return () => {
		const bytes = readSync(file, target, 0, target.length, 0);
		const [, kib] = /^VmRSS:\s+(\d+) kB$/m.exec(target.toString("latin1", 0, bytes)) ?? [];
		return Number(kib ?? 0) * 1024;
	};
}
