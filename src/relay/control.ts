import type { Config } from "../config/settings.ts";
import type { Control, Requester } from "../control/api.ts";
import type { AddedHost } from "../control/hosts.ts";
import type { Live } from "../dashboard/live.ts";
import type { Tables } from "../dashboard/tables.ts";
import { HostDetails } from "../hosts/details.ts";
import type { HostManager } from "../hosts/manager.ts";
import type { IndexReader } from "../index/store.ts";
import type { Appender } from "../log/appender.ts";
import type { Strictness } from "../log/record/policy-facts.ts";
import type { Counters } from "../observe/counters.ts";
import { logOf } from "../observe/log.ts";
import type { LocalStatusChange } from "../policy/messages.ts";
import { PolicyOwner } from "../policy/owner.ts";
import type { Quota } from "../policy/quota.ts";
import { Ratchet } from "../policy/ratchet.ts";
import type { Served } from "../runtime/requests.ts";
import { systemTiming } from "../runtime/timing.ts";
import { workerOf } from "../runtime/worker-of.ts";
import { dashboardTables } from "./dashboard.ts";
import { Failures } from "./failures.ts";
import { FanoutConsumers } from "./fanout-consumers.ts";
import { hostRules, type Policy } from "./policy.ts";
import { loadQuota } from "./quota.ts";
import { at } from "./shared-memory.ts";
import { type FanoutThread, type IngestThread, usageOf } from "./threads.ts";
import { whyOf } from "./why.ts";

/** How long an ingest worker may take to have an account's status durable. More than a stall of the log that passes soon. */
const INGEST_TIMEOUT_MS = 20_000;

const log = logOf("policy");

export interface ControlParts extends Policy {
	config: Config;
	hosts: HostManager;
	/** Of an index that has caught up with the log. */
	reader: IndexReader;
	appender: Appender;
	counters: Counters;
	ingest: readonly IngestThread[];
	fanout: readonly FanoutThread[];
	/** Why the log can't be written now; null if it can. */
	logStall: () => string | null;
	/** Of the dashboard. */
	live: Live;
}

export interface ControlOwners {
	/** All that other threads may ask of the control thread. What admins do is in the audit log. */
	served: Served<Control>;
	ratchet: Ratchet;
	quota: Quota;
}

/** Makes the owners of what can be asked of the control thread, but for the host manager. To be called before the ingest workers start. */
export async function createControl(parts: ControlParts): Promise<ControlOwners> {
	const { config, hosts, policies, settings, reader, ingest, fanout, logStall, live } = parts;
	const quota = await loadQuota(parts);
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
	const details = new HostDetails({
		manager: hosts,
		reader,
		usage: (afterId, lastId) => usageOf(ingest, afterId, lastId),
		policyOf: (hostname) => policies.hostPolicy(hostname),
		...hostRules(config, parts, hosts),
	});
	const consumers = new FanoutConsumers(fanout);
	const failures = new Failures({ hosts, ingest, sinceMs: Date.now() });
	const tables = dashboardTables({ hosts, quota, consumers, ingest });
	const owners = { policy, hosts, quota, details, failures, consumers, tables, live };
	const served = serveControl({ ...owners, ingest, logStall, noted });
	return { served, ratchet, quota };
}

type Noted = (action: string, by: Requester, subject: string, after: string) => void;

interface Owners {
	policy: PolicyOwner;
	hosts: HostManager;
	quota: Quota;
	details: HostDetails;
	failures: Failures;
	consumers: FanoutConsumers;
	ingest: readonly IngestThread[];
	tables: Served<Tables>;
	live: Live;
	/** Adds a line to the audit log if an admin asks. */
	noted: Noted;
	logStall: () => string | null;
}

function serveControl(owners: Owners): Served<Control> {
	const { policy, hosts, quota, details, failures, consumers, ingest, tables, live, logStall, noted } = owners;
	return {
		...tables,
		liveText: (sinceMs) => ({ ok: true, text: live.textSince(sinceMs) }),
		hostQuota: (hostname) => quota.hostQuota(hostname),
		accountWait: (did) => quota.accountWait(did),
		async recountAccounts(hostname, by) {
			const result = await quota.recountAccounts(hostname);
			const after = result.ok ? `${result.quota.accounts} accounts, ${result.before} before` : result.error;
			noted("recountAccounts", by, hostname, after);
			return result;
		},
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
		async dropConsumer(id, by) {
			const result = await consumers.drop(id);
			const after = result.ok ? `dropped: ${result.consumer.ip} ${result.consumer.userAgent}` : result.error;
			noted("dropConsumer", by, `consumer ${id}`, after);
			return result.ok ? { ok: true } : result;
		},
		consumers: (afterId, limit) => consumers.list(afterId, limit),
		hostDetails: (afterId, limit) => details.list(afterId, limit),
		hostDetail: (hostname) => details.one(hostname),
		hostFailures: (hostname) => failures.hostFailures(hostname),
		failingHosts: (skip, limit) => failures.failingHosts(skip, limit),
		delayedHosts: (hostname) => hosts.delayedHosts(hostname),
		why: (question) => whyOf(question, hosts, ingest, logStall()),
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
