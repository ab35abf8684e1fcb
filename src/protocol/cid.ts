import { CID_BYTES } from "./limits.ts";

/** CIDv1, dag-cbor, sha2-256, 32 bytes of digest: the only form the protocol's own links may have (rulebook 2.8, 2.11). */
const BLESSED_PREFIX = [0x01, 0x71, 0x12, 0x20] as const;

/** Whether a binary CID has the form that commits, MST nodes and records are linked by. */
export function isBlessedCid(cid: Uint8Array): boolean {
	return cid.length === CID_BYTES && BLESSED_PREFIX.every((byte, index) => cid[index] === byte);
}
