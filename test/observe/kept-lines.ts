import { configureSync, type LogRecord } from "@logtape/logtape";

/** Has all log lines of the relay kept, from now on, in place of printed. `resetSync` ends that. */
export function keepLines(): LogRecord[] {
	const lines: LogRecord[] = [];
	configureSync({
		reset: true,
		sinks: { lines: (record) => lines.push(record) },
		loggers: [
			{ category: ["standpipe"], lowestLevel: "debug", sinks: ["lines"] },
			{ category: ["logtape", "meta"], lowestLevel: "error", sinks: [] },
		],
	});
	return lines;
}
