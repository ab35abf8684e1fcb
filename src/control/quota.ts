import type { ControlResult, Requester } from "./answer.ts";

/** How many accounts a host has, and may have. */
export interface HostQuota {
	hostname: string;
	/** The most accounts that may have a place; null for any number. */
	limit: number | null;
	/** Those that have one. */
	accounts: number;
	/** Those that wait for one. */
	waiting: number;
}

/** Why and how an account waits for a place in its host's account limit. */
export interface AccountWait extends HostQuota {
	/** Since when, in milliseconds since 1970. */
	sinceMs: number;
	/** Its place in the queue: 1 if it is the next. */
	position: number;
}

/** The part of `Control` about the account limits of hosts. */
export interface QuotaControl {
	/** How many accounts a host has and may have. Refused if it is not known. */
	hostQuota(hostname: string, by: Requester): Promise<ControlResult<{ quota: HostQuota }>>;
	/** Whether a place in its host's limit is what an account lacks; null if not. */
	accountWait(did: string, by: Requester): Promise<ControlResult<{ wait: AccountWait | null }>>;
	/** For an operator: counts a host's accounts anew. `before` is what the relay took their number to be. */
	recountAccounts(hostname: string, by: Requester): Promise<ControlResult<{ quota: HostQuota; before: number }>>;
}
