import type { Config } from "../config/settings.ts";
import { HostLog } from "../hosts/host-log.ts";
import { HostManager } from "../hosts/manager.ts";
import type { HostCommand, HostDelays } from "../hosts/messages.ts";
import { probeHost } from "../hosts/probe.ts";
import { Bootstrap } from "../hosts/sources/bootstrap.ts";
import { SourceError } from "../hosts/sources/source.ts";
import type { IndexReader } from "../index/store.ts";
import type { Handover } from "../log/handover.ts";
import { LogPosition } from "../log/position.ts";
import type { Counters } from "../observe/counters.ts";
import { systemTiming } from "../runtime/timing.ts";
import { USER_AGENT } from "../version.ts";
import { hostRules, type Policy } from "./policy.ts";
import type { SharedMemory } from "./shared-memory.ts";

/** How the host manager reaches the ingest workers. */
export interface IngestAccess {
	command(worker: number, command: HostCommand): void;
	delays(hostId: number | null): Promise<HostDelays[]>;
}

/**
 * To be called once the log is open. Makes the host manager of the control thread.
 * @param handover of the control thread
 */
export function createHostManager(
	config: Config,
	shared: SharedMemory,
	counters: Counters,
	reader: IndexReader,
	handover: Handover,
	policy: Policy,
	{ command, delays }: IngestAccess,
): HostManager {
	const hostLog = new HostLog(handover, systemTiming);
	const { firstLsn, lastLsn } = new LogPosition(shared.log.position).snapshot();
	const hosts: HostManager = new HostManager({
		reader,
		workers: config.ingestWorkers,
		command,
		delays,
		...hostRules(config, policy, { goodDaysOf: (hostname) => hosts.goodDaysOf(hostname) }),
		append: (facts) => hostLog.append(facts),
		appendCursors: (facts) => hostLog.appendCursors(facts),
		isLogNew: lastLsn < firstLsn,
		probe: (host, allowInsecure) => probeHost(host, { guard: { allowInsecure }, userAgent: USER_AGENT }),
		timing: systemTiming,
		date: () => new Date(),
		random: Math.random,
		counters,
		allowInsecureHosts: config.allowInsecureHosts,
		settings: policy.settings,
	});
	return hosts;
}

/** Begins to pull the hosts of other relays, if there are any to pull from. */
export function startBootstrap(config: Config, hosts: HostManager, counters: Counters): Bootstrap {
	const bootstrap = new Bootstrap({
		relays: config.bootstrap,
		intervalMs: config.bootstrapIntervalMs,
		userAgent: USER_AGENT,
		async add(hostnames) {
			const result = await hosts.addListed(hostnames);
			if (!result.ok) throw new SourceError(result.message);
			return result.hosts;
		},
		counters,
		random: Math.random,
	});
	bootstrap.start();
	return bootstrap;
}
