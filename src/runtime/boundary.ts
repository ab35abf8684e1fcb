import { Unavailable } from "../disk/fault.ts";
import { logOf } from "../observe/log.ts";
import { LogLimiter } from "./log-limiter.ts";

/**
 * The boundary between strangers and the process. Code that handles what a stranger sent may fail in ways that nobody foresaw.
 * Such a failure costs the stranger a message or the connection; it never ends the process. Two kinds of errors pass the
 * boundary: damage to our own data, and a failure of the disk or database that holds it.
 */

/** Our own data or state is not what it must be: going on could lose or falsify messages, so the process ends. */
export class Damage extends Error {
	override readonly name: string = "Damage";
}

/** At most one report in this time for each place. */
const REPORT_INTERVAL_MS = 60_000;
/** Places are named in the code, so there are few. */
const PLACES_MAX = 256;
/** Bytes of a frame that a report shows. */
const REPORTED_BYTES_MAX = 64;

const log = logOf("boundary");
const limiter = new LogLimiter({ intervalMs: REPORT_INTERVAL_MS, keysMax: PLACES_MAX });

/**
 * Whether the boundary must pass an error on: it is about our own data or its storage, even if a stranger's message brought it
 * to light.
 */
export function isFatal(error: unknown): boolean {
	return error instanceof Damage || error instanceof Unavailable;
}

/**
 * Logs a failure that nobody foresaw, at most once a minute for each place.
 *
 * @param place where it was caught, in a few constant words
 * @param details of the message at hand, such as its host
 * @param frame the message's bytes, of which the log shows the first 64 in hex
 * @throws `error` itself when it is fatal
 */
export function reportFailure(
	place: string,
	error: unknown,
	details: Record<string, unknown> = {},
	frame?: Uint8Array,
): void {
	if (isFatal(error)) throw error;
	const omitted = limiter.take(place);
	if (omitted === null) return;
	log.error("internal error in {place}: {failure}", {
		...details,
		place,
		failure: error instanceof Error ? `${error.name}: ${error.message}` : String(error),
		stack: error instanceof Error ? error.stack?.split("\n").slice(1, 8) : undefined,
		omitted,
		...(frame === undefined ? {} : { frame: Buffer.from(frame.subarray(0, REPORTED_BYTES_MAX)).toString("hex") }),
	});
}

/** Runs `work`, and reports a failure instead of passing it on. Returns whether it succeeded. */
export function contain(place: string, work: () => void): boolean {
	try {
		work();
		return true;
	} catch (error) {
		reportFailure(place, error);
		return false;
	}
}
