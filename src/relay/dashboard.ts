import type { Hono } from "hono";
import type { Config } from "../config/settings.ts";
import type { Control } from "../control/api.ts";
import { ownControl } from "../control/client.ts";
import type { Health } from "../control/health.ts";
import { Live } from "../dashboard/live.ts";
import { isDashboardPath } from "../dashboard/paths.ts";
import { type Reading, readingOf } from "../dashboard/reading.ts";
import { createTables, type Tables } from "../dashboard/tables.ts";
import { publicDetailOf } from "../hosts/host-view.ts";
import type { HostManager } from "../hosts/manager.ts";
import { createAdminApp } from "../http/admin.ts";
import type { ClientEnv } from "../http/base.ts";
import { forwardToSiblings } from "../http/siblings.ts";
import type { Monitor } from "../monitor/monitor.ts";
import type { Quota } from "../policy/quota.ts";
import { ReadRequests } from "../reads/requests.ts";
import type { Served } from "../runtime/requests.ts";
import { systemTiming } from "../runtime/timing.ts";
import type { Counts } from "./counts.ts";
import type { FanoutConsumers } from "./fanout-consumers.ts";
import { type IngestThread, latestRejectionsOf, type ReadsThread, usageOf } from "./threads.ts";

/** Begins to measure the relay for the dashboard. */
export function startLive({ totals }: Counts, health: Health, monitor: Pick<Monitor, "figures">): Live {
	// By a clock that never goes back.
	const nowMs = (): number => Math.round(performance.timeOrigin + performance.now());
	const read = (): Reading =>
		readingOf(totals, monitor.figures(), {
			atMs: nowMs(),
			fault: health.fault(["start"]),
			isServing: !health.isStarting,
		});
	return new Live(read, systemTiming);
}

export interface TableParts {
	hosts: HostManager;
	quota: Pick<Quota, "numbersOf">;
	consumers: Pick<FanoutConsumers, "list">;
	ingest: readonly IngestThread[];
}

/** The dashboard's tables, of what the control thread and the workers know. */
export function dashboardTables({ hosts, quota, consumers, ingest }: TableParts): Served<Tables> {
	return createTables({
		hosts: {
			hosts: () =>
				hosts.hosts().map((host) => ({
					id: host.id,
					hostname: host.hostname,
					status: host.status,
					nextAttemptMs: host.driver.state.nextAttemptMs,
					reason: (forOperator) => (forOperator ? host.detail : publicDetailOf(host.driver.state)),
				})),
			usage: () => usageOf(ingest, 0, Number.MAX_SAFE_INTEGER),
			delayed: async () => (await hosts.delayedHosts(null)).hosts,
			quotaOf: (hostname) => quota.numbersOf(hostname),
		},
		consumers: { list: async (limit) => (await consumers.list(0, limit)).consumers },
		rejections: (limit) => latestRejectionsOf(ingest, limit),
		nowMs: () => performance.now(),
	});
}

export interface OperatorParts {
	config: Config;
	counts: Counts;
	live: Live;
	/** Undefined until the control thread can do what others ask. */
	served: () => Served<Control> | undefined;
	reads: ReadsThread;
	adminPasswords: readonly string[];
}

/** Adds the admin API to the app of the internal port, so that the dashboard's page can call it. It asks for the password there too. */
export function addAdmin(
	app: Hono<ClientEnv>,
	{ config, counts: { own: counters }, served, adminPasswords: passwords }: OperatorParts,
): void {
	const forward = forwardToSiblings({ origins: config.siblingRelays, counters });
	app.route("/", createAdminApp({ passwords, control: ownControl(served), forward, counters }));
}

/**
 * The operator's dashboard. It also says how a start goes. Returns null for a path that is not its own. Its app is loaded when somebody looks
 * for the first time: most relays are looked at by Prometheus.
 */
export function operatorDashboard(parts: OperatorParts): (path: string) => Promise<Hono<ClientEnv>> | null {
	let app: Promise<Hono<ClientEnv>> | undefined;
	return (path) => {
		if (!isDashboardPath(path)) return null;
		app ??= loadDashboard(parts);
		return app;
	};
}

async function loadDashboard({
	counts: { own: counters },
	live,
	served,
	reads,
	adminPasswords,
}: OperatorParts): Promise<Hono<ClientEnv>> {
	const { createDashboardApp } = await import("../dashboard/app.ts");
	const control = ownControl(served);
	const requests = new ReadRequests(reads.requests);
	return createDashboardApp({
		audience: "operator",
		control: {
			liveText: async (sinceMs) => ({ ok: true, text: live.textSince(sinceMs) }),
			hostTable: control.hostTable,
			consumerTable: control.consumerTable,
			recentRejections: control.recentRejections,
			actions: control.actions,
		},
		why: (target, ip) => requests.read(target, ip),
		hasAdmin: adminPasswords.length > 0,
		counters,
	});
}
