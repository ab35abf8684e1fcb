import type { AccountGrowth } from "../config/setting.ts";
import type { RejectionReason } from "../protocol/reasons.ts";

/** What came of a host on one of its days. */
export interface DayCounts {
	/** Messages that have come, whatever became of them. */
	messages: number;
	/** Those that were rejected by the host's fault. */
	failed: number;
}

/** So many messages may fail on a good day, however few have come: a host must not lose a day by one odd message. */
export const FAILED_FREE = 3;
/** Beyond that, one of so many messages may fail on a good day. */
export const MESSAGES_PER_FAILED = 100;

const DAY_MS = 24 * 3_600_000;
const MINUTE_MS = 60_000;
const MINUTES_PER_DAY = 1_440;

/** Rejections that say nothing of the host: they follow from the relay's own limits, from what its operator set, or from an outage. */
const NOT_THE_HOSTS_FAULT: ReadonlySet<RejectionReason> = new Set([
	"internal-error",
	"account-inactive",
	"account-throttled",
	"identity-unresolvable",
]);

/** Whether a message that was rejected for this reason speaks against its host. */
export function isHostsFault(reason: RejectionReason): boolean {
	return !NOT_THE_HOSTS_FAULT.has(reason);
}

/** Whether a day counts for a host: messages have come, and next to all were good. */
export function isGoodDay({ messages, failed }: DayCounts): boolean {
	return 2 * failed < messages && (failed <= FAILED_FREE || failed * MESSAGES_PER_FAILED <= messages);
}

/**
 * The number of the day that a host has now. Hosts' days begin at different minutes, so that what becomes of them is not written to the log
 * for all at once.
 *
 * @param nowMs Unix ms
 */
export function dayOf(hostId: number, nowMs: number): number {
	return Math.floor((nowMs + (hostId % MINUTES_PER_DAY) * MINUTE_MS) / DAY_MS);
}

/** How many accounts a host may have after so many good days. Without growth, and above its end, it is the general limit. */
export function grownLimit(general: number, goodDays: number, growth: AccountGrowth | null): number {
	if (growth === null) return general;
	return Math.max(general, Math.min(growth.max, general + growth.perDay * goodDays));
}
