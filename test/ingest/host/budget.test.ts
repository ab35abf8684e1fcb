import { expect, test } from "bun:test";
import { Budget, type HostBudget, MESSAGE_OVERHEAD_BYTES } from "../../../src/ingest/host/budget.ts";
import { Rng } from "../../../src/sim/rng.ts";

function hostOf(budget: Budget, bytesMax: number) {
	const log: string[] = [];
	const host = budget.host(bytesMax, { pause: () => log.push("pause"), resume: () => log.push("resume") });
	return { host, log };
}

test("a host over its budget is paused, and goes on at half of it", () => {
	const budget = new Budget(1_000_000);
	const { host, log } = hostOf(budget, 3 * MESSAGE_OVERHEAD_BYTES + 10_000);
	const held = [1, 2, 3].map(() => host.hold(4_000));
	expect(log).toEqual(["pause"]);
	host.release(held[0] ?? 0);
	expect(log).toEqual(["pause"]);
	host.release(held[1] ?? 0);
	expect(log).toEqual(["pause", "resume"]);
	host.release(held[2] ?? 0);
	expect(budget.held).toBe(0);
});

test("with half of the worker's budget used up, a host that holds more than its share is paused until others are done", () => {
	const budget = new Budget(40_000);
	const busy = hostOf(budget, 100_000);
	const quiet = hostOf(budget, 100_000);
	const held = busy.host.hold(25_000);
	expect(busy.log).toEqual(["pause"]);
	// Two hosts share the other half.
	const [small, large] = [quiet.host.hold(10), quiet.host.hold(10_000)];
	expect(quiet.log).toEqual(["pause"]);
	quiet.host.release(large);
	expect(quiet.log).toEqual(["pause", "resume"]);
	busy.host.release(held);
	expect(busy.log).toEqual(["pause", "resume"]);
	quiet.host.release(small);
	expect(budget.held).toBe(0);
});

/** A host that reads whenever it is not paused, as a socket does. */
class Reader {
	paused = false;
	readonly held: number[] = [];
	readonly budget: HostBudget;

	constructor(worker: Budget, bytesMax: number) {
		this.budget = worker.host(bytesMax, {
			pause: () => {
				this.paused = true;
			},
			resume: () => {
				this.paused = false;
			},
		});
	}

	read(bytes: number): void {
		if (!this.paused) this.held.push(this.budget.hold(bytes));
	}

	settle(at: number): void {
		const [bytes] = this.held.splice(at, 1);
		if (bytes !== undefined) this.budget.release(bytes);
	}

	get bytes(): number {
		return this.held.reduce((sum, bytes) => sum + bytes, 0);
	}
}

test("however hosts read and whichever messages wait, the worker's limit holds, and no host that holds little is stopped", () => {
	const [workerMax, hostMax, frameMax] = [2_000_000, 400_000, 5_000];
	const rng = new Rng("budgets");
	for (let run = 0; run < 20; run++) {
		const worker = new Budget(workerMax);
		const readers = Array.from({ length: 2 + rng.int(40) }, () => new Reader(worker, hostMax));
		// Some hosts' messages wait for ever.
		const stuck = new Set(readers.filter(() => rng.int(3) === 0));
		for (let step = 0; step < 5_000; step++) {
			const reader = rng.pick(readers);
			reader.read(rng.int(frameMax));
			if (!stuck.has(reader) && rng.int(5) > 0) reader.settle(rng.int(reader.held.length));
		}
		const frames = readers.length * (frameMax + MESSAGE_OVERHEAD_BYTES);
		expect(worker.held).toBeLessThanOrEqual(workerMax + frames);
		const share = workerMax / 2 / readers.length;
		for (const reader of readers) {
			expect(reader.bytes).toBeLessThanOrEqual(hostMax + frameMax + MESSAGE_OVERHEAD_BYTES);
			if (stuck.has(reader)) continue;
			while (reader.bytes > share / 2) reader.settle(0);
			expect(reader.paused).toBe(false);
		}
		for (const reader of readers) while (reader.held.length > 0) reader.settle(0);
		expect([worker.held, readers.some(({ paused }) => paused)]).toEqual([0, false]);
	}
});
