import { BytesIEC, BytesPerSecondIEC, MessagesPerSecond } from "@grafana/grafana-foundation-sdk/units";
import { chart } from "../panel.ts";
import { rate, sum } from "../query.ts";
import type { Row } from "../row.ts";

export const messages: Row = {
	title: "Do messages pass?",
	panels: [
		chart({
			title: "Messages in",
			description:
				"What hosts send is verified, handed to the log and gets its seq. What hosts had sent before is dropped as replayed.",
			unit: MessagesPerSecond,
			queries: [
				{ expr: rate("standpipe_frames_received_total"), legend: "received" },
				{ expr: rate("standpipe_messages_verified_total"), legend: "verified" },
				{ expr: rate("standpipe_messages_accepted_total"), legend: "accepted" },
				{ expr: rate("standpipe_messages_sequenced_total"), legend: "sequenced" },
				{ expr: rate("standpipe_messages_replayed_total"), legend: "replayed" },
				{ expr: rate("standpipe_messages_rejected_total"), legend: "rejected" },
			],
		}),
		chart({
			title: "Bytes in and out",
			description: "Compare both with what the line can carry.",
			unit: BytesPerSecondIEC,
			queries: [
				{ expr: rate("standpipe_bytes_received_total"), legend: "from hosts" },
				{ expr: rate("standpipe_bytes_sent_total"), legend: "to consumers" },
			],
		}),
		chart({
			title: "In flight",
			description:
				"Bytes that are received, and neither durable nor rejected yet. At the limit hosts are paused: then look at the processor, the disk and the PLC directory.",
			unit: BytesIEC,
			queries: [
				{ expr: sum("standpipe_inflight_bytes"), legend: "in flight" },
				{ expr: sum("standpipe_inflight_limit_bytes"), legend: "limit" },
				{ expr: sum("standpipe_delayed_bytes"), legend: "delayed by limits of hosts" },
			],
		}),
	],
};
