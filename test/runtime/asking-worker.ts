import { serveRole } from "../../src/runtime/thread.ts";
import type { WorkerContext } from "../../src/runtime/worker-context.ts";

/** What the worker may ask of the control thread. */
export interface Asks {
	next(number: number): Promise<number>;
}

/** What the control thread may ask of the worker. */
export interface Serves {
	sum(number: number): Promise<{ sum: number; commands: number[] }>;
	fail(): Promise<never>;
}

/** Asks the control thread during its start, and answers questions with the result. */
serveRole<WorkerContext, number, string, Asks, Serves>((emit, control) => {
	let answer = 0;
	const commands: number[] = [];
	return {
		async start() {
			const reply = await control.request("next", [20], { timeoutMs: 60_000 });
			if (reply.answered) answer = reply.answer;
			emit("asked");
		},
		command: (number) => void commands.push(number),
		async drain() {
			const reply = await control.request("next", [1], { timeoutMs: 60_000 });
			emit(`drained ${JSON.stringify(reply)}`);
		},
		serves: {
			sum: async (number) => ({ sum: answer + number, commands }),
			fail: () => Promise.reject(new TypeError("undefined is not an object")),
		},
	};
});
