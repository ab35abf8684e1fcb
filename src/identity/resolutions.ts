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

interface Entry extends Known {
	bytes: number;
}

/** Objects, key bytes and map slot of one entry, measured roughly; its strings come on top. */
const ENTRY_BYTES = 500;

/**
 * The resolutions that a cache holds, by DID. Beyond its limits the least recently used one leaves first. One that is no longer
 * good stays: it may be needed while nobody can be asked.
 */
export class Resolutions {
	/** In the order of use. */
	readonly #entries = new Map<string, Entry>();
	readonly #limits: ResolutionLimits;
	readonly #onEvicted: () => void;
	#bytes = 0;

	constructor(limits: ResolutionLimits, onEvicted: () => void) {
		this.#limits = limits;
		this.#onEvicted = onEvicted;
	}

	/** The resolution of a DID, unless there is none or it is no longer good. */
	get(did: string, nowMs: number): Resolution | null {
		const entry = this.#entries.get(did);
		if (entry === undefined || entry.goodUntilMs <= nowMs) return null;
		this.#entries.delete(did);
		this.#entries.set(did, entry);
		return entry.resolution;
	}

	/** What is known of a DID, good or not. */
	find(did: string): Known | null {
		return this.#entries.get(did) ?? null;
	}

	set(did: string, known: Known): void {
		this.delete(did);
		const bytes = bytesOf(did, known.resolution);
		this.#entries.set(did, { ...known, bytes });
		this.#bytes += bytes;
		this.#evict();
	}

	/** Takes a resolution for good until then, if it is still here. */
	prolong(did: string, goodUntilMs: number): void {
		const entry = this.#entries.get(did);
		if (entry !== undefined) entry.goodUntilMs = Math.max(entry.goodUntilMs, goodUntilMs);
	}

	delete(did: string): void {
		this.#bytes -= this.#entries.get(did)?.bytes ?? 0;
		this.#entries.delete(did);
	}

	#evict(): void {
		const { entriesMax, bytesMax } = this.#limits;
		for (const did of this.#entries.keys()) {
			if (this.#entries.size <= entriesMax && this.#bytes <= bytesMax) return;
			this.delete(did);
			this.#onEvicted();
		}
	}
}

function bytesOf(did: string, resolution: Resolution): number {
	if (resolution.outcome !== "resolved") return ENTRY_BYTES + did.length;
	const { signingKeyDidKey, pds } = resolution.identity;
	return ENTRY_BYTES + did.length + (signingKeyDidKey?.length ?? 0) + 2 * (pds?.length ?? 0);
}
