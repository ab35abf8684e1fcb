import type { LogLevel, LogRecord } from "@logtape/logtape";
import type { Loggable } from "./log-value.ts";

/** How a level looks: its word, and the terminal's code of its colour. */
const LEVELS: Readonly<Record<LogLevel, readonly [word: string, color: number]>> = {
	trace: ["debug", 90],
	debug: ["debug", 90],
	info: ["info ", 32],
	warning: ["warn ", 33],
	error: ["error", 31],
	fatal: ["error", 31],
};
const DIM = 2;
const PART_CHARS = 8;

/** Characters that would move a terminal's cursor, change its state, turn the order of text, or are not seen. Strangers choose many of the texts. */
export const UNSAFE = /[\p{Cc}\p{Cf}\u2028\u2029]/gu;
/** Names in the sentence, whose values it shows already. */
const NAMES = /\{([^{}]{1,100})\}/g;

/**
 * A line for people: time, level, part, sentence, and then the values that the sentence does not show. It is one line of a terminal's
 * text, whatever the values are.
 */
export function textLine(
	{ timestamp, level, rawMessage }: LogRecord,
	part: string,
	sentence: string,
	values: readonly [string, Loggable][],
	isColored: boolean,
): string {
	const [word, color] = LEVELS[level];
	const paint = (text: string, code: number): string => (isColored ? `\u001b[${code}m${text}\u001b[0m` : text);
	const time = new Date(timestamp).toISOString().slice(11, 23);
	const shown = namesIn(rawMessage);
	const rest = values.filter(([name]) => !shown.has(name)).map(([name, value]) => ` ${name}=${textOf(value)}`);
	const end = rest.length === 0 ? "" : paint(safe(rest.join("")), DIM);
	return `${paint(time, DIM)} ${paint(word, color)} ${safe(part).padEnd(PART_CHARS)} ${safe(sentence)}${end}`;
}

function namesIn(rawMessage: LogRecord["rawMessage"]): ReadonlySet<string> {
	if (typeof rawMessage !== "string") return new Set();
	return new Set(Array.from(rawMessage.matchAll(NAMES), ([, name = ""]) => name.trim()));
}

/** Texts with spaces or quotes are quoted, so that one sees where they end. */
function textOf(value: Loggable): string {
	if (typeof value === "string") return /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value);
	return typeof value === "object" ? JSON.stringify(value) : String(value);
}

function safe(text: string): string {
	return text.replace(UNSAFE, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`);
}
