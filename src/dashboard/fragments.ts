import { RecentMap } from "../runtime/recent-map.ts";
import type { Html } from "./fragment.ts";

/** Pages that are open ask for the same parts at about the same time. */
export const FRAGMENT_KEPT_MS = 1_000;
/** Parts that are kept, each asked for by other parameters. A page of a table has some 50 kB. */
export const FRAGMENTS_MAX = 64;

interface Kept {
	readonly untilMs: number;
	readonly text: Promise<string>;
}

/** Parts of the page as text, each kept for a moment: ten pages that ask for the same cost little more than one. */
export class Fragments {
	readonly #nowMs: () => number;
	readonly #kept = new RecentMap<string, Kept>({ entriesMax: FRAGMENTS_MAX });

	/** @param nowMs monotonic milliseconds */
	constructor(nowMs: () => number) {
		this.#nowMs = nowMs;
	}

	/** The text of a part: the one that is kept, or a new one. @param key its name and what it is asked for by */
	text(key: string, render: () => Promise<Html>): Promise<string> {
		const known = this.#kept.peek(key);
		if (known !== undefined && known.untilMs > this.#nowMs()) return known.text;
		const text = render().then(String);
		this.#kept.set(key, { untilMs: this.#nowMs() + FRAGMENT_KEPT_MS, text });
		// A refusal is not kept: who asks next may have more luck.
		text.catch(() => this.#kept.delete(key));
		return text;
	}
}
