import { writeCarStream } from "@atcute/car";
import type { CidLink } from "@atcute/cid";
import * as CID from "@atcute/cid";

/** Blocks by CID, in the order they are written. */
export type Blocks = Map<string, Uint8Array<ArrayBuffer>>;

/** The CID of a DAG-CBOR block. */
export function cidOf(bytes: Uint8Array): CidLink {
	return CID.toCidLink(CID.fromDigest(CID.CODEC_DCBOR, new Bun.CryptoHasher("sha256").update(bytes).digest()));
}

/** The CID of no block here, for values whose content doesn't matter. */
export function cidOfText(text: string): CidLink {
	return cidOf(new TextEncoder().encode(text));
}

/** Binary form of a CID. */
export function cidBytes(cid: CidLink | string): Uint8Array {
	return CID.fromString(typeof cid === "string" ? cid : cid.$link).bytes;
}

/** Writes a CAR (rulebook 2.7). */
export async function encodeCar(roots: CidLink[], blocks: Blocks): Promise<Uint8Array<ArrayBuffer>> {
	const entries = [...blocks].map(([cid, data]) => ({ cid: cidBytes(cid), data }));
	return Buffer.concat(await Array.fromAsync(writeCarStream(roots, entries)));
}
