import type { EventLimits } from "../../src/config/setting.ts";
import { HostManager, type HostManagerOptions, RECORD_DELAY_MS } from "../../src/hosts/manager.ts";
import type { HostCommand, HostDelays } from "../../src/hosts/messages.ts";
import type { Host, IndexReader } from "../../src/index/store.ts";
import type { CursorsFacts, HostFacts } from "../../src/log/record/control.ts";
import { type HostConnection, NEVER_CONNECTED } from "../../src/log/record/host-connection.ts";
import { Counters } from "../../src/observe/counters.ts";
import type { HostStatus } from "../../src/protocol/host-status.ts";
import { Rng } from "../../src/sim/rng.ts";
import { FakeTiming } from "../sim/fake-timing.ts";

export const WORKERS = 3;
export const START_MS = 1_700_000_000_000;
export const ADMIN = { admin: true, ip: "192.0.2.1" };
export const PUBLIC = { admin: false, ip: "192.0.2.2" };

/** A stranger with an address of its own. */
export const stranger = (number: number) => ({ admin: false, ip: `198.51.100.${number}` });

export function row(
	id: number,
	hostname: string,
	status: HostStatus = "active",
	known: Partial<HostConnection> = {},
): Host {
	return {
		id,
		hostname,
		insecure: false,
		status,
		cursor: id * 10,
		gaps: 0,
		lastGap: null,
		connection: { ...NEVER_CONNECTED, ...known },
		accountCount: 0,
	};
}

/** A manager, with everything that it does to the outside recorded. */
export class Bench {
	readonly rows: Host[] = [];
	readonly commands: { worker: number; command: HostCommand }[] = [];
	readonly appended: HostFacts[] = [];
	readonly appendedCursors: CursorsFacts["cursors"] = [];
	readonly probed: string[] = [];
	readonly counters = new Counters();
	probe: HostManagerOptions["probe"] = async () => {};
	/** What the workers say of delays. */
	delays: HostDelays[] = [];
	/** By hostname. */
	readonly limits = new Map<string, EventLimits>();
	readonly timing = new FakeTiming();
	readonly rng = new Rng("host manager");
	/** The greatest id that the log has named. */
	hostIdMax = 0;

	manager(settings: Partial<HostManagerOptions> = {}): HostManager {
		const reader: Partial<IndexReader> = {
			hosts: async (afterId, limit) => this.rows.filter(({ id }) => id > afterId).slice(0, limit),
			hostByName: async (hostname) => this.rows.find((host) => host.hostname === hostname) ?? null,
			hostIdMax: async () => Math.max(this.hostIdMax, ...this.rows.map(({ id }) => id)),
		};
		return new HostManager({
			reader: reader as IndexReader,
			workers: WORKERS,
			command: (worker, command) => this.commands.push({ worker, command }),
			delays: async () => this.delays,
			limitsOf: (hostname) => this.limits.get(hostname) ?? null,
			append: async (facts) => {
				this.appended.push(facts);
			},
			appendCursors: async ({ cursors }) => {
				this.appendedCursors.push(...cursors);
			},
			isLogNew: false,
			probe: (host, allowInsecure) => {
				this.probed.push(host.hostname);
				return this.probe(host, allowInsecure);
			},
			timing: this.timing,
			date: () => new Date(START_MS),
			random: () => this.rng.float(),
			counters: this.counters,
			allowInsecureHosts: false,
			settings: SETTINGS,
			banOf: () => null,
			...settings,
		});
	}

	/** Ids of the hosts that workers were told to dial, in order. */
	dialled(): number[] {
		return this.commands.flatMap(({ command }) => (command.type === "dial" ? [command.host.id] : []));
	}

	/** What a worker reports of the host's last attempt. */
	attempt(id: number): { hostId: number; attempt: number } {
		const dials = this.commands.flatMap(({ command }) => (command.type === "dial" ? [command] : []));
		return { hostId: id, attempt: dials.findLast(({ host }) => host.id === id)?.attempt ?? 0 };
	}

	/** Lets what is new be written to the log. */
	flush(): void {
		this.timing.pass(RECORD_DELAY_MS);
	}
}

export const SETTINGS = { disableRequestCrawl: false, newHostsPerDayMax: 50 };
