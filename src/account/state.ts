/** What the relay knows of an account. Status pairs are (active, status) as in `#account` (rulebook 2.14). */
export interface AccountState {
	/** Id of its current host. */
	readonly host: number;
	/** Upstream seq of its last message in the log, in the numbering that `host` had then. */
	readonly hostSeq: number;
	/** Greatest `time` of an `#identity` or `#account` that `host` sent of it, in milliseconds; 0 before the first. */
	readonly lastTimeMs: number;
	readonly upstreamActive: boolean;
	readonly upstreamStatus: string | null;
	/** Null, or the status that this relay's operator gave it, such as `takendown`. */
	readonly localStatus: string | null;
	/** Our seq of the last record that told of its status; 0 before the first, and at its shard, which knows no seqs of ours. */
	readonly statusSeq: number;
	/** State of the repo, null before its first commit or sync. Of a deleted one only the last rev is kept. */
	readonly rev: string | null;
	readonly commit: Uint8Array | null;
	readonly data: Uint8Array | null;
}
