import type { LogNumbers } from "../log/log.ts";
import { INTEGER_MAX } from "../protocol/limits.ts";
import { BackupError } from "./backup-error.ts";
import type { Manifest } from "./manifest.ts";

/** More than a relay can give out: its sequencer takes 12 µs for a message at best. */
const SEQS_PER_S_MAX = 100_000;
/** What a start may leave out, whatever time has passed. */
const SEQS_LEFT_OUT = 100_000;
/** What is left for the relay after that, at least: 700 years at 100,000 a second. */
const SEQS_LEFT_MIN = 2 ** 51;

/**
 * The greatest numbers that the relay can have given out which went on after a backup and then was lost. No number up to there may be used
 * again, since consumers may have seen it.
 *
 * @param nowMs milliseconds since 1970
 * @param seqUsed the greatest seq that it has given out, if the operator knows; else null
 * @throws BackupError if they can't be known
 */
export function usedSince(
	{ beganAtMs, seqUsedMax, lsnUsedMax }: Manifest,
	nowMs: number,
	seqUsed: number | null,
): LogNumbers {
	const seq = seqUsed ?? seqUsedMax + seqsSince(beganAtMs, nowMs);
	if (seq < seqUsedMax)
		throw new BackupError(
			`--seq-used ${seq} is less than ${seqUsedMax}, up to which seqs were used when the backup was made`,
		);
	if (seq > INTEGER_MAX - SEQS_LEFT_MIN) throw new BackupError(`too few seqs are left after ${seq}`);
	// No lsn may be less than the seq of its record, so both go on by as much.
	return { lsn: lsnUsedMax + seq - seqUsedMax, seq };
}

function seqsSince(beganAtMs: number, nowMs: number): number {
	if (nowMs < beganAtMs)
		throw new BackupError(
			`the backup is of ${new Date(beganAtMs).toISOString()}, which is later than this machine's clock says it is: set the clock, or name ` +
				"the last seq that consumers may have seen with --seq-used",
		);
	return Math.ceil((nowMs - beganAtMs) / 1000) * SEQS_PER_S_MAX + SEQS_LEFT_OUT;
}
