// control/: what other threads may ask of the control thread. The work itself is its owner's, such as hosts/.

/**
 * The actions of the control thread, which has the hosts and decides what the relay does. Other threads call them by
 * `controlOver`. A new action is a line here, a method of its owner, such as `HostManager`, and an HTTP handler.
 *
 * The last argument of each action is who asks, so that no stranger goes uncounted.
 */
export interface Control {
	/** Asks for a host to be followed, or to be reconnected to now. */
	requestCrawl(hostname: string, by: Requester): Promise<ControlResult>;
	/** For an operator: has a known host followed from another cursor, or from its live end (null). */
	resetCursor(hostname: string, cursor: number | null, by: Requester): Promise<ControlResult>;
}

/** Who asks for an action. */
export interface Requester {
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
