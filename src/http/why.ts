import type { Context, Hono } from "hono";
import * as v from "valibot";
import { HostnameError, parseHostname } from "../net/hostname.ts";
import { networkOf } from "../net/network.ts";
import { isDid } from "../protocol/syntax.ts";
import { type Explanation, explain, type WhyFacts } from "../why/explain.ts";
import { failuresOf } from "../why/failures.ts";
import { type HandleAnswer, handleFault } from "../why/handle.ts";
import type { ClientEnv } from "./base.ts";
import { readQuery } from "./parameters.ts";
import { XrpcError } from "./response.ts";

export const WHY_PATH = "/api/why";

/** What an answer costs of an address's reads: several threads have to look. The first is taken with the request. */
export const WHY_READS = 5;

/** A subject as it is given in a URL. */
const SUBJECT_CHARS_MAX = 2_048;
const subject = v.optional(v.pipe(v.string(), v.maxLength(SUBJECT_CHARS_MAX, "a parameter is too long")));
const WHY_QUERY = v.object({ did: subject, handle: subject, host: subject });

export interface WhyOptions {
	inquiry: {
		ofAccount(did: string, ip: string): Promise<WhyFacts>;
		ofHost(hostname: string, ip: string): Promise<WhyFacts>;
	};
	handles: { resolve(handle: string, client: string): Promise<HandleAnswer> };
	/** Takes what an answer costs beyond the first read. */
	charge: (client: string) => void;
	allowInsecure: boolean;
}

/** Answers why messages of an account or a host pass, or which gate holds them: docs/why.md. */
export function addWhyRoute(app: Hono<ClientEnv>, options: WhyOptions): void {
	app.get(WHY_PATH, async (context) => {
		const asked = subjectOf(context, options.allowInsecure);
		const { ip } = context.env;
		options.charge(networkOf(ip));
		context.header("Cache-Control", "no-store");
		context.header("X-Content-Type-Options", "nosniff");
		if ("host" in asked) {
			const facts = await options.inquiry.ofHost(asked.host, ip);
			const explanation = explain(facts);
			return context.json({ host: asked.host, ...described(explanation), failures: failuresOf(facts) });
		}
		const did = "did" in asked ? asked.did : await didOf(asked.handle, networkOf(ip), options);
		const explanation = explain(await options.inquiry.ofAccount(did, ip));
		return context.json({ ...asked, did, ...described(explanation) });
	});
}

/** The gate that holds comes first, since it is what most readers look for. */
function described({ verdict, heldBy, gates }: Explanation) {
	const holder = gates.find(({ gate }) => gate === heldBy);
	return {
		verdict,
		heldBy,
		words: holder?.words ?? null,
		detail: holder?.detail ?? null,
		action: holder?.action ?? null,
		gates,
	};
}

type Subject = { did: string } | { handle: string } | { host: string };

function subjectOf(context: Context, allowInsecure: boolean): Subject {
	const given = Object.entries(readQuery(WHY_QUERY, context)).filter(([, value]) => value !== undefined);
	const [only] = given;
	if (only === undefined || given.length > 1) throw invalid("give one of `did`, `handle` and `host`");
	const [name, text = ""] = only;
	if (name === "did") {
		if (!isDid(text)) throw invalid("`did` must be a DID, such as did:plc:ewvi7nxzyoun6zhxrhs64oiz");
		return { did: text };
	}
	if (name === "host") return { host: hostnameOf(text, allowInsecure) };
	const handle = text.replace(/^@/, "").toLowerCase();
	const fault = handleFault(handle, allowInsecure);
	if (fault !== null) throw invalid(`handle: ${fault}`);
	return { handle };
}

function hostnameOf(text: string, allowInsecure: boolean): string {
	try {
		return parseHostname(text, { allowLocalhost: allowInsecure, allowInsecure }).hostname;
	} catch (error) {
		if (!(error instanceof HostnameError)) throw error;
		throw invalid(`host: ${error.message}`);
	}
}

async function didOf(handle: string, client: string, { handles }: WhyOptions): Promise<string> {
	const answer = await handles.resolve(handle, client);
	if ("did" in answer) return answer.did;
	if ("busy" in answer) throw new XrpcError(429, "RateLimitExceeded", answer.busy, { "Retry-After": "5" });
	throw new XrpcError(404, "HandleNotFound", answer.missing);
}

function invalid(rule: string): XrpcError {
	return new XrpcError(400, "InvalidRequest", rule);
}
