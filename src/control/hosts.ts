import type { ControlResult, Requester } from "./answer.ts";

/** Hosts that one call of `addHosts` may name. With their probes it ends well before nobody waits for the answer any more. */
export const HOSTS_PER_ADD_MAX = 32;

/** What became of a host of a list. */
export interface AddedHost {
	/** As the list has it. */
	hostname: string;
	outcome: "new" | "known" | "refused";
	/** The name of the rule that refused it, and the rule. */
	error?: string;
	message?: string;
}

/** The part of `Control` by which an operator adds many hosts. */
export interface HostControl {
	/**
	 * Adds hosts of a list that others may have made. They pass the gate of `requestCrawl`, but for the limits on strangers. A host that
	 * is known stays as it is.
	 *
	 * @param hostnames at most `HOSTS_PER_ADD_MAX`
	 * @param source where the list comes from, for the audit log
	 */
	addHosts(hostnames: readonly string[], source: string, by: Requester): Promise<ControlResult<{ hosts: AddedHost[] }>>;
}
