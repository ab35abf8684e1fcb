import { expect, test } from "bun:test";
import { REJECTION_REASON_NAMES, REJECTION_REASONS, type RejectionReason } from "../../src/protocol/reasons.ts";
import { LENIENT_CASES, STRICT_ONLY } from "../verify/strict-only.ts";

test("the reasons that a lenient relay passes, in full or in part, are those of the lenient cases", () => {
	const passed = new Set<RejectionReason>(STRICT_ONLY);
	for (const { reason } of Object.values(LENIENT_CASES)) passed.add(reason);
	const said = REJECTION_REASON_NAMES.filter((name) => REJECTION_REASONS[name].leniently !== "dropped");
	expect(said.sort()).toEqual([...passed].sort());
});
