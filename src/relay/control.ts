import type { Config } from "../config/settings.ts";
import type { Control, Requester } from "../control/api.ts";
import type { AddedHost } from "../control/hosts.ts";
import type { RuntimeSettings } from "../control/policy.ts";
import type { HostManager } from "../hosts/manager.ts";
import type { IndexReader } from "../index/store.ts";
import type { Appender } from "../log/appender.ts";
import type { Strictness } from "../log/record/policy-facts.ts";
import { logOf } from "../observe/log.ts";
import type { LocalStatusChange } from "../policy/messages.ts";
import { PolicyOwner } from "../policy/owner.ts";
import { Policies } from "../policy/policies.ts";
import { Ratchet } from "../policy/ratchet.ts";
import { runtimeSettings } from "../policy/settings.ts";
import type { Served } from "../runtime/requests.ts";
import { systemTiming } from "../runtime/timing.ts";
import { workerOf } from "../runtime/worker-of.ts";
import { at } from "./shared-memory.ts";
import type { IngestThread } from "./threads.ts";
import { whyOf } from "./why.ts";

/** How long an ingest worker may take to have an account's status durable. More than a stall of the log that passes soon. */
const INGEST_TIMEOUT_MS = 20_000;

const log = logOf("policy");

/** What the operator has set. */
export interface Policy {
	policies: Policies;
	settings: RuntimeSettings;
}

/** Loads what the operator has set. @param reader of an index that has caught up with the log */
export async function loadPolicy(config: Config, reader: IndexReader, appender: Appender): Promise<Policy> {
	const policies = await Policies.load(reader, appender);
	return { policies, settings: runtimeSettings(policies, config) };
}

export interface ControlParts extends Policy {
	config: Config;
	hosts: HostManager;
	reader: IndexReader;
	ingest: readonly IngestThread[];
}

export interface ControlOwners {
	/** All that other threads may ask of the control thread. What admins do is in the audit log. */
	served: Served<Control>;
	ratchet: Ratchet;
}

/** Makes the owners of what can be asked of the control thread, but for the host manager. */
export function createControl({ config, hosts, policies, settings, reader, ingest }: ControlParts): ControlOwners {
	const setStrictness = (hostname: string, strictness: Strictness | null): Promise<void> =>
		tellStrictness(ingest, hostname, strictness);
	const policy = new PolicyOwner({
		policies,
		settings,
		reader,
		setLocalStatus: (change) => setLocalStatus(ingest, change),
		hosts,
		setStrictness,
		nowMs: Date.now,
		allowLocalhost: config.allowInsecureHosts,
	});
	// Nobody waits for these lines, so that the actions go on while the log stalls.
	const noted: Noted = (action, by, subject, after) => {
		if (by.admin) void policies.note({ atMs: Date.now(), by: by.ip, action }, subject, after);
	};
	const ratchet = new Ratchet({ policies, setStrictness, timing: systemTiming, nowMs: Date.now });
	return { served: serveControl(policy, hosts, ingest, noted), ratchet };
}

type Noted = (action: string, by: Requester, subject: string, after: string) => void;

/** @param noted adds a line to the audit log if an admin asks */
function serveControl(
	policy: PolicyOwner,
	hosts: HostManager,
	ingest: readonly IngestThread[],
	noted: Noted,
): Served<Control> {
	return {
		async requestCrawl(hostname, by) {
			const result = await hosts.requestCrawl(hostname, by);
			noted("requestCrawl", by, hostname, result.ok ? "asked for" : result.error);
			return result;
		},
		resetCursor(hostname, cursor, by) {
			const result = hosts.resetCursor(hostname, cursor);
			noted("resetCursor", by, hostname, result.ok ? `cursor ${cursor ?? "at the live end"}` : result.error);
			return result;
		},
		dropHost(hostname, by) {
			const result = hosts.drop(hostname);
			noted("dropHost", by, hostname, result.ok ? "dropped" : result.error);
			return result;
		},
		async addHosts(hostnames, source, by) {
			const result = await hosts.addListed(hostnames);
			noted("addHosts", by, source, result.ok ? outcomesOf(result.hosts) : result.error);
			return result;
		},
		hostReports: (afterId, limit) => ({ ok: true, hosts: hosts.reports(afterId, limit) }),
		delayedHosts: (hostname) => hosts.delayedHosts(hostname),
		why: (question) => whyOf(question, hosts, ingest),
		connectedHosts: () => ({ ok: true, hostnames: hosts.connected() }),
		setAccountStatus: (did, status, by) => policy.setAccountStatus(did, status, by),
		accountStatuses: (afterDid, limit) => policy.accountStatuses(afterDid, limit),
		banDomain: (domain, by) => policy.banDomain(domain, by),
		unbanDomain: (domain, by) => policy.unbanDomain(domain, by),
		domainBans: () => policy.domainBans(),
		changeHosts: (hostnames, change, by) => policy.changeHosts(hostnames, change, by),
		hostPolicies: (afterHostname, limit) => policy.hostPolicies(afterHostname, limit),
		settings: () => policy.settings(),
		changeSettings: (changes, by) => policy.changeSettings(changes, by),
		actions: (beforeLsn, limit) => policy.actions(beforeLsn, limit),
	};
}

function outcomesOf(hosts: readonly AddedHost[]): string {
	const count = (outcome: AddedHost["outcome"]): number => hosts.filter((host) => host.outcome === outcome).length;
	return `${count("new")} new, ${count("known")} known, ${count("refused")} refused`;
}

async function tellStrictness(
	ingest: readonly IngestThread[],
	hostname: string,
	strictness: Strictness | null,
): Promise<void> {
	const options = { timeoutMs: INGEST_TIMEOUT_MS };
	await Promise.all(ingest.map(({ requests }) => requests.request("setStrictness", [hostname, strictness], options)));
}

async function setLocalStatus(ingest: readonly IngestThread[], change: LocalStatusChange): Promise<boolean> {
	const thread = at(ingest, workerOf(change.did, ingest.length));
	const reply = await thread.requests.request("setLocalStatus", [change], { timeoutMs: INGEST_TIMEOUT_MS });
	if (reply.answered)
		log.info("{by} set the status of {did} to {status}", {
			by: change.action.by,
			did: change.did,
			status: change.status ?? "none",
		});
	return reply.answered;
}
