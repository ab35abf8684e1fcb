import type { DashboardControl } from "../control/dashboard.ts";
import type { LastRejection } from "../control/why.ts";
import type { Served } from "../runtime/requests.ts";
import { ConsumerTable, type ConsumerTableOptions } from "./consumer-table.ts";
import { HostTable, type HostTableOptions } from "./host-table.ts";
import { kept } from "./kept.ts";

/** Rejections that are asked for: the most that a page shows. */
export const REJECTIONS_MAX = 50;
const REJECTIONS_KEPT_MS = 2_000;

export interface DashboardTablesOptions {
	hosts: Omit<HostTableOptions, "nowMs">;
	consumers: Omit<ConsumerTableOptions, "nowMs">;
	/** Up to so many of the latest rejections, the latest first. */
	rejections(limit: number): Promise<LastRejection[]>;
	/** Monotonic milliseconds. */
	nowMs(): number;
}

/** The dashboard's tables. What other threads know of them is asked at most once in some seconds, and only while somebody looks. */
export function createTables({ hosts, consumers, rejections, nowMs }: DashboardTablesOptions): Served<Tables> {
	const hostTable = new HostTable({ ...hosts, nowMs });
	const consumerTable = new ConsumerTable({ ...consumers, nowMs });
	const latest = kept(REJECTIONS_KEPT_MS, nowMs, () => rejections(REJECTIONS_MAX));
	return {
		hostTable: async (query, by) => ({ ok: true, page: await hostTable.page(query, by.admin) }),
		consumerTable: async (query, by) => ({ ok: true, page: await consumerTable.page(query, by.admin) }),
		recentRejections: async (limit) => ({ ok: true, rejections: (await latest()).slice(0, limit) }),
	};
}

export type Tables = Pick<DashboardControl, "hostTable" | "consumerTable" | "recentRejections">;
