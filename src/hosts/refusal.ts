import type { CrawlRefusal } from "./messages.ts";

/**
 * An XRPC error as the answer to a crawl request.
 * @param message names the rule
 */
export function refusal(status: number, error: string, message: string, retryAfterS?: number): CrawlRefusal {
	return { ok: false, status, error, message, ...(retryAfterS === undefined ? {} : { retryAfterS }) };
}
