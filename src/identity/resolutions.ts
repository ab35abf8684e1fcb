import { PackedMap } from "../runtime/packed-map.ts";
import type { Resolution } from "./identity.ts";
import { type Known, KnownPacking } from "./known.ts";

/** How long an answer of each outcome stays good. `unavailable` is the outcome of a lookup that was given up. */
export const FRESH_MS: Readonly<Record<Resolution["outcome"], number>> = {
	resolved: 24 * 60 * 60 * 1000,
	"not-found": 2 * 60 * 1000,
	tombstoned: 2 * 60 * 1000,
	malformed: 2 * 60 * 1000,
	unavailable: 2 * 60 * 1000,
};

export interface ResolutionLimits {
	entriesMax: number;
	/** Estimated bytes of all entries. */
	bytesMax: number;
}

/** Measured: the objects, key bytes and map slot of one entry that is not packed. The bytes of its strings are added. */
const ENTRY_BYTES = 500;
/** Measured: a packed entry. The bytes of its PDS's name are added, since no other account may be at that PDS. */
const PACKED_ENTRY_BYTES = 200;

/**
 * The resolutions that a cache holds, by DID. Beyond the limits the least recently used one is evicted first; the last one set stays, whatever
 * its size. One that is no longer good stays, since it may be needed while nobody can be asked.
 */
export class Resolutions {
	readonly #limits: ResolutionLimits;
	readonly #onEvicted: () => void;
	readonly #packing = new KnownPacking();
	readonly #known = new PackedMap("did:plc:", this.#packing);
	#bytes = 0;

	constructor(limits: ResolutionLimits, onEvicted: () => void) {
		this.#limits = limits;
		this.#onEvicted = onEvicted;
	}

	get size(): number {
		return this.#known.size;
	}

	/** The resolution of a DID; null if there is none, or it is no longer good. */
	get(did: string, nowMs: number): Resolution | null {
		const known = this.find(did);
		if (known === null || known.goodUntilMs <= nowMs) return null;
		this.#known.touch(did);
		return known.resolution;
	}

	/** The entry of a DID, still good or not. */
	find(did: string): Known | null {
		return this.#known.peek(did) ?? null;
	}

	set(did: string, known: Known): void {
		this.delete(did);
		this.#known.set(did, known);
		this.#bytes += this.#bytesOf(did, known);
		for (let oldest = this.#known.oldest; oldest !== null; oldest = this.#known.oldest) {
			const isWithin = this.size <= this.#limits.entriesMax && this.#bytes <= this.#limits.bytesMax;
			if (isWithin || this.size === 1) return;
			this.delete(oldest);
			this.#onEvicted();
		}
	}

	/** Extends the time for which a DID's resolution is good, if there is one. */
	prolong(did: string, goodUntilMs: number): void {
		const known = this.find(did);
		if (known !== null && known.goodUntilMs < goodUntilMs) this.#known.set(did, { ...known, goodUntilMs });
	}

	delete(did: string): void {
		const known = this.find(did);
		if (known === null) return;
		this.#bytes -= this.#bytesOf(did, known);
		this.#known.delete(did);
	}

	#bytesOf(did: string, known: Known): number {
		const { resolution } = known;
		if (resolution.outcome !== "resolved") return ENTRY_BYTES + did.length;
		const { signingKeyDidKey, pds } = resolution.identity;
		const pdsBytes = 2 * (pds?.length ?? 0);
		if (this.#packing.fits(did, known)) return PACKED_ENTRY_BYTES + pdsBytes;
		return ENTRY_BYTES + did.length + (signingKeyDidKey?.length ?? 0) + pdsBytes;
	}
}
