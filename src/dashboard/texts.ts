/** Numbers and times in words, for people. */

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"] as const;
const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** `12,345`. */
export function countText(count: number): string {
	return Math.round(count).toLocaleString("en");
}

/** `213/s`, or `0.4/s` if there are few. */
export function rateText(perS: number): string {
	return `${perS > 0 && perS < 10 ? perS.toFixed(1) : countText(perS)}/s`;
}

/** `1.4 GiB`. */
export function bytesText(bytes: number): string {
	let value = Math.max(bytes, 0);
	let unit = 0;
	while (value >= 1024 && unit < UNITS.length - 1) {
		value /= 1024;
		unit++;
	}
	return `${value >= 100 || unit === 0 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit]}`;
}

/** `14 ms`, `1.2 s`; a dash for null. */
export function msText(ms: number | null): string {
	if (ms === null) return "–";
	if (ms < 10) return `${ms.toFixed(1)} ms`;
	return ms < SECOND_MS ? `${Math.round(ms)} ms` : `${(ms / SECOND_MS).toFixed(1)} s`;
}

/** The two greatest units: `3 d 4 h`, `12 min 5 s`. */
export function durationText(ms: number): string {
	const whole = Math.max(Math.floor(ms / SECOND_MS) * SECOND_MS, 0);
	const days = Math.floor(whole / DAY_MS);
	const hours = Math.floor((whole % DAY_MS) / HOUR_MS);
	const minutes = Math.floor((whole % HOUR_MS) / MINUTE_MS);
	const seconds = (whole % MINUTE_MS) / SECOND_MS;
	if (days > 0) return `${days} d ${hours} h`;
	if (hours > 0) return `${hours} h ${minutes} min`;
	return minutes > 0 ? `${minutes} min ${seconds} s` : `${seconds} s`;
}

/** `in 12 min 5 s`, `4 s ago`. Both are Unix ms. */
export function relativeText(atMs: number, nowMs: number): string {
	if (atMs > nowMs) return `in ${durationText(atMs - nowMs)}`;
	return nowMs - atMs < SECOND_MS ? "now" : `${durationText(nowMs - atMs)} ago`;
}

/** `2026-11-26 16:20:05` in UTC. */
export function timeText(atMs: number): string {
	const date = new Date(atMs);
	return Number.isNaN(date.getTime()) ? "–" : date.toISOString().slice(0, 19).replace("T", " ");
}
