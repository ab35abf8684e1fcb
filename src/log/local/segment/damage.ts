import { counter } from "../../../observe/metric.ts";

/** A start counts the damage that it finds, and so does each reader that comes to it. */
export const logGaps = counter(
	"log_gaps_total",
	"damaged stretches of the log, which readers get as gaps",
	"If it is not 0, the disk has damaged the log: check the disk, and see `standpipe log inspect` for what is missing.",
);
