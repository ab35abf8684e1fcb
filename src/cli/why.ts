import { Command } from "commander";
import * as v from "valibot";
import { localOrigin } from "../config/setting.ts";
import { readBody } from "../net/bounded-fetch.ts";
import { outboundFetch } from "../net/outbound-fetch.ts";
import { messageOf } from "../observe/log-value.ts";
import type { ReportOutput } from "../runtime/line-output.ts";
import { asciiJson, printable } from "../runtime/report-text.ts";
import { type CommandContext, Misuse, settingsOf } from "./command.ts";
import { relayUrl } from "./relay-url.ts";

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

/** The command `why`, which asks a relay why messages of an account or a host do not pass. */
export function whyCommand(context: CommandContext): Command {
	return new Command("why")
		.description(
			"tell why messages of an account or a host do not pass: exit code 0 if they do, 1 if something holds them, 2 if the relay does not know",
		)
		.argument("<subject>", "a DID, a handle, or the name of a host")
		.option(
			"--relay <url>",
			"the relay to ask (without it: the one on this machine, by RELAY_API_BIND)",
			relayUrl("--relay"),
		)
		.option("--json", "print the answer as one line of JSON", false)
		.action(async (subject: string, { relay, json }: { relay?: string; json: boolean }) => {
			if (subject === "") throw new Misuse("why takes a DID, a handle, or the name of a host");
			const asked = await askAny(relay ?? localOrigin(settingsOf(context, []).config.apiBind), parametersOf(subject));
			if ("fault" in asked) throw new Misuse(printable(asked.fault));
			if (json) context.output.line(asciiJson(asked.json));
			else tell(subject, asked.answer, context.output);
			context.exitWith(EXIT_CODES[asked.answer.verdict]);
		});
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
	return first ?? { fault: "nothing is asked for" };
}

async function ask(url: string): Promise<Asked> {
	try {
		const signal = AbortSignal.timeout(ANSWER_MS_MAX);
		const response = await outboundFetch(new URL(url), {
			signal,
			redirect: "error",
			headers: { Accept: "application/json" },
		});
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

function tell(subject: string, { verdict, gates, failures }: Answer, output: ReportOutput): void {
	const line = (text: string): void => void output.line(printable(text));
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
