// peer/check/: whether a relay is conformant: a table of checks, and what each of them asks. What is said of the findings is in cli/.

import type { CheckedRelay } from "./checked-relay.ts";
import { Unreachable } from "./client.ts";
import { FailCheck, SkipCheck } from "./verdict.ts";

/** What a check has found, in a few words. A stranger may have written parts of them. */
export interface Finding {
	/** `skip`: the relay gave no occasion to judge. */
	result: "pass" | "fail" | "skip";
	found: string;
}

/** One check. Its name is its key in the table. */
export interface Check {
	/** `must`: clients break without it, or the specification demands it. `should`: what the specification or the network's practice asks for. */
	severity: "must" | "should";
	/** What a conformant relay does. */
	expected: string;
	/** The specification, the lexicon, or the section of the rulebook that says so. */
	source: string;
	/** @returns what was found, if it is right. @throws FailCheck, SkipCheck, Unreachable */
	run(relay: CheckedRelay): Promise<string>;
}

/** Runs a check. A request without an answer is a failure. @throws Unreachable if the relay has not answered a single request */
export async function findingOf(check: Check, relay: CheckedRelay): Promise<Finding> {
	try {
		return { result: "pass", found: await check.run(relay) };
	} catch (error) {
		if (error instanceof FailCheck) return { result: "fail", found: error.message };
		if (error instanceof SkipCheck) return { result: "skip", found: error.message };
		if (error instanceof Unreachable && relay.client.answers > 0) return { result: "fail", found: error.message };
		throw error;
	}
}
