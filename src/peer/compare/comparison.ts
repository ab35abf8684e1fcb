import { Rejection } from "../../protocol/rejection.ts";
import { systemTiming, type Timing } from "../../runtime/timing.ts";
import { Firehose } from "../firehose.ts";
import { eventOf } from "./event.ts";
import { Ledger, type LedgerTally } from "./ledger.ts";

const PROGRESS_MS = 1_000;
/** How long all relays may take to accept the connection. */
const OPENING_MS_MAX = 30_000;

export interface ComparisonOptions {
	/** Origins. */
	relays: readonly string[];
	/** From when all relays are connected. */
	durationMs: number;
	graceMs: number;
	/** Messages that are remembered. */
	eventsMax: number;
	timing?: Timing;
	/** Called each second. @param events of each relay so far */
	onProgress?: (passedMs: number, events: readonly number[]) => void;
}

export interface ComparisonResult extends LedgerTally {
	/** How long messages were taken from all relays. */
	comparedMs: number;
	/** Which relay could not be read, or not to the end, and why. Null if all could. */
	broken: { relay: string; why: string } | null;
}

/** Follows the firehoses of several relays from their live ends, for a while, and compares them. */
export function compareFirehoses(options: ComparisonOptions): Promise<ComparisonResult> {
	return new Comparison(options).result;
}

class Comparison {
	readonly result: Promise<ComparisonResult>;
	readonly #options: ComparisonOptions;
	readonly #timing: Timing;
	readonly #done = Promise.withResolvers<ComparisonResult>();
	readonly #firehoses: Firehose[];
	readonly #events: number[];
	readonly #opened = new Set<number>();
	/** Null until all relays are connected. */
	#ledger: Ledger | null = null;
	#startMs = 0;
	#cancelEnd: () => void;
	#cancelProgress: () => void = () => undefined;

	constructor(options: ComparisonOptions) {
		this.#options = options;
		this.#timing = options.timing ?? systemTiming;
		this.result = this.#done.promise;
		this.#events = options.relays.map(() => 0);
		this.#firehoses = options.relays.map((relay, at) => this.#follow(relay, at));
		this.#cancelEnd = this.#timing.after(OPENING_MS_MAX, () => {
			const late = options.relays.find((_, at) => !this.#opened.has(at)) ?? "";
			this.#end({ relay: late, why: `no connection within ${OPENING_MS_MAX} ms` });
		});
	}

	#follow(relay: string, at: number): Firehose {
		return new Firehose(relay, null, {
			opened: () => this.#open(at),
			frame: (frame) => this.#take(at, frame),
			text: () => this.#ledger?.unreadable(at),
			ended: ({ text }) => this.#end({ relay, why: text }),
		});
	}

	#open(at: number): void {
		const { relays, durationMs, graceMs, eventsMax } = this.#options;
		this.#opened.add(at);
		if (this.#opened.size < relays.length) return;
		this.#cancelEnd();
		this.#startMs = this.#timing.nowMs();
		this.#ledger = new Ledger({ relays: relays.length, startMs: this.#startMs, graceMs, eventsMax });
		this.#cancelEnd = this.#timing.after(durationMs, () => this.#end(null));
		this.#progressLater();
	}

	#progressLater(): void {
		this.#cancelProgress = this.#timing.after(PROGRESS_MS, () => {
			this.#progressLater();
			this.#options.onProgress?.(this.#timing.nowMs() - this.#startMs, this.#events);
		});
	}

	#take(at: number, frame: Buffer): void {
		const ledger = this.#ledger;
		if (ledger === null) return;
		this.#events[at] = (this.#events[at] ?? 0) + 1;
		try {
			const event = eventOf(frame);
			if (event !== null) ledger.note(at, event, this.#timing.nowMs());
		} catch (error) {
			if (!(error instanceof Rejection)) throw error;
			ledger.unreadable(at);
		}
	}

	#end(broken: ComparisonResult["broken"]): void {
		this.#cancelEnd();
		this.#cancelProgress();
		for (const firehose of this.#firehoses) firehose.close();
		const endMs = this.#timing.nowMs();
		const { relays, graceMs, eventsMax } = this.#options;
		const ledger = this.#ledger ?? new Ledger({ relays: relays.length, startMs: endMs, graceMs, eventsMax });
		const comparedMs = this.#ledger === null ? 0 : endMs - this.#startMs;
		this.#done.resolve({ ...ledger.settle(endMs), comparedMs, broken });
	}
}
