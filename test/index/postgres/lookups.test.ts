import { expect, test } from "bun:test";
import { Lookups } from "../../../src/index/postgres/lookups.ts";
import { Rng } from "../../../src/sim/rng.ts";

/** Lookups of the keys from 0 to 999. Only even ones have a row. */
function lookupsOf(queries: string[][]): Lookups<number> {
	return new Lookups(async (keys) => {
		queries.push(keys);
		return new Map(keys.filter((key) => Number(key) % 2 === 0).map((key) => [key, Number(key)]));
	});
}

test("the lookups of one turn are one query of each key once, of at most 500", async () => {
	const rng = new Rng("lookups");
	for (let round = 0; round < 50; round++) {
		const queries: string[][] = [];
		const lookups = lookupsOf(queries);
		const keys = Array.from({ length: 1 + rng.int(3_000) }, () => String(rng.int(1_000)));
		const found = await Promise.all(keys.map((key) => lookups.get(key)));
		expect(found).toEqual(keys.map((key) => (Number(key) % 2 === 0 ? Number(key) : null)));
		for (const query of queries) expect(new Set(query).size).toBe(query.length);
		expect(queries.slice(0, -1).map(({ length }) => length)).toEqual(queries.slice(0, -1).map(() => 500));
		expect(queries.at(-1)?.length).toBeLessThanOrEqual(500);
		const distinct = new Set(keys).size;
		if (distinct <= 499) expect(queries).toHaveLength(1);
	}
});

test("lookups that come by and by, between microtasks too, are in the same query", async () => {
	const queries: string[][] = [];
	const lookups = lookupsOf(queries);
	const first = lookups.get("2");
	await Promise.resolve();
	const second = lookups.get("4");
	expect(await Promise.all([first, second])).toEqual([2, 4]);
	expect(await lookups.get("6")).toBe(6);
	expect(queries).toEqual([["2", "4"], ["6"]]);
});

test("a query that fails fails its lookups, and no others", async () => {
	let fails = true;
	const lookups = new Lookups<number>(async (keys) => {
		if (fails) throw new Error("by the test");
		return new Map(keys.map((key) => [key, 1]));
	});
	const found = await Promise.allSettled([lookups.get("1"), lookups.get("2")]);
	expect(found.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
	fails = false;
	expect(await lookups.get("1")).toBe(1);
});
