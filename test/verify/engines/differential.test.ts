import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { BROKEN_COMMIT_REASONS, brokenCommit } from "../../../src/sim/broken-commit.ts";
import { encodeFrame } from "../../../src/sim/message.ts";
import { decodeTouched } from "../../../src/verify/touched.ts";
import { CASES, type KeptCase } from "../fuzz.ts";
import { makeSpecimens, mutatedFrame } from "../mutate.ts";
import { makeAccount } from "../seal.ts";
import { compare, nativeForTests } from "./difference.ts";

const SEED = "differential";
const CASES_COUNT = 20_000;
/** Reasons that engines give and that mutations can cause. Each must occur, or the mutations no longer reach it. */
const REASONS_REACHED = [
	"good",
	"frame-malformed",
	"frame-header",
	"link-malformed",
	"message-schema",
	"blocks-empty",
	"ops-too-many",
	"car-malformed",
	"car-root-mismatch",
	"car-block-missing",
	"car-block-hash",
	"commit-malformed",
	"commit-did-mismatch",
	"commit-rev-mismatch",
	"signature-encoding",
	"signature-high-s",
	"signature-invalid",
	"op-malformed",
	"op-duplicate-path",
	"record-missing",
	"record-malformed",
	"mst-malformed",
	"mst-partial",
	"op-tree-mismatch",
	"prev-data-missing",
	"prev-data-mismatch",
	"too-big-flag",
	"rebase-flag",
	"time-syntax",
];

const native = nativeForTests();

/** `describe`, but visibly skipped if the addon is not built. */
const describeBoth = native === null ? describe.skip : describe;

describeBoth(
	"both engines say the same (skipped: the addon is not built)".slice(0, native === null ? undefined : 25),
	() => {
		if (native === null) return;

		test(`of ${CASES_COUNT} mutated frames`, async () => {
			const specimens = await makeSpecimens(SEED);
			const reasons = new Set<string>();
			const listed = { fills: new Set<string>(), despite: new Set<string>() };
			for (let number = 0; number < CASES_COUNT; number++) {
				const { frame, key, mutations } = mutatedFrame(specimens, SEED, number);
				const { agree, portable, native: found } = compare(native, frame, key);
				if (!agree) expect({ number, mutations, verdict: found }).toEqual({ number, mutations, verdict: portable });
				const reason = portable === null ? "no commit" : (portable.reason ?? "good");
				reasons.add(reason);
				if (portable === null || portable.touched === null) continue;
				listed.despite.add(reason);
				for (const { before, after } of decodeTouched(portable.touched)) listed.fills.add(`${before} ${after}`);
			}
			// Faults that are not about the tree don't prevent a list. If the tree is sound, no fill after the commit is unknown.
			expect([...listed.despite].sort()).toEqual(["good", "rebase-flag", "time-syntax", "too-big-flag"]);
			expect([...listed.fills].sort()).toEqual(["empty filled", "filled empty", "filled filled", "unknown filled"]);
			expect(REASONS_REACHED.filter((reason) => !reasons.has(reason))).toEqual([]);
		}, 600_000);

		test.each(["k256", "p256"] as const)("of a %s commit of each broken kind, cut at every byte", async (curve) => {
			const account = await makeAccount(`cut ${curve}`, 12, curve);
			for (const reason of BROKEN_COMMIT_REASONS) {
				const frame = encodeFrame(await brokenCommit(reason, account), 1);
				expect({ reason, agree: compare(native, frame, account.key).agree }).toEqual({ reason, agree: true });
			}
			const frame = encodeFrame(await account.commit(), 1);
			for (let length = 0; length <= frame.length; length++) {
				const { agree } = compare(native, frame.subarray(0, length), account.key);
				if (!agree) expect(length).toBe(-1);
			}
		});

		test("of every frame on which they once disagreed", () => {
			const files = readdirSync(CASES).filter((name) => name.endsWith(".json"));
			for (const name of files) {
				const kept: KeptCase = JSON.parse(readFileSync(join(CASES, name), "utf8"));
				const key = { curve: kept.curve, publicKey: Buffer.from(kept.publicKey, "base64") };
				const { agree, portable, native: found } = compare(native, Buffer.from(kept.frame, "base64"), key);
				if (!agree) expect({ name, verdict: found }).toEqual({ name, verdict: portable });
			}
		});
	},
);
