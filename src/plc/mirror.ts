import type { Counters } from "../observe/counters.ts";
import { logOf } from "../observe/log.ts";
import { counter, gauge } from "../observe/metric.ts";
import { LogLimiter } from "../runtime/log-limiter.ts";
import { FUTURE_MS_MAX, foldLines, type ReceivedLine } from "./fold.ts";
import { Place } from "./place.ts";
import { REFUSAL_REASONS, type Refusal } from "./refusal.ts";
import type { RotationKeys } from "./rotation-keys.ts";
import type { MirrorStore, Progress } from "./store.ts";

const accepted = counter(
	"plc_mirror_operations_total",
	"operations of the PLC directory that the mirror accepted",
	"If it stops and `standpipe_plc_mirror_lag_seconds` rises, look in the log lines for the directory's answer.",
);
const refused = counter(
	"plc_mirror_refused_total",
	"lines of the PLC directory's export that changed nothing in the mirror, by reason",
	"`repeated` and `outdated` are harmless. If another reason grows, the directory gives out what did:plc does not allow: the log lines name the DIDs.",
	{ name: "reason", values: REFUSAL_REASONS },
);
const lag = gauge(
	"plc_mirror_lag_seconds",
	"age of the state that the mirror holds: while it reads the export for the first time, the age of the last operation read",
	"Above `RELAY_PLC_MIRROR_MAX_LAG` the directory is asked instead: look at `standpipe_plc_mirror_failures_total` and in the log lines.",
);

/** A reason for refusals is logged at most this often. */
const REFUSAL_LINES = { intervalMs: 60_000, keysMax: REFUSAL_REASONS.length };
/** Lag of a mirror that has read nothing yet, in seconds: the directory has existed for less. */
const LAG_S_MAX = 10 * 365 * 24 * 3600;

export interface MirrorOptions {
	store: MirrorStore;
	/** Origin of the directory. */
	directory: string;
	keys: RotationKeys;
	counters: Counters;
	/** Milliseconds since 1970. */
	clock: () => number;
}

/** The state of the mirror: what it holds is in the store, and how far it is, here. It applies lines, whatever way they came. */
export class Mirror {
	readonly #options: MirrorOptions;
	readonly #log = logOf("plc");
	readonly #limiter: LogLimiter;
	#progress: Progress;
	#place: Place;
	#lagS = 0;

	private constructor(options: MirrorOptions, progress: Progress) {
		this.#options = options;
		this.#limiter = new LogLimiter({ ...REFUSAL_LINES, nowMs: options.clock });
		this.#progress = progress;
		this.#place = new Place(progress.after);
		this.noteLag();
	}

	/** Goes on where the store's progress is, or begins if it was with another directory. What it holds stays in any case. */
	static async open(options: MirrorOptions): Promise<Mirror> {
		return new Mirror(options, await readProgress(options));
	}

	/** Goes on where the store's progress is, after the store has gone back. */
	async reread(): Promise<void> {
		this.#progress = await readProgress(this.#options);
		this.#place = new Place(this.#progress.after);
		this.noteLag();
	}

	get place(): Place {
		return this.#place;
	}

	/** Begins with the first line again. What the mirror holds stays; it answers again when it has read all. */
	async restart(): Promise<void> {
		await this.#write([], begun(this.#options.directory), new Place("0"));
	}

	/**
	 * Applies lines in the order in which they came.
	 *
	 * @param completeMs when the directory had accepted nothing else than what came up to these lines, by the clock of this
	 *   machine; null if there is more
	 * @throws StoreUnavailable and StoreBroken, as the store does; the lines are not applied then
	 */
	async apply(lines: readonly ReceivedLine[], completeMs: number | null): Promise<void> {
		const { store, keys, clock } = this.#options;
		const nowMs = clock();
		const { completeUntilMs } = this.#progress;
		const fresh = this.#place.freshOf(lines);
		const before = await store.load(new Set(fresh.flatMap(({ dids }) => dids)));
		const folded = foldLines(fresh, before, { keys, nowMs, completeUntilMs });
		const place = this.#place.moved(fresh, nowMs);
		const progress = {
			...this.#progress,
			after: place.after,
			readUntilMs: latestTime(fresh, this.#progress.readUntilMs, nowMs),
			completeUntilMs: Math.max(completeUntilMs, completeMs ?? 0),
		};
		await this.#write(folded.states, progress, place);
		this.#options.counters.add(accepted, folded.accepted);
		for (const { did, refusal } of folded.refusals) this.#noteRefusal(did, refusal);
	}

	/** Brings the metric of the lag up to date. */
	noteLag(): void {
		const { completeUntilMs, readUntilMs } = this.#progress;
		const nowMs = this.#options.clock();
		const lagS = Math.min(LAG_S_MAX, Math.max(0, (nowMs - Math.max(completeUntilMs, readUntilMs)) / 1000));
		this.#options.counters.add(lag, lagS - this.#lagS);
		this.#lagS = lagS;
	}

	async #write(states: Parameters<MirrorStore["write"]>[0], progress: Progress, place: Place): Promise<void> {
		await this.#options.store.write(states, progress);
		this.#progress = progress;
		this.#place = place;
		this.noteLag();
	}

	#noteRefusal(did: string | null, refusal: Refusal): void {
		this.#options.counters.add(refused.of(refusal.reason));
		const omitted = this.#limiter.take(refusal.reason);
		if (omitted === null) return;
		const line = "the PLC mirror refused a line about {did}: {detail}";
		const fields = { did: did ?? "an unknown DID", detail: refusal.message, ...(omitted > 0 ? { omitted } : {}) };
		// These are usual after a restart.
		if (refusal.reason === "repeated" || refusal.reason === "outdated") this.#log.debug(line, fields);
		else this.#log.warning(line, fields);
	}
}

/** The store's progress; the beginning if it was with another directory. */
async function readProgress({ store, directory, clock }: MirrorOptions): Promise<Progress> {
	const progress = await store.progress();
	const log = logOf("plc");
	if (progress?.directory === directory) {
		log.info("the PLC mirror goes on after {after} of {directory}", { after: progress.after, directory });
		// If the clock was set back, nothing is known of the time until then.
		return { ...progress, completeUntilMs: Math.min(progress.completeUntilMs, clock()) };
	}
	log.info("the PLC mirror begins to read {directory}", { directory });
	return begun(directory);
}

/** The latest time of the lines, but for times that are yet to come. */
function latestTime(lines: readonly ReceivedLine[], beforeMs: number, nowMs: number): number {
	return lines.reduce((latestMs, { line }) => {
		const createdAtMs = line?.createdAtMs ?? 0;
		return createdAtMs > nowMs + FUTURE_MS_MAX ? latestMs : Math.max(latestMs, createdAtMs);
	}, beforeMs);
}

function begun(directory: string): Progress {
	return { directory, after: "0", readUntilMs: 0, completeUntilMs: 0 };
}
