import { expect, test } from "bun:test";
import { PackedMap, type Packing } from "../../src/runtime/packed-map.ts";
import { Rng } from "../../src/sim/rng.ts";

const PREFIX = "did:plc:";
const ALPHABET = "abcdefghijklmnopqrstuvwxyz234567";

interface Value {
	number: number;
}

/** Packs bytes. Counts the records that are in use. */
class BytePacking implements Packing<Value> {
	readonly recordBytes = 1;
	packed = 0;

	fits(_key: string, { number }: Value): boolean {
		return number < 256;
	}

	write({ number }: Value, record: Buffer, at: number): void {
		this.packed++;
		record[at] = number;
	}

	read(_key: string, record: Buffer, at: number): Value {
		return { number: record[at] ?? -1 };
	}

	drop(): void {
		this.packed--;
	}
}

/** A key that can be packed, or one that nearly can. */
function keyOf(rng: Rng): string {
	const digits = Array.from({ length: 24 }, () => rng.pick([...ALPHABET])).join("");
	const key = PREFIX + digits;
	const at = rng.int(key.length);
	return rng.pick([
		...Array<string>(8).fill(key),
		key.slice(1),
		`${key}a`,
		`${key.slice(0, at)}${rng.pick(["A", "1", "8", "é", "\u{10000}", "0", "-"])}${key.slice(at + 1)}`,
		`did:web:${digits.slice(8)}`,
		digits.slice(rng.int(24)),
		"",
	]);
}

test("it is a map in the order of use, whatever its keys and values are", () => {
	let packed = 0;
	for (let run = 0; run < 30; run++) {
		const rng = new Rng(`packed-map ${run}`);
		const packing = new BytePacking();
		const map = new PackedMap(PREFIX, packing);
		const model = new Map<string, number>();
		const use = (key: string): void => {
			const number = model.get(key);
			if (number === undefined) return;
			model.delete(key);
			model.set(key, number);
		};
		const keys = Array.from({ length: rng.pick([3, 100, 3_000]) }, () => keyOf(rng));
		const isGrowing = (step: number): boolean => step % 4_000 < 2_500;
		for (let step = 0; step < 8_000; step++) {
			const key = rng.pick(keys);
			const number = rng.int(300);
			const action = rng.pick(["set", isGrowing(step) ? "set" : "delete", "delete-oldest", "get", "touch", "peek"]);
			if (action === "set") {
				map.set(key, { number });
				model.set(key, number);
			} else if (action === "delete" || (action === "delete-oldest" && rng.int(4) === 0)) {
				const gone = action === "delete" ? key : (map.oldest ?? key);
				map.delete(gone);
				model.delete(gone);
			} else if (action === "get") {
				expect(map.get(key)?.number).toBe(model.get(key));
				use(key);
			} else if (action === "touch") {
				map.touch(key);
				use(key);
			} else {
				expect([map.peek(key)?.number, map.has(key)]).toEqual([model.get(key), model.has(key)]);
			}
			expect([map.size, map.oldest]).toEqual([model.size, model.keys().next().value ?? null]);
		}
		const fit = [...model.values()].filter((number) => number < 256).length;
		expect(packing.packed).toBe(fit);
		packed += fit;
		for (const [key, number] of [...model]) {
			expect([map.oldest, map.peek(key)?.number]).toEqual([key, number]);
			map.delete(key);
		}
		expect([map.size, packing.packed]).toEqual([0, 0]);
	}
	expect(packed).toBeGreaterThan(5_000);
});
