import { expect, test } from "bun:test";
import { RecentMap } from "../../src/runtime/recent-map.ts";
import { Rng } from "../../src/sim/rng.ts";

/** The same in the simplest way: a list in the order of use. */
class Model {
	readonly entries: [key: number, value: string][] = [];
	readonly forgotten: [key: number, value: string][] = [];
	readonly #entriesMax: number;
	readonly #bytesMax: number;

	constructor(entriesMax: number, bytesMax: number) {
		this.#entriesMax = entriesMax;
		this.#bytesMax = bytesMax;
	}

	get bytes(): number {
		return this.entries.reduce((bytes, [, value]) => bytes + value.length, 0);
	}

	peek(key: number): string | undefined {
		return this.entries.find(([other]) => other === key)?.[1];
	}

	get(key: number): string | undefined {
		const value = this.peek(key);
		if (value !== undefined) this.entries.push(...this.entries.splice(this.#at(key), 1));
		return value;
	}

	set(key: number, value: string): void {
		this.delete(key);
		this.entries.push([key, value]);
		while (this.entries.length > 1 && (this.entries.length > this.#entriesMax || this.bytes > this.#bytesMax))
			this.forgotten.push(...this.entries.splice(0, 1));
	}

	delete(key: number): void {
		if (this.#at(key) >= 0) this.entries.splice(this.#at(key), 1);
	}

	#at(key: number): number {
		return this.entries.findIndex(([other]) => other === key);
	}
}

test.each(["a", "b", "c", "d"])("does the same as a list in the order of use, with generated calls (%s)", (seed) => {
	const rng = new Rng(`recent map ${seed}`);
	const entriesMax = 1 + rng.int(8);
	const bytesMax = 1 + rng.int(60);
	const model = new Model(entriesMax, bytesMax);
	const forgotten: [key: number, value: string][] = [];
	const map = new RecentMap<number, string>({
		entriesMax,
		bytesMax,
		bytesOf: (_key, value) => value.length,
		onForgotten: (key, value) => forgotten.push([key, value]),
	});
	for (let step = 0; step < 3000; step++) {
		const key = rng.int(12);
		const value = "x".repeat(rng.int(20));
		const what = rng.int(4);
		if (what === 0) expect(map.get(key)).toBe(model.get(key));
		else if (what === 1) expect(map.peek(key)).toBe(model.peek(key));
		else if (what === 2) {
			map.set(key, value);
			model.set(key, value);
		} else {
			map.delete(key);
			model.delete(key);
		}
		expect([...map]).toEqual(model.entries);
		expect(map.size).toBe(model.entries.length);
	}
	expect(forgotten).toEqual(model.forgotten);
	expect(forgotten.length).toBeGreaterThan(50);
});

test("keeps the last one set, however large it is", () => {
	const map = new RecentMap<string, number>({ bytesMax: 10, bytesOf: (_key, value) => value });
	map.set("small", 5);
	map.set("large", 1000);
	expect([...map]).toEqual([["large", 1000]]);
});
