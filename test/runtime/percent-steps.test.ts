import { expect, test } from "bun:test";
import { PercentSteps } from "../../src/runtime/percent-steps.ts";

function shown(isReplaceable: boolean, total: number): (number | null)[] {
	const steps = new PercentSteps(isReplaceable);
	const all: (number | null)[] = [];
	for (let done = 0; done <= total; done++) all.push(steps.percent("copy", done, total));
	return all.filter((percent) => percent !== null);
}

test("each percent is shown once if a line replaces the one before, else each ten, and the end", () => {
	expect(shown(true, 1_000)).toEqual(Array.from({ length: 101 }, (_, percent) => percent));
	expect(shown(false, 1_000)).toEqual([0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100]);
	expect(shown(false, 3)).toEqual([0, 33, 66, 100]);
	expect(shown(true, 0)).toEqual([100]);
});
