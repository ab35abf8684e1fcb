import type { Context } from "hono";
import * as v from "valibot";
import { BodyTooLargeError, readBody as readBytes } from "../net/bounded-fetch.ts";
import { HOSTNAME_CHARS_MAX, INTEGER_MAX } from "../protocol/limits.ts";
import { isStorable } from "../protocol/text.ts";
import { XrpcError } from "./response.ts";

/** The JSON bodies of our procedures are one short object each. */
const BODY_BYTES_MAX = 10_000;
/** A hostname may come as an origin, with a scheme and a slash at its end. */
const HOSTNAME_INPUT_CHARS_MAX = HOSTNAME_CHARS_MAX + 64;

/** `limit` of a listing, from 1 to 1000 [L]. */
export function limitParameter(byDefault: number) {
	const rule = "`limit` must be an integer from 1 to 1000";
	return v.pipe(
		v.optional(v.string(), String(byDefault)),
		v.regex(/^\d{1,4}$/, rule),
		v.transform(Number),
		v.minValue(1, rule),
		v.maxValue(1_000, rule),
	);
}

/** `cursor` of a listing: opaque to the caller. It is the id of the last row of the page before. */
export const pageCursorParameter = v.pipe(
	v.optional(v.string(), "0"),
	v.regex(/^\d{0,16}$/, "`cursor` must be one that this listing gave out"),
	v.transform(Number),
	v.maxValue(INTEGER_MAX, "`cursor` must be one that this listing gave out"),
);

export const hostnameParameter = v.pipe(
	v.string("`hostname` is required"),
	v.nonEmpty("`hostname` must not be empty"),
	v.maxLength(HOSTNAME_INPUT_CHARS_MAX, `\`hostname\` must not be longer than ${HOSTNAME_INPUT_CHARS_MAX} characters`),
);

/** Reads the query's parameters. @throws XrpcError with the rule that a parameter breaks */
export function readQuery<Schema extends v.GenericSchema>(schema: Schema, context: Context): v.InferOutput<Schema> {
	return parse(schema, context.req.query());
}

/** Bodies that were read, so that they can be passed on. */
const bodies = new WeakMap<Request, Uint8Array>();

/** The body of a request that `readBody` has read; null if it has not. */
export function bodyOf(request: Request): Uint8Array<ArrayBuffer> | null {
	const bytes = bodies.get(request);
	return bytes === undefined ? null : new Uint8Array(bytes);
}

/** Reads a JSON body of up to `bytesMax` bytes. @throws XrpcError with the rule that it breaks */
export async function readBody<Schema extends v.GenericSchema>(
	schema: Schema,
	context: Context,
	bytesMax = BODY_BYTES_MAX,
): Promise<v.InferOutput<Schema>> {
	return parse(schema, await readJson(context, bytesMax));
}

/** The JSON of a body of up to `bytesMax` bytes. @throws XrpcError if it is none */
export async function readJson(context: Context, bytesMax = BODY_BYTES_MAX): Promise<unknown> {
	const bytes = await readBodyBytes(context.req.raw, bytesMax);
	bodies.set(context.req.raw, bytes);
	try {
		return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
	} catch {
		throw new XrpcError(400, "InvalidRequest", "the body must be a JSON object, in UTF-8");
	}
}

/** Checks one value that a lexicon leaves open. @throws XrpcError with the rule that it breaks */
export function check<Schema extends v.GenericSchema>(schema: Schema, value: unknown): v.InferOutput<Schema> {
	return parse(schema, value);
}

async function readBodyBytes(request: Request, bytesMax: number): Promise<Uint8Array> {
	if (Number(request.headers.get("content-length") ?? 0) > bytesMax) throw tooLarge(bytesMax);
	try {
		return await readBytes(request, request.signal, bytesMax);
	} catch (error) {
		if (error instanceof BodyTooLargeError) throw tooLarge(bytesMax);
		// Any other error is the sender's fault: a closed connection, a malformed chunk, a body that does not go on.
		throw new XrpcError(400, "InvalidRequest", "the body ended early");
	}
}

/** Closes the connection, so that the rest of the body need not be read. */
function tooLarge(bytesMax: number): XrpcError {
	const rule = `the body must not be longer than ${bytesMax} bytes`;
	return new XrpcError(413, "PayloadTooLarge", rule, { Connection: "close" });
}

function parse<Schema extends v.GenericSchema>(schema: Schema, input: unknown): v.InferOutput<Schema> {
	const result = v.safeParse(schema, input);
	if (!result.success) throw new XrpcError(400, "InvalidRequest", result.issues[0].message);
	checkTexts(result.output);
	return result.output;
}

/**
 * Refuses texts that no row can have, so that the index is never asked for one. Looks as deep as the schema is.
 * @throws XrpcError
 */
export function checkTexts(output: unknown): void {
	if (typeof output === "string" && !isStorable(output))
		throw new XrpcError(400, "InvalidRequest", "a text must contain neither a NUL nor half of a surrogate pair");
	if (typeof output === "object" && output !== null) for (const value of Object.values(output)) checkTexts(value);
}
