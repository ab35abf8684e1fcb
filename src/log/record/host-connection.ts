import { withStorableTexts } from "../../protocol/text.ts";

/** What is known of the connection to a host, beside its cursor: the part of it that a restart needs, and that people ask for. */
export interface HostConnection {
	/** Unix ms when the relay first heard of the host; null if an older release did. */
	firstSeenMs: number | null;
	/** Whether it is connected. After a restart: whether it was. */
	connected: boolean;
	/** Unix ms when the last connection was made; null if there was none. */
	connectedAtMs: number | null;
	/** Unix ms when it ended; null if it has not, as far as we know. */
	disconnectedAtMs: number | null;
	/** Unix ms of the last message, to the hour while it is connected; null if none came. */
	lastEventMs: number | null;
	/** Failures since the last connection that lasted. */
	failures: number;
	/** Unix ms of the next attempt; null if none is planned, since it is connected or waits for nothing but its turn. */
	nextAttemptMs: number | null;
	/** Why it was last not connected; null if it always was. It is kept when the host is connected again. */
	lastError: HostError | null;
	/** Set while its messages are held back. */
	throttled: Throttled | null;
	/** Days on which its messages were good. */
	goodDays: number;
	/** The last of these days, counted since 1970; null if there was none. A host's days begin at a minute of their own. */
	lastGoodDay: number | null;
}

export interface HostError {
	/** A name of `hosts/fault.ts`. Another release may have other names. */
	fault: string;
	/** For people. */
	text: string;
	/** Unix ms. */
	atMs: number;
}

export interface Throttled {
	/** Unix ms. */
	sinceMs: number;
	/** For people. */
	why: string;
}

/** A host that was never dialled. Also what is known of the connection to a host in a log that does not tell. */
export const NEVER_CONNECTED: Readonly<HostConnection> = {
	firstSeenMs: null,
	connected: false,
	connectedAtMs: null,
	disconnectedAtMs: null,
	lastEventMs: null,
	failures: 0,
	nextAttemptMs: null,
	lastError: null,
	throttled: null,
	goodDays: 0,
	lastGoodDay: null,
};

/**
 * What a record or a row says of the connection. Older releases left out some of the fields, or all, and later ones may have others.
 */
export function connectionFrom(told: Partial<HostConnection> | null | undefined): HostConnection {
	const { lastError, throttled, ...others } = { ...NEVER_CONNECTED, ...told };
	const { firstSeenMs, connected, connectedAtMs, disconnectedAtMs, lastEventMs, failures, nextAttemptMs } = others;
	const { goodDays, lastGoodDay } = others;
	return {
		...{ firstSeenMs, connected, connectedAtMs, disconnectedAtMs, lastEventMs, failures, nextAttemptMs },
		lastError: lastError && withStorableTexts(lastError),
		throttled: throttled && withStorableTexts(throttled),
		...{ goodDays, lastGoodDay },
	};
}

export function isSameConnection(a: HostConnection, b: HostConnection): boolean {
	return (
		a.firstSeenMs === b.firstSeenMs &&
		a.connected === b.connected &&
		a.connectedAtMs === b.connectedAtMs &&
		a.disconnectedAtMs === b.disconnectedAtMs &&
		a.lastEventMs === b.lastEventMs &&
		a.failures === b.failures &&
		a.nextAttemptMs === b.nextAttemptMs &&
		a.lastError?.atMs === b.lastError?.atMs &&
		a.lastError?.fault === b.lastError?.fault &&
		a.lastError?.text === b.lastError?.text &&
		a.throttled?.sinceMs === b.throttled?.sinceMs &&
		a.throttled?.why === b.throttled?.why &&
		a.goodDays === b.goodDays &&
		a.lastGoodDay === b.lastGoodDay
	);
}
