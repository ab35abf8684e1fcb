import { fromString } from "@atcute/cid";
import type { Account, Host } from "../../index/store.ts";
import { NEVER_CONNECTED } from "../../log/record/host-connection.ts";
import type { DomainBan, HostPolicy, LocalStatus } from "../../log/record/policy-facts.ts";
import { HostnameError, type ParsedHostname, parseHostname } from "../../net/hostname.ts";
import { parseDomain } from "../../policy/domain.ts";
import { DEFAULT_HOST_POLICY } from "../../policy/policies.ts";
import { isBlessedCid } from "../../protocol/cid.ts";
import type { HostStatus } from "../../protocol/host-status.ts";
import { STATUS_CHARS_MAX } from "../../protocol/limits.ts";
import { didMethod, isTid } from "../../protocol/syntax.ts";
import { isStorable } from "../../protocol/text.ts";
import type { Skips } from "../skips.ts";
import type { IndigoRow } from "./tables.ts";

/** What of this relay's settings decides what a row means. */
export interface MeaningOptions {
	/** Whether hosts may be at `localhost:PORT`, or without TLS. */
	allowInsecureHosts: boolean;
	/** How many accounts a host may have for which nothing is set. */
	accountLimit: number;
	/** Of the migration, in milliseconds since 1970. */
	nowMs: number;
}

/** A host, and what indigo's operator has set for it; null for nothing. Its accounts are not counted yet. */
export interface MeantHost {
	host: Host;
	policy: HostPolicy | null;
}

/** Ids are 32 bits wide in the log. */
const HOST_ID_MAX = 0xffff_ffff;
const HOST_STATUSES: ReadonlySet<string> = new Set<HostStatus>(["active", "idle", "offline", "throttled", "banned"]);
/** SQLite has numbers for booleans, PostgreSQL has words. */
const TRUE: ReadonlySet<string | null> = new Set(["1", "true"]);
const ACTIVE = "active";

/** What a row of a host means here; null if it can't be taken over. */
export function meantHost(row: IndigoRow<"hosts">, options: MeaningOptions, skips: Skips): MeantHost | null {
	const parsed = hostnameOf(row, options, skips);
	if (parsed === null) return null;
	if (row.key < 1 || row.key > HOST_ID_MAX) {
		skips.note("host-id", parsed.hostname, String(row.key));
		return null;
	}
	const status = hostStatusOf(row, skips);
	const host: Host = {
		...{ id: row.key, ...parsed, status, cursor: cursorOf(row, skips) },
		...{ gaps: 0, lastGap: null, accountCount: 0 },
		connection: {
			...NEVER_CONNECTED,
			firstSeenMs: timeOf(row.createdAt),
			connected: status === ACTIVE,
		},
	};
	return { host, policy: hostPolicyOf(row, options, skips) };
}

function hostnameOf(
	{ hostname, noSsl }: IndigoRow<"hosts">,
	{ allowInsecureHosts }: MeaningOptions,
	skips: Skips,
): ParsedHostname | null {
	const scheme = TRUE.has(noSsl) ? "http" : "https";
	try {
		return parseHostname(`${scheme}://${hostname ?? ""}`, {
			allowLocalhost: allowInsecureHosts,
			allowInsecure: allowInsecureHosts,
		});
	} catch (error) {
		if (!(error instanceof HostnameError)) throw error;
		skips.note("host-name", hostname, error.message);
		return null;
	}
}

function hostStatusOf({ hostname, status }: IndigoRow<"hosts">, skips: Skips): HostStatus {
	if (status !== null && HOST_STATUSES.has(status)) return status as HostStatus;
	skips.note("host-status", hostname, status);
	return "idle";
}

/** Indigo stores -1 for a host from which nothing has come. It follows such a host from its live end, and so does this relay. */
function cursorOf({ hostname, lastSeq }: IndigoRow<"hosts">, skips: Skips): number | null {
	const seq = wholeNumber(lastSeq);
	if (seq === null) skips.note("host-cursor", hostname, lastSeq);
	return seq === null || seq < 1 ? null : seq;
}

function hostPolicyOf(row: IndigoRow<"hosts">, options: MeaningOptions, skips: Skips): HostPolicy | null {
	const limit = wholeNumber(row.accountLimit);
	if (limit === null || limit < 0) skips.note("host-limit", row.hostname, row.accountLimit);
	// Indigo gives each host the limit that is general at that time. If it is still so, it goes with the setting from now on.
	const isOwn = limit !== null && limit >= 0 && limit !== options.accountLimit;
	const isBanned = row.status === "banned";
	return isOwn || isBanned ? { ...DEFAULT_HOST_POLICY, isBanned, accountLimit: isOwn ? limit : null } : null;
}

