import { openSync, readSync } from "node:fs";

const STATUS = "/proc/self/status";
/** The file is some 1.5 kB long. */
const STATUS_BYTES_MAX = 16_384;

/** What the system says of this process. */
export interface ProcessStatus {
	/** Resident memory. */
	rssBytes: number;
	/** The part of it that is mapped from files, such as the program. */
	fileBytes: number;
	/** Address space, most of which is never touched. */
	virtualBytes: number;
	/** Threads of the system, of which the runtime has some of its own. */
	threads: number;
}

/**
 * Returns a function that reads the process's status. The runtime's own function for the resident memory opens a file at each call,
 * and throws at the limit of open files. This one opens the file once and keeps it open. On a system without that file it
 * gives the resident memory, and 0 for the rest.
 */
export function processStatus(): () => ProcessStatus {
	let file: number;
	try {
		file = openSync(STATUS, "r");
	} catch {
		return () => ({ rssBytes: process.memoryUsage.rss(), fileBytes: 0, virtualBytes: 0, threads: 0 });
	}
	const target = Buffer.alloc(STATUS_BYTES_MAX);
	return () => {
		const text = target.toString("latin1", 0, readSync(file, target, 0, target.length, 0));
		const numberOf = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(text)?.[1] ?? 0);
		return {
			rssBytes: numberOf("VmRSS") * 1024,
			fileBytes: numberOf("RssFile") * 1024,
			virtualBytes: numberOf("VmSize") * 1024,
			threads: numberOf("Threads"),
		};
	};
}
