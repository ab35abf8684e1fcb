import { logOf } from "../observe/log.ts";
import { messageOf } from "../observe/log-value.ts";
import { reportFailure } from "../runtime/boundary.ts";
import type { Timing } from "../runtime/timing.ts";
import { detect, type Memory, newMemory } from "./detect.ts";
import type { AlertFacts } from "./facts.ts";
import { type IncidentsState, NO_INCIDENTS, next } from "./incidents.ts";
import { Outbox, type OutboxOptions } from "./outbox.ts";
import type { AlertsFile, AlertsState } from "./store.ts";

/** How often the facts are looked at. */
export const LOOK_MS = 10_000;
/** What is usual changes with each look, and is saved at most this often. */
export const SAVE_MS = 10 * 60_000;
/** A disk may fail, or hang, just when that is to be told: so the file is waited for no longer. */
const SAVED_MS_MAX = 5_000;

const log = logOf("alerts");

export interface WatchOptions extends Omit<OutboxOptions, "onChange"> {
	facts: () => Promise<AlertFacts>;
	file: Pick<AlertsFile, "load" | "save">;
	repeatMs: number;
	timing: Timing;
}

/** Looks at the relay again and again, and tells the operator what is wrong. It is on no message's path. */
export class AlertWatch {
	readonly #options: WatchOptions;
	readonly #outbox: Outbox;
	#incidents: IncidentsState;
	#memory: Memory | null;
	#savedAtMs: number;
	#isStopped = false;
	/** The save that is going on, and whether something has changed since it began. */
	#saving: Promise<void> | null = null;
	#isStale = false;

	private constructor(options: WatchOptions, state: AlertsState | null) {
		this.#options = options;
		this.#incidents = state?.incidents ?? NO_INCIDENTS;
		this.#memory = state?.memory ?? null;
		this.#outbox = new Outbox({ ...options, onChange: () => void this.#save() }, state?.waiting ?? []);
		this.#savedAtMs = options.timing.nowMs();
	}

	/** Goes on with what was saved, and looks for the first time. */
	static async start(options: WatchOptions): Promise<AlertWatch> {
		const watch = new AlertWatch(options, await options.file.load());
		watch.#outbox.send();
		void watch.#lookAgain();
		return watch;
	}

	/** Looks no more. Resolves when all is saved that the next start needs. */
	async stop(): Promise<void> {
		this.#isStopped = true;
		this.#outbox.stop();
		await this.#saved();
	}

	/** Never rejects but for damage to our own data. */
	async #lookAgain(): Promise<void> {
		try {
			await this.look();
		} catch (error) {
			reportFailure("the look for alerts", error);
		}
		if (!this.#isStopped) this.#options.timing.after(LOOK_MS, () => void this.#lookAgain());
	}

	/** Looks once. Resolves when what is new is saved and being sent. */
	async look(): Promise<void> {
		const { facts, date, repeatMs, timing } = this.#options;
		const seen = await facts();
		if (this.#isStopped) return;
		const nowMs = date();
		const detected = detect(this.#memory ?? newMemory(seen, nowMs), seen, nowMs);
		const { state, notices } = next(this.#incidents, detected.look, nowMs, repeatMs);
		const isSame = state.incidents.size === this.#incidents.incidents.size && notices.length === 0;
		this.#memory = detected.memory;
		this.#incidents = state;
		this.#outbox.add(notices);
		for (const { event, kind, count, incidents } of notices)
			log.warning("alert {kind} {event}: {text}", { kind, event, text: incidents[0]?.text ?? "", count });
		if (!isSame || timing.nowMs() - this.#savedAtMs >= SAVE_MS) await this.#saved();
		this.#outbox.send();
	}

	/** Resolves when it is saved, or after some seconds. */
	async #saved(): Promise<void> {
		const late = Promise.withResolvers<void>();
		const cancel = this.#options.timing.after(SAVED_MS_MAX, late.resolve);
		await Promise.race([this.#save(), late.promise]);
		cancel();
	}

	/** Saves the present state. One save is made after another, and the last one has all. Never rejects. */
	#save(): Promise<void> {
		this.#isStale = true;
		this.#saving ??= this.#saveAll().finally(() => {
			this.#saving = null;
		});
		return this.#saving;
	}

	async #saveAll(): Promise<void> {
		const { file, timing } = this.#options;
		while (this.#isStale) {
			this.#isStale = false;
			const state = { incidents: this.#incidents, memory: this.#memory, waiting: this.#outbox.waiting };
			try {
				await file.save(state);
				this.#savedAtMs = timing.nowMs();
			} catch (error) {
				log.warning("what is known of alerts can't be saved, so a restart may repeat some: {fault}", {
					fault: messageOf(error),
				});
			}
		}
	}
}
