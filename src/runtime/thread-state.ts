import type { Requests } from "./requests.ts";
import { systemTiming, type Timing } from "./timing.ts";

/** How long a thread may take to report its state. */
export const STATE_MS_MAX = 1_000;

/** Memory of one thread, which only that thread can measure. */
export interface ThreadMemory {
	/** After the last garbage collection: the heap's objects, and what they hold outside of it. */
	heapUsedBytes: number;
	/** What the heap takes of the process's memory. */
	heapTotalBytes: number;
	/** Memory outside of the heap, array buffers included. Shared memory counts in each thread that has it. */
	externalBytes: number;
	arrayBufferBytes: number;
}

/** The state of a thread now. `afterMs` is how long its event loop took to reach the question. */
export type ThreadState =
	| { isAnswering: true; afterMs: number; memory: ThreadMemory | null }
	| { isAnswering: false; memory: null };

const SILENT: ThreadState = { isAnswering: false, memory: null };

/** What every thread answers, whatever its role. Its event loop answers, so a thread that hangs does not. */
export interface StateService {
	/** Null if it can't be measured now, such as at the limit of open files. */
	memory(): Promise<ThreadMemory | null>;
}

export const stateService: StateService = {
	async memory() {
		try {
			const { heapUsed, heapTotal, external, arrayBuffers } = process.memoryUsage();
			return {
				heapUsedBytes: heapUsed,
				heapTotalBytes: heapTotal,
				externalBytes: external,
				arrayBufferBytes: arrayBuffers,
			};
		} catch {
			return null;
		}
	},
};

/** Asks another thread for its state. */
export class StateAsker {
	readonly #requests: Requests<StateService>;
	readonly #timing: Pick<Timing, "nowMs">;
	#asked: Promise<ThreadState> | null = null;

	constructor(requests: Requests<StateService>, timing: Pick<Timing, "nowMs"> = systemTiming) {
		this.#requests = requests;
		this.#timing = timing;
	}

	/**
	 * Callers that ask while an answer is outstanding share it, so a thread that hangs gets at most one question in
	 * `STATE_MS_MAX`.
	 */
	ask(): Promise<ThreadState> {
		this.#asked ??= this.#ask().finally(() => {
			this.#asked = null;
		});
		return this.#asked;
	}

	async #ask(): Promise<ThreadState> {
		const askedAtMs = this.#timing.nowMs();
		const reply = await this.#requests.request("memory", [], { timeoutMs: STATE_MS_MAX });
		if (!reply.answered) return SILENT;
		return { isAnswering: true, afterMs: this.#timing.nowMs() - askedAtMs, memory: reply.answer };
	}
}

/** The state of the calling thread. */
export async function ownState(): Promise<ThreadState> {
	const askedAtMs = systemTiming.nowMs();
	await new Promise(setImmediate);
	return { isAnswering: true, afterMs: systemTiming.nowMs() - askedAtMs, memory: await stateService.memory() };
}
