import { NoUnit, OpsPerSecond } from "@grafana/grafana-foundation-sdk/units";
import { chart } from "../panel.ts";
import { rate, sum } from "../query.ts";
import type { Row } from "../row.ts";

export const indexDatabase: Row = {
	title: "Does the index keep up? (SQLite or PostgreSQL)",
	panels: [
		chart({
			title: "Behind the log",
			description: "Records that are not applied yet. If it grows, the database is too slow.",
			unit: NoUnit,
			queries: [{ expr: sum("standpipe_log_reader_lag_records", "reader"), legend: "{{reader}}" }],
		}),
		chart({
			title: "Records",
			description: "Both are the same while the index keeps up.",
			unit: OpsPerSecond,
			queries: [
				{ expr: rate("standpipe_records_appended_total"), legend: "appended to the log" },
				{ expr: rate("standpipe_index_records_total"), legend: "applied to the index" },
			],
		}),
		chart({
			title: "Waits for the database",
			description: "/_readyz says why it can't be written. Threads that can't read it wait, and so do their messages.",
			unit: NoUnit,
			queries: [
				{ expr: sum("standpipe_index_stalled"), legend: "can't be written" },
				{ expr: sum("standpipe_index_reads_stalled"), legend: "threads that can't read" },
			],
		}),
		chart({
			title: "Accounts read from the index",
			description: "If misses stay near the rate of messages, the cache is too small for the network.",
			unit: OpsPerSecond,
			queries: [
				{ expr: rate("standpipe_account_cache_misses_total"), legend: "misses" },
				{ expr: rate("standpipe_account_evictions_total"), legend: "evictions" },
				{ expr: rate("standpipe_account_cache_overflows_total"), legend: "overflows" },
			],
		}),
		chart({
			title: "Accounts in memory",
			description: "When it is full, accounts of long ago are read from the index again.",
			unit: NoUnit,
			queries: [
				{ expr: sum("standpipe_account_cache_entries"), legend: "accounts" },
				{ expr: sum("standpipe_account_cache_limit_entries"), legend: "limit" },
			],
		}),
		chart({
			title: "Faults of the index",
			description:
				"Stalls: times that it could not be written or read for a while. Unknown hosts: a database was lost, or is an old copy. Marks lost: the log waits for it no longer.",
			unit: OpsPerSecond,
			queries: [
				{ expr: rate("standpipe_index_stalls_total"), legend: "stalls of writes" },
				{ expr: rate("standpipe_index_reads_stalls_total"), legend: "stalls of reads" },
				{ expr: rate("standpipe_index_unknown_host_records_total"), legend: "unknown hosts" },
				{ expr: rate("standpipe_log_marks_lost_total"), legend: "marks lost" },
			],
		}),
	],
};
