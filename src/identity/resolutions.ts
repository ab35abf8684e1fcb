import { RecentMap } from "../runtime/recent-map.ts";
import type { Resolution } from "./identity.ts";

/** How long an answer of each outcome stays good. `unavailable` is what a lookup ends with that was given up. */
export const FRESH_MS: Readonly<Record<Resolution["outcome"], number>> = {
	resolved: 24 * 60 * 60 * 1000,
	"not-found": 2 * 60 * 1000,
	tombstoned: 2 * 60 * 1000,
	malformed: 2 * 60 * 1000,
	unavailable: 2 * 60 * 1000,
};

export interface ResolutionLimits {
	entriesMax: number;
	/** Of the entries, as estimated. */
	bytesMax: number;
}

/** What a DID resolved to. Times are the monotonic clock's. */
export interface Known {
	readonly resolution: Resolution;
	/** When the lookup that said so began. */
	readonly askedAtMs: number;
	/** Until when it is taken without asking again. */
	goodUntilMs: number;
}

/** Objects, key bytes and map slot of one entry, measured roughly; its strings come on top. */
const ENTRY_BYTES = 500;

/**
 * The resolutions that a cache holds, by DID. Beyond its limits the least recently used one leaves first. One that is no longer
 * good stays: it may be needed while nobody can be asked.
 */
export class Resolutions {
	readonly #known: RecentMap<string, Known>;

	constructor(limits: ResolutionLimits, onEvicted: () => void) {
		this.#known = new RecentMap({ ...limits, bytesOf, onForgotten: onEvicted });
	}

	/** The resolution of a DID, unless there is none or it is no longer good. */
	get(did: string, nowMs: number): Resolution | null {
		const known = this.find(did);
		if (known === null || known.goodUntilMs <= nowMs) return null;
		this.#known.get(did);
		return known.resolution;
	}

	/** What is known of a DID, good or not. */
	find(did: string): Known | null {
		return this.#known.peek(did) ?? null;
	}

	set(did: string, known: Known): void {
		this.#known.set(did, known);
	}

	/** Takes a resolution for good until then, if it is still here. */
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
