import {
	CountsPerSecond,
	MessagesPerSecond,
	NoUnit,
	OpsPerSecond,
	RequestsPerSecond,
} from "@grafana/grafana-foundation-sdk/units";
import { chart } from "../panel.ts";
import { rate, sum } from "../query.ts";
import type { Row } from "../row.ts";

export const consumers: Row = {
	title: "How are the consumers?",
	panels: [
		chart({
			title: "Consumers and their limit",
			description: "Near the limit, raise RELAY_MAX_CONSUMERS.",
			unit: NoUnit,
			queries: [
				{ expr: sum("standpipe_consumers_connected"), legend: "connected" },
				{ expr: sum("standpipe_consumers_limit"), legend: "limit" },
			],
		}),
		chart({
			title: "Consumers that are behind",
			description: "How many have at least so many records still to get. Those that replay are behind for a while.",
			unit: NoUnit,
			queries: [{ expr: sum("standpipe_consumers_behind", "records"), legend: "{{records}} records" }],
		}),
		chart({
			title: "Frames out",
			description: "Of all consumers together.",
			unit: MessagesPerSecond,
			queries: [{ expr: rate("standpipe_frames_sent_total"), legend: "sent" }],
		}),
		chart({
			title: "Consumers dropped and refused",
			description: "Too slow: your network out is full, or they are. Dead: look at a proxy's timeouts.",
			unit: CountsPerSecond,
			queries: [
				{ expr: rate("standpipe_consumers_too_slow_total"), legend: "too slow" },
				{ expr: rate("standpipe_consumers_dead_total"), legend: "dead" },
				{ expr: rate("standpipe_consumers_noisy_total"), legend: "noisy" },
				{ expr: rate("standpipe_consumers_refused_total"), legend: "refused" },
				{ expr: rate("standpipe_log_read_failures_total"), legend: "log can't be read" },
			],
		}),
		chart({
			title: "Pauses and evictions",
			description: "Many batches are evicted if consumers read old parts of the log at once.",
			unit: OpsPerSecond,
			queries: [
				{ expr: rate("standpipe_consumers_slow_total"), legend: "socket full" },
				{ expr: rate("standpipe_batches_evicted_total"), legend: "batches evicted" },
			],
		}),
		chart({
			title: "Requests refused and failed",
			description: "If wanted clients are limited, raise RELAY_MAX_READS_PER_IP. Failed: look in the log lines.",
			unit: RequestsPerSecond,
			queries: [
				{ expr: rate("standpipe_http_rate_limited_total"), legend: "limited" },
				{ expr: rate("standpipe_http_failures_total"), legend: "failed" },
				{ expr: rate("standpipe_crawls_limited_total"), legend: "requestCrawl limited" },
				{ expr: rate("standpipe_admin_wrong_passwords_total"), legend: "wrong passwords" },
			],
		}),
	],
};
