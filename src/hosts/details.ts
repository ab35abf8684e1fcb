import type { EventLimits } from "../config/setting.ts";
import { type ControlResult, refusal } from "../control/api.ts";
import type { DelayedHost } from "../control/delays.ts";
import type { HostDetail, HostUsage } from "../control/host-details.ts";
import type { Host, IndexReader } from "../index/store.ts";
import type { HostPolicy } from "../log/record/policy-facts.ts";
import { HostnameError, parseHostname } from "../net/hostname.ts";
import type { Ban } from "../policy/policies.ts";
import type { ManagedHost } from "./managed-host.ts";
import type { HostManager } from "./manager.ts";

export interface HostDetailsOptions {
	manager: Pick<HostManager, "hosts" | "find" | "delayedHosts">;
	reader: Pick<IndexReader, "hosts">;
	/** What the workers have counted of hosts with an id above the first one, up to the last one. */
	usage(afterId: number, lastId: number): Promise<HostUsage[]>;
	policyOf(hostname: string): HostPolicy;
	banOf(hostname: string): Ban | null;
	/** How many accounts may have a place there; null for any number. */
	accountLimitOf(hostname: string): number | null;
	limitsOf(hostname: string): EventLimits | null;
}

const NOTHING_COUNTED = { messages: 0, used: { second: 0, hour: 0, day: 0 } } as const;

/** Says of hosts all that the relay knows, for the operator: of the machine, the index, the workers and the policies. */
export class HostDetails {
	readonly #options: HostDetailsOptions;

	constructor(options: HostDetailsOptions) {
		this.#options = options;
	}

	/** Up to `limit` hosts with id > `afterId`, by id. */
	async list(afterId: number, limit: number): Promise<{ ok: true; hosts: HostDetail[] }> {
		const { manager } = this.#options;
		const page = manager.hosts().filter(({ id }) => id > afterId);
		return { ok: true, hosts: await this.#details(page.sort((a, b) => a.id - b.id).slice(0, limit)) };
	}

	/** One host. Refused if it is not known. */
	async one(input: string): Promise<ControlResult<{ host: HostDetail; delays: DelayedHost | null }>> {
		const { manager } = this.#options;
		const hostname = nameOf(input);
		if (hostname === null) return refusal(400, "InvalidRequest", "`host` must be a hostname");
		const known = manager.find(hostname);
		const [host] = known === undefined ? [] : await this.#details([known]);
		if (host === undefined) return refusal(404, "HostNotFound", `host ${hostname} is not known`);
		const [delays = null] = (await manager.delayedHosts(hostname)).hosts;
		return { ok: true, host, delays };
	}

	/** @param hosts by id */
	async #details(hosts: readonly Readonly<ManagedHost>[]): Promise<HostDetail[]> {
		const afterId = (hosts[0]?.id ?? 0) - 1;
		const lastId = hosts.at(-1)?.id ?? afterId;
		if (hosts.length === 0) return [];
		const { reader, usage } = this.#options;
		const [rows, counted] = await Promise.all([reader.hosts(afterId, hosts.length), usage(afterId, lastId)]);
		const rowOf = new Map(rows.map((row) => [row.id, row]));
		const usageOf = new Map(counted.map(({ hostId, ...one }) => [hostId, one]));
		return hosts.map((host) => this.#detail(host, rowOf.get(host.id), usageOf.get(host.id)));
	}

	#detail(
		{ id, hostname, insecure, status, detail, driver, connection, gaps, lastGap }: Readonly<ManagedHost>,
		row: Host | undefined,
		usage: HostDetail["usage"] | undefined,
	): HostDetail {
		const { policyOf, banOf, accountLimitOf, limitsOf } = this.#options;
		const ban = banOf(hostname);
		return {
			...{ id, hostname, insecure, status, detail, phase: driver.state.phase, connection, gaps, lastGap },
			// The index may not know a new host yet.
			cursor: row?.cursor ?? null,
			accountCount: row?.accountCount ?? 0,
			accountLimit: accountLimitOf(hostname),
			limits: limitsOf(hostname),
			usage: usage ?? NOTHING_COUNTED,
			policy: policyOf(hostname),
			bannedBy: ban === null ? null : ban.by === "host" ? hostname : ban.domain,
		};
	}
}

/** The name of a host in its usual form; null if it is none. */
function nameOf(input: string): string | null {
	try {
		return parseHostname(input, { allowLocalhost: true, allowInsecure: true }).hostname;
	} catch (error) {
		if (error instanceof HostnameError) return null;
		throw error;
	}
}