/** The domain that a row bans; null if it is none. */
export function meantBan(
	{ domain, createdAt }: IndigoRow<"domainBans">,
	{ nowMs }: MeaningOptions,
	skips: Skips,
): { domain: string; ban: DomainBan } | null {
	const parsed = parseDomain(domain ?? "");
	if (parsed === null) {
		skips.note("domain", domain);
		return null;
	}
	return { domain: parsed, ban: { sinceMs: timeOf(createdAt) ?? nowMs } };
}

/** What a row of an account means here. */
export interface MeantAccount {
	did: string;
	/** What indigo's operator has set. It holds even if the account's host is not taken over. */
	localStatus: LocalStatus | null;
	/** Null if its host is not taken over. Its local status is not in it: that comes by the log. */
	account: Account | null;
}

/** Null if the row can't be taken over. @param waitingSinceUs of an account that waits for room at its host */
export function meantAccount(
	row: IndigoRow<"accounts">,
	{ allowInsecureHosts }: MeaningOptions,
	{ hosts, waitingSinceUs, skips }: { hosts: ReadonlyMap<number, Host>; waitingSinceUs: number; skips: Skips },
): MeantAccount | null {
	const { key: id, did, status } = row;
	if (did === null || didMethod(did, { allowLocalhost: allowInsecureHosts }) === null) {
		skips.note("did", did);
		return null;
	}
	const localStatus = localStatusOf(row, skips);
	const host = wholeNumber(row.hostId);
	if (host === null || !hosts.has(host)) {
		skips.note("account-host", did, row.hostId);
		return { did, localStatus, account: null };
	}
	const upstream = upstreamOf(row, skips);
	const isDeleted = upstream.upstreamStatus === "deleted";
	const account: Account = {
		...{ id, did, host, hostSeq: 0, lastTimeMs: 0, ...upstream },
		...{ localStatus: null, statusLsn: 0 },
		waitingSinceUs: status === WAITS && !isDeleted ? waitingSinceUs : null,
		...repoOf(row, isDeleted, skips),
	};
	return { did, localStatus, account };
}

/** Of an account that came when its host had no room. */
const WAITS = "host-throttled";
/** Indigo takes such an account for active. */
const THROTTLED = "throttled";
const LOCAL: ReadonlySet<string> = new Set(["takendown", "suspended"]);

function localStatusOf({ did, status }: IndigoRow<"accounts">, skips: Skips): LocalStatus | null {
	if (status === ACTIVE || status === WAITS || status === THROTTLED) return null;
	if (status !== null && LOCAL.has(status)) return { status };
	skips.note("local-status", did, status);
	return null;
}

/** What indigo writes for an account that is not active and whose host does not say why. */
const INACTIVE = "inactive";

function upstreamOf(
	{ did, upstreamStatus: status }: IndigoRow<"accounts">,
	skips: Skips,
): Pick<Account, "upstreamActive" | "upstreamStatus"> {
	if (status === ACTIVE) return { upstreamActive: true, upstreamStatus: null };
	if (status === INACTIVE) return { upstreamActive: false, upstreamStatus: null };
	if (status !== null && status.length > 0 && status.length <= STATUS_CHARS_MAX && isStorable(status))
		return { upstreamActive: false, upstreamStatus: status };
	skips.note("upstream-status", did, status);
	return { upstreamActive: false, upstreamStatus: null };
}

/** Of a deleted account only the rev is kept, as this relay does it. */
function repoOf(
	{ did, rev, commit, data }: IndigoRow<"accounts">,
	isDeleted: boolean,
	skips: Skips,
): Pick<Account, "rev" | "commit" | "data"> {
	if (rev === null && commit === null && data === null) return { rev: null, commit: null, data: null };
	const cids = { commit: cidOf(commit), data: cidOf(data) };
	if (rev === null || !isTid(rev) || cids.commit === null || cids.data === null) {
		skips.note("repo", did, rev, commit, data);
		return { rev: null, commit: null, data: null };
	}
	return isDeleted ? { rev, commit: null, data: null } : { rev, ...cids };
}

function cidOf(text: string | null): Uint8Array | null {
	if (text === null) return null;
	try {
		const { bytes } = fromString(text);
		return isBlessedCid(bytes) ? bytes : null;
	} catch {
		// It is no CID, in whatever way.
		return null;
	}
}

/** Null for what is no whole number, or one that is not exact. */
function wholeNumber(text: string | null): number | null {
	if (text === null || !/^-?\d{1,16}$/.test(text)) return null;
	const value = Number(text);
	return Number.isSafeInteger(value) ? value : null;
}

/** Milliseconds since 1970; null if the text is no date. */
function timeOf(text: string | null): number | null {
	const ms = Date.parse(text ?? "");
	return Number.isNaN(ms) || ms < 0 ? null : ms;
}
