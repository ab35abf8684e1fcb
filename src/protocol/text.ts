/**
 * Which texts of strangers may become part of the relay's state. A text column of PostgreSQL holds no NUL, and UTF-8 has no half of a
 * surrogate pair, so a text with either can't be stored everywhere and come back as it was. Whatever a stranger writes is asked here
 * before it is taken: `#account` statuses at their admission, parameters of HTTP requests when they are read. DIDs, host names, revs and
 * keys have a stricter syntax.
 */

const NUL = "\0";
const REPLACEMENT = "\ufffd";

/** Whether a text has neither a NUL nor half of a surrogate pair. */
export function isStorable(text: string): boolean {
	return !text.includes(NUL) && text.isWellFormed();
}

/**
 * The text with a replacement character for each NUL and each half of a surrogate pair. For texts that came into the log or a database
 * before they were checked: nobody can be told any more that they are refused.
 */
export function storable(text: string): string {
	return isStorable(text) ? text : text.toWellFormed().replaceAll(NUL, REPLACEMENT);
}

/** The same object, after its own texts were made storable. Nested objects stay as they are. */
export function withStorableTexts<Row extends object>(row: Row): Row {
	for (const [name, value] of Object.entries(row)) {
		if (typeof value === "string" && !isStorable(value)) Object.assign(row, { [name]: storable(value) });
	}
	return row;
}
