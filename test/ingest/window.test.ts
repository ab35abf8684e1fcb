import { expect, test } from "bun:test";
import { HostWindow, REJECTED } from "../../src/ingest/window.ts";
import { Rng } from "../sim/rng.ts";

test("the low-water mark waits for what is neither durable nor rejected", () => {
	const window = new HostWindow(null);
	let durable = 0;
	const advance = () => window.advance(() => durable);
	const [first, second, third] = [window.arrive(10), window.arrive(11), window.arrive(15)];
	// A new host's place is known as soon as its first message is there.
	expect(advance()).toBe(9);
	window.settle(second, REJECTED);
	window.settle(third, { rejected: false, ring: 0, position: 200 });
	expect(advance()).toBe(9);
	window.settle(first, { rejected: false, ring: 0, position: 100 });
	expect(advance()).toBe(9);
	durable = 100;
	expect(advance()).toBe(11);
	durable = 199;
	expect(advance()).toBe(11);
	durable = 200;
	expect(advance()).toBe(15);
	expect(window.size).toBe(0);
});

test("each ring has its own durability", () => {
	const window = new HostWindow(5);
	window.settle(window.arrive(6), { rejected: false, ring: 1, position: 10 });
	window.settle(window.arrive(7), { rejected: false, ring: 0, position: 10 });
	expect(window.advance((ring) => (ring === 0 ? 10 : 0))).toBe(5);
	expect(window.advance(() => 10)).toBe(7);
});

test("settled in any order, it never passes a message that is not durable", () => {
	const rng = new Rng("window");
	const window = new HostWindow(0);
	const open: { seq: number; settle: (position: number) => void }[] = [];
	const durableAt = new Map<number, number>();
	let durable = 0;
	let position = 0;
	for (let seq = 1; seq <= 20_000; seq++) {
		const slot = window.arrive(seq);
		open.push({
			seq,
			settle: (at) => window.settle(slot, at === 0 ? REJECTED : { rejected: false, ring: 0, position: at }),
		});
		while (open.length > rng.int(50)) {
			const [settled] = open.splice(rng.int(open.length), 1);
			const at = rng.int(10) === 0 ? 0 : ++position;
			durableAt.set(settled?.seq ?? 0, at);
			settled?.settle(at);
		}
		if (rng.int(5) === 0) durable = position - rng.int(3);
		const lowWater = window.advance(() => durable) ?? 0;
		const next = durableAt.get(lowWater + 1);
		if (next !== undefined) expect(next).toBeGreaterThan(durable);
		if (lowWater > 0) expect(durableAt.get(lowWater) ?? Number.POSITIVE_INFINITY).toBeLessThanOrEqual(durable);
	}
});
