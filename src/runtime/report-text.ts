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

/**
 * The text without what a terminal obeys: control characters, and those that change the direction of text. For words that
 * strangers wrote.
 */
export function printable(text: string): string {
	return text.replace(/[\p{Cc}\u2028\u2029\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069]/gu, "\uFFFD");
}
