import type { ReceivedLine } from "./fold.ts";
import { FUTURE_MS_MAX } from "./fold.ts";
import type { ExportLine } from "./line.ts";

const SEQ = /^\d{1,16}$/;
/** Lines of one time that are told from new ones. Further ones are applied again, which changes nothing. */
const SEEN_MAX = 2_000;

/**
 * Where in the export the mirror is: at a seq, or at a time if the directory gives none. Pages are asked for from the last line
 * on, with that line, so that a directory shows that it still knows it. Without it a page says nothing about what comes next.
 */
export class Place {
	/** "0" at the beginning, else a seq or a time. This is what is stored. */
	readonly after: string;
	/** CIDs of the lines at the last time, for a place that is a time. */
	readonly #seen: ReadonlySet<string>;

	constructor(after: string, seen: ReadonlySet<string> = new Set()) {
		this.after = after;
		this.#seen = seen;
	}

	get isStart(): boolean {
		return this.after === "0";
	}

	/** The seq of the last line; null if the directory gives none. 0 at the beginning. */
	get seq(): number | null {
		return SEQ.test(this.after) ? Number(this.after) : null;
	}

	/** What to ask the directory for. */
	get request(): string {
		const { seq } = this;
		if (seq !== null) return String(Math.max(0, seq - 1));
		return new Date(Date.parse(this.after) - 1).toISOString();
	}

	/** Whether the lines begin with the one that this place is at. */
	isKnownBy(lines: readonly ReceivedLine[]): boolean {
		return this.isStart || lines.some(({ line }) => line !== null && this.#isAt(line));
	}

	/** The lines that have not been applied at this place already. */
	freshOf(lines: readonly ReceivedLine[]): ReceivedLine[] {
		return lines.filter(({ line }) => line === null || !this.#isSeen(line));
	}

	/** The place after these lines. It never goes back. A time that is yet to come does not count. */
	moved(lines: readonly ReceivedLine[], nowMs: number): Place {
		let place: Place = this;
		for (const { line } of lines) if (line !== null) place = place.#movedBy(line, nowMs);
		return place;
	}

	#movedBy({ seq, createdAtMs, cid }: ExportLine, nowMs: number): Place {
		if (this.seq !== null && (seq !== null || !this.isStart))
			return seq !== null && seq > this.seq ? new Place(String(seq)) : this;
		if (createdAtMs > nowMs + FUTURE_MS_MAX) return this;
		const atMs = this.isStart ? Number.NEGATIVE_INFINITY : Date.parse(this.after);
		if (createdAtMs < atMs) return this;
		if (createdAtMs > atMs) return new Place(new Date(createdAtMs).toISOString(), new Set([cid]));
		return this.#seen.size < SEEN_MAX ? new Place(this.after, new Set(this.#seen).add(cid)) : this;
	}

	#isAt({ seq, createdAtMs }: ExportLine): boolean {
		return this.seq === null ? createdAtMs === Date.parse(this.after) : seq === this.seq;
	}

	#isSeen(line: ExportLine): boolean {
		if (this.isStart) return false;
		return this.seq === null ? this.#isAt(line) && this.#seen.has(line.cid) : this.#isAt(line);
	}
}
