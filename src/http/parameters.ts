import type { Context, MiddlewareHandler } from "hono";
import { bodyLimit } from "hono/body-limit";
import * as v from "valibot";
import { HOSTNAME_CHARS_MAX, INTEGER_MAX } from "../protocol/limits.ts";
import { errorResponse, XrpcError } from "./response.ts";

/** JSON bodies of our procedures are one short object. */
const BODY_BYTES_MAX = 10_000;
/** A hostname may come as a URL, with a scheme and a path that is ignored. */
const HOSTNAME_INPUT_CHARS_MAX = HOSTNAME_CHARS_MAX + 64;

/** Refuses bodies that are too long before they are read. */
export const limitBody: MiddlewareHandler = bodyLimit({
	maxSize: BODY_BYTES_MAX,
	onError: () => errorResponse(413, "PayloadTooLarge", `the body must not be longer than ${BODY_BYTES_MAX} bytes`),
});

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

/** `cursor` of a listing: opaque to the caller, for us the id of the last row it got. */
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

/** Reads a JSON body. @throws XrpcError with the rule that it breaks */
export async function readBody<Schema extends v.GenericSchema>(
	schema: Schema,
	context: Context,
): Promise<v.InferOutput<Schema>> {
	const body: unknown = await context.req.json().catch(() => {
		throw new XrpcError(400, "InvalidRequest", "the body must be a JSON object");
	});
	return parse(schema, body);
}

function parse<Schema extends v.GenericSchema>(schema: Schema, input: unknown): v.InferOutput<Schema> {
	const result = v.safeParse(schema, input);
	if (!result.success) throw new XrpcError(400, "InvalidRequest", result.issues[0].message);
	return result.output;
}
