import type { Handler } from "hono";
import * as v from "valibot";
import type { CrawlResult } from "../hosts/messages.ts";
import { hostnameParameter, readBody } from "./parameters.ts";
import { errorResponse } from "./response.ts";

/** Asks for a host to be followed. `admin` lifts what strangers may not ask for, such as `localhost:PORT`. */
export type RequestCrawl = (hostname: string, options: { admin: boolean }) => Promise<CrawlResult>;

const CRAWL_BODY = v.object({ hostname: hostnameParameter }, "the body must be an object with a string `hostname`");

/**
 * Handles a body of `{"hostname": …}`. The lexicon wants an empty answer; admin tools want JSON, and the reference relay's
 * other admin calls tell them what it looks like.
 */
export function crawlHandler(requestCrawl: RequestCrawl, admin: boolean): Handler {
	return async (context) => {
		const { hostname } = await readBody(CRAWL_BODY, context);
		const result = await requestCrawl(hostname, { admin });
		if (!result.ok) return errorResponse(result.status, result.error, result.message);
		return admin ? context.json({ success: "true" }) : context.body(null);
	};
}
