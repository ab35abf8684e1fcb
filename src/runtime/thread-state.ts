import type { Requests } from "./requests.ts";
import { systemTiming, type Timing } from "./timing.ts";

/** How long a thread may take to say how it is. */
export const STATE_MS_MAX = 1_000;

/** What only a thread itself can say. */
export interface ThreadMemory {
	/** What the last collection left: the heap's objects, and what they hold outside of it. */
	heapUsedBytes: number;
	/** What the heap takes of the process's memory. */
	heapTotalBytes: number;
	/** Outside of the heap, array buffers among it. Shared memory counts in each thread that has it. */
	externalBytes: number;
	arrayBufferBytes: number;
}

/** How a thread is now. `afterMs` is how long its loop took to come to the question. */
export type ThreadState =
	| { isAnswering: true; afterMs: number; memory: ThreadMemory | null }
	| { isAnswering: false; memory: null };

const SILENT: ThreadState = { isAnswering: false, memory: null };

/** What every thread answers, whatever it is for. Its own loop does, so a thread that hangs does not answer. */
export interface StateService {
	/** Null if the system does not tell it now, as at the limit of open files. */
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

/** Asks another thread how it is. */
export class StateAsker {
	readonly #requests: Requests<StateService>;
	readonly #timing: Pick<Timing, "nowMs">;
	#asked: Promise<ThreadState> | null = null;

	constructor(requests: Requests<StateService>, timing: Pick<Timing, "nowMs"> = systemTiming) {
		this.#requests = requests;
		this.#timing = timing;
	}

	/** Whoever asks while an answer is waited for gets the same one: a thread that hangs has one question to answer. */
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

/** How the thread is that calls this. */
export async function ownState(): Promise<ThreadState> {
	const askedAtMs = systemTiming.nowMs();
	await new Promise(setImmediate);
	return { isAnswering: true, afterMs: systemTiming.nowMs() - askedAtMs, memory: await stateService.memory() };
}
