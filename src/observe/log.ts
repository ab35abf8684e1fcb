import { configureSync, getConsoleSink, getLogger, type Logger, type LogLevel, type LogRecord } from "@logtape/logtape";

export type { Logger };

export const LOG_LEVELS = ["debug", "info", "warning", "error"] as const satisfies readonly LogLevel[];

/** Sets up this thread's log: JSON lines on standard output and error. Each thread calls it once, at its start. */
export function setUpLog(lowestLevel: (typeof LOG_LEVELS)[number]): void {
	configureSync({
		sinks: { console: getConsoleSink({ formatter: formatLine }) },
		loggers: [
			{ category: ["standpipe"], lowestLevel, sinks: ["console"] },
			{ category: ["logtape", "meta"], lowestLevel: "warning", sinks: ["console"] },
		],
	});
}

/** The log of one part of the relay, such as `ingest`. */
export function logOf(part: string): Logger {
	return getLogger(["standpipe", part]);
}

/** One JSON object: a sentence for people, and its values by name for machines. */
function formatLine({ timestamp, level, category, message, properties }: LogRecord): string {
	return JSON.stringify({
		time: new Date(timestamp).toISOString(),
		level,
		part: category.slice(1).join("."),
		message: message.map(String).join(""),
		...properties,
	});
}
