/** A relay as Prometheus sees it, and whether an alert fires. */
export interface AlertCase {
	alert: string;
	/** Time between two values of a series. */
	interval?: string;
	/** When the alert is looked at, after the first value. */
	at: string;
	/** By metric, with labels but for job and instance: values in promtool's notation. With these the alert fires. */
	fires: Readonly<Record<string, string>>;
	/** The same for a relay that is well, or nearly so: the alert does not fire. */
	quiet: Readonly<Record<string, string>>;
	/** Labels of the alert, other than severity, job and instance. */
	labels?: Readonly<Record<string, string>>;
	/** The rule sums over all series of an instance: the alert has no job. */
	isSum?: true;
}

/** For each alert at least one case. */
export const ALERT_CASES: readonly AlertCase[] = [
	{ alert: "StandpipeDown", at: "10m", fires: { up: "1 1 0x20" }, quiet: { up: "1 0 1x20" } },
	{ alert: "StandpipeNotReady", at: "20m", fires: { standpipe_ready: "0x30" }, quiet: { standpipe_ready: "0x3 1x30" } },
	{
		alert: "StandpipeRestarts",
		at: "50m",
		fires: { process_start_time_seconds: "1x10 2x10 3x10 4x30" },
		quiet: { process_start_time_seconds: "1x10 2x10 3x50" },
	},
	{
		alert: "StandpipeLogStalled",
		at: "10m",
		fires: { standpipe_log_stalled: "0 1x20" },
		quiet: { standpipe_log_stalled: "0x9 1x20" },
	},
	{
		alert: "StandpipeDiskReserveNear",
		at: "20m",
		fires: { standpipe_log_disk_free_bytes: "3e9x30", standpipe_log_disk_reserve_bytes: "2e9x30" },
		quiet: { standpipe_log_disk_free_bytes: "5e9x30", standpipe_log_disk_reserve_bytes: "2e9x30" },
	},
	{
		alert: "StandpipeDiskReserveNear",
		at: "20m",
		fires: { standpipe_log_disk_free_bytes: "1e9x30", standpipe_log_disk_reserve_bytes: "0x30" },
		quiet: { standpipe_log_disk_free_bytes: "2e9x30", standpipe_log_disk_reserve_bytes: "0x30" },
	},
	{
		alert: "StandpipeLogShort",
		interval: "5m",
		at: "8h",
		fires: {
			standpipe_log_oldest_age_seconds: "100000x120",
			standpipe_log_replay_window_seconds: "259200x120",
			standpipe_segments_removed_total: "0+1x120",
		},
		// A log that is young has removed nothing yet.
		quiet: {
			standpipe_log_oldest_age_seconds: "100000x120",
			standpipe_log_replay_window_seconds: "259200x120",
			standpipe_segments_removed_total: "0x120",
		},
	},
	{
		alert: "StandpipeLogGap",
		at: "30m",
		fires: { standpipe_log_gaps_total: "0x20 1x30" },
		quiet: { standpipe_log_gaps_total: "0x50", process_start_time_seconds: "0x50" },
	},
	{
		// Found by a start, before the first scrape. An hour later everybody knows.
		alert: "StandpipeLogGap",
		at: "30m",
		fires: { standpipe_log_gaps_total: "1x200", process_start_time_seconds: "0x200" },
		quiet: { standpipe_log_gaps_total: "1x200", process_start_time_seconds: "-7200x200" },
	},
	{
		alert: "StandpipeIndexStalled",
		at: "10m",
		fires: { standpipe_index_stalled: "1x20", standpipe_index_reads_stalled: "0x20" },
		quiet: { standpipe_index_stalled: "0x20", standpipe_index_reads_stalled: "0x20" },
	},
	{
		alert: "StandpipeIndexStalled",
		at: "10m",
		fires: { standpipe_index_stalled: "0x20", standpipe_index_reads_stalled: "2x20" },
		quiet: { standpipe_index_stalled: "0x9 1x20", standpipe_index_reads_stalled: "0x20" },
	},
	{
		alert: "StandpipeIndexLagging",
		at: "30m",
		labels: { reader: "index" },
		fires: { 'standpipe_log_reader_lag_records{reader="index"}': "200000x40" },
		quiet: { 'standpipe_log_reader_lag_records{reader="index"}': "50000x40" },
	},
	{
		alert: "StandpipeNoEvents",
		at: "40m",
		fires: { standpipe_frames_received_total: "0+600x10 6000x50", standpipe_hosts_connected: "500x60" },
		quiet: { standpipe_frames_received_total: "0+600x60", standpipe_hosts_connected: "500x60" },
	},
	{
		alert: "StandpipeSlowPath",
		at: "40m",
		isSum: true,
		fires: {
			'standpipe_host_to_consumer_seconds_bucket{le="5"}': "0+10x60",
			'standpipe_host_to_consumer_seconds_bucket{le="10"}': "0+100x60",
			'standpipe_host_to_consumer_seconds_bucket{le="+Inf"}': "0+100x60",
		},
		quiet: {
			'standpipe_host_to_consumer_seconds_bucket{le="5"}': "0+100x60",
			'standpipe_host_to_consumer_seconds_bucket{le="10"}': "0+100x60",
			'standpipe_host_to_consumer_seconds_bucket{le="+Inf"}': "0+100x60",
		},
	},
	{
		alert: "StandpipeManyHostsOffline",
		at: "90m",
		isSum: true,
		fires: {
			'standpipe_hosts{status="active"}': "900x70 500x60",
			'standpipe_hosts{status="offline"}': "100x70 500x60",
		},
		quiet: {
			'standpipe_hosts{status="active"}': "900x70 850x60",
			'standpipe_hosts{status="offline"}': "100x70 150x60",
		},
	},
	{
		alert: "StandpipeHostsDownForADay",
		interval: "30m",
		at: "30h",
		fires: { standpipe_hosts_offline_day: "7x50 9x50" },
		quiet: { standpipe_hosts_offline_day: "7x50 6x50" },
	},
	{
		alert: "StandpipeHostGaps",
		at: "70m",
		fires: { standpipe_host_gaps_total: "0+1x100" },
		quiet: { standpipe_host_gaps_total: "0x60 5x40" },
	},
	{
		alert: "StandpipeRejectionsUnusual",
		interval: "5m",
		at: "27h",
		isSum: true,
		fires: {
			'standpipe_messages_rejected_total{reason="a"}': "0+1x312 312+100x40",
			'standpipe_messages_rejected_total{reason="b"}': "0x400",
			standpipe_frames_received_total: "0+1000x400",
		},
		// As many as ever, and few at that.
		quiet: {
			'standpipe_messages_rejected_total{reason="a"}': "0+100x400",
			'standpipe_messages_rejected_total{reason="b"}': "0x400",
			standpipe_frames_received_total: "0+1000x400",
		},
	},
	{
		alert: "StandpipeConsumersDropped",
		at: "30m",
		fires: {
			standpipe_consumers_too_slow_total: "0+1x60",
			standpipe_consumers_dead_total: "0x60",
			standpipe_log_read_failures_total: "0x60",
		},
		quiet: {
			standpipe_consumers_too_slow_total: "0x20 1x40",
			standpipe_consumers_dead_total: "0x15 2x40",
			standpipe_log_read_failures_total: "0x60",
		},
	},
	{
		alert: "StandpipeConsumersNearLimit",
		at: "20m",
		fires: { standpipe_consumers_connected: "950x30", standpipe_consumers_limit: "1000x30" },
		quiet: { standpipe_consumers_connected: "500x30", standpipe_consumers_limit: "1000x30" },
	},
	{
		alert: "StandpipeDescriptorsNearLimit",
		at: "20m",
		fires: { process_open_fds: "900x30", process_max_fds: "1000x30" },
		// A system that does not tell says 0.
		quiet: { process_open_fds: "900x30", process_max_fds: "0x30" },
	},
	{
		alert: "StandpipeMemoryGrows",
		interval: "5m",
		at: "24h",
		fires: { process_resident_memory_bytes: "1e9+5e6x300", process_start_time_seconds: "0x300" },
		quiet: { process_resident_memory_bytes: "1e9+5e4x300", process_start_time_seconds: "0x300" },
	},
	{
		alert: "StandpipeIdentityLookupsFail",
		at: "40m",
		isSum: true,
		fires: {
			'standpipe_identity_answers_total{outcome="resolved"}': "0+10x60",
			'standpipe_identity_answers_total{outcome="unavailable"}': "0+100x60",
		},
		quiet: {
			'standpipe_identity_answers_total{outcome="resolved"}': "0+100x60",
			'standpipe_identity_answers_total{outcome="unavailable"}': "0+10x60",
		},
	},
	{
		alert: "StandpipePlcMirrorLags",
		at: "90m",
		fires: { standpipe_plc_mirror_lag_seconds: "1000+60x120" },
		// It reads the export for the first time.
		quiet: { standpipe_plc_mirror_lag_seconds: "1e8-1e5x120" },
	},
	{
		alert: "StandpipePortableEngine",
		at: "20m",
		fires: { standpipe_engines_portable: "1x30" },
		quiet: { standpipe_engines_portable: "0x30" },
	},
	{
		alert: "StandpipePasswordsGuessed",
		at: "20m",
		fires: { standpipe_admin_wrong_passwords_total: "0+5x30" },
		quiet: { standpipe_admin_wrong_passwords_total: "0x10 3x30" },
	},
];
