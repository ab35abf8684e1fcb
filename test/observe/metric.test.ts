import { describe, expect, test } from "bun:test";
import { Counters } from "../../src/observe/counters.ts";
import {
	BOUNDS_MAX,
	CELLS_MAX,
	counter,
	type Declaration,
	declarations,
	gauge,
	histogram,
} from "../../src/observe/metric.ts";
import { Totals } from "../../src/observe/totals.ts";
import { Rng } from "../../src/sim/rng.ts";

const apples = counter("test_apples_total", "apples that fell", "Pick them up.");
const pears = counter("test_pears_total", "pears, by colour", "Wait.", { name: "colour", values: ["green", "red"] });
const baskets = gauge("test_baskets", "baskets that are full", "Empty them.");

/** Histograms with any bounds, with and without a label. */
const BOUNDS = [[1], [0.5, 2, 4], Array.from({ length: BOUNDS_MAX }, (_, at) => 2 ** (at - 8))];
const plain = BOUNDS.map((bounds, at) => histogram(`plain_${at}_seconds`, "how long", "Look.", bounds));
const labelled = BOUNDS.map((bounds, at) =>
	histogram(`labelled_${at}_bytes`, "how long", "Look.", bounds, { name: "end", values: ["head", "tail"] }),
);

function totalsOf(...threads: Counters[]): Totals {
	const totals = new Totals();
	for (const thread of threads) totals.include(thread.share());
	return totals;
}

function shuffled<T>(rng: Rng, items: readonly T[]): T[] {
	const keyed = items.map((item) => ({ item, key: rng.float() }));
	return keyed.sort((a, b) => a.key - b.key).map(({ item }) => item);
}

