import { configureSync, getConsoleSink, getLogger, type Logger, type LogLevel, type LogRecord } from "@logtape/logtape";
import { LINE_CHARS_MAX, type LineBudget, type Loggable, loggable } from "./log-value.ts";

export type { Logger };

export const LOG_LEVELS = ["debug", "info", "warning", "error"] as const satisfies readonly LogLevel[];

/** Sets up this thread's log: JSON lines on standard output and error. Each thread calls it at its start. */
export function setUpLog(lowestLevel: (typeof LOG_LEVELS)[number]): void {
	configureSync({
		// The control thread calls this twice: it logs before it knows its settings.
		reset: true,
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

/** Keys that the log sets in each line itself. A property with such a name gets an underscore before it. */
const RESERVED = new Set(["time", "level", "part", "message"]);

/**
 * One JSON object: a sentence for people, and its values by name for machines. Bounded in length, whatever the values are.
 * Never throws.
 */
export function formatLine({ timestamp, level, category, message, properties }: LogRecord): string {
	const budget: LineBudget = { charsLeft: LINE_CHARS_MAX };
	// Pieces at odd places are values; those at even places are the sentence's own words.
	const sentence = message
		.map((piece, at) => (at % 2 === 0 ? String(piece) : textOf(loggable(piece, budget))))
		.join("");
	const line: { [key: string]: Loggable } = Object.create(null);
	line["time"] = new Date(timestamp).toISOString();
	line["level"] = level;
	line["part"] = category.slice(1).join(".");
	line["message"] = sentence;
	const values = loggable(properties, { charsLeft: LINE_CHARS_MAX });
	if (typeof values === "object" && values !== null)
		for (const [key, value] of Object.entries(values)) line[RESERVED.has(key) ? `_${key}` : key] = value;
	return JSON.stringify(line);
}

function textOf(value: Loggable): string {
	return typeof value === "object" ? JSON.stringify(value) : String(value);
}
