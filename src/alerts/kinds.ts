// alerts/: what an operator is told by webhook, when, and that it arrives. It reads figures and changes nothing.

export type Severity = "warning" | "critical";

/** How something that an alert can be about looks at one moment. */
export interface Observation {
	kind: AlertKind;
	/** What it is about: a host's name, or the part of the relay. */
	subject: string;
	/**
	 * How bad it is now. Null if it is not bad enough to begin an alert, and not good enough to end one, so that a value at a limit does
	 * not begin and end alerts all the time.
	 */
	severity: Severity | null;
	/** A sentence with the numbers, for people. */
	text: string;
}

export interface KindRule {
	/** What has happened, in a few words. */
	title: string;
	/** How long it has to last before it is told. */
	afterMs: number;
	/** What to do, for people. */
	advice: string;
}

const MINUTE_MS = 60_000;

/** What there are alerts for. The names are stable: receivers go by them. */
export const ALERT_KINDS = {
	"host-quota": {
		title: "a host has, or nearly has, as many accounts as its limit allows",
		afterMs: 0,
		advice:
			"Further accounts of the host wait. If they are wanted, raise its limit (`/admin/pds/changeLimits`, `repo_limit`), or add its domain to RELAY_TRUSTED_DOMAINS.",
	},
	"host-down": {
		title: "a host has not been connected for a day",
		afterMs: 0,
		advice:
			"The relay goes on dialling it. If only this host is down, tell its operator; if many are, look at your network and your resolver.",
	},
	"log-gap": {
		title: "the log is damaged",
		afterMs: 0,
		advice: "Consumers that replay are told of the gap. Check the disk; `standpipe log inspect` shows what is missing.",
	},
	"log-stalled": {
		title: "the log can't be written",
		afterMs: MINUTE_MS / 2,
		advice:
			"Hosts are paused, and nothing is lost. Free space on the log's disk, or mend it: the relay goes on by itself.",
	},
	"index-stalled": {
		title: "the index can't be written",
		afterMs: MINUTE_MS,
		advice: "The log goes on without it. Mend the database or its disk: the index catches up by itself.",
	},
	"disk-reserve": {
		title: "the log's disk is nearly full",
		afterMs: MINUTE_MS,
		advice:
			"Below RELAY_DISK_RESERVE the oldest segments are removed, and then hosts are paused. Free space, or shorten the log (RELAY_REPLAY_WINDOW, RELAY_REPLAY_BYTES).",
	},
	rejections: {
		title: "many more messages are rejected than usual",
		afterMs: MINUTE_MS,
		advice:
			"See which by `standpipe_messages_rejected_total` and `/admin/pds/failures`; docs/reasons.md says whose fault each reason is.",
	},
	"host-rejections": {
		title: "many more messages of a host are rejected than usual",
		afterMs: MINUTE_MS,
		advice: "`/admin/pds/failures?host=…` says why, with an example of each reason. Tell the host's operator.",
	},
	"index-lag": {
		title: "the index is far behind the log",
		afterMs: 5 * MINUTE_MS,
		advice:
			"Look at the database's load and disk: what admins and `listRepos` see is old until the index has caught up.",
	},
	"consumer-lag": {
		title: "consumers stay far behind",
		afterMs: 30 * MINUTE_MS,
		advice:
			"`/admin/consumers/list` names them. One that replays catches up; if many stay behind, look at your network.",
	},
} as const satisfies Record<string, KindRule>;

export type AlertKind = keyof typeof ALERT_KINDS;

export const ALERT_KIND_NAMES = Object.keys(ALERT_KINDS) as readonly AlertKind[];
