/** What the alerts are about, at one moment. Times are Unix ms. */
export interface AlertFacts {
	/** Hosts that are not connected, and are not banned. */
	downHosts: readonly DownHost[];
	/** Hosts of which the accounts near their limit. */
	quotas: readonly { hostname: string; accounts: number; limit: number }[];
	/** Damaged stretches of the log that were found since the relay's start. */
	logGaps: number;
	/** Null if it is not known yet. */
	diskFreeBytes: number | null;
	diskReserveBytes: number;
	/** Why the log and the index can't be written; null if they can. */
	logStall: string | null;
	indexStall: string | null;
	/** Records that the index has still to apply. */
	indexLagRecords: number;
	/** Consumers that are at least `CONSUMER_LAG_RECORDS` behind. */
	consumersBehind: number;
	/** Messages that were rejected since the relay's start. */
	rejected: number;
	/** Of them, those of each host that sent any; null if that is not known now. */
	rejectedOf: readonly { hostname: string; rejected: number }[] | null;
	/** When the relay started. */
	startedAtMs: number;
}

export interface DownHost {
	hostname: string;
	/** When it was last heard of, or became known. */
	sinceMs: number;
	/** Why, in words. */
	why: string;
}

/** Share of a limit of accounts from which a host is in `quotas`: less than what begins an alert, so that one sees it end. */
export const QUOTA_SHARE_MIN = 0.75;
/** A consumer with so many records to read is far behind. It is one of the bounds of the metric `consumers_behind`. */
export const CONSUMER_LAG_RECORDS = 100_000;
