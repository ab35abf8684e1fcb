/**
 * What can be asked of the control thread, which has the hosts and decides what the relay does: by HTTP, or from anywhere else
 * in the process. A further method takes this file, `server.ts`, and `client.ts` if other threads may call it.
 */
export interface Control {
	/** Asks for a host to be followed, or to be reconnected to now. */
	requestCrawl(hostname: string, by: CrawlRequester): Promise<ControlResult>;
	/** For an operator: has a known host followed from another cursor, or from its live end (null). */
	resetCursor(hostname: string, cursor: number | null): Promise<ControlResult>;
}

/** Who asks for a host to be followed. */
export interface CrawlRequester {
	/** Lifts what strangers may not ask for, such as `localhost:PORT`, and their limits. */
	admin: boolean;
	/** The sender's address. */
	ip: string;
}

/** HTTP 200, or an error. */
export type ControlResult = { ok: true } | Refusal;

/** An XRPC error with its HTTP status. */
export interface Refusal {
	ok: false;
	status: number;
	error: string;
	/** Names the rule. */
	message: string;
	/** When to ask again. */
	retryAfterS?: number;
}

/** @param message names the rule */
export function refusal(status: number, error: string, message: string, retryAfterS?: number): Refusal {
	return { ok: false, status, error, message, ...(retryAfterS === undefined ? {} : { retryAfterS }) };
}

/** The answer to what the control thread failed on. */
export const FAILED = refusal(500, "InternalServerError", "the relay failed to answer this request");
