import * as v from "valibot";
import type { Answer } from "./client.ts";
import { FailCheck } from "./verdict.ts";

/** Letters and digits, as all names of the lexicons. */
const ERROR_NAME = /^[A-Za-z][A-Za-z0-9]{0,99}$/;
/** The source of what is said of errors. */
export const ERRORS_SOURCE = "specification: XRPC; rulebook 5";
const REFUSAL = v.object({ error: v.pipe(v.string(), v.regex(ERROR_NAME)), message: v.optional(v.string()) });
/** The names of implementations for a parameter that is missing or malformed. */
export const PARAMETER_ERRORS = ["InvalidRequest", "BadRequest"] as const;

/** The JSON of an answer with status 200 that fits the schema. @throws FailCheck */
export function okBody<Schema extends v.GenericSchema>(schema: Schema, answer: Answer): v.InferOutput<Schema> {
	if (answer.status !== 200) throw new FailCheck(`${answer.asked}: HTTP ${answer.status}${nameIn(answer)}, not 200`);
	if (answer.json === undefined) throw new FailCheck(`${answer.asked}: no JSON`);
	const result = v.safeParse(schema, answer.json);
	if (result.success) return result.output;
	const [issue] = result.issues;
	throw new FailCheck(`${answer.asked}: \`${v.getDotPath(issue) ?? ""}\`: ${issue.message}`);
}

/** The name of the error in an answer. @throws FailCheck if the answer is no error in the format of XRPC */
export function errorName(answer: Answer): string {
	if (answer.status < 400) throw new FailCheck(`${answer.asked}: HTTP ${answer.status}, no error`);
	const refusal = v.safeParse(REFUSAL, answer.json);
	if (refusal.success) return refusal.output.error;
	throw new FailCheck(`${answer.asked}: HTTP ${answer.status} without an error name${nameIn(answer)}`);
}

/** Checks that the answer is an error with one of these names. @throws FailCheck */
export function expectError(answer: Answer, names: readonly string[]): void {
	const name = errorName(answer);
	if (!names.includes(name)) throw new FailCheck(`${answer.asked}: ${name}, not ${names.join(" or ")}`);
}

/** Checks that the answer refuses a parameter. @throws FailCheck */
export function expectParameterError(answer: Answer): void {
	if (answer.status !== 400) throw new FailCheck(`${answer.asked}: HTTP ${answer.status}${nameIn(answer)}, not 400`);
	expectError(answer, PARAMETER_ERRORS);
}

function nameIn({ json }: Answer): string {
	const given = v.safeParse(v.object({ error: v.string() }), json);
	return given.success ? ` (${JSON.stringify(given.output.error.slice(0, 100))})` : "";
}
