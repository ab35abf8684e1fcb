import { fromBase32, fromBase58Btc, toBase32, toBase58Btc } from "@atcute/multibase";
import type { OperationData } from "../identity/mirror.ts";
import { StoreBroken } from "../index/store-fault.ts";
import type { DidState, Link } from "./chain.ts";
import { cidOf } from "./operation.ts";

/**
 * How a store keeps a DID's state: in one piece of bytes, since there are tens of millions. Numbers are little-endian.
 *
 *     version, flags, [signing key], [length of the PDS's endpoint (2), endpoint], number of links,
 *     and for each link: digest (32), time (8), signer, number of rotation keys, rotation keys
 *
 * A key is its kind, and 33 bytes; a key of another kind than those that sign is its length and its text.
 */
const VERSION = 1;
const TOMBSTONED = 1;
const DOUBTFUL = 2;
const HAS_KEY = 4;
const HAS_PDS = 8;

const KEY_TEXT = 0;
const KEY_KINDS = [
	{ kind: 1, prefix: [0xe7, 0x01] },
	{ kind: 2, prefix: [0x80, 0x24] },
] as const;
const POINT_BYTES = 33;
const DIGEST_BYTES = 32;
/** Of a binary CID: version, codec, hash and length. */
const CID_PREFIX_BYTES = 4;
const DID_PLC = "did:plc:";
const DID_KEY = "did:key:z";

/** The 15 bytes of a did:plc's identifier. */
export function didKeyBytes(did: string): Uint8Array {
	return fromBase32(did.slice(DID_PLC.length));
}

/** The did:plc of these 15 bytes. */
export function didOfKeyBytes(bytes: Uint8Array): string {
	return DID_PLC + toBase32(bytes);
}

export function encodeState({ data, chain, isDoubtful }: DidState): Uint8Array {
	const { tombstoned, signingKey, pds } = data;
	const flags =
		(tombstoned ? TOMBSTONED : 0) |
		(isDoubtful ? DOUBTFUL : 0) |
		(signingKey === null ? 0 : HAS_KEY) |
		(pds === null ? 0 : HAS_PDS);
	const parts: Uint8Array[] = [Uint8Array.of(VERSION, flags)];
	if (signingKey !== null) parts.push(encodeKey(signingKey));
	if (pds !== null) {
		const text = Buffer.from(pds);
		parts.push(Uint8Array.of(text.length & 0xff, text.length >> 8), text);
	}
	parts.push(Uint8Array.of(chain.length));
	for (const link of chain) parts.push(...encodeLink(link));
	return Buffer.concat(parts);
}

function encodeLink({ cid, createdAtMs, signer, rotationKeys }: Link): Uint8Array[] {
	const head = Buffer.alloc(DIGEST_BYTES + 10);
	// After the multibase prefix.
	head.set(fromBase32(cid.slice(1)).subarray(CID_PREFIX_BYTES));
	head.writeDoubleLE(createdAtMs, DIGEST_BYTES);
	head[DIGEST_BYTES + 8] = signer;
	head[DIGEST_BYTES + 9] = rotationKeys.length;
	return [head, ...rotationKeys.map(encodeKey)];
}

function encodeKey(didKey: string): Uint8Array {
	const bytes = base58(didKey);
	for (const { kind, prefix } of KEY_KINDS)
		if (bytes?.length === prefix.length + POINT_BYTES && prefix.every((byte, at) => bytes[at] === byte))
			return Buffer.concat([Uint8Array.of(kind), bytes.subarray(prefix.length)]);
	const text = Buffer.from(didKey);
	return Buffer.concat([Uint8Array.of(KEY_TEXT, text.length & 0xff, text.length >> 8), text]);
}

/** The bytes of a did:key; null for a text that is none, or that another text of the same bytes would replace. */
function base58(didKey: string): Uint8Array | null {
	if (!didKey.startsWith(DID_KEY)) return null;
	const text = didKey.slice(DID_KEY.length);
	try {
		const bytes = fromBase58Btc(text);
		return toBase58Btc(bytes) === text ? bytes : null;
	} catch {
		return null;
	}
}

/**
 * What the DID says, without its chain; null if the mirror does not answer for it.
 * @throws StoreBroken if the bytes are no state
 */
export function decodeData(bytes: Uint8Array): OperationData | null {
	const reader = new StateReader(bytes);
	const { data, isDoubtful } = reader.data();
	return isDoubtful ? null : data;
}

/** @throws StoreBroken if the bytes are no state */
export function decodeState(did: string, bytes: Uint8Array): DidState {
	const reader = new StateReader(bytes);
	const { data, isDoubtful } = reader.data();
	const chain = reader.chain();
	return { did, data, chain, isDoubtful };
}

class StateReader {
	readonly #bytes: Buffer;
	#at = 0;

	constructor(bytes: Uint8Array) {
		this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
	}

	data(): { data: OperationData; isDoubtful: boolean } {
		if (this.#byte() !== VERSION) throw new StoreBroken("the PLC mirror holds a state of another version");
		const flags = this.#byte();
		const signingKey = (flags & HAS_KEY) === 0 ? null : this.#key();
		const pds = (flags & HAS_PDS) === 0 ? null : this.#text();
		return {
			data: { tombstoned: (flags & TOMBSTONED) !== 0, signingKey, pds },
			isDoubtful: (flags & DOUBTFUL) !== 0,
		};
	}

	chain(): Link[] {
		return Array.from({ length: this.#byte() }, () => this.#link());
	}

	#link(): Link {
		const cid = cidOf(this.#take(DIGEST_BYTES));
		const createdAtMs = this.#take(8).readDoubleLE();
		const signer = this.#byte();
		const rotationKeys = Array.from({ length: this.#byte() }, () => this.#key());
		return { cid, createdAtMs, signer, rotationKeys };
	}

	#key(): string {
		const kind = this.#byte();
		if (kind === KEY_TEXT) return this.#text();
		const prefix = KEY_KINDS.find((one) => one.kind === kind)?.prefix;
		if (prefix === undefined) throw new StoreBroken("the PLC mirror holds a key of another kind");
		return DID_KEY + toBase58Btc(Buffer.concat([Uint8Array.from(prefix), this.#take(POINT_BYTES)]));
	}

	#text(): string {
		const length = this.#byte() | (this.#byte() << 8);
		return this.#take(length).toString();
	}

	#byte(): number {
		return this.#take(1)[0] ?? 0;
	}

	#take(length: number): Buffer {
		const end = this.#at + length;
		if (end > this.#bytes.length) throw new StoreBroken("the PLC mirror holds a state that is cut off");
		const taken = this.#bytes.subarray(this.#at, end);
		this.#at = end;
		return taken;
	}
}
