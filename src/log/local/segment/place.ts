import type { LogPlace } from "../../log.ts";
import { firstAfter, type Rising } from "../../record/first-after.ts";

/** Numbers of consecutive records, to find a place among them. */
export interface PlacedRecords {
	/** Control records have the seq of the message before, so a seq may occur several times. */
	readonly seqs: Rising;
	readonly timesUs: Rising;
}

/** How many of `count` records come before `place`: by seq those with its seq or a lower one, by time those with an earlier time. */
export function countBefore(records: PlacedRecords, count: number, place: LogPlace): number {
	if ("seq" in place) return firstAfter(records.seqs, count, place.seq);
	return firstAfter(records.timesUs, count, Math.ceil(place.timeUs) - 1);
}
