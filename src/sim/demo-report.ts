import type { SimConsumer } from "./consumer.ts";
import type { RelayStats } from "./relay-process.ts";

const REASONS_SHOWN = 3;

/** The figures at one moment of a run. */
export interface Sample {
	atMs: number;
	stats: RelayStats;
	/** Messages that the consumer has received. */
	received: number;
}

/** Messages that the relay rejected, for all reasons together. */
export function rejectedTotal({ rejected }: RelayStats): number {
	return Object.values(rejected).reduce((sum, count) => sum + count, 0);
}

function median(values: readonly number[]): number | null {
	return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? null;
}

function commonest(counts: Record<string, number>, most: number): string {
	const ranked = Object.entries(counts)
		.filter(([, count]) => count > 0)
		.sort(([, a], [, b]) => b - a);
	const shown = ranked.slice(0, most).map(([reason, count]) => `${reason} ${count}`);
	return ranked.length > most ? `${shown.join(", ")}, …` : shown.join(", ");
}

/** One line on the time between two samples. */
export function reportLine(last: Sample, now: Sample, hosts: number, lagsMs: readonly number[]): string {
	const seconds = (now.atMs - last.atMs) / 1000;
	const { counters, rejected, rssBytes } = now.stats;
	const inPerSecond =
		(counters.of("frames_received_total") - last.stats.counters.of("frames_received_total")) / seconds;
	const outPerSecond = (now.received - last.received) / seconds;
	const lagMs = median(lagsMs);
	const reasons = commonest(rejected, REASONS_SHOWN);
	return [
		`hosts ${String(counters.of("hosts_connected")).padStart(2)}/${hosts}`,
		`in ${inPerSecond.toFixed(0).padStart(4)}/s`,
		`out ${outPerSecond.toFixed(0).padStart(4)}/s`,
		`lag ${(lagMs === null ? "–" : lagMs.toFixed(0)).padStart(3)} ms`,
		`memory ${(rssBytes / 1024 ** 2).toFixed(0).padStart(3)} MiB`,
		`verified ${counters.of("messages_verified_total")}`,
		`rejected ${rejectedTotal(now.stats)}${reasons === "" ? "" : ` (${reasons})`}`,
	].join("  ");
}

/** The lines at the end of a run: what became of all that was sent, and whether that is as expected. */
export function summaryLines(
	sent: { good: number; broken: number },
	stats: RelayStats,
	consumer: SimConsumer,
): { lines: string[]; agrees: boolean } {
	const rejected = rejectedTotal(stats);
	const violations = consumer.orderViolations + consumer.revViolations;
	const lines = [
		`good messages: ${sent.good} sent, ${consumer.received} received by the consumer, ${violations} out of order`,
		`broken messages: ${sent.broken} sent, ${rejected} rejected by the relay`,
		...Object.entries(stats.rejected)
			.filter(([, count]) => count > 0)
			.map(([reason, count]) => `  ${reason.padEnd(22)} ${count}`),
	];
	return { lines, agrees: consumer.received === sent.good && rejected === sent.broken && violations === 0 };
}
