import { CborError, CborScanner, MapKeys } from "../../protocol/cbor.ts";
import { PATH_BYTES_MAX } from "../../protocol/limits.ts";
import { Rejection } from "../../protocol/rejection.ts";
import { isRecordPath } from "../../protocol/syntax.ts";
import { readLink, rejectCborErrors } from "./cbor-rule.ts";
import { isBlessedLink, type Link } from "./link.ts";

/** What a commit says it did to one record (rulebook 2.1). */
export type Op =
	| { action: "create"; path: string; cid: Link; prev: null }
	/** `prev` is null where the op lacks it, as ops from before Sync 1.1 do. */
	| { action: "update"; path: string; cid: Link; prev: Link | null }
	| { action: "delete"; path: string; cid: null; prev: Link | null };

/**
 * Reads the ops of a commit and checks each by itself, and that no path comes twice (rulebook 2.10).
 *
 * An update or delete without `prev` is let through here: only the strict rules ask for it, so the tree's check, which can't
 * do without it, reports it as `prev-data-missing`.
 *
 * @param start offset of the first op
 * @throws Rejection `op-malformed` or `op-duplicate-path`
 */
export function readOps(frame: Buffer, start: number, count: number): Op[] {
	const scanner = new CborScanner(frame, start);
	const ops: Op[] = [];
	const paths = new Set<string>();
	for (let i = 0; i < count; i++) {
		const op = checkOp(rejectCborErrors("op-malformed", () => readFields(scanner, frame)));
		if (paths.has(op.path)) throw new Rejection("op-duplicate-path");
		paths.add(op.path);
		ops.push(op);
	}
	return ops;
}

/** An op's fields as they come. Undefined: not there. */
interface OpFields {
	action?: string;
	path?: string;
	cid?: Link | null;
	prev?: Link | null;
}

function readFields(scanner: CborScanner, frame: Buffer): OpFields {
	const fields: OpFields = {};
	const pairs = scanner.readMap();
	const keys = new MapKeys(scanner);
	for (let i = 0; i < pairs; i++) {
		keys.next();
		if (keys.is("action")) fields.action = scanner.readText(PATH_BYTES_MAX);
		else if (keys.is("path")) fields.path = scanner.readText(PATH_BYTES_MAX);
		else if (keys.is("cid")) fields.cid = scanner.readNull() ? null : readLink(scanner, frame);
		else if (keys.is("prev")) fields.prev = scanner.readNull() ? null : readLink(scanner, frame);
		else scanner.skip(3);
	}
	if (fields.cid === undefined) throw new CborError("an op has no cid");
	return fields;
}

function checkOp({ action, path, cid = null, prev = null }: OpFields): Op {
	if (path === undefined || !isRecordPath(path)) throw new Rejection("op-malformed", "path is not a record path");
	if (action === "delete") {
		if (cid !== null) throw new Rejection("op-malformed", "a delete with a cid");
		return { action, path, cid, prev };
	}
	if (cid === null || !isBlessedLink(cid)) throw new Rejection("op-malformed", "cid is not a link to a record");
	if (action === "update") return { action, path, cid, prev };
	if (action !== "create") throw new Rejection("op-malformed", "the action is unknown");
	if (prev !== null) throw new Rejection("op-malformed", "a create with a prev");
	return { action, path, cid, prev };
}
