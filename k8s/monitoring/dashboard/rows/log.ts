import { BytesIEC, BytesPerSecondIEC, OpsPerSecond, PercentUnit, Seconds } from "@grafana/grafana-foundation-sdk/units";
import { chart } from "../panel.ts";
import { rate, series, sum } from "../query.ts";
import type { Row } from "../row.ts";

export const log: Row = {
	title: "Is there room for the log?",
	panels: [
		chart({
			title: "Size of the log",
			description: "The limit is RELAY_REPLAY_BYTES, if it is set.",
			unit: BytesIEC,
			queries: [
				{ expr: sum("standpipe_log_size_bytes"), legend: "log" },
				{ expr: sum("standpipe_log_size_limit_bytes"), legend: "limit" },
			],
		}),
		chart({
			title: "How far consumers can go back",
			description: "On a relay that has run for longer, a log that is shorter than the window lacks room.",
			unit: Seconds,
			queries: [
				{ expr: `min(${series("standpipe_log_oldest_age_seconds")})`, legend: "oldest record" },
				{ expr: `max(${series("standpipe_log_replay_window_seconds")})`, legend: "RELAY_REPLAY_WINDOW" },
			],
		}),
		chart({
			title: "Free on the disk",
			description: "Below the reserve the oldest segments are removed before their time, and then hosts are paused.",
			unit: BytesIEC,
			queries: [
				{ expr: `min(${series("standpipe_log_disk_free_bytes")})`, legend: "free" },
				{ expr: `max(${series("standpipe_log_disk_reserve_bytes")})`, legend: "reserve" },
			],
		}),
		chart({
			title: "Bytes appended",
			description: "Times RELAY_REPLAY_WINDOW, that is the space that the log needs.",
			unit: BytesPerSecondIEC,
			queries: [{ expr: rate("standpipe_log_bytes_total"), legend: "appended" }],
		}),
		chart({
			title: "Segments and syncs",
			description: "Segments in a growing file: there was too little space to prepare one, and syncs take longer.",
			unit: OpsPerSecond,
			queries: [
				{ expr: rate("standpipe_log_syncs_total"), legend: "syncs" },
				{ expr: rate("standpipe_segments_begun_total", "file"), legend: "begun, {{file}} file" },
				{ expr: rate("standpipe_segments_removed_total"), legend: "removed" },
			],
		}),
		chart({
			title: "Rings between threads",
			description: "How full they are. If one stays near 1, the thread that reads it is too slow.",
			unit: PercentUnit,
			queries: [
				{
					expr: `${sum("standpipe_ring_used_bytes", "ring")} / ${sum("standpipe_ring_capacity_bytes", "ring")}`,
					legend: "{{ring}}",
				},
			],
		}),
	],
};
