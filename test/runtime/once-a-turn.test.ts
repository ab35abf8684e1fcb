import { expect, test } from "bun:test";
import { OnceATurn } from "../../src/runtime/once-a-turn.ts";

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("does its work once a turn, however often it is asked for, and again in a later turn", async () => {
	let done = 0;
	const work = new OnceATurn(() => {
		done++;
	});
	await turn();
	expect(done).toBe(0);
	for (let round = 1; round <= 3; round++) {
		for (let i = 0; i < 5; i++) work.schedule();
		expect(done).toBe(round - 1);
		await turn();
		expect(done).toBe(round);
	}
});

test("work that is asked for by the work itself is done a turn later", async () => {
	let done = 0;
	const work: OnceATurn = new OnceATurn(() => {
		if (++done < 3) work.schedule();
	});
	work.schedule();
	for (let i = 0; i < 5; i++) await turn();
	expect(done).toBe(3);
});
