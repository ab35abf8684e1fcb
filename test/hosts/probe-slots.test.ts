import { beforeEach, describe, expect, test } from "bun:test";
import { ProbeSlots, type ProbeSlotsOptions } from "../../src/hosts/probe-slots.ts";
import { Rng } from "../../src/sim/rng.ts";

const OPTIONS: ProbeSlotsOptions = {
	slots: 4,
	perAddressMax: 2,
	waitingMax: 6,
	waitingPerAddressMax: 3,
	waitMs: 1_000,
};

/** Ends all waits that are under way. */
let endWaits: Set<() => void>;
let running: Map<string, number>;
let started: string[];
let finish: { address: string; end: () => void }[];

beforeEach(() => {
	endWaits = new Set();
	running = new Map();
	started = [];
	finish = [];
});

function timer(_ms: number, callback: () => void): () => void {
	endWaits.add(callback);
	return () => endWaits.delete(callback);
}

/** Work that runs until the test ends it. */
function work(address: string): () => Promise<string> {
	return () => {
		started.push(address);
		running.set(address, (running.get(address) ?? 0) + 1);
		return new Promise((resolve) => {
			finish.push({
				address,
				end: () => {
					running.set(address, (running.get(address) ?? 0) - 1);
					resolve("done");
				},
			});
		});
	};
}

async function settle(): Promise<void> {
	for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}

describe("probe slots", () => {
	test("take turns: an address that asks for much gets no more than the next one", async () => {
		const slots = new ProbeSlots({ ...OPTIONS, slots: 1, timer });
		const outcomes: string[] = [];
		for (const address of ["a", "a", "a", "b", "c", "b"])
			void slots.run(address, work(address)).then((outcome) => outcomes.push(outcome));
		for (let at = 0; at < 6; at++) {
			await settle();
			finish[at]?.end();
		}
		await settle();
		expect(outcomes).toEqual(Array.from({ length: 6 }, () => "done"));
		expect(started).toEqual(["a", "a", "b", "c", "a", "b"]);
	});

	test("refuse when too many wait, in total or of one address, and give up a wait that is over", async () => {
		const slots = new ProbeSlots({ ...OPTIONS, timer });
		const outcomes: string[] = [];
		const ask = (address: string): void =>
			void slots.run(address, work(address)).then((outcome) => outcomes.push(outcome));
		for (const address of ["a", "a", "a", "a", "a", "a"]) ask(address);
		await settle();
		expect(outcomes).toEqual(["full"]);
		for (const address of ["b", "c", "b", "c", "d", "e"]) ask(address);
		await settle();
		expect(outcomes.splice(0)).toEqual(["full", "full"]);
		expect(started).toEqual(["a", "a", "b", "c"]);
		for (const end of [...endWaits]) end();
		for (const { end } of finish) end();
		await settle();
		expect(outcomes.sort()).toEqual([...Array(4).fill("done"), ...Array(6).fill("timeout")]);
		expect(endWaits.size).toBe(0);
		ask("a");
		await settle();
		finish.at(-1)?.end();
		await settle();
		expect(outcomes.at(-1)).toBe("done");
	});

	test("keep their limits, forget nobody, and get a slot back from work that fails, in any order of events", async () => {
		for (let seed = 0; seed < 50; seed++) {
			const rng = new Rng(`probe slots ${seed}`);
			const slots = new ProbeSlots({ ...OPTIONS, timer });
			let asked = 0;
			const outcomes: string[] = [];
			for (let step = 0; step < 200; step++) {
				const address = rng.pick(["a", "b", "c", "d"]);
				const fails = rng.int(5) === 0;
				if (rng.int(2) === 0) {
					const run = fails
						? slots.run(address, () => Promise.reject(new Error("boom")))
						: slots.run(address, work(address));
					void run.catch(() => "failed").then((outcome) => outcomes.push(outcome));
					asked++;
				} else if (finish.length > 0) {
					finish.splice(rng.int(finish.length), 1)[0]?.end();
				} else if (endWaits.size > 0 && rng.int(4) === 0) {
					rng.pick([...endWaits])();
				}
				await settle();
				const counts = [...running.values()];
				expect(Math.max(0, ...counts)).toBeLessThanOrEqual(OPTIONS.perAddressMax);
				expect(counts.reduce((sum, count) => sum + count, 0)).toBeLessThanOrEqual(OPTIONS.slots);
			}
			while (finish.length > 0) {
				finish.shift()?.end();
				await settle();
			}
			expect(outcomes).toHaveLength(asked);
			expect(endWaits.size).toBe(0);
		}
	});
});
