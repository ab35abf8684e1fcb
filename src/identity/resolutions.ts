import type { Resolution } from "./identity.ts";

/** How long a resolution of each outcome stays good. */
export const FRESH_MS: Readonly<Record<Resolution["outcome"], number>> = {
	resolved: 24 * 60 * 60 * 1000,
	"not-found": 2 * 60 * 1000,
	tombstoned: 2 * 60 * 1000,
	malformed: 2 * 60 * 1000,
	unavailable: 5 * 1000,
};

export interface ResolutionLimits {
	entriesMax: number;
	/** Of the entries, as estimated. */
	bytesMax: number;
}

interface Entry {
	resolution: Resolution;
	expiresAtMs: number;
	bytes: number;
}

/** Objects, key bytes and map slot of one entry, measured roughly; its strings come on top. */
const ENTRY_BYTES = 500;

/** The resolutions that a cache holds, by DID. Beyond its limits the least recently used one leaves first. */
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
		if (entry === undefined) return null;
		if (entry.expiresAtMs <= nowMs) {
			this.delete(did);
			return null;
		}
		this.#entries.delete(did);
		this.#entries.set(did, entry);
		return entry.resolution;
	}

	/** @param sinceMs when what the resolution says was asked for, from which its age counts */
	set(did: string, resolution: Resolution, sinceMs: number): void {
		this.delete(did);
		const bytes = bytesOf(did, resolution);
		this.#entries.set(did, { resolution, expiresAtMs: sinceMs + FRESH_MS[resolution.outcome], bytes });
		this.#bytes += bytes;
		this.#evict();
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
