import { Libc, type OpenLimit } from "./libc.ts";

/**
 * Descriptors that strangers can't take. The process runs with a soft limit somewhat below its hard one: at the soft limit
 * the system refuses further connections, and the log can still open its next file, for which the limit is raised for a
 * moment.
 */

/** Kept for the log and its readers. */
const RESERVED_MIN = 16;
const RESERVED_MAX = 64;
/** Of a low limit, a part of it. */
const RESERVED_SHARE = 8;

/** What the system says when a process, or all of them, have too many files open. */
const TOO_MANY: ReadonlySet<string> = new Set(["EMFILE", "ENFILE"]);

/** Opened by each thread at its start: at the limit it would be too late. */
const libc = Libc.open();

/** Lowers the process's soft limit so that the reserve is above it. Returns the limit; null if the system has none. */
export function reserveHeadroom(): OpenLimit | null {
	const limit = libc?.openLimit() ?? null;
	if (libc === null || limit === null) return null;
	const reserved = Math.min(Math.max(Math.floor(limit.hard / RESERVED_SHARE), RESERVED_MIN), RESERVED_MAX);
	const lowered = { soft: Math.min(limit.soft, limit.hard) - reserved, hard: limit.hard };
	return lowered.soft > 0 && libc.setOpenLimit(lowered) ? lowered : limit;
}

/**
 * Opens something of the relay's own. At the soft limit it is tried once more with the limit raised.
 *
 * @throws what `open` throws
 */
export function withHeadroom<T>(open: () => T): T {
	try {
		return open();
	} catch (error) {
		const limit = isTooManyFiles(error) ? (libc?.openLimit() ?? null) : null;
		if (libc === null || limit === null || !libc.setOpenLimit({ soft: limit.hard, hard: limit.hard })) throw error;
		try {
			return open();
		} finally {
			libc.setOpenLimit(limit);
		}
	}
}

/** Whether there are too many open files, in this process or in all. */
export function isTooManyFiles(error: unknown): boolean {
	return error instanceof Error && "code" in error && typeof error.code === "string" && TOO_MANY.has(error.code);
}
