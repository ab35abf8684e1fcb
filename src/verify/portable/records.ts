import { CborScanner } from "../../protocol/cbor.ts";
import { RECORD_BYTES_MAX } from "../../protocol/limits.ts";
import { Rejection } from "../../protocol/rejection.ts";
import type { Block } from "./car.ts";
import { expectEnd, rejectCborErrors } from "./cbor-rule.ts";
import type { Link } from "./link.ts";
import type { Op } from "./ops.ts";

/**
 * Checks that the record of each create and update is in the CAR and is one CBOR map within the limits (rulebook 2.10). What
 * is in the map is not the relay's business.
 *
 * @throws Rejection `record-missing`, `record-too-large` or `record-malformed`
 */
export function checkRecords(frame: Buffer, blocks: ReadonlyMap<Link, Block>, ops: readonly Op[]): void {
	// Many ops may name one record: it is walked once.
	const checked = new Set<Link>();
	for (const op of ops) {
		if (op.cid === null || checked.has(op.cid)) continue;
		checked.add(op.cid);
		const block = blocks.get(op.cid);
		if (block === undefined) throw new Rejection("record-missing", op.path);
		const length = block.end - block.start;
		if (length > RECORD_BYTES_MAX) throw new Rejection("record-too-large", `${length} bytes at ${op.path}`);
		rejectCborErrors("record-malformed", () => checkMap(frame, block));
	}
}

function checkMap(frame: Buffer, { start, end }: Block): void {
	const scanner = new CborScanner(frame, start, end, "record");
	scanner.readMap();
	scanner.offset = start;
	scanner.skip();
	expectEnd(scanner);
}
