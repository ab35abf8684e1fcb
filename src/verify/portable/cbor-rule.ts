import { CborError, type CborScanner, CID_TAG, Major } from "../../protocol/cbor.ts";
import { encodeHead } from "../../protocol/cbor-head.ts";
import { BLESSED_PREFIX } from "../../protocol/cid.ts";
import { CID_BYTES } from "../../protocol/limits.ts";
import type { RejectionReason } from "../../protocol/reasons.ts";
import { Rejection } from "../../protocol/rejection.ts";
import type { Link } from "./link.ts";

/** Runs `read`, and turns a `CborError` into a rejection for `reason`. */
export function rejectCborErrors<T>(reason: RejectionReason, read: () => T): T {
	try {
		return read();
	} catch (error) {
		if (error instanceof CborError) throw new Rejection(reason, error.message);
		throw error;
	}
}

/** The first bytes of nearly all links: tag 42, a byte string of 37 bytes, zero, and the prefix of the protocol's own CIDs. */
const USUAL_LINK_START = Uint8Array.of(
	...encodeHead(Major.tag, CID_TAG),
	...encodeHead(Major.bytes, CID_BYTES + 1),
	0,
	...BLESSED_PREFIX,
);
const USUAL_LINK_BYTES = 5 + CID_BYTES;

/** Reads a link from `bytes`, which `scanner` scans. Throws `CborError`. */
export function readLink(scanner: CborScanner, bytes: Buffer): Link {
	let length: number = CID_BYTES;
	// A commit has some eighty links. Nearly all have this form, so they need not be read head by head.
	if (hasUsualLink(scanner)) scanner.offset += USUAL_LINK_BYTES;
	else length = scanner.readCid().length;
	return bytes.toString("latin1", scanner.offset - length, scanner.offset);
}

function hasUsualLink({ bytes, offset, end }: CborScanner): boolean {
	if (offset + USUAL_LINK_BYTES > end) return false;
	for (let i = 0; i < USUAL_LINK_START.length; i++) if (bytes[offset + i] !== USUAL_LINK_START[i]) return false;
	return true;
}

/** Checks that the item just read was the last one. Throws `CborError`. */
export function expectEnd(scanner: CborScanner): void {
	if (scanner.offset !== scanner.end) throw new CborError(`${scanner.end - scanner.offset} bytes after the item`);
}
