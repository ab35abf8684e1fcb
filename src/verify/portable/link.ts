import { BLESSED_PREFIX } from "../../protocol/cid.ts";
import { CID_BYTES } from "../../protocol/limits.ts";
import { sha256 } from "./digest.ts";

/**
 * A binary CID as a string of one character per byte. Strings compare and hash by value, so links can be looked up and compared
 * without a loop over bytes. MST keys are held the same way, so their order as strings is their order as bytes.
 */
export type Link = string;

const BLESSED_LINK_PREFIX: Link = String.fromCharCode(...BLESSED_PREFIX);

/** Whether a link has the one form that is allowed for commits, MST nodes and new records (rulebook 2.8, 2.11). */
export function isBlessedLink(link: Link): boolean {
	return link.length === CID_BYTES && link.startsWith(BLESSED_LINK_PREFIX);
}

/** The link of a DAG-CBOR block. */
export function linkOfBlock(block: Uint8Array): Link {
	return BLESSED_LINK_PREFIX + linkOfBytes(sha256(block));
}

/** The link for a binary CID. */
export function linkOfBytes(cid: Uint8Array): Link {
	return asBuffer(cid).toString("latin1");
}

/** The binary CID of a link, in new memory. */
export function bytesOfLink(link: Link): Uint8Array {
	return new Uint8Array(Buffer.from(link, "latin1"));
}

/** The same bytes as a `Buffer`, which reads strings faster. */
export function asBuffer(bytes: Uint8Array): Buffer {
	return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}
