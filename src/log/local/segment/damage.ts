import { counter } from "../../../observe/metric.ts";

/** Counted by the start that finds it, and by readers that come to it. */
export const logGaps = counter("log_gaps_total", "damaged stretches of the log that were quarantined");
