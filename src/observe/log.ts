import { isatty } from "node:tty";
import { configureSync, getConsoleSink, getLogger, type Logger, type LogLevel, type LogRecord } from "@logtape/logtape";
import { LINE_CHARS_MAX, type LineBudget, type Loggable, loggable } from "./log-value.ts";
import { hideSecrets, masked } from "./masking.ts";
import { Repeats } from "./repeats.ts";
import { textLine } from "./text-line.ts";

export type { Logger };

export const LOG_LEVELS = ["debug", "info", "warning", "error"] as const satisfies readonly LogLevel[];

/** `auto` is `text` if standard output is a terminal, else `json`. */
export const LOG_FORMATS = ["auto", "json", "text"] as const;

export interface LogSettings {
	level: (typeof LOG_LEVELS)[number];
	format: (typeof LOG_FORMATS)[number];
	/** Texts that no line may show. */
	secrets: readonly string[];
}

/** Sets up this thread's log: lines on standard output and error. Each thread calls it at its start. */
export function setUpLog({ level: lowestLevel, format, secrets }: LogSettings): void {
	hideSecrets(secrets);
	const write = getConsoleSink({ formatter: formatterOf(format, isatty(1), process.env) });
	const after = (ms: number, callback: () => void): void => {
		setTimeout(callback, ms).unref();
	};
	const repeats = new Repeats({ write, clock: () => performance.now(), after });
	configureSync({
		// The control thread calls this twice: it logs before it knows its settings.
		reset: true,
		sinks: { console: (record) => repeats.take(record) },
		loggers: [
			{ category: ["standpipe"], lowestLevel, sinks: ["console"] },
			{ category: ["logtape", "meta"], lowestLevel: "warning", sinks: ["console"] },
		],
	});
}

/**
 * How lines are written.
 * @param env `NO_COLOR` with any text turns colours off, as no-color.org has it
 */
export function formatterOf(
	format: LogSettings["format"],
	isTerminal: boolean,
	env: Readonly<Record<string, string | undefined>>,
): (record: LogRecord) => string {
	if (format === "json" || (format === "auto" && !isTerminal)) return formatLine;
	const isColored = isTerminal && (env["NO_COLOR"] ?? "") === "" && env["TERM"] !== "dumb";
	return (record) => textLine(record, partOf(record), sentenceOf(record), valuesOf(record), isColored);
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
export function formatLine(record: LogRecord): string {
	const line: { [key: string]: Loggable } = Object.create(null);
	line["time"] = new Date(record.timestamp).toISOString();
	line["level"] = record.level;
	line["part"] = partOf(record);
	line["message"] = sentenceOf(record);
	for (const [key, value] of valuesOf(record)) line[RESERVED.has(key) ? `_${key}` : key] = value;
	return JSON.stringify(line);
}

function partOf({ category }: LogRecord): string {
	return category.slice(1).join(".");
}

/** The sentence with its values in it. */
function sentenceOf({ message }: LogRecord): string {
	const budget: LineBudget = { charsLeft: LINE_CHARS_MAX };
	// Pieces at odd places are values; those at even places are the sentence's own words.
	return message
		.map((piece, at) => (at % 2 === 0 ? masked(String(piece)).toWellFormed() : textOf(loggable(piece, budget))))
		.join("");
}

function valuesOf({ properties }: LogRecord): [string, Loggable][] {
	const values = loggable(properties, { charsLeft: LINE_CHARS_MAX });
	return typeof values === "object" && values !== null ? Object.entries(values) : [];
}

function textOf(value: Loggable): string {
	return typeof value === "object" ? JSON.stringify(value) : String(value);
}
