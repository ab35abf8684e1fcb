import { RecentMap } from "../runtime/recent-map.ts";
import type { Resolution } from "./identity.ts";

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

/** What a DID resolved to. Times are those of the monotonic clock. */
export interface Known {
	readonly resolution: Resolution;
	/** When the lookup that found it began. */
	readonly askedAtMs: number;
	/** Until when it is used without asking again. */
	goodUntilMs: number;
}

/** Roughly measured: the objects, key bytes and map slot of one entry. The bytes of its strings are added. */
const ENTRY_BYTES = 500;

/**
 * The resolutions that a cache holds, by DID. Beyond the limits the least recently used one is evicted first. One that is no
 * longer good stays, since it may be needed while nobody can be asked.
 */
export class Resolutions {
	readonly #known: RecentMap<string, Known>;

	constructor(limits: ResolutionLimits, onEvicted: () => void) {
		this.#known = new RecentMap({ ...limits, bytesOf, onForgotten: onEvicted });
	}

	get size(): number {
		return this.#known.size;
	}

	/** The resolution of a DID; null if there is none, or it is no longer good. */
	get(did: string, nowMs: number): Resolution | null {
		const known = this.find(did);
		if (known === null || known.goodUntilMs <= nowMs) return null;
		this.#known.get(did);
		return known.resolution;
	}

	/** The entry of a DID, still good or not. */
	find(did: string): Known | null {
		return this.#known.peek(did) ?? null;
	}

	set(did: string, known: Known): void {
		this.#known.set(did, known);
	}

	/** Extends the time for which a DID's resolution is good, if there is one. */
	prolong(did: string, goodUntilMs: number): void {
		const known = this.find(did);
		if (known !== null) known.goodUntilMs = Math.max(known.goodUntilMs, goodUntilMs);
	}

	delete(did: string): void {
		this.#known.delete(did);
	}
}

function bytesOf(did: string, { resolution }: Known): number {
	if (resolution.outcome !== "resolved") return ENTRY_BYTES + did.length;
	const { signingKeyDidKey, pds } = resolution.identity;
	return ENTRY_BYTES + did.length + (signingKeyDidKey?.length ?? 0) + 2 * (pds?.length ?? 0);
}
