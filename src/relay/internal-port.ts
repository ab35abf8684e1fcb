import type { Config } from "../config/settings.ts";
import type { Control } from "../control/api.ts";
import type { Health } from "../control/health.ts";
import type { Live } from "../dashboard/live.ts";
import type { DescriptorBudget } from "../descriptors/budget.ts";
import type { HostManager } from "../hosts/manager.ts";
import { createEdge, withUrl } from "../http/edge.ts";
import { createInternalApp } from "../http/internal.ts";
import type { Served } from "../runtime/requests.ts";
import { startListening } from "../runtime/start-error.ts";
import type { Counts } from "./counts.ts";
import { addAdmin, operatorDashboard, startLive } from "./dashboard.ts";
import { noteReads } from "./health.ts";
import { createMonitor } from "./monitor.ts";
import type { SharedMemory } from "./shared-memory.ts";
import { statesOf, type Threads } from "./threads.ts";

export interface InternalParts {
	config: Config;
	shared: SharedMemory;
	counts: Counts;
	health: Health;
	threads: Threads;
	budget: DescriptorBudget | null;
	adminPasswords: readonly string[];
}

/** What there is only later in the start. */
export interface LaterParts {
	hosts: () => HostManager | undefined;
	served: () => Served<Control> | undefined;
}

/** Serves health, metrics and the dashboard on the control thread, so that a busy data path can't fail a probe. */
export async function serveInternal(
	{ config, shared, counts, health, threads, budget, adminPasswords }: InternalParts,
	{ hosts, served }: LaterParts,
): Promise<{ internal: Bun.Server<undefined>; live: Live }> {
	const { own: counters, totals } = counts;
	const monitor = createMonitor({ config, shared, totals, health, threads, budget, hosts });
	const live = startLive(counts, health, monitor);
	const app = createInternalApp({
		totals,
		counters,
		figures: () => monitor.figures(),
		threads: () => statesOf(threads),
		delayed: async () => (await hosts()?.delayedHosts(null))?.hosts ?? [],
		health,
		refreshHealth: () => noteReads(health, totals),
	});
	const parts = { config, counts, live, served, reads: threads.reads, adminPasswords };
	addAdmin(app, parts);
	const dashboard = operatorDashboard(parts);
	const { metricsListen } = config;
	const internal = await startListening("metricsListen", metricsListen, (hostname) =>
		Bun.serve({
			hostname,
			port: metricsListen.port,
			...createEdge<undefined, Response>((request, url, server) => {
				const ip = server.requestIP(request)?.address ?? "unknown";
				const page = dashboard(url.pathname);
				if (page === null) return app.fetch(withUrl(request, url), { ip });
				return page.then((pages) => pages.fetch(withUrl(request, url), { ip }));
			}, counters),
		}),
	);
	return { internal, live };
}
