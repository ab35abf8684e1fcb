/** The windows over which a host's messages are counted. */
export const WINDOW_NAMES = ["second", "hour", "day"] as const;
export type WindowName = (typeof WINDOW_NAMES)[number];

/** Why messages of an account wait. */
export interface DelayReason {
	/** The window whose limit is reached. */
	window: WindowName;
	/** Whose limit: that of the host as a whole, or the account's share of it. */
	limitOf: "host" | "account";
}

/** Messages of one account that wait. */
export interface DelayedAccount extends DelayReason {
	did: string;
	messages: number;
	bytes: number;
	/** How long messages of it have been waiting, without a break. */
	forMs: number;
}

/** What waits of a host because of its limits, and by whose doing. */
export interface DelayReport {
	/** How long messages of it have been waiting, without a break. */
	forMs: number;
	messages: number;
	bytes: number;
	/** Number of accounts of which messages wait. */
	accounts: number;
	/** Number of accounts of which the host is asked for messages again later, since too many wait already. */
	leftOut: number;
	/** Those of which most messages wait: the most first, and at most ten. */
	top: DelayedAccount[];
}

/** The same with the host's name. */
export interface DelayedHost extends DelayReport {
	hostname: string;
}
