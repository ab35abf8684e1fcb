import * as v from "valibot";
import { isRelay } from "../../protocol/relay-token.ts";
import { ERRORS_SOURCE, errorName, okBody } from "./answers.ts";
import { HOSTS } from "./checked-relay.ts";
import { type Answer, type Client, SYNC_PATH } from "./client.ts";
import type { Check } from "./rule.ts";
import { FailCheck } from "./verdict.ts";

/** Bodies of `requestCrawl` that every relay refuses, so that asking changes nothing. */
const CRAWLS_REFUSED = [
	"",
	"{",
	"{}",
	JSON.stringify({ hostname: "" }),
	JSON.stringify({ hostname: 5 }),
	JSON.stringify({ hostname: "127.0.0.1" }),
	JSON.stringify({ hostname: "[::1]" }),
	JSON.stringify({ hostname: "localhost" }),
	JSON.stringify({ hostname: "pds" }),
] as const;

export const GENERAL_CHECKS = {
	health: {
		severity: "should",
		expected: "`/xrpc/_health` answers 200 with JSON",
		source: "convention; rulebook 5",
		async run({ client }) {
			okBody(v.looseObject({}), await client.get("/xrpc/_health"));
			return "HTTP 200";
		},
	},
	server: {
		severity: "should",
		expected: "answers have `atproto-relay` in their `Server` header",
		source: "rulebook 1.7.6",
		async run({ client }) {
			const server = (await client.get("/xrpc/_health")).headers.get("server") ?? "";
			if (!isRelay(server)) throw new FailCheck(`Server: ${server}`);
			return `Server: ${server}`;
		},
	},
	cors: {
		severity: "should",
		expected: "answers and errors allow any origin: `Access-Control-Allow-Origin: *`",
		source: "specification: XRPC (encouraged); rulebook 5",
		async run({ client }) {
			for (const answer of [await client.get(HOSTS.path, { limit: "1" }), await unknown(client)]) {
				const allowed = answer.headers.get("access-control-allow-origin");
				if (allowed !== "*") throw new FailCheck(`${answer.asked}: ${allowed ?? "no such header"}`);
			}
			return "*";
		},
	},
	"cors-preflight": {
		severity: "should",
		expected: "a preflight is answered with 200 or 204, and allows the origin and the header",
		source: "specification: XRPC (encouraged); rulebook 5",
		async run({ client }) {
			const headers = { "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "content-type" };
			const answer = await client.request("OPTIONS", HOSTS.path, {}, { headers });
			const origin = answer.headers.get("access-control-allow-origin");
			const names = (answer.headers.get("access-control-allow-headers") ?? "").toLowerCase();
			if (answer.status !== 200 && answer.status !== 204) throw new FailCheck(`HTTP ${answer.status}`);
			if (origin !== "*" || !(names.includes("content-type") || names === "*"))
				throw new FailCheck(`origin ${origin ?? "-"}, headers ${names || "-"}`);
			return names;
		},
	},
	"unknown-method": {
		severity: "must",
		expected: "a method that is not served is answered with 404 or 501, and an error name without spaces in JSON",
		source: ERRORS_SOURCE,
		async run({ client }) {
			const answer = await unknown(client);
			if (answer.status !== 404 && answer.status !== 501) throw new FailCheck(`HTTP ${answer.status}`);
			return `${answer.status} ${errorName(answer)}`;
		},
	},
	"request-crawl-refusals": {
		severity: "must",
		expected:
			"`requestCrawl` refuses what is no public host: malformed bodies, IP addresses, `localhost`, names of one label",
		source: "lexicon: requestCrawl; rulebook 5",
		async run({ client }) {
			for (const body of CRAWLS_REFUSED) {
				const headers = { "Content-Type": "application/json" };
				const answer = await client.request("POST", `${SYNC_PATH}requestCrawl`, {}, { headers, body });
				if (answer.status < 400 || answer.status >= 500) throw new FailCheck(`${body}: HTTP ${answer.status}`);
				errorName({ ...answer, asked: `requestCrawl ${body}` });
			}
			return `requests refused: ${CRAWLS_REFUSED.length}`;
		},
	},
} as const satisfies Record<string, Check>;

function unknown(client: Client): Promise<Answer> {
	return client.get("/xrpc/com.example.noSuchMethod");
}
