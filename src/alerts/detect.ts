import { type AlertFacts, CONSUMER_LAG_RECORDS, type DownHost, QUOTA_SHARE_MIN } from "./facts.ts";
import type { Look } from "./incidents.ts";
import { ALERT_KIND_NAMES, type AlertKind, type Observation, type Severity } from "./kinds.ts";
import { measured, newRate, nowAndUsually, type Rate } from "./rate.ts";

const QUOTA_SHARE = 0.8;
const DAY_MS = 24 * 3_600_000;
/** A host that was away for longer when the alerts first saw it is no news; and after so long one that went down is none any more. */
export const DOWN_MS_MAX = 7 * DAY_MS;
/** Hosts are dialled one after another at a start. */
export const START_GRACE_MS = 10 * 60_000;
/** After damage was found, it is news for so long. */
export const GAP_NEWS_MS = DAY_MS;
/** Free disk, as a multiple of the reserve, that begins and ends the alert. */
const RESERVE_NEAR = 2;
const RESERVE_FAR = 2.5;
/** Of a disk without a reserve. */
const RESERVE_BYTES_MIN = 64 * 1024 * 1024;
export const INDEX_LAG_RECORDS = 50_000;
/** Rejections within five minutes that may be unusual, of all hosts together and of one. */
export const REJECTIONS_MIN = 200;
export const HOST_REJECTIONS_MIN = 50;
/** How many times what is usual is unusual, and when it is no longer. */
const UNUSUAL = 4;
const USUAL = 2;
/** What is usual is known after so long. */
export const PAST_MS_MIN = 3_600_000;

/** What must be remembered from one look to the next. */
export interface Memory {
	/** Damaged stretches of the log at the last look, and when there were last more. */
	readonly gaps: number;
	readonly gapAtMs: number | null;
	readonly rejected: Rate;
	/** Of each host that had any, as long as the relay runs: the ingest workers count no more of them. */
	readonly rejectedOf: ReadonlyMap<string, Rate>;
}

export function newMemory({ rejected, logGaps }: AlertFacts, nowMs: number): Memory {
	return {
		gaps: 0,
		gapAtMs: logGaps > 0 ? nowMs : null,
		rejected: newRate(rejected, nowMs),
		rejectedOf: new Map(),
	};
}

/** What the facts say. Pure. */
export function detect(memory: Memory, facts: AlertFacts, nowMs: number): { memory: Memory; look: Look } {
	const after = remember(memory, facts, nowMs);
	const looked = new Set(ALERT_KIND_NAMES);
	if (facts.rejectedOf === null) looked.delete("host-rejections");
	if (facts.diskFreeBytes === null) looked.delete("disk-reserve");
	const isStarting = nowMs - facts.startedAtMs < START_GRACE_MS;
	// What is known of hosts that are down stays as it is until they had time to come back.
	if (isStarting) looked.delete("host-down");
	const observations = [
		...facts.quotas.flatMap(quota),
		...(isStarting ? [] : facts.downHosts.flatMap((host) => down(host, nowMs))),
		...gap(after, facts, nowMs),
		...stalls(facts),
		...reserve(facts),
		...rejections("rejections", "all hosts together", after.rejected, REJECTIONS_MIN),
		...(facts.rejectedOf === null
			? []
			: [...after.rejectedOf].flatMap(([hostname, rate]) =>
					rejections("host-rejections", hostname, rate, HOST_REJECTIONS_MIN),
				)),
		...lags(facts),
	];
	return { memory: after, look: { looked, observations } };
}

function remember(memory: Memory, facts: AlertFacts, nowMs: number): Memory {
	// A start counts anew what is still there.
	const isMore = facts.logGaps > memory.gaps;
	const isStarting = nowMs - facts.startedAtMs < START_GRACE_MS;
	return {
		gaps: isStarting ? Math.max(memory.gaps, facts.logGaps) : facts.logGaps,
		gapAtMs: isMore ? nowMs : memory.gapAtMs,
		rejected: measured(memory.rejected, facts.rejected, nowMs),
		rejectedOf: facts.rejectedOf === null ? memory.rejectedOf : ratesOf(memory, facts.rejectedOf, nowMs),
	};
}

