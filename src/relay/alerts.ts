import { hostname as machineName } from "node:os";
import { type AlertFacts, CONSUMER_LAG_RECORDS, type DownHost, QUOTA_SHARE_MIN } from "../alerts/facts.ts";
import { AlertsFile } from "../alerts/store.ts";
import { AlertWatch } from "../alerts/watch.ts";
import type { Config } from "../config/settings.ts";
import type { Health } from "../control/health.ts";
import type { HostManager } from "../hosts/manager.ts";
import { INDEX_MARK } from "../index/mark.ts";
import { Marks } from "../log/marks.ts";
import { LogPosition } from "../log/position.ts";
import type { Quota } from "../policy/quota.ts";
import { systemTiming } from "../runtime/timing.ts";
import type { Counts } from "./counts.ts";
import { Failures } from "./failures.ts";
import type { SharedMemory } from "./shared-memory.ts";
import type { IngestThread } from "./threads.ts";

export interface AlertParts {
	config: Config;
	shared: SharedMemory;
	counts: Counts;
	health: Health;
	hosts: HostManager;
	quota: Quota;
	ingest: readonly IngestThread[];
}

/** Begins to watch the relay, if there is a webhook to tell; else null. To be called once it serves. */
export async function startAlerts(parts: AlertParts): Promise<AlertWatch | null> {
	const { config, counts } = parts;
	if (config.alertWebhooks.length === 0) return null;
	return AlertWatch.start({
		facts: factsOf(parts),
		file: new AlertsFile(config.persistDir),
		webhooks: config.alertWebhooks,
		repeatMs: config.alertRepeatMs,
		source: machineName(),
		counters: counts.own,
		timing: systemTiming,
		date: Date.now,
	});
}

/** All but the rejections of hosts stands in shared memory or in this thread. */
function factsOf({ config, shared, counts, health, hosts, quota, ingest }: AlertParts): () => Promise<AlertFacts> {
	const { totals } = counts;
	const position = new LogPosition(shared.log.position);
	const applied = new Marks(shared.log.marks).mark(INDEX_MARK.name);
	const startedAtMs = Date.now();
	const failures = new Failures({ hosts, ingest, sinceMs: startedAtMs });
	return async () => {
		const rejectedOf = await failures.rejectedOf();
		const freeBytes = totals.count("log_disk_free_bytes");
		return {
			downHosts: hosts.hosts().flatMap(downHost),
			quotas: quota.nearLimit(QUOTA_SHARE_MIN),
			logGaps: totals.count("log_gaps_total"),
			// A disk that is quite full stalls the log, which is an alert of its own.
			diskFreeBytes: freeBytes === 0 ? null : freeBytes,
			diskReserveBytes: config.diskReserveBytes,
			logStall: health.log,
			indexStall: health.index,
			indexLagRecords: Math.max(0, position.snapshot().lastLsn - (applied.lsn ?? 0)),
			consumersBehind: totals.countOf("consumers_behind", String(CONSUMER_LAG_RECORDS)),
			rejected: totals.count("messages_rejected_total"),
			rejectedOf,
			startedAtMs,
		};
	};
}

function downHost({
	hostname,
	status,
	detail,
	driver,
	connection,
}: ReturnType<HostManager["hosts"]>[number]): DownHost[] {
	if (status === "banned" || driver.state.phase === "connected") return [];
	const { firstSeenMs, connectedAtMs, disconnectedAtMs, lastEventMs } = connection;
	const sinceMs = Math.max(firstSeenMs ?? 0, connectedAtMs ?? 0, disconnectedAtMs ?? 0, lastEventMs ?? 0);
	return [{ hostname, sinceMs, why: detail }];
}
