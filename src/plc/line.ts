import * as v from "valibot";
import { Refusal } from "./refusal.ts";

/** Longest line that is read. An operation has at most 7,500 bytes as CBOR. */
export const LINE_BYTES_MAX = 64 * 1024;
/** How many DIDs are looked for in a line that can't be read. */
const DIDS_NAMED_MAX = 4;

const DID = /^did:plc:[a-z2-7]{24}$/;
const DIDS_NAMED = /"did"\s*:\s*"(did:plc:[a-z2-7]{24})"/g;
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z$/;

/** A line of the export as it came, or its beginning. */
export interface LineText {
	text: string;
	/** The line is longer than `LINE_BYTES_MAX`, and `text` is where it begins. */
	isTooLong: boolean;
}

/** A line of the export. Nothing of it is verified. */
export interface ExportLine {
	did: string;
	operation: unknown;
	cid: string;
	/** Milliseconds since 1970. */
	createdAtMs: number;
	/** The line's number; null if the directory gives none. */
	seq: number | null;
}

const lineSchema = v.object({
	did: v.pipe(v.string(), v.regex(DID)),
	operation: v.unknown(),
	cid: v.pipe(v.string(), v.maxLength(128)),
	createdAt: v.pipe(v.string(), v.regex(TIME)),
	seq: v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(1))),
	type: v.optional(v.string()),
});

/** The kind of a line with a seq. The directory may add other kinds, which say nothing about a DID. */
const KIND_OPERATION = "sequenced_op";

/**
 * Reads a line of the export, or a message of its stream.
 * @returns null for a line of a kind that this relay does not know
 * @throws Refusal
 */
export function readLine({ text, isTooLong }: LineText): ExportLine | null {
	if (isTooLong) throw new Refusal("line-too-long", `more than ${LINE_BYTES_MAX} bytes`);
	const value = parsed(text);
	if (isOfOtherKind(value)) return null;
	if (!v.is(lineSchema, value)) throw new Refusal("line-malformed");
	const { did, operation, cid, createdAt, seq = null } = value;
	const createdAtMs = Date.parse(createdAt);
	if (Number.isNaN(createdAtMs)) throw new Refusal("line-malformed", "createdAt is no time");
	return { did, operation, cid, createdAtMs, seq };
}

/** The DIDs that a line names which can't be read. */
export function didsNamed({ text }: LineText): string[] {
	return [...text.matchAll(DIDS_NAMED).take(DIDS_NAMED_MAX)].map(([, did = ""]) => did);
}

function parsed(text: string): unknown {
	try {
		return JSON.parse(text);
	} catch {
		throw new Refusal("line-malformed", "it is not JSON");
	}
}

function isOfOtherKind(value: unknown): boolean {
	return v.is(v.object({ type: v.string() }), value) && value.type !== KIND_OPERATION;
}
