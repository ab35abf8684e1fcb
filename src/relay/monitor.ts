import type { Config } from "../config/settings.ts";
import type { Health } from "../control/health.ts";
import type { DescriptorBudget } from "../descriptors/budget.ts";
import { countDescriptors } from "../descriptors/guard.ts";
import type { ManagedHost } from "../hosts/managed-host.ts";
import type { HostManager } from "../hosts/manager.ts";
import { HostTallies } from "../hosts/tallies.ts";
import { INDEX_MARK } from "../index/mark.ts";
import { Marks } from "../log/marks.ts";
import { LogPosition } from "../log/position.ts";
import { BusiestHosts, type HostTallyOf } from "../monitor/busiest-hosts.ts";
import type { LimitFigures, RingFigures } from "../monitor/figures.ts";
import { Monitor } from "../monitor/monitor.ts";
import type { Totals } from "../observe/totals.ts";
import type { HostStatus } from "../protocol/host-status.ts";
import { ringFill } from "../runtime/ring.ts";
import { VERSION } from "../version.ts";
import type { SharedMemory } from "./shared-memory.ts";
import { statesOf, type Threads } from "./threads.ts";

export interface MonitorParts {
	config: Config;
	shared: SharedMemory;
	totals: Totals;
	health: Health;
	threads: Threads;
	budget: DescriptorBudget | null;
	/** Undefined until the host manager exists. */
	hosts: () => HostManager | undefined;
}

/** Makes the monitor of the control thread. All that it reads is in shared memory or in this thread. */
export function createMonitor({ config, shared, totals, health, threads, budget, hosts }: MonitorParts): Monitor {
	const position = new LogPosition(shared.log.position);
	const marks = new Marks(shared.log.marks);
	const applied = marks.mark(INDEX_MARK.name);
	const tallies = new HostTallies(shared.hostTallies);
	const busiest = new BusiestHosts(() => ({ hosts: talliesOf(tallies, hosts()), rest: tallies.readRest() }), Date.now);
	return new Monitor({
		busiest: () => busiest.series(),
		position: () => {
			const { firstSeq, lastSeq, lastLsn } = position.snapshot();
			return { firstSeq, lastSeq, lastLsn, appliedLsn: applied.lsn ?? 0 };
		},
		readers: () => {
			const { lastLsn } = position.snapshot();
			return marks.all.map(({ name, lsn }) => ({ name, lagRecords: Math.max(0, lastLsn - (lsn ?? 0)) }));
		},
		rings: () => ringsOf(shared),
		openFiles: () => ({ open: countDescriptors(), max: budget?.limit ?? 0 }),
		hosts: () => hosts()?.hosts().map(stateOf) ?? [],
		threads: () => statesOf(threads),
		limits: limitsOf(config, budget),
		build: () => ({
			version: VERSION,
			engine: engineOf(totals),
			bun: Bun.version,
			platform: `${process.platform}-${process.arch}`,
		}),
		isReady: () => health.fault() === null,
		nowMs: () => performance.now(),
		dateMs: Date.now,
	});
}

/** A host that was never connected has been down since the relay first heard of it. */
function stateOf({ status, driver }: Readonly<ManagedHost>): { status: HostStatus; downSinceMs: number | null } {
	const { phase, disconnectedAtMs, firstSeenMs } = driver.state;
	return { status, downSinceMs: phase === "connected" ? null : (disconnectedAtMs ?? firstSeenMs ?? 0) };
}

/** The tallies of all hosts that have one of their own. */
function* talliesOf(tallies: HostTallies, manager: HostManager | undefined): Generator<HostTallyOf> {
	for (const { id, hostname } of manager?.hosts() ?? []) {
		const figures = tallies.read(id);
		if (figures !== null) yield { hostname, ...figures };
	}
}

/** The number of rings between ingest workers grows with the square of these, so they are one figure. */
function ringsOf({ producers, peers }: SharedMemory): RingFigures[] {
	const toSequencer = producers.map(({ ring }, at) => ({
		name: at === 0 ? "control" : `ingest ${at - 1}`,
		...ringFill(ring),
	}));
	const between = { name: "between ingest threads", usedBytes: 0, capacityBytes: 0 };
	for (const [from, rings] of peers.entries()) {
		for (const [to, ring] of rings.entries()) {
			if (from === to) continue;
			const { usedBytes, capacityBytes } = ringFill(ring);
			between.usedBytes += usedBytes;
			between.capacityBytes += capacityBytes;
		}
	}
	return [...toSequencer, between];
}

function limitsOf(config: Config, budget: DescriptorBudget | null): LimitFigures {
	return {
		inflightBytes: config.ingestWorkers * config.ingestBufferBytes,
		consumers: budget?.consumersMax ?? config.consumersMax,
		diskReserveBytes: config.diskReserveBytes,
		replayBytes: config.replayBytesMax,
		replayWindowSeconds: config.replayWindowMs / 1000,
	};
}

/** Which engine the ingest workers use. They declare these metrics, so a relay that is starting has none yet. */
function engineOf(totals: Totals): string {
	const used = (["native", "portable"] as const).filter((engine) => {
		const name = `engines_${engine}`;
		return totals.has(name) && totals.count(name) > 0;
	});
	if (used.length > 1) return "mixed";
	return used[0] ?? "none";
}
