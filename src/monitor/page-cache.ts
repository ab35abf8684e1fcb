import { readFileSync } from "node:fs";

/** Where a process finds its control groups. */
const OWN_GROUPS = "/proc/self/cgroup";
const GROUPS = "/sys/fs/cgroup";

/**
 * What the system holds of files in memory for the control group of this process: the container's, or the service's. Null if it
 * does not tell. A process that shares its group with others sees theirs too.
 *
 * @param read returns the content of a file; throws if there is none
 */
export function pageCacheBytes(read = (path: string): string => readFileSync(path, "latin1")): number | null {
	for (const path of statFiles(read)) {
		try {
			const [, bytes] = /^(?:file|total_cache) (\d+)$/m.exec(read(path)) ?? [];
			if (bytes !== undefined) return Number(bytes);
		} catch {
			// Another version of control groups, or none.
		}
	}
	return null;
}

/** The files that may tell: of version 2 of control groups, then of version 1. */
function statFiles(read: (path: string) => string): string[] {
	let groups: string;
	try {
		groups = read(OWN_GROUPS);
	} catch {
		return [];
	}
	const [, unified] = /^0::(\/.*)$/m.exec(groups) ?? [];
	const [, memory] = /^\d+:(?:.*,)?memory(?:,.*)?:(\/.*)$/m.exec(groups) ?? [];
	return [
		...(unified === undefined ? [] : [`${GROUPS}${unified}/memory.stat`]),
		...(memory === undefined ? [] : [`${GROUPS}/memory${memory}/memory.stat`]),
	];
}
