import { INTEGER_MAX } from "../../protocol/limits.ts";
import { Connection } from "./connection.ts";
import { FrameFaults } from "./frame-faults.ts";

/** No relay has given this seq. */
const FUTURE_CURSOR = INTEGER_MAX - 1;
export const MALFORMED_CURSORS = ["abc", "-1"] as const;
/** Messages that must have come before the other connections are opened. */
const FIRST_MESSAGES = 2;
/** No part may take more of the time than this, so that a quiet relay leaves some for the others. */
const SHARE_MAX = 1 / 3;

export interface WatchOptions {
	/** Origin of the relay. */
	relay: string;
	/** For all connections together. */
	streamMs: number;
}

/** What came over connections to the firehose, each with another cursor. */
export interface StreamRecord {
	faults: FrameFaults;
	/** Without a cursor. It is open while the others are. */
	live: Connection;
	/** From cursor 0. */
	zero: Connection;
	/** Without a cursor, opened after messages had come over `live`. */
	later: Connection;
	/** From the first message of `base` on. Null if too few messages came. */
	resumed: { base: Connection; from: Connection } | null;
	/** From cursor 1. Null if the oldest message that the relay has is not after that. */
	outdated: Connection | null;
	future: Connection;
	malformed: { cursor: string; connection: Connection }[];
}

/** Opens connections with all kinds of cursors, one after the other, and notes what comes. */
export async function watchStream({ relay, streamMs }: WatchOptions): Promise<StreamRecord> {
	const endsAtMs = performance.now() + streamMs;
	const share = (): number => (endsAtMs - performance.now()) * SHARE_MAX;
	const faults = new FrameFaults();
	const all: Connection[] = [];
	const open = (cursor: string | null): Connection => {
		const connection = new Connection(relay, cursor, faults);
		all.push(connection);
		return connection;
	};
	try {
		const live = open(null);
		await live.until(() => live.messages.length >= FIRST_MESSAGES, share());
		const zero = open("0");
		await zero.until(() => zero.messages.length >= FIRST_MESSAGES, share());
		const later = open(null);
		await later.until(() => later.messages.length > 0, live.messages.length === 0 ? 0 : share());
		const resumed = await resume(live, zero, open, share);
		const outdated = (zero.messages[0]?.seq ?? 0) > 2 ? open("1") : null;
		await outdated?.until(() => outdated.messages.length > 0, share());
		const future = open(String(FUTURE_CURSOR));
		await future.until(() => future.messages.length > 0 || future.afterError > 0, share());
		const malformed = MALFORMED_CURSORS.map((cursor) => ({ cursor, connection: open(cursor) }));
		for (const { connection } of malformed)
			await connection.until(() => connection.error !== null || connection.messages.length > 0, share());
		return { faults, live, zero, later, resumed, outdated, future, malformed };
	} finally {
		for (const connection of all) connection.close();
	}
}

/** Goes on after the first message of another connection, until it has that one's messages and a live one. */
async function resume(
	live: Connection,
	zero: Connection,
	open: (cursor: string) => Connection,
	share: () => number,
): Promise<StreamRecord["resumed"]> {
	const base = [live, zero].find(({ messages }) => messages.length >= FIRST_MESSAGES);
	const [first] = base?.messages ?? [];
	if (base === undefined || first === undefined) return null;
	const from = open(String(first.seq));
	await from.until(() => from.server !== null, share());
	const seqBefore = base.lastSeq;
	await base.until(() => base.lastSeq > seqBefore, base === live ? share() : 0);
	const wanted = base.lastSeq;
	await from.until(() => from.lastSeq >= wanted, share());
	return { base, from };
}
