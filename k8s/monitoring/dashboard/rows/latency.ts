import { Seconds } from "@grafana/grafana-foundation-sdk/units";
import { chart, heatmap } from "../panel.ts";
import { quantile, series } from "../query.ts";
import type { Row } from "../row.ts";

const WHOLE = "standpipe_host_to_consumer_seconds";
const STAGES = ["intake", "admission", "log", "fanout"];

export const latency: Row = {
	title: "How long do messages take, and where?",
	panels: [
		chart({
			title: "From host to consumer",
			description:
				"From a host's socket to that of a live consumer. It is counted only while a live consumer is connected.",
			unit: Seconds,
			queries: [0.5, 0.95, 0.99].map((share) => ({ expr: quantile(share, WHOLE), legend: `p${share * 100}` })),
		}),
		heatmap({
			title: "From host to consumer, spread",
			description: "A second band above the usual one: some messages wait for something that others don't.",
			unit: Seconds,
			queries: [{ expr: `sum by (le) (increase(${series(`${WHOLE}_bucket`)}[$__rate_interval]))`, legend: "{{le}}" }],
		}),
		chart({
			title: "By stage, p99",
			description:
				"intake: host's socket to the thread of the DID. admission: until it is handed to the log. log: until it is published. fanout: until it is in a consumer's socket.",
			unit: Seconds,
			queries: STAGES.map((stage) => ({ expr: quantile(0.99, `standpipe_message_${stage}_seconds`), legend: stage })),
		}),
		chart({
			title: "By stage, p50",
			description: "The same for the message in the middle.",
			unit: Seconds,
			queries: STAGES.map((stage) => ({ expr: quantile(0.5, `standpipe_message_${stage}_seconds`), legend: stage })),
		}),
		chart({
			title: "Verification",
			description: "By engine. It is part of admission.",
			unit: Seconds,
			queries: [0.5, 0.99].map((share) => ({
				expr: quantile(share, "standpipe_verification_seconds", "engine"),
				legend: `{{engine}} p${share * 100}`,
			})),
		}),
		chart({
			title: "Sync of the log",
			description: "Each batch of messages waits for one. Above 0.1 s the disk is slow or shared.",
			unit: Seconds,
			queries: [0.5, 0.99].map((share) => ({
				expr: quantile(share, "standpipe_log_sync_seconds"),
				legend: `p${share * 100}`,
			})),
		}),
	],
};
