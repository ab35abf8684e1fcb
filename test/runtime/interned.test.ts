import { expect, test } from "bun:test";
import { Interned } from "../../src/runtime/interned.ts";
import { Rng } from "../../src/sim/rng.ts";

test("a value is there once, under one number, for as long as it is used", () => {
	const rng = new Rng("interned");
	const interned = new Interned<{ key: string }>();
	const uses: { key: string; number: number }[] = [];
	for (let step = 0; step < 20_000; step++) {
		if (rng.int(step % 2_000 < 1_000 ? 3 : 1) > 0 || uses.length === 0) {
			const key = `key ${rng.int(50)}`;
			uses.push({ key, number: interned.use(key, { key }) });
		} else {
			const [gone] = uses.splice(rng.int(uses.length), 1);
			interned.release(gone?.number ?? -1);
		}
		const { key, number } = rng.pick(
			uses.length === 0 ? [{ key: "new", number: interned.use("new", { key: "new" }) }] : uses,
		);
		expect(interned.at(number)).toEqual({ key });
		if (uses.length === 0) interned.release(number);
		const numbers = new Map(uses.map((use) => [use.key, use.number]));
		expect(interned.size).toBe(numbers.size);
		expect(new Set(numbers.values()).size).toBe(numbers.size);
		for (const use of uses.slice(-3)) expect(numbers.get(use.key)).toBe(use.number);
	}
	expect(() => interned.at(10_000)).toThrow(RangeError);
});
