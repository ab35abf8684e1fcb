import { describe, expect, test } from "bun:test";
import { type TurnLimits, Turns } from "../../src/identity/turns.ts";
import { Rng } from "../../src/sim/rng.ts";
import { FakeTime, settle } from "./fake-time.ts";

interface Item {
	host: number;
	number: number;
}

const LIMITS: TurnLimits = { atOnceMax: 6, atOncePerHostMax: 3, chargesMax: 1_000_000, chargesPerSecond: 1 };

/** Turns whose work ends when the test says so. */
function rigOf(limits: Partial<TurnLimits> = {}) {
	const time = new FakeTime(0);
	const began: Item[] = [];
	const running: { item: Item; end: () => void }[] = [];
	let limited = 0;
	const turns = new Turns<Item>({
		limits: { ...LIMITS, ...limits },
		work: (item) => {
			const { promise, resolve } = Promise.withResolvers<void>();
			began.push(item);
			running.push({ item, end: resolve });
			return promise;
		},
		outage: null,
		onLimited: () => limited++,
		clock: time.clock,
		sleep: time.sleep,
	});
	async function end(at: number): Promise<void> {
		running.splice(at, 1)[0]?.end();
		await settle();
	}
	return { time, turns, began, running, end, limited: () => limited };
}

describe("turns, with any number of hosts and items", () => {
	for (const seed of ["a", "b", "c", "d"]) {
		test(`keep their limits and each host's order, and let no host overtake a waiting one again and again (${seed})`, async () => {
			const rng = new Rng(seed);
			const { turns, began, running, end } = rigOf();
			const waiting = new Map<number, number[]>();
			/** For each host that waits: how many turns each other host had since this host's last turn. */
			const passed = new Map<number, Map<number, number>>();
			let number = 0;
			let seen = 0;
			const look = (): void => {
				for (; seen < began.length; seen++) {
					const item = began[seen];
					if (item === undefined) return;
					const queue = waiting.get(item.host) ?? [];
					expect(queue.shift()).toBe(item.number);
					passed.delete(item.host);
					for (const [host, others] of waiting) {
						const atOnce = running.filter((one) => one.item.host === host).length;
						if (others.length === 0 || host === item.host || atOnce >= LIMITS.atOncePerHostMax) continue;
						const counts = passed.get(host) ?? new Map<number, number>();
						counts.set(item.host, (counts.get(item.host) ?? 0) + 1);
						passed.set(host, counts);
						// The host may have been at its own limit for a part of that time.
						expect(counts.get(item.host)).toBeLessThanOrEqual(1 + LIMITS.atOncePerHostMax);
					}
				}
				expect(running.length).toBeLessThanOrEqual(LIMITS.atOnceMax);
				for (const { item } of running) {
					const ofHost = running.filter((one) => one.item.host === item.host).length;
					expect(ofHost).toBeLessThanOrEqual(LIMITS.atOncePerHostMax);
				}
			};
			for (let step = 0; step < 400; step++) {
				// One host is greedy.
				const host = rng.int(3) > 0 ? 0 : 1 + rng.int(9);
				const item = { host, number: number++ };
				waiting.set(host, [...(waiting.get(host) ?? []), item.number]);
				turns.add(host, item);
				look();
				if (rng.int(2) === 0) await end(rng.int(running.length));
				look();
			}
			while (running.length > 0) await end(0);
			look();
			expect(began.length).toBe(number);
		});
	}
});

test("a host that is charged waits for its credit, and none of its items is lost", async () => {
	const { time, turns, began, running, end, limited } = rigOf({ chargesMax: 10, chargesPerSecond: 2 });
	for (let number = 0; number < 40; number++) turns.add(1, { host: 1, number });
	const work = async (): Promise<void> => {
		while (running.length > 0) {
			turns.charge(1, 1);
			await end(0);
		}
	};
	await work();
	const atFirst = began.length;
	expect([atFirst >= 10, atFirst <= 10 + LIMITS.atOncePerHostMax, limited() > 0]).toEqual([true, true, true]);
	// Hosts that were not charged go on.
	turns.add(2, { host: 2, number: 0 });
	expect(began.at(-1)?.host).toBe(2);
	await work();
	for (let seconds = 0; seconds < 30; seconds++) {
		await time.pass(1_000);
		await work();
	}
	expect(began.filter(({ host }) => host === 1).map(({ number }) => number)).toEqual([...Array(40).keys()]);
});
