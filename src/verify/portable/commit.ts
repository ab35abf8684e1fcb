import { CborError, CborScanner, Major, MapKeys } from "../../protocol/cbor.ts";
import { DID_CHARS_MAX, REPO_RECORD_BYTES_MAX } from "../../protocol/limits.ts";
import { Rejection } from "../../protocol/rejection.ts";
import { isTid } from "../../protocol/syntax.ts";
import type { Block } from "./car.ts";
import { expectEnd, readLink, rejectCborErrors } from "./cbor-rule.ts";
import { CborWriter, HEAD_BYTES_MAX } from "./cbor-writer.ts";
import { isBlessedLink, type Link } from "./link.ts";

const COMMIT_VERSION = 3;
const TID_CHARS = 13;

/** A signed commit object (rulebook 2.8). */
export interface Commit {
	readonly did: string;
	readonly rev: string;
	/** The MST's root. */
	readonly data: Link;
	/** A view into the frame, of any length. */
	readonly signature: Uint8Array;
	/** The bytes that were signed: the same map without `sig`, including fields that we don't know. */
	readonly unsigned: Uint8Array;
}

/**
 * Reads a commit block. The scan accepts only canonical DAG-CBOR, so encoding the commit again would give the same bytes, and the
 * unsigned form can be cut out of the block.
 *
 * @throws Rejection `commit-malformed`
 */
export function readCommit(frame: Buffer, block: Block): Commit {
	return rejectCborErrors("commit-malformed", () => scanCommit(frame, block));
}

/**
 * Checks that the commit has the account and rev of the message.
 * @throws Rejection `commit-did-mismatch` or `commit-rev-mismatch`
 */
export function checkCommitOwner(commit: Commit, message: { did: string; rev: string }): void {
	if (commit.did !== message.did) throw new Rejection("commit-did-mismatch");
	if (commit.rev !== message.rev) throw new Rejection("commit-rev-mismatch");
}

interface CommitFields {
	did?: string;
	rev?: string;
	data?: Link;
	prev?: Link | null;
	version?: number;
	signature?: Uint8Array;
	/** Byte range of the key `sig` and its value. */
	signaturePair?: Block;
}

function scanCommit(frame: Buffer, block: Block): Commit {
	const scanner = new CborScanner(frame, block.start, block.end);
	const pairs = scanner.readMap();
	const pairsStart = scanner.offset;
	const keys = new MapKeys(scanner);
	const fields: CommitFields = {};
	for (let i = 0; i < pairs; i++) {
		const pairStart = scanner.offset;
		keys.next();
		scanField(scanner, frame, keys.toString(), fields);
		if (keys.is("sig")) fields.signaturePair = { start: pairStart, end: scanner.offset };
	}
	expectEnd(scanner);
	const { did, rev, data, signature, signaturePair } = checkFields(fields);
	const head = new CborWriter(Buffer.alloc(HEAD_BYTES_MAX));
	head.head(Major.map, pairs - 1);
	const unsigned = Buffer.concat([
		head.written,
		frame.subarray(pairsStart, signaturePair.start),
		frame.subarray(signaturePair.end, block.end),
	]);
	return { did, rev, data, signature, unsigned };
}

function scanField(scanner: CborScanner, frame: Buffer, key: string, fields: CommitFields): void {
	switch (key) {
		case "did":
			fields.did = scanner.readText(DID_CHARS_MAX);
			return;
		case "rev":
			fields.rev = scanner.readText(TID_CHARS);
			return;
		case "data":
			fields.data = readLink(scanner, frame);
			return;
		case "prev":
			fields.prev = scanner.readNull() ? null : readLink(scanner, frame);
			return;
		case "version":
			fields.version = scanner.readUnsigned();
			return;
		case "sig": {
			const start = scanner.readBytes(REPO_RECORD_BYTES_MAX);
			fields.signature = frame.subarray(start, scanner.offset);
			return;
		}
		default:
			scanner.skip(1);
	}
}

function checkFields(fields: CommitFields): Required<CommitFields> {
	const { did, rev, data, prev, version, signature, signaturePair } = fields;
	if (did === undefined) throw new CborError("no did");
	if (version !== COMMIT_VERSION) throw new CborError(`the version is not ${COMMIT_VERSION}`);
	if (data === undefined || !isBlessedLink(data)) throw new CborError("data is not a link to an MST node");
	if (rev === undefined || !isTid(rev)) throw new CborError("rev is not a TID");
	// `prev` is null in a commit without one. It may not be absent, since that would change the signed bytes.
	if (prev === undefined) throw new CborError("no prev");
	if (prev !== null && !isBlessedLink(prev)) throw new CborError("prev is not a link to a commit");
	if (signature === undefined || signaturePair === undefined) throw new CborError("no sig");
	return { did, rev, data, prev, version, signature, signaturePair };
}
