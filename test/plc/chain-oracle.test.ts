import { describe, expect, test } from "bun:test";
import { Rng } from "../../src/sim/rng.ts";
import { keyPool, play, randomHistory } from "./history.ts";
import { type History, judge, make, type OracleVerdict, oracleNode } from "./oracle.ts";

const HISTORIES = 250;
const OPERATIONS = 9;

const found = oracleNode();
if (typeof found === "string") describe.skip(`beside the reference library (skipped: ${found})`, () => compare(""));
else describe("beside the reference library", () => compare(found.node));

function compare(node: string): void {
	test("histories that the library made are accepted as the library accepts them", async () => {
		const names = ["updates", "recovery", "lateRecovery", "tombstone", "nullifiedTombstone", "legacy"];
		const histories = await make(node, names);
		const outcomes = Object.fromEntries(histories.map((history, at) => [names[at], play(history).outcomes]));
		expect(outcomes).toEqual({
			updates: Array(6).fill("accepted"),
			recovery: Array(5).fill("accepted"),
			lateRecovery: ["accepted", "accepted", "accepted", "fork-too-late", "prev-unknown"],
			tombstone: ["accepted", "accepted", "fork-by-weaker-key"],
			nullifiedTombstone: Array(3).fill("accepted"),
			legacy: Array(3).fill("accepted"),
		});
		expectAgreement(histories, await judge(node, histories));
	});

	test("generated histories are judged alike, operation by operation", async () => {
		const rng = new Rng("plc histories");
		const pool = keyPool(rng);
		const histories = Array.from({ length: HISTORIES }, () => randomHistory(rng, pool, OPERATIONS));
		expectAgreement(histories, await judge(node, histories));

		const seen = new Set(histories.flatMap((history) => play(history).outcomes));
		for (const outcome of SPACE) expect(seen).toContain(outcome);
	}, 120_000);
}

/** What the generated histories have to contain, so that the comparison says something. */
const SPACE = [
	"accepted",
	"operation-malformed",
	"rotation-key",
	"did-mismatch",
	"prev-unknown",
	"prev-final",
	"signature-invalid",
	"fork-by-weaker-key",
	"fork-too-late",
] as const;

function expectAgreement(histories: readonly History[], verdicts: readonly OracleVerdict[]): void {
	let replaced = 0;
	for (const [at, history] of histories.entries()) {
		const { state, outcomes } = play(history);
		const { verdicts: expected, data } = verdicts[at] ?? { verdicts: [], data: null };
		expect({ at, accepted: outcomes.map((outcome) => outcome === "accepted"), outcomes }).toEqual({
			at,
			accepted: expected,
			outcomes,
		});
		expect({ at, signingKey: state?.data.signingKey ?? null, pds: state?.data.pds ?? null }).toEqual({
			at,
			signingKey: data?.verificationMethods["atproto"] ?? null,
			pds: data?.services["atproto_pds"]?.endpoint ?? null,
		});
		const prevs = history.steps.filter((_, step) => expected[step]).map(({ operation }) => operation["prev"]);
		replaced += prevs.length - new Set(prevs).size;
	}
	// Some operations must have been replaced by others that follow the same one.
	expect(replaced).toBeGreaterThan(0);
}
