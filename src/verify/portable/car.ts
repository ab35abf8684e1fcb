import { CborError, CborScanner, MapKeys } from "../../protocol/cbor.ts";
import { isDataModelCid } from "../../protocol/cid.ts";
import { CAR_BLOCKS_MAX, CAR_ROOTS_MAX, CID_BYTES, VARINT_BYTES_MAX } from "../../protocol/limits.ts";
import type { RejectionReason } from "../../protocol/reasons.ts";
import { Rejection } from "../../protocol/rejection.ts";
import { expectEnd, readLink, rejectCborErrors } from "./cbor-rule.ts";
import { sha256 } from "./digest.ts";
import type { Link } from "./link.ts";

/** Byte range of a block's data in the frame. */
export interface Block {
	readonly start: number;
	readonly end: number;
}

export interface Car {
	/** The first root, which is the newest commit. Further roots have no meaning. */
	readonly root: Link;
	/** All blocks of the CAR by their links. Each has the hash that its link says. */
	readonly blocks: ReadonlyMap<Link, Block>;
	/** The strict rule that the CAR breaks, or null. */
	readonly strictFault: RejectionReason | null;
}

const CID_PREFIX_BYTES = 4;

/**
 * Reads the CAR v1 between two offsets of a frame (rulebook 2.7). Blocks may come in any order, more than once, or without being
 * needed. Blocks that nothing links to are hashed too, since consumers refuse a CAR with any wrong block.
 *
 * @throws Rejection `car-malformed` or `car-block-hash`
 */
export function readCar(frame: Buffer, start: number, end: number): Car {
	const sections = new SectionReader(frame, start, end);
	const header = sections.next();
	const { root, isInOrder } = rejectCborErrors("car-malformed", () => readHeader(frame, header));
	const blocks = new Map<Link, Block>();
	let blockCount = 0;
	while (!sections.done) {
		if (++blockCount > CAR_BLOCKS_MAX) throw new Rejection("car-malformed", `more than ${CAR_BLOCKS_MAX} blocks`);
		const section = sections.next();
		checkCidForm(frame, section);
		const block = { start: section.start + CID_BYTES, end: section.end };
		checkHash(frame, section.start + CID_PREFIX_BYTES, block);
		blocks.set(frame.toString("latin1", section.start, block.start), block);
	}
	return { root, blocks, strictFault: isInOrder ? null : "car-malformed" };
}

/** Reads the length-prefixed sections that a CAR consists of, one by one. */
class SectionReader {
	readonly #bytes: Uint8Array;
	readonly #end: number;
	#offset: number;

	constructor(bytes: Uint8Array, start: number, end: number) {
		this.#bytes = bytes;
		this.#offset = start;
		this.#end = end;
	}

	get done(): boolean {
		return this.#offset >= this.#end;
	}

	next(): Block {
		const length = this.#readVarint();
		const start = this.#offset;
		if (length === 0) throw new Rejection("car-malformed", "an empty section");
		if (length > this.#end - start) throw new Rejection("car-malformed", "a section exceeds the CAR");
		this.#offset = start + length;
		return { start, end: this.#offset };
	}

	#readVarint(): number {
		let value = 0;
		for (let i = 0; i < VARINT_BYTES_MAX; i++) {
			if (this.#offset >= this.#end) throw new Rejection("car-malformed", "a varint is truncated");
			const byte = this.#bytes[this.#offset++] ?? 0;
			// Shifts would wrap at 32 bits. Above 2^53 the sum is inexact, but still far greater than any section's length.
			value += (byte & 0x7f) * 2 ** (7 * i);
			if (byte < 0x80) return value;
		}
		throw new Rejection("car-malformed", `a varint is longer than ${VARINT_BYTES_MAX} bytes`);
	}
}

/** Reads the header. Some writers put `version` before `roots`: that is not canonical, but readers accept it. */
function readHeader(frame: Buffer, header: Block): { root: Link; isInOrder: boolean } {
	const scanner = new CborScanner(frame, header.start, header.end);
	let root: Link | null = null;
	let version: number | null = null;
	let isInOrder = true;
	const pairs = scanner.readMap();
	let keys = new MapKeys(scanner);
	for (let i = 0; i < pairs; i++) {
		keys.next();
		if (keys.is("roots")) root = readFirstRoot(scanner, frame);
		else if (keys.is("version")) {
			version = scanner.readUnsigned();
			isInOrder = root !== null || pairs !== 2;
			// A new `MapKeys` does not compare `roots` with `version`, and so accepts the wrong order.
			if (!isInOrder) keys = new MapKeys(scanner);
		} else scanner.skip(1);
	}
	expectEnd(scanner);
	if (version !== 1) throw new CborError("the CAR's version is not 1");
	if (root === null) throw new CborError("the CAR has no root");
	return { root, isInOrder };
}

function readFirstRoot(scanner: CborScanner, frame: Buffer): Link | null {
	const count = scanner.readArray();
	if (count > CAR_ROOTS_MAX) throw new CborError(`more than ${CAR_ROOTS_MAX} roots`);
	let root: Link | null = null;
	for (let i = 0; i < count; i++) {
		const link = readLink(scanner, frame);
		root ??= link;
	}
	return root;
}

/** Checks that a block's CID is CIDv1 of dag-cbor or raw bytes, by sha2-256. Other hashes could not be checked. */
function checkCidForm(frame: Uint8Array, { start, end }: Block): void {
	if (end - start < CID_BYTES || !isDataModelCid(frame, start, start + CID_BYTES)) {
		throw new Rejection("car-malformed", "a block's CID is not CIDv1 of sha2-256");
	}
}

function checkHash(frame: Uint8Array, digestStart: number, block: Block): void {
	const digest = sha256(frame.subarray(block.start, block.end));
	for (let i = 0; i < digest.length; i++) {
		if (frame[digestStart + i] !== digest[i]) throw new Rejection("car-block-hash");
	}
}
