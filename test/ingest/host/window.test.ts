import { describe, expect, test } from "bun:test";
import { HostWindow } from "../../../src/ingest/host/window.ts";
import { REJECTED } from "../../../src/ingest/outcome.ts";
import { Rng } from "../../../src/sim/rng.ts";

test("the low-water mark waits for messages that are neither durable nor rejected", () => {
	const window = new HostWindow(null);
	let durable = 0;
	const advance = () => window.advance(() => durable);
	const [first, second, third] = [window.arrive(10), window.arrive(11), window.arrive(15)];
	// A new host's mark is known as soon as its first message has arrived.
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

describe("a host that goes back", () => {
	test("keeps the mark before the messages that it sends now, whatever is still on its way", () => {
		const window = new HostWindow(980);
		const old = [985, 990, 1000].map((seq) => window.arrive(seq));
		// The host repeats from 988 on, in the same numbering. 985 is not durable yet.
		window.fallBack(988);
		expect(window.lowWater).toBe(980);
		window.settle(window.arrive(988), REJECTED);
		for (const slot of old.slice(1)) window.settle(slot, REJECTED);
		expect(window.advance(() => 0)).toBe(980);
		const [first] = old;
		if (first !== undefined) window.settle(first, REJECTED);
		expect(window.advance(() => 0)).toBe(988);
		// The host restarts its numbering: the mark goes down at once.
		const late = window.arrive(989);
		window.fallBack(5);
		expect(window.lowWater).toBe(4);
		window.settle(late, REJECTED);
		expect(window.advance(() => 0)).toBe(4);
		window.settle(window.arrive(5), REJECTED);
		expect(window.advance(() => 0)).toBe(5);
	});

	test("never has the mark pass a message of its numbering that is not settled", () => {
		const rng = new Rng("numberings");
		const window = new HostWindow(0);
		let seq = 0;
		/** The messages on their way. Those of earlier numberings are left out, since they can't be asked for again. */
		let open: { seq: number; slot: ReturnType<HostWindow["arrive"]> }[] = [];
		const gone: (typeof open)[number]["slot"][] = [];
		for (let turn = 0; turn < 20_000; turn++) {
			if (rng.int(40) === 0) {
				// A repeat of the last few, or a new numbering that has nothing to do with the old one.
				const isNew = rng.int(2) === 0;
				const first = Math.max(1, isNew ? rng.int(30) : seq - rng.int(10));
				if (first <= seq) window.fallBack(first);
				if (isNew) gone.push(...open.splice(0).map(({ slot }) => slot));
				seq = first - 1;
			}
			seq += 1 + rng.int(3);
			open.push({ seq, slot: window.arrive(seq) });
			while (open.length > rng.int(20)) {
				const [settled] = open.splice(rng.int(open.length), 1);
				if (settled !== undefined) window.settle(settled.slot, REJECTED);
			}
			while (gone.length > rng.int(5)) window.settle(gone.shift() as ReturnType<HostWindow["arrive"]>, REJECTED);
			const lowWater = window.advance(() => 0) ?? 0;
			for (const { seq: missing } of open) expect(lowWater).toBeLessThan(missing);
			expect(lowWater).toBeLessThanOrEqual(seq);
		}
		open = open.filter(({ slot }) => window.settle(slot, REJECTED));
		for (const slot of gone) window.settle(slot, REJECTED);
		expect(window.advance(() => 0)).toBe(seq);
	});

	test("or is asked for another place, goes on from there", () => {
		const window = new HostWindow(100);
		const late = window.arrive(101);
		window.restart(null);
		expect(window.lowWater).toBeNull();
		const first = window.arrive(7);
		expect(window.lowWater).toBe(6);
		window.settle(late, REJECTED);
		expect(window.advance(() => 0)).toBe(6);
		window.settle(first, REJECTED);
		expect(window.advance(() => 0)).toBe(7);
		const later = window.arrive(8);
		window.restart(3);
		window.settle(later, REJECTED);
		expect(window.advance(() => 0)).toBe(3);
		expect(window.size).toBe(0);
	});
});

describe("messages that are given up", () => {
	test("are never passed by the mark, until the host has sent them again", () => {
		const rng = new Rng("given up");
		for (let round = 0; round < 300; round++) {
			const window = new HostWindow(100);
			const slots = Array.from({ length: 1 + rng.int(12) }, (_, at) => window.arrive(101 + at));
			const settled = slots.filter(() => rng.int(2) === 0);
			for (const slot of settled) window.settle(slot, REJECTED);
			window.advance(() => 0);
			const waiting = slots.filter((slot) => slot.outcome === null && rng.int(2) === 0);
			const first = waiting[0];
			if (first === undefined) continue;
			const after = window.giveUp(new Set(waiting));
			expect(after).toBe(100 + slots.indexOf(first));
			for (const slot of slots) if (slot.outcome === null) window.settle(slot, REJECTED);
			expect(window.advance(() => 0)).toBe(after);
			expect(window.size).toBe(0);
			const again = window.arrive(101 + slots.indexOf(first));
			expect(window.advance(() => 0)).toBe(after);
			window.settle(again, REJECTED);
			expect(window.advance(() => 0)).toBe(101 + slots.indexOf(first));
		}
	});
});
