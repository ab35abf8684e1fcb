import { plainGauge, type Reading } from "./reading.ts";

/** Of the log: how far it is, who reads it, and its limits. */
export const LOG_READINGS: readonly Reading[] = [
	plainGauge(
		"standpipe_log_first_seq",
		"seq of the oldest message retained",
		"If it rises faster than `RELAY_REPLAY_WINDOW` says, the disk or `RELAY_REPLAY_BYTES` is too small.",
		({ log }) => log.firstSeq,
	),
	plainGauge(
		"standpipe_log_last_seq",
		"seq of the newest message published",
		"If it stops, look at `standpipe_hosts_connected`, then at `standpipe_log_stalled`.",
		({ log }) => log.lastSeq,
	),
	plainGauge(
		"standpipe_log_last_lsn",
		"lsn of the newest record published",
		"If it stops, look at `standpipe_hosts_connected`, then at `standpipe_log_stalled`.",
		({ log }) => log.lastLsn,
	),
	plainGauge(
		"standpipe_index_applied_lsn",
		"lsn of the last record applied to the index",
		"If it falls behind `standpipe_log_last_lsn`, look at the database: the index is behind by the difference.",
		({ log }) => log.appliedLsn,
	),
	{
		name: "standpipe_log_reader_lag_records",
		kind: "gauge",
		help: "records of the log that a reader which retention waits for has still to read",
		advice:
			"If it grows, what reads is too slow: look at the database. Beyond a limit the log no longer waits for it (`standpipe_log_marks_lost_total`).",
		labels: { reader: "`index`" },
		read: ({ readers }) => readers.map(({ name, lagRecords }) => ({ labels: { reader: name }, value: lagRecords })),
	},
	plainGauge(
		"standpipe_log_disk_reserve_bytes",
		"free disk below which the oldest segments are removed, and then hosts are paused",
		"Compare `standpipe_log_disk_free_bytes` with it. `RELAY_DISK_RESERVE` sets it, to more than a segment.",
		({ limits }) => limits.diskReserveBytes,
	),
	plainGauge(
		"standpipe_log_size_limit_bytes",
		"bytes that the log's segments may take; not there if no limit is set",
		"`RELAY_REPLAY_BYTES` sets it. If `standpipe_log_oldest_age_seconds` stays below the replay window, it is too small.",
		({ limits }) => limits.replayBytes,
	),
	plainGauge(
		"standpipe_log_replay_window_seconds",
		"age up to which messages are kept for replay",
		"`RELAY_REPLAY_WINDOW` sets it. Consumers that were away for longer have a gap.",
		({ limits }) => limits.replayWindowSeconds,
	),
];
