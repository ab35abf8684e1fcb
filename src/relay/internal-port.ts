import type { Config } from "../config/settings.ts";
import type { Health } from "../control/health.ts";
import type { DescriptorBudget } from "../descriptors/budget.ts";
import type { HostManager } from "../hosts/manager.ts";
import { createEdge, withUrl } from "../http/edge.ts";
import { createInternalApp } from "../http/internal.ts";
import { startListening } from "../runtime/start-error.ts";
import type { Counts } from "./counts.ts";
import { noteReads } from "./health.ts";
import { createMonitor } from "./monitor.ts";
import type { SharedMemory } from "./shared-memory.ts";
import { statesOf, type Threads } from "./threads.ts";

/** Serves health and metrics on the control thread, so that a busy data path can't fail a probe. */
export function serveInternal(
	config: Config,
	shared: SharedMemory,
	{ own: counters, totals }: Counts,
	health: Health,
	threads: Threads,
	budget: DescriptorBudget | null,
	hosts: () => HostManager | undefined,
): Promise<Bun.Server<undefined>> {
	const monitor = createMonitor({ config, shared, totals, health, threads, budget, hosts });
	const app = createInternalApp({
		totals,
		counters,
		figures: () => monitor.figures(),
		threads: () => statesOf(threads),
		delayed: async () => (await hosts()?.delayedHosts(null))?.hosts ?? [],
		health,
		refreshHealth: () => noteReads(health, totals),
	});
	const { metricsListen } = config;
	return startListening("metricsListen", metricsListen, (hostname) =>
		Bun.serve({
			hostname,
			port: metricsListen.port,
			...createEdge<undefined, Response>((request, url) => app.fetch(withUrl(request, url)), counters),
		}),
	);
}
