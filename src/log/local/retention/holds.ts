import type { Counters } from "../../../observe/counters.ts";
import { logOf } from "../../../observe/log.ts";
import { counter } from "../../../observe/metric.ts";
import type { Mark } from "../../marks.ts";
import { removableSegments, type Segment } from "./retention.ts";

const logMarksLost = counter(
	"log_marks_lost_total",
	"times a reader of the log was so far behind that retention waited for it no longer",
	"If it is not 0, the index was down for longer than the log is kept: make the log longer (`RELAY_REPLAY_WINDOW`, `RELAY_REPLAY_BYTES`) and mend the database.",
);

const log = logOf("log");

/** Keeps retention from removing what readers still need, by their marks. */
export class Holds {
	readonly #marks: readonly Mark[];
	readonly #counters: Counters;
	/** Readers that retention did not wait for, until they are past what was removed and within their limit again. */
	readonly #lost = new Set<Mark>();

	constructor(marks: readonly Mark[], counters: Counters) {
		this.#marks = marks;
		this.#counters = counters;
	}

	/**
	 * How many of the oldest segments may go. The active one stays, and so does what readers need within their limits. A
	 * reader beyond its limit keeps nothing. If it needs what goes now, that is counted and logged, and not again until the reader
	 * is back within the limit.
	 *
	 * @param segments all of them, oldest first, the active one last
	 * @param wanted how many are to go
	 * @param isShort whether the disk has too little room: then only readers without a limit are waited for
	 */
	release(segments: readonly Segment[], wanted: number, isShort: boolean): number {
		let count = Math.min(wanted, Math.max(segments.length - 1, 0));
		for (const mark of this.#marks) count = Math.min(count, this.#releasedBy(mark, segments, isShort));
		for (const mark of this.#marks) {
			if (mark.lsn === null || removableSegments(segments, mark.lsn) >= count) continue;
			if (!this.#lost.has(mark)) this.#lose(mark, segments);
		}
		return count;
	}

	#releasedBy(mark: Mark, segments: readonly Segment[], isShort: boolean): number {
		const { lsn, lagBytesMax } = mark;
		const passed = removableSegments(segments, lsn ?? 0);
		if (lagBytesMax === null) return passed;
		// Removed segments no longer count, so a lost reader can seem to be within its limit before it has got past them.
		const isBack = !this.#lost.has(mark) || (lsn ?? 0) >= (segments[0]?.firstLsn ?? 0) - 1;
		const isWithin = isBack && bytesFrom(segments, passed) <= lagBytesMax;
		if (isWithin) this.#lost.delete(mark);
		if (isWithin && !isShort) return passed;
		if (lsn !== null || isShort) return segments.length;
		// The reader has not said yet how far it is. Meanwhile as much is kept as its limit allows.
		return segments.findIndex((_, at) => bytesFrom(segments, at) <= lagBytesMax);
	}

	#lose(mark: Mark, segments: readonly Segment[]): void {
		this.#lost.add(mark);
		this.#counters.add(logMarksLost);
		log.error(
			"the reader {reader} is at least {lagBytes} bytes behind the end of the log: records that it has not read are removed",
			{
				reader: mark.name,
				lagBytes: bytesFrom(segments, removableSegments(segments, mark.lsn ?? 0)),
				lagBytesMax: mark.lagBytesMax,
			},
		);
	}
}

/** Bytes of the segments from this one on, but for the active one, which is not full yet. */
function bytesFrom(segments: readonly Segment[], first: number): number {
	return segments.slice(first, -1).reduce((sum, { bytes }) => sum + bytes, 0);
}
