// tracing/: which messages are traced, what the threads note of them, and how spans are made of that and exported. It handles no message.

const BUCKETS = 2 ** 32;

/**
 * Decides which messages are traced. It depends only on the message, so that all threads decide alike without telling each other. The
 * numbers of a host's messages follow each other, so they are hashed.
 */
export class Sampler {
	readonly #below: number;

	/** @param ratio the share of messages that are traced, from 0 to 1 */
	constructor(ratio: number) {
		this.#below = Math.round(ratio * BUCKETS);
	}

	/** @param host id of the message's host @param upstreamSeq the message's seq there */
	isSampled(host: number, upstreamSeq: number): boolean {
		return hashOf(host, upstreamSeq, 0) < this.#below;
	}
}

/** An even spread of 32 bits. Another salt gives other bits. */
export function hashOf(host: number, upstreamSeq: number, salt: number): number {
	const low = upstreamSeq >>> 0;
	const high = Math.floor(upstreamSeq / BUCKETS);
	return mix(mix(mix(mix(salt) ^ host) ^ low) ^ high);
}

/** The finalizer of MurmurHash3, with a constant added so that 0 does not stay 0. */
function mix(value: number): number {
	let hash = (value + 0x9e3779b9) | 0;
	hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
	hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
	return (hash ^ (hash >>> 16)) >>> 0;
}
