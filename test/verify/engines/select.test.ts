import { describe, expect, test } from "bun:test";
import type { Engine } from "../../../src/verify/engine.ts";
import { createPortableEngine } from "../../../src/verify/portable/engine.ts";
import { selectEngine } from "../../../src/verify/select.ts";
import { type FrameJudge, selfTest } from "../../../src/verify/self-test.ts";
import { SELF_TEST_VECTORS } from "../../../src/verify/self-test-vectors.ts";

const works = (): Engine => ({ ...createPortableEngine(), name: "native" });
const fails = (): never => {
	throw new Error("the addon can't be loaded: no such file");
};
const ignore = (): void => {};

describe("the choice of an engine", () => {
	test.each([
		["auto", works, "native", false, "native verifier, self-test passed"],
		[
			"auto",
			fails,
			"portable",
			true,
			"portable verifier, some ten times slower: the addon can't be loaded: no such file",
		],
		["native", works, "native", false, "native verifier, self-test passed"],
		["portable", fails, "portable", false, "portable verifier, as set"],
	] as const)("%s", (choice, createNative, name, isFallback, note) => {
		const selected = selectEngine(choice, ignore, createNative);
		expect({ name: selected.engine.name, isFallback: selected.isFallback, note: selected.note }).toEqual({
			name,
			isFallback,
			note,
		});
	});

	test("native fails if it does not work, and says why", () => {
		expect(() => selectEngine("native", ignore, fails)).toThrow(
			"the native verifier was asked for, but the addon can't be loaded: no such file",
		);
	});
});

describe("the self-test", () => {
	const judgeAs = (reasonOf: (index: number) => string | null): FrameJudge => {
		let index = 0;
		return {
			judge: () =>
				({ reason: reasonOf(index++), strictOnly: false, commit: null, data: null }) as ReturnType<FrameJudge["judge"]>,
		};
	};

	test("passes an engine that judges all vectors right", () => {
		selfTest(judgeAs((index) => SELF_TEST_VECTORS[index]?.reason ?? null));
	});

	test("fails one that judges any vector wrong", () => {
		for (const [wrong, { name }] of SELF_TEST_VECTORS.entries()) {
			const engine = judgeAs((index) =>
				index === wrong ? "car-malformed" : (SELF_TEST_VECTORS[index]?.reason ?? null),
			);
			expect(() => selfTest(engine)).toThrow(`self-test failed: ${name} gives car-malformed`);
		}
	});

	test("fails one that panics", () => {
		expect(() => selfTest({ judge: (_frame, _key, refer) => refer() })).toThrow("it panics on a good k256 signature");
	});
});
