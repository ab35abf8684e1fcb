import { afterAll, beforeAll, describe, test } from "bun:test";
import type { Pds } from "./pds.ts";
import { Stage, type StageOptions } from "./stage.ts";
import { findTools, type Tools } from "./tools.ts";

const SETUP_TIMEOUT_MS = 900_000;
const TEST_TIMEOUT_MS = 1_200_000;

export interface Play {
	/** Calls this once the stage is set. */
	before: (begin: (stage: Stage, first: Pds, second: Pds) => void | Promise<void>) => void;
	/** Calls this when the stage is cleared. */
	after: (end: () => Promise<void>) => void;
	act: (name: string, body: () => Promise<void>) => void;
}

/**
 * Declares the acts of a file: tests that run in order on one stage, which they share. Skips them if the machine can't run them.
 * @param options of the stage; or a sentence that says why the acts can't run
 */
export function play(name: string, options: StageOptions | string, declare: (play: Play) => void): void {
	const tools = typeof options === "string" ? options : findTools();
	if (typeof tools === "string" || typeof options === "string")
		describe.skip(`${name} (skipped: ${tools})`, () => declare({ before: nothing, after: nothing, act }));
	else describe(name, () => playOn(tools, options, declare));
}

function playOn(tools: Tools, options: StageOptions, declare: (play: Play) => void): void {
	let stage: Stage | null = null;
	let begins: Parameters<Play["before"]>[0] = nothing;
	let ends: () => Promise<void> = async () => undefined;
	beforeAll(async () => {
		stage = await Stage.set(tools, options);
		const [first, second] = stage.net.pdses;
		if (first === undefined || second === undefined) throw new Error("the stage has no two PDSes");
		await begins(stage, first, second);
	}, SETUP_TIMEOUT_MS);
	afterAll(async () => {
		await stage?.clear();
		await ends();
	}, SETUP_TIMEOUT_MS);
	declare({
		before: (begin) => {
			begins = begin;
		},
		after: (end) => {
			ends = end;
		},
		act,
	});
}

function act(name: string, body: () => Promise<void>): void {
	test(name, body, TEST_TIMEOUT_MS);
}

function nothing(): void {
	// There is no stage.
}
