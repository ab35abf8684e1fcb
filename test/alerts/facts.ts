import type { AlertFacts } from "../../src/alerts/facts.ts";

/** Facts of a relay that is well, and has run for ten hours at `FACTS_AT_MS`. */
export const FACTS_AT_MS = 1_800_000_000_000;

export const FACTS: AlertFacts = {
	downHosts: [],
	quotas: [],
	logGaps: 0,
	diskFreeBytes: 100 * 1024 ** 3,
	diskReserveBytes: 1024 ** 3,
	logStall: null,
	indexStall: null,
	indexLagRecords: 0,
	consumersBehind: 0,
	rejected: 0,
	rejectedOf: [],
	startedAtMs: FACTS_AT_MS - 10 * 3_600_000,
};
