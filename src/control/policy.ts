import type { StoredAction } from "../index/store.ts";
import type { HostPolicy } from "../log/record/policy-facts.ts";
import type { ControlResult, Requester } from "./answer.ts";

/** What an operator may make of an account. */
export type LocalStatusName = "takendown" | "suspended";

/** Settings that can be changed while the relay runs. */
export interface RuntimeSettings {
	/** Strangers may not ask for hosts. */
	disableRequestCrawl: boolean;
	/** New hosts in 24 hours that strangers may ask for. */
	newHostsPerDayMax: number;
	/** How many accounts a host may have, if nothing else is set for it. */
	accountLimit: number;
}

/** What changes of a host's policy. What is absent stays as it is; a null goes back to the relay's general rule. */
export interface HostPolicyChange
	extends Partial<Pick<HostPolicy, "isBanned" | "accountLimit" | "eventLimits" | "strictness">> {
	/** With the strictness `observe`: the host gets `enforce` by itself once its messages have kept all strict rules for a while. */
	ratchet?: boolean;
}

/** Hosts that one change may name. */
export const HOSTS_PER_CHANGE_MAX = 1_000;

/**
 * The part of `Control` by which an operator sets policies. Each change resolves when it is durable in the log, and is a line of the
 * audit log. None of it is for strangers.
 */
export interface PolicyControl {
	/** Takes an account down, suspends it, or undoes either (null). It need not be known. */
	setAccountStatus(did: string, status: LocalStatusName | null, by: Requester): Promise<ControlResult>;
	/** Accounts that have such a status, with DID > `afterDid`, by DID. */
	accountStatuses(
		afterDid: string,
		limit: number,
		by: Requester,
	): Promise<ControlResult<{ accounts: { did: string; status: string }[] }>>;
	/** Refuses all hosts of a domain, and of what is below it, and ends the connections to them. */
	banDomain(domain: string, by: Requester): Promise<ControlResult>;
	/** Follows the hosts again that no other ban covers. */
	unbanDomain(domain: string, by: Requester): Promise<ControlResult>;
	domainBans(by: Requester): Promise<ControlResult<{ domains: { domain: string; sinceMs: number }[] }>>;
	/**
	 * Changes what is set for hosts: for all that are named, or for none if one of the names is refused. A host that is not known can
	 * only be banned.
	 */
	changeHosts(hostnames: readonly string[], change: HostPolicyChange, by: Requester): Promise<ControlResult>;
	/** Hosts for which something is set, with hostname > `afterHostname`, by hostname. */
	hostPolicies(
		afterHostname: string,
		limit: number,
		by: Requester,
	): Promise<ControlResult<{ hosts: { hostname: string; policy: HostPolicy }[] }>>;
	/** What holds now of the settings that can be changed. */
	settings(by: Requester): Promise<ControlResult<{ settings: RuntimeSettings }>>;
	/** A setting that is absent stays; a null goes back to the configured value. */
	changeSettings(
		changes: { readonly [Name in keyof RuntimeSettings]?: RuntimeSettings[Name] | null },
		by: Requester,
	): Promise<ControlResult>;
	/** Lines of the audit log with lsn < `beforeLsn`, the latest first. */
	actions(beforeLsn: number, limit: number, by: Requester): Promise<ControlResult<{ actions: StoredAction[] }>>;
}
