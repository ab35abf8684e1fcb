import { CborError, type CborScanner } from "../../protocol/cbor.ts";
import { CID_BYTES } from "../../protocol/limits.ts";
import type { RejectionReason } from "../../protocol/reasons.ts";
import { Rejection } from "../../protocol/rejection.ts";
import type { Link } from "./link.ts";

/** Runs `read`; bytes that are not the DAG-CBOR it expects become a rejection for `reason`. */
export function rejectCborErrors<T>(reason: RejectionReason, read: () => T): T {
	try {
		return read();
	} catch (error) {
		if (error instanceof CborError) throw new Rejection(reason, error.message);
		throw error;
	}
}

/** How nearly all links begin: tag 42, a byte string of 37 bytes, zero, and CIDv1, dag-cbor, sha2-256, 32 bytes of digest. */
const USUAL_LINK_START = [0xd8, 0x2a, 0x58, CID_BYTES + 1, 0x00, 0x01, 0x71, 0x12, 0x20] as const;
const USUAL_LINK_BYTES = 5 + CID_BYTES;

/** Reads a link from `bytes`, which `scanner` scans. Throws `CborError`. */
export function readLink(scanner: CborScanner, bytes: Buffer): Link {
	let length: number = CID_BYTES;
	// A commit has some eighty links, nearly all of this form, which needn't be taken apart head by head.
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
	if (scanner.offset !== scanner.end) throw new CborError(`${scanner.end - scanner.offset} bytes behind the item`);
}
