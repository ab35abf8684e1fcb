import type { Config } from "../config/settings.ts";
import type { Health } from "../control/health.ts";
import type { DescriptorBudget } from "../descriptors/budget.ts";
import { countDescriptors } from "../descriptors/guard.ts";
import type { HostManager } from "../hosts/manager.ts";
import { createEdge, withUrl } from "../http/edge.ts";
import { createInternalApp } from "../http/internal.ts";
import { INDEX_MARK } from "../index/mark.ts";
import { Marks } from "../log/marks.ts";
import { LogPosition } from "../log/position.ts";
import { startListening } from "../runtime/start-error.ts";
import type { Counts } from "./counts.ts";
import { noteReads } from "./health.ts";
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
	const position = new LogPosition(shared.log.position);
	const applied = new Marks(shared.log.marks).mark(INDEX_MARK.name);
	const app = createInternalApp({
		totals,
		counters,
		log: () => {
			const { firstSeq, lastSeq, lastLsn } = position.snapshot();
			return { firstSeq, lastSeq, lastLsn, appliedLsn: applied.lsn ?? 0 };
		},
		threads: () => statesOf(threads),
		delayed: async () => (await hosts()?.delayedHosts(null))?.hosts ?? [],
		health,
		refreshHealth: () => noteReads(health, totals),
		openFiles: () => ({ open: countDescriptors(), max: budget?.limit ?? 0 }),
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
