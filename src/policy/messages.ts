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

/** A line of the audit log, without what was done to what. */
export type ActionBy = Pick<AdminAction, "atMs" | "by" | "action">;
