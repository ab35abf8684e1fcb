import type { HostStatus } from "../protocol/host-status.ts";
import type { ControlResult, Requester } from "./answer.ts";
import type { ConsumerReport } from "./consumers.ts";
import type { LastRejection } from "./why.ts";

/** Orders of the table of hosts. */
export const HOST_SORTS = ["name", "state", "rate", "accounts", "delay", "next"] as const;
export type HostSort = (typeof HOST_SORTS)[number];

/** Orders of the table of consumers. */
export const CONSUMER_SORTS = ["connected", "lag", "rate", "sent"] as const;
export type ConsumerSort = (typeof CONSUMER_SORTS)[number];

/** One page of a table. */
export interface PageQuery<Sort extends string> {
	sort: Sort;
	/** The greatest first. */
	descending: boolean;
	/** Rows that come before the page. */
	offset: number;
	/** The most rows of the page. */
	limit: number;
}

export interface HostQuery extends PageQuery<HostSort> {
	/** A part of the name; empty for all hosts. */
	search: string;
	/** Null for all. */
	status: HostStatus | null;
}

/** A host, as a line of a table. Times are Unix ms. */
export interface HostRow {
	hostname: string;
	status: HostStatus;
	/** Why it has its status, and what can be done, for people. */
	reason: string;
	/** When it is dialled next; null if that is not planned. */
	nextAttemptMs: number | null;
	/** Messages a second, lately; null until that is known. */
	perS: number | null;
	accounts: number;
	/** Accounts that wait for a place. */
	waiting: number;
	/** The most accounts; null for any number. */
	accountLimit: number | null;
	/** How long messages of it have been waiting because of its limits; null if none waits. */
	delayedMs: number | null;
}

/** Rows of a table, and how many there are in all. */
export interface TablePage<Row> {
	rows: Row[];
	/** Rows that match the query, on all pages. */
	matching: number;
	/** Rows in all. */
	known: number;
}

/** A consumer as a line of a table. Strangers are not told who it is. */
export type ConsumerRow = Omit<ConsumerReport, "ip" | "userAgent"> &
	({ ip: string; userAgent: string } | { ip: null; userAgent: null });

/** The part of `Control` that the dashboard asks for. What only the operator may know is left out if another asks. */
export interface DashboardControl {
	/** How the relay is, as JSON: the status, and what was measured later than `sinceMs` (Unix ms). */
	liveText(sinceMs: number, by: Requester): Promise<ControlResult<{ text: string }>>;
	hostTable(query: HostQuery, by: Requester): Promise<ControlResult<{ page: TablePage<HostRow> }>>;
	consumerTable(
		query: PageQuery<ConsumerSort>,
		by: Requester,
	): Promise<ControlResult<{ page: TablePage<ConsumerRow> }>>;
	/** The accounts whose last rejected messages are the latest of all, the latest first. */
	recentRejections(limit: number, by: Requester): Promise<ControlResult<{ rejections: LastRejection[] }>>;
}
