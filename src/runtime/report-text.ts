import { UNSAFE } from "../observe/text-line.ts";

/** A number with commas between its thousands. */
export function grouped(count: number): string {
	return count.toLocaleString("en-US");
}

/**
 * JSON in printable ASCII. Strangers chose parts of the values: a terminal must not take them for commands, nor show text that
 * runs backwards.
 */
export function asciiJson(value: unknown): string {
	return JSON.stringify(value).replace(/[^ -~]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** The text with a mark for each character that a terminal would obey. For words that strangers wrote. */
export function printable(text: string): string {
	return text.replace(UNSAFE, "\uFFFD");
}
