import { Libc, type OpenLimit } from "./libc.ts";

/**
 * Descriptors that strangers can't take. The process runs with a soft limit somewhat below its hard one. At the soft limit, the
 * system refuses further connections. The log can still open its next file, since the limit is raised for a moment.
 */

/** Descriptors that are kept for the log and its readers. */
const RESERVED_MIN = 16;
const RESERVED_MAX = 64;
/** If the limit is low, an eighth of it is kept. */
const RESERVED_SHARE = 8;

/** How often the limit is raised for one file. If it still can't be opened then, the reserve is used up. */
const RAISES_MAX = 100;

/** The system's codes if the process, or all processes together, have too many files open. */
const TOO_MANY: ReadonlySet<string> = new Set(["EMFILE", "ENFILE"]);

/** Each thread opens it at its start: at the limit it would be too late. */
const libc = Libc.open();

/** Lowers the process's soft limit so that the reserve is above it. Returns the limit; null if the system has none. */
export function reserveHeadroom(): OpenLimit | null {
	const limit = libc?.openLimit() ?? null;
	if (libc === null || limit === null) return null;
	const lowered = loweredOf(limit.hard);
	return lowered.soft > 0 && libc.setOpenLimit(lowered) ? lowered : limit;
}

/**
 * The limit without the reserve. It follows from the hard limit alone, which never changes: the soft one may be raised at this
 * moment.
 */
function loweredOf(hard: number): OpenLimit {
	const reserved = Math.min(Math.max(Math.floor(hard / RESERVED_SHARE), RESERVED_MIN), RESERVED_MAX);
	return { soft: hard - reserved, hard };
}

/**
 * Opens a file of the relay's own. At the soft limit, the limit is raised and `open` is tried again. The limit is the whole
 * process's, so another thread that is done may lower it before this one has opened its file. Then it is raised again.
 *
 * @throws what `open` throws
 */
export function withHeadroom<T>(open: () => T): T {
	try {
		return open();
	} catch (error) {
		const limit = isTooManyFiles(error) ? (libc?.openLimit() ?? null) : null;
		if (libc === null || limit === null) throw error;
		return openRaised(libc, limit.hard, open);
	}
}

function openRaised<T>(libc: Libc, hard: number, open: () => T): T {
	try {
		for (let raises = 1; ; raises++) {
			libc.setOpenLimit({ soft: hard, hard });
			try {
				return open();
			} catch (error) {
				if (!isTooManyFiles(error) || raises === RAISES_MAX) throw error;
			}
		}
	} finally {
		const lowered = loweredOf(hard);
		if (lowered.soft > 0) libc.setOpenLimit(lowered);
	}
}

/** Whether too many files are open, in this process or in the system. */
export function isTooManyFiles(error: unknown): boolean {
	return error instanceof Error && "code" in error && typeof error.code === "string" && TOO_MANY.has(error.code);
}
