import type { ConsumerReport } from "../control/consumers.ts";
import type { ConsumerRow, ConsumerSort, PageQuery, TablePage } from "../control/dashboard.ts";
import { kept } from "./kept.ts";
import { pageOf, type SortValue } from "./table.ts";

/** The fan-out threads are asked for their consumers at most once in this time. */
const CONSUMERS_KEPT_MS = 2_000;
/** Consumers in the table: the ones that have been connected longest, if there are more. */
export const CONSUMERS_SHOWN_MAX = 2_000;

export interface ConsumerTableOptions {
	/** Up to so many consumers, by id. */
	list(limit: number): Promise<readonly ConsumerReport[]>;
	/** Monotonic milliseconds. */
	nowMs(): number;
}

/** The consumers as a table that is sorted and given out by pages. */
export class ConsumerTable {
	readonly #list: () => Promise<readonly ConsumerReport[]>;

	constructor({ list, nowMs }: ConsumerTableOptions) {
		this.#list = kept(CONSUMERS_KEPT_MS, nowMs, () => list(CONSUMERS_SHOWN_MAX));
	}

	/** @param forOperator whether rows may say who the consumers are */
	async page(query: PageQuery<ConsumerSort>, forOperator: boolean): Promise<TablePage<ConsumerRow>> {
		const consumers = await this.#list();
		const { rows, ...counts } = pageOf(consumers, consumers.length, query, sortValue, ({ id }) => id);
		return { rows: forOperator ? rows : rows.map(anonymous), ...counts };
	}
}

function anonymous(report: ConsumerReport): ConsumerRow {
	return { ...report, ip: null, userAgent: null };
}

function sortValue(row: ConsumerReport, sort: ConsumerSort): SortValue {
	switch (sort) {
		case "connected":
			return row.connectedAtMs;
		case "lag":
			return row.lag;
		case "rate":
			return row.framesPerS;
		case "sent":
			return row.bytesSent;
	}
}
