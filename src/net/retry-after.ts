/** The longest pause that a server can ask for. */
export const RETRY_AFTER_MS_MAX = 60 * 60 * 1000;
/** The pause after a 429 that does not say how long. */
export const RATE_LIMITED_PAUSE_MS = 30_000;

const SECONDS = /^[0-9]{1,10}$/;

/**
 * How many milliseconds a server that gave no answer wants to be left alone: its `Retry-After`, in seconds or as a date (RFC
 * 9110), up to an hour. Null if it does not say, and its status is not 429.
 */
export function retryAfterMs(status: number, headers: Headers, nowMs: number): number | null {
	const text = headers.get("Retry-After")?.trim() ?? "";
	const askedMs = SECONDS.test(text) ? Number(text) * 1000 : Date.parse(text) - nowMs;
	if (!Number.isNaN(askedMs)) return Math.min(Math.max(askedMs, 0), RETRY_AFTER_MS_MAX);
	return status === 429 ? RATE_LIMITED_PAUSE_MS : null;
}
