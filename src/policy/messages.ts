import type { AdminAction } from "../log/record/policy-facts.ts";

/** What an operator sets for an account. The ingest worker that has the DID carries it out. */
export interface LocalStatusChange {
	did: string;
	/** Null takes back what was set. */
	status: string | null;
	/** The line of the audit log, without what the account's state tells. */
	action: ActionBy;
}

/** Messages of these hosts, which have a strictness of their own, have broken a strict rule and passed. */
export interface LenientEvent {
	type: "lenient";
	hostnames: string[];
}

/** From an ingest worker: what its accounts do to the numbers of accounts that are held against hosts' limits. */
export interface PlacesEvent {
	type: "places";
	/** Number of the worker. */
	worker: number;
	/** The hosts of accounts for which a place is asked, in order. The answers are a `PlacesCommand`, in the same order. */
	asked: readonly { hostId: number; hostname: string }[];
	changes: readonly PlacesChange[];
}

/** How many more accounts, or fewer, have a place at a host or wait for one. A place that was granted is counted already. */
export interface PlacesChange {
	hostId: number;
	taken: number;
	waiting: number;
}

/** To an ingest worker: whether each of the places that it asked for is granted. */
export interface PlacesCommand {
	type: "places";
	granted: readonly boolean[];
}

/** A line of the audit log, without what was done to what. */
export type ActionBy = Pick<AdminAction, "atMs" | "by" | "action">;
