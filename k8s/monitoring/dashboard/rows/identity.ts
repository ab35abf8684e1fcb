import { NoUnit, PercentUnit, RequestsPerSecond, Seconds } from "@grafana/grafana-foundation-sdk/units";
import { chart } from "../panel.ts";
import { quantile, rate, series, sum } from "../query.ts";
import type { Row } from "../row.ts";

export const identity: Row = {
	title: "Are identities resolved?",
	panels: [
		chart({
			title: "Answers to lookups",
			description: "If most are unavailable, the PLC directory or the way to it is down.",
			unit: RequestsPerSecond,
			queries: [{ expr: rate("standpipe_identity_answers_total", "outcome"), legend: "{{outcome}}" }],
		}),
		chart({
			title: "How long a lookup takes",
			description: "p99. plc: the directory. web: the did:web hosts.",
			unit: Seconds,
			queries: [{ expr: quantile(0.99, "standpipe_identity_lookup_seconds", "method"), legend: "{{method}}" }],
		}),
		chart({
			title: "Identities found in memory",
			description: "If it stays below 0.9 long after a start, raise RELAY_IDENT_CACHE_SIZE.",
			unit: PercentUnit,
			queries: [
				{
					expr: `sum(rate(${series("standpipe_identity_cache_uses_total", 'result="hit"')}[$__rate_interval])) / ${rate("standpipe_identity_cache_uses_total")}`,
					legend: "found",
				},
			],
		}),
		chart({
			title: "Identities in memory",
			description: "Evictions cost lookups.",
			unit: NoUnit,
			queries: [
				{ expr: sum("standpipe_identity_cache_entries"), legend: "identities" },
				{ expr: sum("standpipe_identity_cache_limit_entries"), legend: "limit" },
			],
		}),
		chart({
			title: "Messages that wait",
			description: "For their DID's identity or account.",
			unit: NoUnit,
			queries: [{ expr: sum("standpipe_parked_messages"), legend: "messages" }],
		}),
		chart({
			title: "Age of the PLC mirror",
			description: "Above RELAY_PLC_MIRROR_MAX_LAG the directory is asked instead. Empty without a mirror.",
			unit: Seconds,
			queries: [{ expr: `max(${series("standpipe_plc_mirror_lag_seconds")})`, legend: "mirror" }],
		}),
	],
};
