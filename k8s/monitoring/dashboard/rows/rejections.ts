import { MessagesPerSecond, OpsPerSecond, PercentUnit } from "@grafana/grafana-foundation-sdk/units";
import { chart } from "../panel.ts";
import { rate } from "../query.ts";
import type { Row } from "../row.ts";

export const rejections: Row = {
	title: "What is dropped, and whose is it?",
	panels: [
		chart({
			title: "Rejected, by reason",
			description: "docs/reasons.md says what each reason means and whose fault it is.",
			unit: MessagesPerSecond,
			queries: [{ expr: `${rate("standpipe_messages_rejected_total", "reason")} > 0`, legend: "{{reason}}" }],
		}),
		chart({
			title: "Rejected, by host",
			description:
				"The ten hosts of which most is rejected. /admin/pds/failures?host=… has the reasons and an example.",
			unit: MessagesPerSecond,
			queries: [{ expr: `topk(10, ${rate("standpipe_host_rejected_total", "host")} > 0)`, legend: "{{host}}" }],
		}),
		chart({
			title: "Passed leniently, by reason",
			description: "Messages that only the strict rules would have dropped.",
			unit: MessagesPerSecond,
			queries: [{ expr: `${rate("standpipe_messages_lenient_total", "reason")} > 0`, legend: "{{reason}}" }],
		}),
		chart({
			title: "Share that is rejected",
			description:
				"Of all messages received. An alert fires if it is above 2 % and three times as much as within the last day.",
			unit: PercentUnit,
			queries: [
				{
					expr: `${rate("standpipe_messages_rejected_total")} / ${rate("standpipe_frames_received_total")}`,
					legend: "rejected",
				},
			],
		}),
		chart({
			title: "What may be missing",
			description: "Gaps in what hosts send and in the log, and commits that don't chain to the state before.",
			unit: OpsPerSecond,
			queries: [
				{ expr: rate("standpipe_host_gaps_total"), legend: "gaps of hosts" },
				{ expr: rate("standpipe_host_outdated_cursors_total"), legend: "outdated cursors" },
				{ expr: rate("standpipe_log_gaps_total"), legend: "gaps of the log" },
				{ expr: rate("standpipe_discontinuities_total"), legend: "discontinuities" },
			],
		}),
		chart({
			title: "Odd frames",
			description:
				"Ignored: of a kind that this release does not know. Rewritten: some consumers could not have read them.",
			unit: MessagesPerSecond,
			queries: [
				{ expr: rate("standpipe_frames_ignored_total"), legend: "ignored" },
				{ expr: rate("standpipe_frames_noncanonical_total"), legend: "rewritten" },
				{ expr: rate("standpipe_host_errors_total"), legend: "errors of hosts" },
				{ expr: rate("standpipe_engine_panics_total"), legend: "faults of the native engine" },
			],
		}),
	],
};
