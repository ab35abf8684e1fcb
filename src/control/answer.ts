/** Who asks for an action. */
export interface Requester {
	/** May ask for what strangers may not, such as `localhost:PORT`, and has no limits. */
	admin: boolean;
	/** The sender's address. */
	ip: string;
}

/** HTTP 200, with what was asked for, or an error. */
export type ControlResult<Value = unknown> = ({ ok: true } & Value) | Refusal;

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
