import { CountsPerSecond, MessagesPerSecond, NoUnit, Seconds } from "@grafana/grafana-foundation-sdk/units";
import { chart } from "../panel.ts";
import { rate, series, sum } from "../query.ts";
import type { Row } from "../row.ts";

export const hosts: Row = {
	title: "How are the hosts?",
	panels: [
		chart({
			title: "Hosts, by status",
			description: "If offline jumps, look at your own network first.",
			unit: NoUnit,
			queries: [
				{ expr: sum("standpipe_hosts", "status"), legend: "{{status}}" },
				{ expr: sum("standpipe_hosts_offline_day"), legend: "offline for a day" },
			],
		}),
		chart({
			title: "Busiest hosts",
			description: "The ten that send most. `other` is all beyond the busiest hundred.",
			unit: MessagesPerSecond,
			queries: [{ expr: `topk(10, ${rate("standpipe_host_events_total", "host")})`, legend: "{{host}}" }],
		}),
		chart({
			title: "Connections ended, by reason",
			description: "With attempts to connect that failed.",
			unit: CountsPerSecond,
			queries: [
				{ expr: `${rate("standpipe_host_ends_total", "fault")} > 0`, legend: "{{fault}}" },
				{ expr: rate("standpipe_host_connects_total"), legend: "connected" },
			],
		}),
		chart({
			title: "Hosts to be dialled",
			description: "It falls to 0 after a start.",
			unit: NoUnit,
			queries: [
				{ expr: sum("standpipe_hosts_queued"), legend: "queued" },
				{ expr: sum("standpipe_hosts_dialling"), legend: "dialling" },
			],
		}),
		chart({
			title: "Delayed by limits of hosts",
			description: "How long messages of a host have been waiting. If you want the host, raise its event limits.",
			unit: Seconds,
			queries: [
				{
					expr: `topk(10, max by (host) (${series("standpipe_host_delay_seconds")}) > 0)`,
					legend: "{{host}}",
				},
			],
		}),
		chart({
			title: "Accounts that wait",
			description: "Waiting: for a place in their host's account limit. Left out: asked for again later.",
			unit: NoUnit,
			queries: [
				{ expr: sum("standpipe_accounts_waiting"), legend: "waiting" },
				{ expr: sum("standpipe_accounts_left_out"), legend: "left out" },
			],
		}),
	],
};
