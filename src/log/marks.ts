import { Seqlock } from "../runtime/seqlock.ts";

/** A reader of the log that retention waits for. */
export interface MarkRule {
	/** No two marks have the same name. */
	name: string;
	/**
	 * Retention waits for the reader while at most this many bytes of the log come after the mark, counted in the units that
	 * retention removes. Null means no limit, for a reader that keeps what nothing else has. A full disk then stalls the log
	 * before anything is lost.
	 */
	lagBytesMax: number | null;
}

/** Limit of the marks. Retention looks at each of them whenever it removes something. */
export const MARKS_MAX = 16;

/** Numbers of a mark: the lsn, and whether there is one. */
const LSN = 0;
const IS_SET = 1;
const NUMBERS = 2;

/**
 * Makes the memory of these marks. It holds their numbers and then their rules.
 *
 * @throws RangeError for more than `MARKS_MAX` marks, or two with the same name
 */
export function createMarksBuffer(rules: readonly MarkRule[]): SharedArrayBuffer {
	if (rules.length > MARKS_MAX) throw new RangeError(`${rules.length} marks, at most ${MARKS_MAX} are kept`);
	const names = new Set(rules.map(({ name }) => name));
	if (names.size < rules.length) throw new RangeError("two marks have the same name");
	const numbersBytes = Seqlock.bytesFor(NUMBERS * MARKS_MAX);
	const text = Buffer.from(JSON.stringify(rules));
	const buffer = new SharedArrayBuffer(numbersBytes + Math.ceil(text.length / 4) * 4);
	// Spaces after the text do not matter in JSON.
	Buffer.from(buffer, numbersBytes).fill(" ").set(text);
	return buffer;
}

/** How far named readers of the log are, in shared memory. Each moves its own mark. Retention keeps what they still need. */
export class Marks {
	readonly all: readonly Mark[];

	constructor(buffer: SharedArrayBuffer) {
		const numbers = new Seqlock(buffer);
		const text = Buffer.from(buffer, Seqlock.bytesFor(NUMBERS * MARKS_MAX)).toString();
		const rules: MarkRule[] = JSON.parse(text);
		this.all = rules.map((rule, slot) => new Mark(rule, numbers, NUMBERS * slot));
	}

	/** @throws RangeError if there is none of this name */
	mark(name: string): Mark {
		const mark = this.all.find((each) => each.name === name);
		if (mark === undefined) throw new RangeError(`no reader of the log is named ${name}`);
		return mark;
	}
}

/** How far one reader is. */
export class Mark {
	readonly name: string;
	readonly lagBytesMax: number | null;
	readonly #numbers: Seqlock;
	readonly #at: number;

	constructor({ name, lagBytesMax }: MarkRule, numbers: Seqlock, at: number) {
		this.name = name;
		this.lagBytesMax = lagBytesMax;
		this.#numbers = numbers;
		this.#at = at;
	}

	/** The reader needs no record up to this lsn. Null until it calls `move` for the first time in this process. */
	get lsn(): number | null {
		return this.#numbers.get(this.#at + IS_SET) === 0 ? null : this.#numbers.getGrowing(this.#at + LSN);
	}

	/** Only the reader calls it. A mark never moves back, since the records before it may be gone. */
	move(lsn: number): void {
		const before = this.lsn;
		if (before !== null && lsn <= before) return;
		this.#numbers.set(this.#at + LSN, lsn);
		if (before === null) this.#numbers.set(this.#at + IS_SET, 1);
	}
}
