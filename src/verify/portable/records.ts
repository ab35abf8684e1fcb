import { CborScanner } from "../../protocol/cbor.ts";
import { REPO_RECORD_BYTES_MAX } from "../../protocol/limits.ts";
import type { RejectionReason } from "../../protocol/reasons.ts";
import type { Block } from "./car.ts";
import { expectEnd, rejectCborErrors } from "./cbor-rule.ts";
import type { Link } from "./link.ts";
import type { Op } from "./ops.ts";

/**
 * Checks that the record of each create and update is in the CAR and is one CBOR map within the limits (rulebook 2.10). The
 * contents of the map don't concern a relay.
 *
 * @returns the strict rule that was broken: `record-missing`, `record-too-large` or null
 * @throws Rejection `record-malformed`
 */
export function checkRecords(
	frame: Buffer,
	blocks: ReadonlyMap<Link, Block>,
	ops: readonly Op[],
): RejectionReason | null {
	let strictFault: RejectionReason | null = null;
	// Several ops may name the same record, which is checked only once.
	const checked = new Set<Link>();
	for (const { cid } of ops) {
		if (cid === null || checked.has(cid)) continue;
		checked.add(cid);
		const block = blocks.get(cid);
		if (block === undefined) strictFault ??= "record-missing";
		else {
			if (block.end - block.start > REPO_RECORD_BYTES_MAX) strictFault ??= "record-too-large";
			rejectCborErrors("record-malformed", () => checkMap(frame, block));
		}
	}
	return strictFault;
}

function checkMap(frame: Buffer, { start, end }: Block): void {
	const scanner = new CborScanner(frame, start, end, "record");
	scanner.readMap();
	scanner.offset = start;
	scanner.skip();
	expectEnd(scanner);
}
