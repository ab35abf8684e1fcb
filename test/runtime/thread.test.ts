import { expect, test } from "bun:test";
import { Thread } from "../../src/runtime/thread.ts";
import type { WorkerContext } from "../../src/runtime/worker-context.ts";
import type { Asks, Serves } from "./asking-worker.ts";

const OPTIONS = { timeoutMs: 60_000 };
const CONTEXT: WorkerContext = {
	config: { logLevel: "error", logFormat: "json", persistDir: "", databaseUrl: "" },
	log: { position: new SharedArrayBuffer(8), activeSegment: new SharedArrayBuffer(8), marks: new SharedArrayBuffer(8) },
};

test("a thread and the control thread ask each other, from the start to the end", async () => {
	const events: string[] = [];
	const failures: string[] = [];
	const thread = new Thread<WorkerContext, number, string, Asks, Serves>(
		"asking",
		new URL("./asking-worker.ts", import.meta.url),
		(event) => events.push(event),
		(_name, { message }) => failures.push(message),
		() => ({ next: async (number) => number + 1 }),
	);
	// This was asked before the start, and is answered after it.
	const early = thread.requests.request("sum", [100], OPTIONS);
	await thread.start(CONTEXT);
	expect(events).toEqual(["asked"]);
	expect(await early).toEqual({ answered: true, answer: { sum: 121, commands: [] } });
	thread.command(7);
	expect(await thread.requests.request("fail", [], OPTIONS)).toEqual({ answered: false, why: "failed" });
	const late = await thread.requests.request("sum", [1], OPTIONS);
	expect(late).toEqual({ answered: true, answer: { sum: 22, commands: [7] } });
	await thread.drain();
	expect(events).toEqual(["asked", 'drained {"answered":true,"answer":2}']);
	expect(failures).toEqual([]);
});
