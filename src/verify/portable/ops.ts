import { CborError, CborScanner, MapKeys } from "../../protocol/cbor.ts";
import { FRAME_BYTES_MAX } from "../../protocol/limits.ts";
import type { RejectionReason } from "../../protocol/reasons.ts";
import { isRecordPath } from "../../protocol/syntax.ts";
import { readLink, rejectCborErrors } from "./cbor-rule.ts";
import { isBlessedLink, type Link } from "./link.ts";

/** One change of a record, as the commit describes it (rulebook 2.1). */
export type Op =
	| { action: "create"; path: string; cid: Link; prev: null }
	/** `prev` is null if the op lacks it, as ops from before Sync 1.1 do. */
	| { action: "update"; path: string; cid: Link; prev: Link | null }
	| { action: "delete"; path: string; cid: null; prev: Link | null };

/** The ops of a commit. */
export interface Ops {
	/** The ops that break no rule when looked at one by one, in their order. */
	readonly sound: readonly Op[];
	/** The rule broken by the first op that is not sound, or that has the path of an earlier op. Null if there is no such op. */
	readonly strictFault: RejectionReason | null;
}

/**
 * Reads the ops of a commit, checks each by itself, and checks that no path occurs twice (rulebook 2.10). Every relay requires
 * only that they can be read. The other rules are strict ones.
 *
 * An update or delete without `prev` is sound here. The check of the tree, which needs `prev`, reports `prev-data-missing`.
 *
 * @param start offset of the first op
 * @throws Rejection `op-malformed` if an op is not a map with a text for `action` and `path`, and links or null for `cid` and `prev`
 */
export function readOps(frame: Buffer, start: number, count: number): Ops {
	const scanner = new CborScanner(frame, start);
	const sound: Op[] = [];
	const paths = new Set<string>();
	let strictFault: RejectionReason | null = null;
	for (let i = 0; i < count; i++) {
		const op = soundOp(rejectCborErrors("op-malformed", () => readFields(scanner, frame)));
		if (op === null) strictFault ??= "op-malformed";
		else {
			if (paths.has(op.path)) strictFault ??= "op-duplicate-path";
			paths.add(op.path);
			sound.push(op);
		}
	}
	return { sound, strictFault };
}

/** An op's fields before they are checked. Undefined: not there. */
interface OpFields {
	action: string;
	path: string;
	cid: Link | null | undefined;
	prev: Link | null;
}

function readFields(scanner: CborScanner, frame: Buffer): OpFields {
	let action: string | null = null;
	let path: string | null = null;
	let cid: Link | null | undefined;
	let prev: Link | null = null;
	const pairs = scanner.readMap();
	const keys = new MapKeys(scanner);
	for (let i = 0; i < pairs; i++) {
		keys.next();
		if (keys.is("action")) action = scanner.readText(FRAME_BYTES_MAX);
		else if (keys.is("path")) path = scanner.readText(FRAME_BYTES_MAX);
		else if (keys.is("cid")) cid = scanner.readNull() ? null : readLink(scanner, frame);
		else if (keys.is("prev")) prev = scanner.readNull() ? null : readLink(scanner, frame);
		else scanner.skip(3);
	}
	if (action === null || path === null) throw new CborError("an op lacks its action or path");
	return { action, path, cid, prev };
}

/** The op, or null if it breaks a rule. */
function soundOp({ action, path, cid, prev }: OpFields): Op | null {
	if (!isRecordPath(path) || cid === undefined) return null;
	if (action === "delete") return cid === null ? { action, path, cid, prev } : null;
	if (cid === null || !isBlessedLink(cid)) return null;
	if (action === "update") return { action, path, cid, prev };
	return action === "create" && prev === null ? { action, path, cid, prev } : null;
}
