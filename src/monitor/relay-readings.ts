import { plainGauge, type Reading, type Sample } from "./reading.ts";

/** Of the relay as a whole: its hosts, its rings, its limits, and what runs. */
export const RELAY_READINGS: readonly Reading[] = [
	plainGauge(
		"standpipe_ready",
		"1 while consumers are served and the log and the index can be written",
		"If it is 0, `/_readyz` says why.",
		({ isReady }) => Number(isReady),
	),
	{
		name: "standpipe_hosts",
		kind: "gauge",
		help: "hosts, by status",
		advice: "If `offline` jumps, look at your network. `standpipe hosts list` says why a single host has its status.",
		labels: { status: "`active`, `throttled`, `idle`, `offline`, `banned`" },
		read: ({ hosts }) => Object.entries(hosts).map(([status, value]) => ({ labels: { status }, value })),
	},
	plainGauge(
		"standpipe_hosts_offline_day",
		"hosts that are offline and have been down for a day or longer",
		"Nothing to do for single ones: they are dialled each hour. `standpipe hosts list` names them; tell their operators.",
		({ hostsOfflineDay }) => hostsOfflineDay,
	),
	{
		name: "standpipe_ring_used_bytes",
		kind: "gauge",
		help: "bytes in the rings between threads: those to the sequencer, and all rings between ingest threads together",
		advice:
			"If one stays near `standpipe_ring_capacity_bytes`, the thread that reads it is too slow: for a ring to the sequencer look at the disk.",
		labels: { ring: "`control`, `ingest 0` and so on, `between ingest threads`" },
		read: ({ rings }) => rings.map(({ name, usedBytes }) => ofRing(name, usedBytes)),
	},
	{
		name: "standpipe_ring_capacity_bytes",
		kind: "gauge",
		help: "room of the rings between threads",
		advice: "Nothing to do: it is fixed, and here to compare with.",
		labels: { ring: "as of `standpipe_ring_used_bytes`" },
		read: ({ rings }) => rings.map(({ name, capacityBytes }) => ofRing(name, capacityBytes)),
	},
	plainGauge(
		"standpipe_inflight_limit_bytes",
		"bytes received from hosts and not yet durable or rejected that all ingest threads together take",
		"`RELAY_INGEST_BUFFER_BYTES` sets it for each thread. At the limit hosts are paused.",
		({ limits }) => limits.inflightBytes,
	),
	plainGauge(
		"standpipe_consumers_limit",
		"consumers that may be connected at once",
		"`RELAY_MAX_CONSUMERS` sets it. It is lower if there are too few descriptors: raise `LimitNOFILE`.",
		({ limits }) => limits.consumers,
	),
	{
		name: "standpipe_build_info",
		kind: "gauge",
		help: "always 1; its labels say what runs",
		advice: "If `engine` is `portable`, the log line at the start says why the native engine does not load.",
		labels: {
			version: "of the relay",
			engine: "`native`, `portable`, `mixed`, `none` during a start",
			bun: "version of the runtime",
			platform: "such as `linux-x64`",
		},
		read: ({ build }) => [{ labels: { ...build }, value: 1 }],
	},
];

function ofRing(ring: string, value: number): Sample {
	return { labels: { ring }, value };
}
