import { describe, expect, test } from "bun:test";
import { createMarksBuffer, MARKS_MAX, Marks } from "../../src/log/marks.ts";

const RULES = [
	{ name: "index", lagBytesMax: null },
	{ name: "sammlung für später", lagBytesMax: 2 ** 40 },
];

describe("marks", () => {
	test("are in shared memory with their names and limits", () => {
		const buffer = createMarksBuffer(RULES);
		const here = new Marks(buffer);
		const there = new Marks(buffer);
		expect(there.all.map(({ name, lagBytesMax }) => ({ name, lagBytesMax }))).toEqual(RULES);
		expect(here.all.map(({ lsn }) => lsn)).toEqual([null, null]);
		here.mark("index").move(7);
		there.mark("sammlung für später").move(0);
		expect(there.mark("index").lsn).toBe(7);
		expect(here.all.map(({ lsn }) => lsn)).toEqual([7, 0]);
		expect(() => here.mark("another")).toThrow("no reader of the log is named another");
	});

	test("take any lsn, and never go back", () => {
		const buffer = createMarksBuffer(RULES);
		const mark = new Marks(buffer).mark("index");
		for (const lsn of [1, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER]) {
			mark.move(lsn);
			mark.move(lsn - 1);
			mark.move(0);
			expect(new Marks(buffer).mark("index").lsn).toBe(lsn);
		}
	});

	test("are limited in number, and each has a name of its own", () => {
		const named = (count: number) => Array.from({ length: count }, (_, at) => ({ name: `${at}`, lagBytesMax: 1 }));
		expect(new Marks(createMarksBuffer(named(MARKS_MAX))).all).toHaveLength(MARKS_MAX);
		expect(() => createMarksBuffer(named(MARKS_MAX + 1))).toThrow(RangeError);
		expect(() => createMarksBuffer([...RULES, ...RULES])).toThrow("the same name");
		expect(new Marks(createMarksBuffer([])).all).toEqual([]);
	});
});