describe("a metric", () => {
	test("is declared with its meaning, and has one cell for each value of its label", () => {
		const mine = declarations().filter(({ name }) => name.startsWith("test_"));
		expect(mine.map(({ cell, ...rest }) => rest)).toEqual([
			{ name: "test_apples_total", help: "apples that fell", advice: "Pick them up.", kind: "counter", label: null },
			{
				name: "test_pears_total",
				help: "pears, by colour",
				advice: "Wait.",
				kind: "counter",
				label: { name: "colour", values: ["green", "red"] },
			},
			{ name: "test_baskets", help: "baskets that are full", advice: "Empty them.", kind: "gauge", label: null },
		]);
		const [first = 0] = mine.map(({ cell }) => cell);
		expect(mine.map(({ cell }) => cell - first)).toEqual([0, 1, 3]);
	});

	test.each<[string, () => unknown, RegExp]>([
		["a name that is taken", () => gauge("test_baskets", "more of them", "Look."), /declared twice/],
		["a name in capitals", () => gauge("test_Baskets", "what", "Look."), /not a metric's name/],
		["a name with a space", () => gauge("test baskets", "what", "Look."), /not a metric's name/],
		["a counter without _total", () => counter("test_plums", "what", "Look."), /ends with _total/],
		["a gauge with _total", () => gauge("test_plums_total", "what", "Look."), /does not end with _total/],
		[
			"a label without values",
			() => counter("test_plums_total", "what", "Look.", { name: "kind", values: [] }),
			/twice, or none/,
		],
		["no meaning", () => counter("test_plums_total", "", "Look."), /the help of test_plums_total/],
		["a meaning with a period", () => counter("test_plums_total", "plums.", "Look."), /the help of/],
		["a meaning of two lines", () => gauge("test_plums", "plums\nand more", "Look."), /the help of/],
		...["", "Look", "look.", "Look.\nThen wait.", "."].map((advice): [string, () => unknown, RegExp] => [
			`the advice ${JSON.stringify(advice)}`,
			() => gauge("test_plums", "plums", advice),
			/the advice of test_plums is not a sentence/,
		]),
		[
			"a value twice",
			() => counter("test_plums_total", "what", "Look.", { name: "kind", values: ["a", "a"] }),
			/twice, or none/,
		],
		[
			"more values than there are cells",
			() =>
				counter("test_plums_total", "what", "Look.", {
					name: "kind",
					values: Array.from({ length: CELLS_MAX }, (_, at) => `${at}`),
				}),
			/no cells are left/,
		],
	])("is refused with %s, and takes no cell", (_, declare, message) => {
		const before = declarations();
		expect(declare).toThrow(message);
		expect(declarations()).toEqual(before);
	});

	test.each<[string, () => unknown, RegExp]>([
		...["total", "bucket", "count", "sum"].map((ending): [string, () => unknown, RegExp] => [
			`a name that ends with _${ending}`,
			() => histogram(`unborn_${ending}`, "what", "Look.", [1]),
			/ends with its unit/,
		]),
		["a name that is taken", () => histogram("test_baskets", "what", "Look.", [1]), /declared twice/],
		[
			"a label le",
			() => histogram("unborn_seconds", "what", "Look.", [1], { name: "le", values: ["a"] }),
			/the label le/,
		],
		[
			"a label without values",
			() => histogram("unborn_seconds", "what", "Look.", [1], { name: "a", values: [] }),
			/twice, or none/,
		],
		[
			"more bounds than may be",
			() =>
				histogram(
					"unborn_seconds",
					"what",
					"Look.",
					Array.from({ length: BOUNDS_MAX + 1 }, (_, at) => at + 1),
				),
			/1 to 32 numbers/,
		],
		...[[], [0], [-1], [1, 1], [2, 1], [1, Number.NaN], [1, Number.POSITIVE_INFINITY]].map(
			(bounds): [string, () => unknown, RegExp] => [
				`the bounds ${bounds}`,
				() => histogram("unborn_seconds", "what", "Look.", bounds),
				/1 to 32 numbers above zero, in rising order/,
			],
		),
		[
			"more cells than there are",
			() =>
				histogram("unborn_seconds", "what", "Look.", [1], {
					name: "kind",
					values: Array.from({ length: CELLS_MAX / 3 }, (_, at) => `${at}`),
				}),
			/no cells are left/,
		],
	])("of values is refused with %s, and takes no cell", (_, declare, message) => {
		const before = declarations();
		expect(declare).toThrow(message);
		expect(declarations()).toEqual(before);
	});

	test("has only the label values that it was declared with", () => {
		expect(() => pears.of("blue" as "red")).toThrow("no value blue");
	});
});

describe("totals", () => {
	test("are the sums over threads, by name and label", () => {
		const [one, other] = [new Counters(), new Counters()];
		one.add(apples);
		other.add(apples, 41);
		one.add(pears.of("red"), 2);
		other.add(pears.of("green"));
		other.add(pears.of("red"), 3);
		one.add(baskets, 5);
		other.add(baskets, -2);
		const totals = totalsOf(one, other);
		expect(totals.read().filter(({ name }) => name.startsWith("test_"))).toEqual([
			{
				name: "test_apples_total",
				help: "apples that fell",
				advice: "Pick them up.",
				kind: "counter",
				total: 42,
				by: null,
			},
			{ name: "test_baskets", help: "baskets that are full", advice: "Empty them.", kind: "gauge", total: 3, by: null },
			{
				name: "test_pears_total",
				help: "pears, by colour",
				advice: "Wait.",
				kind: "counter",
				total: 6,
				by: { label: "colour", totals: { green: 1, red: 5 } },
			},
		]);
		one.add(apples);
		expect([totals.count("test_apples_total"), totals.count("test_pears_total")]).toEqual([43, 6]);
	});

	test("of a histogram say for every bound how many values are not above it, over threads and for each label", () => {
		const rng = new Rng("histograms");
		const threads = [new Counters(), new Counters(), new Counters()];
		const totals = totalsOf(...threads);
		const observed = new Map<string, number[]>();
		for (let round = 0; round < 5_000; round++) {
			const at = rng.int(BOUNDS.length);
			const of = rng.pick([null, "head", "tail"] as const);
			// Often exactly a bound, and as often right next to one.
			const bound = rng.pick(BOUNDS[at] ?? []);
			const value = rng.pick([0, bound, bound * (1 + 2 ** -40), bound * (1 - 2 ** -40), rng.float() * 5, 1e300]);
			const metric = of === null ? plain[at] : labelled[at]?.of(of);
			if (metric === undefined) throw new Error("there is a histogram for each of the bounds");
			rng.pick(threads).observe(metric, value);
			const key = `${at} ${of}`;
			observed.set(key, [...(observed.get(key) ?? []), value]);
		}
		const read = totals.read();
		for (const [at, bounds] of BOUNDS.entries()) {
			for (const [name, values] of [
				[`plain_${at}_seconds`, [null]],
				[`labelled_${at}_bytes`, ["head", "tail"]],
			] as const) {
				const metric = read.find((one) => one.name === name);
				if (metric?.kind !== "histogram") throw new Error(`no histogram ${name}`);
				expect(metric.bounds).toEqual(bounds);
				expect(metric.distributions.map(({ of }) => of)).toEqual([...values]);
				const all = values.map((of) => observed.get(`${at} ${of}`) ?? []);
				for (const [index, { upTo, sum }] of metric.distributions.entries()) {
					const those = all[index] ?? [];
					const wanted = [...bounds, Number.POSITIVE_INFINITY].map((bound) => those.filter((v) => v <= bound).length);
					expect(upTo).toEqual(wanted);
					const exact = those.reduce((total, value) => total + value, 0);
					expect(Math.abs(sum - exact)).toBeLessThanOrEqual(1e-9 * exact);
				}
				expect(metric.total).toBe(all.flat().length);
				expect(totals.count(name)).toBe(all.flat().length);
				expect(metric.by?.totals ?? null).toEqual(
					metric.by === null ? null : Object.fromEntries(values.map((of, index) => [of, all[index]?.length])),
				);
			}
		}
	});

	test("of a histogram leave out values that are no number or below zero", () => {
		const thread = new Counters();
		const [metric] = plain;
		if (metric === undefined) throw new Error("there is a histogram");
		for (const value of [Number.NaN, -1, -Number.MIN_VALUE, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])
			expect(() => thread.observe(metric, value)).toThrow(`does not take ${value}`);
		expect(totalsOf(thread).read()).toEqual(totalsOf(new Counters()).read());
	});

	test("know no name that no thread has declared", () => {
		expect(() => totalsOf(new Counters()).count("test_plums_total")).toThrow("no thread counts test_plums_total");
	});

	test("don't depend on which metrics a thread has, nor on their order in its row", () => {
		const rng = new Rng("totals");
		for (let round = 0; round < 300; round++) {
			const names = Array.from({ length: 1 + rng.int(12) }, (_, at) => `n${at}`);
			const labels = new Map(names.map((name) => [name, rng.int(3)]));
			const totals = new Totals();
			const expected = new Map<string, number[]>();
			for (let thread = rng.int(5); thread >= 0; thread--) {
				const metrics: Declaration[] = [];
				const numbers: number[] = [];
				for (const name of shuffled(rng, names).slice(rng.int(names.length))) {
					const values = Array.from({ length: labels.get(name) ?? 0 }, (_, at) => `v${at}`);
					const label = values.length === 0 ? null : { name: "label", values };
					metrics.push({ name, help: "", advice: "", kind: "gauge", label, cell: numbers.length });
					const own = Array.from({ length: Math.max(values.length, 1) }, () => rng.int(1000) - 500);
					numbers.push(...own);
					const before = expected.get(name) ?? own.map(() => 0);
					expected.set(
						name,
						own.map((number, at) => number + (before[at] ?? 0)),
					);
				}
				totals.include({ row: Float64Array.from(numbers), metrics });
			}
			const got = totals.read();
			expect(got.map(({ name }) => name)).toEqual([...expected.keys()].sort());
			for (const { name, total, by } of got) {
				const numbers = expected.get(name) ?? [];
				expect(total).toBe(numbers.reduce((sum, number) => sum + number, 0));
				if (by !== null) expect(Object.values(by.totals)).toEqual(numbers);
				expect(totals.count(name)).toBe(total);
			}
		}
	});

	test("refuse a thread that declares another metric of the same name", () => {
		const metric: Declaration = { name: "a_total", help: "", advice: "", kind: "counter", label: null, cell: 0 };
		const others: Declaration[] = [
			{ ...metric, help: "else" },
			{ ...metric, advice: "Else." },
			{ ...metric, kind: "gauge" },
			{ ...metric, label: { name: "b", values: ["c"] } },
			{ ...metric, kind: "histogram", bounds: [1] },
		];
		for (const other of others) {
			const totals = new Totals();
			totals.include({ row: new Float64Array(8), metrics: [metric] });
			totals.include({ row: new Float64Array(8), metrics: [{ ...metric, cell: 5 }] });
			expect(() => totals.include({ row: new Float64Array(8), metrics: [other] })).toThrow(
				"different metrics by a_total",
			);
		}
	});
});
