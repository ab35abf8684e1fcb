import { serveRole } from "../../src/runtime/thread.ts";
import type { WorkerContext } from "../../src/runtime/worker-context.ts";

export interface HangingStart extends WorkerContext {
	/** 0 until the worker may go on. */
	word: SharedArrayBuffer;
}

/** Hangs in its start, until it may go on; its start has no end even then. */
serveRole<HangingStart, never, "hangs">((emit) => ({
	async start({ word }) {
		emit("hangs");
		Atomics.wait(new Int32Array(word), 0, 0);
		await new Promise(() => {});
	},
	command() {},
	async drain() {},
}));
