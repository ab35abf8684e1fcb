// control/: what other threads may ask of the control thread. The work itself is done by its owner, such as hosts/.

import type { DelayedHost } from "./delays.ts";

/**
 * The actions of the control thread, which has the hosts and decides what the relay does. Other threads call them by
 * `controlOver`. A new action is a line here, a method of its owner, such as `HostManager`, and an HTTP handler.
 *
 * The last argument of each action says who asks, so that the requests of every stranger are counted.
 */
export interface Control {
	/** Asks the relay to follow a host, or to reconnect to it now. */
	requestCrawl(hostname: string, by: Requester): Promise<ControlResult>;
	/** For an operator: asks the relay to follow a known host from another cursor, or from its live end (null). */
	resetCursor(hostname: string, cursor: number | null, by: Requester): Promise<ControlResult>;
	/** What waits because of limits: of this host, or of all (null). Those that have waited longest come first. */
	delayedHosts(hostname: string | null, by: Requester): Promise<DelayedHosts | Refusal>;
}

/** Who asks for an action. */
export interface Requester {
	/** May ask for what strangers may not, such as `localhost:PORT`, and has no limits. */
	admin: boolean;
	/** The sender's address. */
	ip: string;
}

/** None for a host of which nothing waits, or that is not known. */
export interface DelayedHosts {
	ok: true;
	hosts: DelayedHost[];
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
	/** After how long to ask again. */
	retryAfterS?: number;
}

/** @param message names the rule */
export function refusal(status: number, error: string, message: string, retryAfterS?: number): Refusal {
	return { ok: false, status, error, message, ...(retryAfterS === undefined ? {} : { retryAfterS }) };
}
