import { mainSchema as requestCrawlLexicon } from "@atcute/atproto/types/sync/requestCrawl";
import type { Context, Handler } from "hono";
import type { Control, ControlResult, Refusal, Requester } from "../control/api.ts";
import type { ClientEnv } from "./base.ts";
import { readInput } from "./lexicon.ts";
import { check, hostnameParameter } from "./parameters.ts";
import { errorResponse } from "./response.ts";

/**
 * Handles a request with the body of `requestCrawl`, which is that of `notifyOfUpdate` too. The lexicon asks for an empty answer.
 * Admin tools expect JSON, as the reference relay's other admin calls answer.
 */
export function crawlHandler(control: Pick<Control, "requestCrawl">, admin: boolean): Handler<ClientEnv> {
	return async (context) => {
		const { hostname } = await readInput(requestCrawlLexicon, context);
		const result = await control.requestCrawl(check(hostnameParameter, hostname), requester(context, admin));
		if (!result.ok) return refusalResponse(result);
		return admin ? context.json({ success: "true" }) : context.body(null);
	};
}

/** Who asks for an action by this request. */
export function requester(context: Context<ClientEnv>, admin: boolean): Requester {
	return { admin, ip: context.env.ip };
}

/** A refusal of the control thread, in XRPC form. */
export function refusalResponse({ status, error, message, retryAfterS }: Refusal): Response {
	return errorResponse(status, error, message, retryAfterS === undefined ? {} : { "Retry-After": String(retryAfterS) });
}

/** Answers with what a result has, or with its refusal. */
export function answer<Value>(
	context: Context,
	result: ControlResult<Value>,
	describe: (value: { ok: true } & Value) => object = () => ({ success: "true" }),
): Response {
	return result.ok ? context.json(describe(result)) : refusalResponse(result);
}
