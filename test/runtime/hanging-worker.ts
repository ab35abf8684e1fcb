import { serveRole } from "../../src/runtime/thread.ts";
import type { WorkerContext } from "../../src/runtime/worker-context.ts";

export interface HangingStart extends WorkerContext {
	/** 0 until the worker may go on. */
	word: SharedArrayBuffer;
}

/** Blocks its thread in its start until it may go on. Even then its start never ends. */
serveRole<HangingStart, never, "hangs">((emit) => ({
	async start({ word }) {
		emit("hangs");
		Atomics.wait(new Int32Array(word), 0, 0);
		await new Promise(() => {});
	},
	command() {},
	async drain() {},
}));
