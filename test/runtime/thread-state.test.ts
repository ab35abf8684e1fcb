import { expect, test } from "bun:test";
import { Thread } from "../../src/runtime/thread.ts";
import {
	ownState,
	STATE_MS_MAX,
	StateAsker,
	type StateService,
	stateService,
	type ThreadMemory,
	type ThreadState,
} from "../../src/runtime/thread-state.ts";
import type { WorkerContext } from "../../src/runtime/worker-context.ts";
import { Rng } from "../../src/sim/rng.ts";
import { until } from "../relay/rig.ts";
import type { HangingStart } from "./hanging-worker.ts";
import { LinkPair } from "./link-pair.ts";

const MEMORY: ThreadMemory = { heapUsedBytes: 4, heapTotalBytes: 3, externalBytes: 2, arrayBufferBytes: 1 };
const CONTEXT: WorkerContext = {
	config: { logLevel: "error", logFormat: "json", persistDir: "", databaseUrl: "" },
	log: { position: new SharedArrayBuffer(8), activeSegment: new SharedArrayBuffer(8), marks: new SharedArrayBuffer(8) },
};

function isFull(memory: ThreadMemory | null): boolean {
	return memory !== null && memory.heapUsedBytes > 0 && memory.heapTotalBytes > 0;
}

test("a thread is asked one question at a time, with the time that its answer took; after a second it counts as silent", async () => {
	const seen = { answering: 0, silent: 0 };
	for (let run = 0; run < 200; run++) {
		const rng = new Rng(`thread state ${run}`);
		const pair = new LinkPair<StateService>({ memory: async () => (rng.int(5) === 0 ? null : MEMORY) });
		const asker = new StateAsker(pair.asker, pair.timing);
		for (let question = 0; question < 5; question++) {
			const states = Array.from({ length: 1 + rng.int(3) }, () => asker.ask());
			await Promise.resolve();
			expect(pair.requests).toHaveLength(1);
			const tookMs = rng.int(2 * STATE_MS_MAX);
			pair.timing.pass(tookMs);
			await pair.deliver();
			const [state, ...others] = await Promise.all(states);
			for (const other of others) expect(other).toBe(state as ThreadState);
			const isSilent = tookMs >= STATE_MS_MAX;
			seen[isSilent ? "silent" : "answering"]++;
			if (isSilent) expect(state).toEqual({ isAnswering: false, memory: null });
			else expect(state).toMatchObject({ isAnswering: true, afterMs: tookMs });
		}
	}
	expect(Math.min(seen.answering, seen.silent)).toBeGreaterThan(0);
});

test("a thread reports its memory, and so does the thread that asks", async () => {
	expect(isFull(await stateService.memory())).toBe(true);
	const own = await ownState();
	expect(own.isAnswering && own.afterMs >= 0 && isFull(own.memory)).toBe(true);
});

test("a worker answers before its start, not while it hangs, then again, ready or not", async () => {
	const failures: string[] = [];
	const hangs = Promise.withResolvers<void>();
	const thread = new Thread<HangingStart, never, "hangs">(
		"hanging",
		new URL("./hanging-worker.ts", import.meta.url),
		() => hangs.resolve(),
		(_name, { message }) => failures.push(message),
	);
	const isAnswering = async (): Promise<boolean> => isFull((await thread.state()).memory);
	await until(isAnswering);
	const word = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);
	void thread.start({ ...CONTEXT, word });
	await hangs.promise;
	// It hangs for good, so the verdict does not depend on the machine's speed.
	expect(await thread.state()).toEqual({ isAnswering: false, memory: null });
	Atomics.store(new Int32Array(word), 0, 1);
	Atomics.notify(new Int32Array(word), 0);
	await until(isAnswering);
	expect(failures).toEqual([]);
});
