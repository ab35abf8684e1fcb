import { type BaseSchema, type InferOutput, type ObjectSchema, safeParse } from "@atcute/lexicons/validations";
import type { Context } from "hono";
import { checkTexts, readJson } from "./parameters.ts";
import { XrpcError } from "./response.ts";

/** A method's lexicon, as far as its parameters are concerned. */
export interface QueryLexicon<Params extends ObjectSchema> {
	readonly params: Params;
}

/** The lexicon of a method that takes a JSON object. */
export interface ProcedureLexicon<Input extends ObjectSchema> {
	readonly input: { readonly schema: Input };
}

/**
 * Reads a query's parameters by the lexicon of the method. Parameters that it does not name are ignored, and of one that is given
 * twice the first counts.
 *
 * @throws XrpcError with the rule that a parameter breaks
 */
export function readParameters<Params extends ObjectSchema>(
	{ params }: QueryLexicon<Params>,
	context: Context,
): InferOutput<Params> {
	const texts = context.req.query();
	const input = Object.entries(shapeOf(params)).flatMap(([name, schema]) => {
		const text = texts[name];
		return text === undefined ? [] : [[name, inputOf(schema, text)] as const];
	});
	return parse(params, Object.fromEntries(input));
}

/** Reads a JSON body by the lexicon of the method. @throws XrpcError with the rule that it breaks */
export async function readInput<Input extends ObjectSchema>(
	{ input: { schema } }: ProcedureLexicon<Input>,
	context: Context,
): Promise<InferOutput<Input>> {
	return parse(schema, await readJson(context));
}

function parse<Schema extends ObjectSchema>(schema: Schema, input: unknown): InferOutput<Schema> {
	const result = safeParse(schema, input);
	if (!result.ok) throw new XrpcError(400, "InvalidRequest", ruleOf(schema, input, result.issues[0]?.path[0]));
	checkTexts(result.value);
	return result.value;
}

function shapeOf({ shape }: ObjectSchema): Readonly<Record<string, BaseSchema>> {
	return shape;
}

/** What a query's text stands for. A text that stands for nothing of the type stays as it is, and the schema refuses it. */
function inputOf(schema: BaseSchema, text: string): unknown {
	return typeOf(schema) === "integer" && /^-?\d{1,16}$/.test(text) ? Number(text) : text;
}

/** In words, the rule that an input breaks. @param key the field that breaks it; undefined for the input as a whole */
function ruleOf(schema: ObjectSchema, input: unknown, key: string | number | undefined): string {
	const fields = shapeOf(schema);
	const field = key === undefined ? undefined : fields[key];
	if (field === undefined || typeof input !== "object" || input === null)
		return `the body must be an object with ${Object.entries(fields)
			.map(([name, one]) => `a ${typeOf(one)} \`${name}\``)
			.join(", ")}`;
	return key !== undefined && key in input ? `\`${key}\` must be ${wordsFor(field)}` : `\`${key}\` is required`;
}

const FORMATS: Readonly<Record<string, string>> = {
	did: "a DID, such as did:plc:ewvi7nxzyoun6zhxrhs64oiz",
	tid: "a TID, such as 3jzfcijpj2z2a",
};

function wordsFor(schema: BaseSchema): string {
	const one = unwrapped(schema);
	if ("format" in one && typeof one.format === "string")
		return FORMATS[one.format] ?? `a text of the format ${one.format}`;
	return `${one.type === "integer" ? "an" : "a"} ${one.type}${rangeOf(one)}`;
}

/** The schema in an optional one. */
function unwrapped(schema: BaseSchema): BaseSchema {
	return "wrapped" in schema ? unwrapped(schema.wrapped as BaseSchema) : schema;
}

function typeOf(schema: BaseSchema): string {
	return unwrapped(schema).type;
}

function rangeOf(schema: BaseSchema): string {
	const constraints: unknown = "constraints" in schema ? schema.constraints : [];
	if (!Array.isArray(constraints)) return "";
	const range: unknown = constraints.find((one: unknown) => isRange(one));
	return isRange(range) ? ` from ${range.min} to ${range.max}` : "";
}

function isRange(constraint: unknown): constraint is { min: number; max: number } {
	return typeof constraint === "object" && constraint !== null && "min" in constraint && "max" in constraint;
}
