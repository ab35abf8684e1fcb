import type { HostSeries } from "./busiest-hosts.ts";
import type { Reading, Sample } from "./reading.ts";

const LABELS = { host: "the busiest 100 hosts by name, and `other` for the rest together" };

/** Of single hosts. Which ones are listed changes slowly: see `BusiestHosts`. */
export const HOST_READINGS: readonly Reading[] = [
	{
		name: "standpipe_host_events_total",
		kind: "counter",
		help: "WebSocket messages received from a host while it is listed",
		advice: "If one host has most of it, look at its accounts; its event limits hold it back.",
		labels: LABELS,
		read: ({ busiest }) => busiest.map((one) => sample(one, one.events)),
	},
	{
		name: "standpipe_host_rejected_total",
		kind: "counter",
		help: "messages of a host that were dropped while it is listed",
		advice: "If a host has many, `/admin/pds/failures?host=…` says by which reasons; tell its operator.",
		labels: LABELS,
		read: ({ busiest }) => busiest.map((one) => sample(one, one.rejected)),
	},
	{
		name: "standpipe_host_delay_seconds",
		kind: "gauge",
		help: "how long messages of a host have been waiting because of its limits; of the others, the longest",
		advice:
			"If a wanted host waits for long, raise its event limits. `/_stats` says under `delayedHosts` which accounts cause it.",
		labels: LABELS,
		read: ({ busiest }) => busiest.map((one) => sample(one, one.delaySeconds)),
	},
];

function sample({ host }: HostSeries, value: number): Sample {
	return { labels: { host }, value };
}
