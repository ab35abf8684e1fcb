import { html } from "hono/html";
import * as v from "valibot";
import { WHY_PATH } from "../http/why.ts";
import { GATE_NAMES } from "../why/answers.ts";
import type { Html } from "./fragment.ts";

/** What `/api/why` answers. */
const ANSWER = v.object({
	did: v.optional(v.string()),
	host: v.optional(v.string()),
	handle: v.optional(v.string()),
	verdict: v.picklist(["passes", "held", "not-known", "unknown"]),
	gates: v.array(
		v.object({
			gate: v.picklist(GATE_NAMES),
			state: v.picklist(["pass", "hold", "unknown", "not-reached"]),
			words: v.string(),
			detail: v.nullable(v.string()),
			action: v.nullable(v.string()),
			facts: v.record(v.string(), v.union([v.string(), v.number(), v.boolean(), v.null()])),
		}),
	),
});
type Answer = v.InferOutput<typeof ANSWER>;
type AnswerGate = Answer["gates"][number];
const REFUSAL = v.object({ message: v.string() });

const HEADLINES: Readonly<Record<Answer["verdict"], string>> = {
	passes: "Messages pass",
	held: "Messages are held",
	"not-known": "The relay does not know it",
	unknown: "The relay can't say now",
};
const STATES: Readonly<Record<AnswerGate["state"], string>> = {
	pass: "passes",
	hold: "holds",
	unknown: "unknown",
	"not-reached": "not reached",
};

/** Asks why by the path and query of `/api/why`. */
export type AskWhy = (target: string) => Promise<Response>;

type Asked = { answer: Answer } | { refusal: string };

/** What the relay says of a DID, a handle or a host: the gates as a path. @param subject as somebody has typed it */
export async function whyFragment(subject: string, ask: AskWhy): Promise<Html> {
	if (subject === "") return html``;
	const asked = await askAny(subject, ask);
	if ("refusal" in asked)
		return html`<p class="verdict unknown"><strong>No answer</strong> for ${subject}: ${asked.refusal}</p>`;
	const { verdict, gates, did, host, handle } = asked.answer;
	const name = [handle, did ?? host].filter((part) => part !== undefined).join(" · ");
	return html`<p class="verdict ${verdict}"><strong>${HEADLINES[verdict]}</strong> ${name}</p>
<ol class="gates">${gates.map(gateItem)}</ol>`;
}

function gateItem({ gate, state, words, detail, action, facts }: AnswerGate): Html {
	const known = Object.entries(facts).filter(([, value]) => value !== null);
	const more =
		known.length === 0
			? ""
			: html`<details><summary>Facts</summary><dl>${known.map(([name, value]) => html`<dt>${spaced(name)}</dt><dd>${String(value)}</dd>`)}</dl></details>`;
	return html`<li class="${state}"><p><b>${spaced(gate)}</b> <span class="badge ${state}">${STATES[state]}</span></p>
${state === "not-reached" ? "" : html`<p>${words}</p>`}
${detail === null ? "" : html`<p class="detail">${detail}</p>`}
${action === null ? "" : html`<p class="advice">What can be done: ${action}</p>`}
${more}</li>`;
}

/** `lastMessageAt`, `host-known` and `pds` as words. */
function spaced(name: string): string {
	const words = name.replaceAll("-", " ").replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
	const named = words.replace(/\b(pds|did)\b/g, (word) => word.toUpperCase());
	return `${named.charAt(0).toUpperCase()}${named.slice(1)}`;
}

/** Asks for the subject as whatever it may be, until the relay knows it. A handle looks like a host's name. */
async function askAny(subject: string, ask: AskWhy): Promise<Asked> {
	let first: Asked | null = null;
	for (const parameters of parametersOf(subject)) {
		const asked = await askOnce(parameters, ask);
		if ("answer" in asked && asked.answer.verdict !== "not-known") return asked;
		first ??= asked;
	}
	return first ?? { refusal: "nothing was asked" };
}

function parametersOf(subject: string): Record<string, string>[] {
	if (subject.startsWith("did:")) return [{ did: subject }];
	if (subject.startsWith("@")) return [{ handle: subject }];
	return subject.includes(":") ? [{ host: subject }] : [{ host: subject }, { handle: subject }];
}

async function askOnce(parameters: Record<string, string>, ask: AskWhy): Promise<Asked> {
	const response = await ask(`${WHY_PATH}?${new URLSearchParams(parameters)}`);
	const json: unknown = await response.json();
	if (response.ok) return { answer: v.parse(ANSWER, json) };
	return { refusal: v.parse(REFUSAL, json).message };
}
