import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { type ClientOptions, Unreachable } from "../../../src/peer/check/client.ts";
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

async function check(url = relay.url, clock: Partial<ClientOptions> = {}): Promise<CheckResult[]> {
	const options = {
		relay: url,
		requestsPerS: 1,
		sleep: async () => undefined,
		limit: 2,
		pagesMax: 20,
		streamMs: STREAM_MS,
		inactiveDid: null,
		...clock,
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

	test("waits two minutes in all at a relay that always says 429, and can't judge it then", async () => {
		relay.fault = { answer: () => new Response(null, { status: 429 }) };
		let sleptMs = 0;
		const sleep = async (ms: number): Promise<void> => {
			sleptMs += ms;
		};
		const results = await check(relay.url, { requestsPerS: 1_000, sleep });
		expect(sleptMs).toBeGreaterThan(60_000);
		expect(sleptMs).toBeLessThan(125_000);
		const asking = results.filter(({ name }) => !name.startsWith("stream"));
		expect(asking.filter(({ found }) => found.includes("asked too much")).length).toBeGreaterThan(10);
	});

	test("asks no more when all answers together have taken ten minutes", async () => {
		let nowMs = 0;
		let asked = 0;
		relay.fault = {
			answer(_, right) {
				asked += 1;
				nowMs += 29_000;
				return right;
			},
		};
		const results = await check(relay.url, { elapsedMs: () => nowMs });
		expect(asked).toBe(21);
		expect(results.some(({ result, found }) => result === "skip" && found.includes("for all its answers"))).toBe(true);
	});

	test("keeps no row with a status that is no word", async () => {
		relay.fault = {
			async answer({ what }, right) {
				if (what !== "GET listRepos" || right.status !== 200) return right;
				const page = (await right.json()) as { repos: object[] };
				return Response.json({ ...page, repos: page.repos.map((row) => ({ ...row, status: "x".repeat(100_000) })) });
			},
		};
		const found = (await check()).find(({ name }) => name === "list-repos");
		expect(found).toMatchObject({ result: "fail" });
		expect(found?.found.length).toBeLessThan(1_000);
	});

	test("is given up at a relay that answers nothing", async () => {
		expect(check("http://127.0.0.1:1")).rejects.toThrow(Unreachable);
	});
});
