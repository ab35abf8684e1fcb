import { parseArgs } from "node:util";
import * as v from "valibot";
import { readBody } from "../net/bounded-fetch.ts";
import { messageOf } from "../observe/log-value.ts";

const USAGE = "usage: standpipe why DID|HANDLE|HOST [--relay URL] [--json]";

/** More than the relay takes for an answer. */
const ANSWER_MS_MAX = 15_000;
/** The gates with their facts take some 10 kB, what failed for each reason as much again. */
const ANSWER_BYTES_MAX = 256 * 1024;
const ANSWER = v.object({
	verdict: v.picklist(["passes", "held", "not-known", "unknown"]),
	heldBy: v.nullable(v.string()),
	gates: v.array(
		v.object({
			gate: v.string(),
			state: v.picklist(["pass", "hold", "unknown", "not-reached"]),
			answer: v.string(),
			words: v.string(),
			detail: v.nullable(v.string()),
			action: v.nullable(v.string()),
			facts: v.record(v.string(), v.union([v.string(), v.number(), v.boolean(), v.null()])),
		}),
	),
	/** Of a host. Relays of earlier releases do not tell. */
	failures: v.optional(
		v.nullable(
			v.array(v.object({ reason: v.string(), rejected: v.number(), lenient: v.number(), lastAt: v.string() })),
		),
	),
});
type Answer = v.InferOutput<typeof ANSWER>;
type AnswerGate = Answer["gates"][number];

const REFUSAL = v.object({ error: v.string(), message: v.string() });

/** Exit codes: 0 messages pass, 1 a gate holds them, 2 the relay does not know, or can't be asked. */
const EXIT_CODES: Readonly<Record<Answer["verdict"], number>> = { passes: 0, held: 1, "not-known": 2, unknown: 2 };

export interface WhyOutput {
	line(text: string): void;
}

/**
 * The command `why`. Returns the code to exit with.
 * @param complain writes a line about what went wrong
 * @param ownRelay the origin of the relay on this machine, which is asked if no other is named. Called only then
 */
export async function whyCommand(
	args: string[],
	output: WhyOutput,
	complain: (text: string) => void,
	ownRelay: () => string,
): Promise<number> {
	const request = readRequest(args);
	if (request === null) {
		complain(USAGE);
		return 2;
	}
	const { subject, json } = request;
	const origin = originOf(request.relay ?? ownRelay());
	if (origin === null) {
		complain("--relay: expected an origin, such as https://relay.example.com");
		return 2;
	}
	const asked = await askAny(origin, parametersOf(subject));
	if ("fault" in asked) {
		complain(printable(asked.fault));
		return 2;
	}
	if (json) output.line(printable(JSON.stringify(asked.json)));
	else tell(subject, asked.answer, output);
	return EXIT_CODES[asked.answer.verdict];
}

function readRequest(args: string[]): { subject: string; relay: string | undefined; json: boolean } | null {
	const options = { relay: { type: "string" }, json: { type: "boolean", default: false } } as const;
	try {
		const { values, positionals } = parseArgs({ args, options, strict: true, allowPositionals: true });
		const [subject] = positionals;
		if (subject === undefined || subject === "" || positionals.length > 1) return null;
		return { subject, relay: values.relay, json: values.json };
	} catch {
		return null;
	}
}

function originOf(text: string): string | null {
	const url = URL.parse(text);
	return url !== null && (url.protocol === "https:" || url.protocol === "http:") ? url.origin : null;
}

/** What the subject may be, the likeliest first. A handle looks like a host's name. */
function parametersOf(subject: string): [name: string, value: string][] {
	if (subject.startsWith("did:")) return [["did", subject]];
	if (subject.startsWith("@")) return [["handle", subject]];
	if (subject.includes(":")) return [["host", subject]];
	return [
		["host", subject],
		["handle", subject],
	];
}

type Asked = { answer: Answer; json: unknown } | { fault: string };

/** Asks for the subject as whatever it may be, until the relay knows it. If it never does, the first answer counts. */
async function askAny(origin: string, parameters: readonly [name: string, value: string][]): Promise<Asked> {
	let first: Asked | null = null;
	for (const [name, value] of parameters) {
		const asked = await ask(`${origin}/api/why?${new URLSearchParams({ [name]: value })}`);
		if ("answer" in asked && asked.answer.verdict !== "not-known") return asked;
		first ??= asked;
	}
	return first ?? { fault: USAGE };
}

async function ask(url: string): Promise<Asked> {
	try {
		const signal = AbortSignal.timeout(ANSWER_MS_MAX);
		const response = await fetch(url, { signal, redirect: "error", headers: { Accept: "application/json" } });
		const text = new TextDecoder().decode(await readBody(response, signal, ANSWER_BYTES_MAX));
		const json: unknown = JSON.parse(text);
		const answer = v.safeParse(ANSWER, json);
		if (response.ok && answer.success) return { answer: answer.output, json };
		const refusal = v.safeParse(REFUSAL, json);
		return {
			fault: `${url} answers ${response.status}: ${refusal.success ? refusal.output.message : "not as a relay"}`,
		};
	} catch (error) {
		if (error instanceof SyntaxError) return { fault: `${url} does not answer as a relay` };
		return { fault: `${url} does not answer: ${messageOf(error)}` };
	}
}

const HEADLINES: Readonly<Record<Answer["verdict"], string>> = {
	passes: "messages pass",
	held: "messages are held",
	"not-known": "the relay does not know it",
	unknown: "the relay can't say now",
};
const MARKS: Readonly<Record<AnswerGate["state"], string>> = {
	pass: "passes",
	hold: "HOLDS",
	unknown: "unknown",
	"not-reached": "-",
};

function tell(subject: string, { verdict, gates, failures }: Answer, output: WhyOutput): void {
	const line = (text: string): void => output.line(printable(text));
	line(`${subject}: ${HEADLINES[verdict]}`);
	for (const { gate, state, answer, words, detail, action, facts } of gates) {
		line(`${MARKS[state].padEnd(8)} ${gate.padEnd(15)} ${state === "not-reached" ? answer : words}`);
		if (state !== "hold" && state !== "unknown") continue;
		const more = (name: string, text: string | null): void => {
			if (text !== null) line(`${"".padEnd(25)}${name}: ${text}`);
		};
		more("detail", detail);
		more("what can be done", action);
		for (const [name, value] of Object.entries(facts)) if (value !== null) more(name, String(value));
	}
	for (const { reason, rejected, lenient, lastAt } of failures ?? [])
		line(`${"failed".padEnd(8)} ${reason}: ${rejected} dropped, ${lenient} passed leniently, the last at ${lastAt}`);
}

/**
 * The text without what a terminal obeys: control characters, and those that change the direction of text. Answers have words that
 * strangers wrote.
 */
function printable(text: string): string {
	return text.replace(/[\p{Cc}\u2028\u2029\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069]/gu, "\uFFFD");
}