function ratesOf(memory: Memory, counts: NonNullable<AlertFacts["rejectedOf"]>, nowMs: number): Map<string, Rate> {
	const { rejectedOf: before, rejected } = memory;
	const now = new Map(counts.map(({ hostname, rejected }) => [hostname, rejected]));
	const rates = new Map<string, Rate>();
	// After a restart a host that had failures may have none yet.
	for (const [hostname, rate] of before) rates.set(hostname, measured(rate, now.get(hostname) ?? 0, nowMs));
	// It had none before, as far back as anything was counted.
	for (const [hostname, count] of now)
		if (!before.has(hostname)) rates.set(hostname, measured(newRate(0, nowMs, rejected.bornMs), count, nowMs));
	return rates;
}

function quota({ hostname, accounts, limit }: AlertFacts["quotas"][number]): Observation[] {
	const share = accounts / limit;
	if (share < QUOTA_SHARE_MIN) return [];
	const severity = share >= 1 ? "critical" : share >= QUOTA_SHARE ? "warning" : null;
	return [seen("host-quota", hostname, severity, `${hostname} has ${accounts} accounts; its limit is ${limit}`)];
}

function down({ hostname, sinceMs, why }: DownHost, nowMs: number): Observation[] {
	const downMs = nowMs - sinceMs;
	if (downMs < DAY_MS || downMs >= DOWN_MS_MAX) return [];
	const hours = Math.floor(downMs / 3_600_000);
	return [seen("host-down", hostname, "warning", `${hostname} has been down for ${hours} hours: ${why}`)];
}

function gap({ gapAtMs }: Memory, { logGaps }: AlertFacts, nowMs: number): Observation[] {
	if (gapAtMs === null || nowMs - gapAtMs >= GAP_NEWS_MS) return [];
	return [seen("log-gap", "log", "critical", `the log has ${logGaps} damaged stretches, which consumers get as gaps`)];
}

function stalls({ logStall, indexStall }: AlertFacts): Observation[] {
	return [
		...(logStall === null ? [] : [seen("log-stalled", "log", "critical", `the log can't be written (${logStall})`)]),
		...(indexStall === null
			? []
			: [seen("index-stalled", "index", "critical", `the index can't be written (${indexStall})`)]),
	];
}

function reserve({ diskFreeBytes: free, diskReserveBytes }: AlertFacts): Observation[] {
	const bytes = Math.max(diskReserveBytes, RESERVE_BYTES_MIN);
	if (free === null || free > RESERVE_FAR * bytes) return [];
	const severity = free < bytes ? "critical" : free < RESERVE_NEAR * bytes ? "warning" : null;
	const text = `${mib(free)} MiB are free on the log's disk; the reserve is ${mib(diskReserveBytes)} MiB`;
	return [seen("disk-reserve", "log", severity, text)];
}

function rejections(kind: AlertKind, subject: string, rate: Rate, min: number): Observation[] {
	const { now, usually } = nowAndUsually(rate);
	const hasPast = rate.atMs - rate.bornMs >= PAST_MS_MIN;
	if (!hasPast || now < min / 2 || now < USUAL * usually) return [];
	const severity = now >= min && now >= UNUSUAL * usually ? "warning" : null;
	const text = `${Math.round(now)} messages of ${subject} were rejected in five minutes; usually it is ${Math.round(usually)}`;
	return [seen(kind, subject, severity, text)];
}

function lags({ indexLagRecords: lag, consumersBehind }: AlertFacts): Observation[] {
	const severity = lag >= INDEX_LAG_RECORDS ? "warning" : null;
	const index = seen("index-lag", "index", severity, `the index is ${lag} records behind the log`);
	const behind = `${consumersBehind} consumers are ${CONSUMER_LAG_RECORDS} records or more behind`;
	return [
		...(lag >= INDEX_LAG_RECORDS / 2 ? [index] : []),
		...(consumersBehind > 0 ? [seen("consumer-lag", "consumers", "warning", behind)] : []),
	];
}

function seen(kind: AlertKind, subject: string, severity: Severity | null, text: string): Observation {
	return { kind, subject, severity, text };
}

function mib(bytes: number): number {
	return Math.floor(bytes / 1024 ** 2);
}
