import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { Unreachable } from "../../../src/peer/check/client.ts";
import { CHECK_NAMES, type CheckName, type CheckResult, checkRelay } from "../../../src/peer/check/table.ts";
import { FakeRelay } from "../fake-relay.ts";
import { PLANTED } from "./faults.ts";

/** Far more than any run takes: each planted fault shows itself by what comes, not by what does not. */
const STREAM_MS = 240_000;

const relay = new FakeRelay();
beforeAll(() => relay.start("check"));
afterAll(() => relay.stop());
beforeEach(() => {
	relay.fault = {};
});

async function check(url = relay.url): Promise<CheckResult[]> {
	const options = {
		relay: url,
		requestsPerS: 1,
		sleep: async () => undefined,
		limit: 2,
		pagesMax: 20,
		streamMs: STREAM_MS,
		inactiveDid: null,
	};
	return Array.fromAsync(checkRelay(options));
}

function namesOf(results: readonly CheckResult[], wanted: CheckResult["result"]): CheckName[] {
	return results.filter(({ result }) => result === wanted).map(({ name }) => name);
}

describe("a check of a relay", () => {
	test("finds nothing at a relay that is right, and judges all", async () => {
		const results = await check();
		expect(results.map(({ name }) => name)).toEqual([...CHECK_NAMES]);
		expect(results.filter(({ result }) => result !== "pass")).toEqual([]);
	});

	const all = CHECK_NAMES.flatMap((name) =>
		Object.entries(PLANTED[name].faults).map(([how, fault]) => ({ name, how, fault })),
	);

	test.each(all)("$name fails if it $how, and nothing else does", async ({ name, fault }) => {
		relay.fault = fault;
		const results = await check();
		const failed = namesOf(results, "fail");
		expect(failed).toContain(name);
		const { mayFail = [] } = PLANTED[name];
		expect(failed.filter((other) => other !== name && !mayFail.includes(other))).toEqual([]);
		for (const { found } of results) expect(found.length).toBeGreaterThan(0);
	});

	test("is given up at a relay that answers nothing", async () => {
		expect(check("http://127.0.0.1:1")).rejects.toThrow(Unreachable);
	});
});
