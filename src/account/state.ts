/** Stands for the host of an account of which no message has been seen. */
export const NO_HOST = 0;

/** What the relay knows of an account. Status pairs are (active, status) as in `#account` (rulebook 2.14). */
export interface AccountState {
	/** Id of its current host; `NO_HOST` if only the operator has said something of the account. */
	readonly host: number;
	/** Upstream seq of its last message in the log, in the numbering that `host` used at that time. */
	readonly hostSeq: number;
	/** Greatest `time` of an `#identity` or `#account` that `host` sent about it, in milliseconds since 1970; 0 before the first. */
	readonly lastTimeMs: number;
	readonly upstreamActive: boolean;
	readonly upstreamStatus: string | null;
	/** The status that this relay's operator set, such as `takendown`; null if none. */
	readonly localStatus: string | null;
	/**
	 * Since when it waits for room in its host's account limit, in microseconds since 1970; null if it does not wait. A shard does not know the
	 * times of records and sets it to 0.
	 */
	readonly waitingSinceUs: number | null;
	/** Lsn of the last record about its status; 0 before the first. A shard does not know lsns and sets it to 0. */
	readonly statusLsn: number;
	/** State of the repo, null before its first commit or sync. After a deletion only the last rev is kept. */
	readonly rev: string | null;
	readonly commit: Uint8Array | null;
	readonly data: Uint8Array | null;
}
