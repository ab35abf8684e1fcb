import { maskedBeginning } from "./masking.ts";

/** Limits of one value in a log line. Strangers choose many of the values. */
export const STRING_CHARS_MAX = 500;
export const ITEMS_MAX = 20;
export const DEPTH_MAX = 4;
/** Of binary data, which is shown in hex. */
export const BYTES_SHOWN_MAX = 64;
/** Approximate limit of all values of a line together. It is checked before each value, so the last one may exceed it. */
export const LINE_CHARS_MAX = 8_192;

const CAUSES_MAX = 8;
const CUT = "…";

/** A value that `JSON.stringify` writes in full and never fails on. */
export type Loggable = string | number | boolean | null | Loggable[] | { [key: string]: Loggable };

/** How many more characters fit into a line. The values of a line share one budget. */
export interface LineBudget {
	charsLeft: number;
}

/**
 * Gives any value a form that is bounded, has no cycles and can be written as JSON. An error becomes its message and those of
 * its causes, a bigint its digits, bytes their hex. Never throws, whatever getters and proxies do.
 */
export function loggable(value: unknown, budget: LineBudget = { charsLeft: LINE_CHARS_MAX }, depth = 0): Loggable {
	if (budget.charsLeft <= 0) return CUT;
	try {
		const shown = shorten(value, budget, depth);
		if (typeof shown !== "object") budget.charsLeft -= String(shown).length;
		return shown;
	} catch {
		return "(unreadable)";
	}
}

/** An error's message, then those of its causes; anything else as text. At most `STRING_CHARS_MAX` characters. */
export function messageOf(error: unknown): string {
	const messages: string[] = [];
	for (let at: unknown = error; at instanceof Error && messages.length < CAUSES_MAX; at = at.cause)
		messages.push(String(at.message || at.name));
	return cut(messages.length === 0 ? String(error) : messages.join(": "));
}

/**
 * The text without secrets, or its beginning and an ellipsis. Half of a surrogate pair, also one that was cut, becomes U+FFFD: many readers of JSON
 * refuse a line with such an escape.
 */
export function cut(text: string): string {
	return maskedBeginning(text, STRING_CHARS_MAX, CUT).toWellFormed();
}

function shorten(value: unknown, budget: LineBudget, depth: number): Loggable {
	if (typeof value === "string") return cut(value);
	if (typeof value === "boolean" || value === null) return value;
	if (typeof value === "number") return Number.isFinite(value) ? value : String(value);
	if (value instanceof Error) return messageOf(value);
	if (typeof value !== "object" || value instanceof Date || value instanceof URL) return cut(String(value));
	if (ArrayBuffer.isView(value)) return hexOf(value);
	if (depth >= DEPTH_MAX) return CUT;
	if (value instanceof Map) return listOf(value, budget, depth);
	if (value instanceof Set || Array.isArray(value)) return listOf(value, budget, depth);
	return objectOf(value, budget, depth);
}

function hexOf(view: ArrayBufferView): string {
	const shown = Buffer.from(view.buffer, view.byteOffset, Math.min(view.byteLength, BYTES_SHOWN_MAX)).toString("hex");
	return view.byteLength <= BYTES_SHOWN_MAX ? shown : `${shown}${CUT} (${view.byteLength} bytes)`;
}

function listOf(items: Iterable<unknown>, budget: LineBudget, depth: number): Loggable[] {
	const shown: Loggable[] = [];
	for (const item of items) {
		if (shown.length === ITEMS_MAX) return [...shown, CUT];
		shown.push(loggable(item, budget, depth + 1));
	}
	return shown;
}

function objectOf(value: object, budget: LineBudget, depth: number): { [key: string]: Loggable } {
	const shown: { [key: string]: Loggable } = Object.create(null);
	let count = 0;
	for (const key in value) {
		if (!Object.hasOwn(value, key)) continue;
		if (count++ === ITEMS_MAX) {
			shown[CUT] = CUT;
			break;
		}
		const name = cut(key);
		budget.charsLeft -= name.length;
		// Each field is read by itself, so that a getter that throws does not hide the other fields.
		shown[name] = fieldOf(value, key, budget, depth);
	}
	return shown;
}

function fieldOf(value: object, key: string, budget: LineBudget, depth: number): Loggable {
	try {
		return loggable((value as Record<string, unknown>)[key], budget, depth + 1);
	} catch {
		return "(unreadable)";
	}
}
