import { REJECTION_REASONS } from "../protocol/reasons.ts";
import type { WhyFacts } from "./explain.ts";

/** How many messages of a host failed for one reason since the relay's start, for the owner of the PDS. */
export interface FailureCounts {
	reason: string;
	meaning: string;
	/** Messages that were dropped. */
	rejected: number;
	/** Messages that passed all the same. */
	lenient: number;
	firstAt: string;
	lastAt: string;
}

/** What failed of the host that is asked for, the most frequent reason first; null if that can't be known now. */
export function failuresOf({ view }: WhyFacts): FailureCounts[] | null {
	if ("untold" in view || "untold" in view.told.hostFailures) return null;
	return view.told.hostFailures.told.map(({ reason, rejected, lenient, firstAtMs, lastAtMs }) => ({
		...{ reason, meaning: REJECTION_REASONS[reason].meaning, rejected, lenient },
		...{ firstAt: new Date(firstAtMs).toISOString(), lastAt: new Date(lastAtMs).toISOString() },
	}));
}
