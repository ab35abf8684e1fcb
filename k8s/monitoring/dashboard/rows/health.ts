import { DurationSeconds, MessagesPerSecond, NoUnit } from "@grafana/grafana-foundation-sdk/units";
import { stat } from "../panel.ts";
import { rate, series, sum } from "../query.ts";
import type { Row } from "../row.ts";

const PROCESS = 'job="standpipe"';

export const health: Row = {
	title: "Is it well?",
	panels: [
		stat(
			{
				title: "Ready",
				description: "If it is not, /_readyz says why.",
				unit: NoUnit,
				queries: [{ expr: `min(${series("standpipe_ready")})`, legend: "ready" }],
			},
			{ greenFrom: 1, words: { 0: "no", 1: "yes" } },
		),
		stat(
			{
				title: "Alerts that fire",
				description: "Each alert has a runbook in its annotation.",
				unit: NoUnit,
				queries: [
					{
						expr: 'sum by (alertname) (ALERTS{alertname=~"Standpipe.+",alertstate="firing"})',
						legend: "{{alertname}}",
					},
				],
			},
			{ redFrom: 1, isName: true },
		),
		stat(
			{
				title: "Log and index can't be written",
				description: "Hosts are paused while the log can't be written. While the index can't, it falls behind.",
				unit: NoUnit,
				queries: [
					{ expr: sum("standpipe_log_stalled"), legend: "log" },
					{ expr: sum("standpipe_index_stalled"), legend: "index" },
				],
			},
			{ redFrom: 1, words: { 0: "no", 1: "yes" } },
		),
		stat({
			title: "Runs since",
			description: "The relay that started last.",
			unit: DurationSeconds,
			queries: [{ expr: `min(time() - ${series("process_start_time_seconds", PROCESS)})`, legend: "since" }],
		}),
		stat({
			title: "Messages",
			description: "That got their seq.",
			unit: MessagesPerSecond,
			queries: [{ expr: rate("standpipe_messages_sequenced_total"), legend: "messages" }],
		}),
		stat({
			title: "Hosts connected",
			description: "How many of all that are known.",
			unit: NoUnit,
			queries: [{ expr: sum("standpipe_hosts_connected"), legend: "hosts" }],
		}),
		stat({
			title: "Consumers",
			description: "Connected now.",
			unit: NoUnit,
			queries: [{ expr: sum("standpipe_consumers_connected"), legend: "consumers" }],
		}),
		stat(
			{
				title: "Version and engine",
				description: "The portable engine takes ten times the processor of the native one.",
				unit: NoUnit,
				queries: [{ expr: sum("standpipe_build_info", "version, engine"), legend: "{{version}} {{engine}}" }],
			},
			{ isName: true },
		),
	],
};
