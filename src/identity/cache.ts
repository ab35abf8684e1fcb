import type { StoredIdentity } from "../index/store.ts";
import type { DidDocumentFacts } from "../log/facts.ts";
import type { Counters } from "../observe/counters.ts";
import { Slots } from "../slots.ts";
import { hostOfPds } from "./did-document.ts";
import type { Resolution } from "./identity.ts";
import { LastTimes } from "./last-times.ts";
import { FRESH_MS, type ResolutionLimits, Resolutions } from "./resolutions.ts";
import type { DidResolver } from "./resolver.ts";
import { signingKeyOfDidKey } from "./signing-key.ts";

export interface IdentityCacheLimits extends ResolutionLimits {
	/** Requests at once to the PLC directory; and as many again to did:web hosts. */
	lookupsMax: number;
}

export interface IdentityCacheOptions {
	resolver: Pick<DidResolver, "resolve">;
	/** Reads what the index has of a DID. Where it rejects, so does the lookup: our own state is damaged. */
	stored: (did: string) => Promise<StoredIdentity | null>;
	/** Called after each lookup over the network that says something lasting of the DID, so that it can be logged. */
	onResolved: (facts: DidDocumentFacts) => void;
	counters: Counters;
	/** Take a PDS on localhost for one that can be followed: for development only. */
	allowInsecure?: boolean;
	limits?: IdentityCacheLimits;
	clock?: () => number;
	sleep?: (ms: number) => Promise<void>;
}

export const IDENTITY_CACHE_LIMITS: IdentityCacheLimits = {
	entriesMax: 500_000,
	bytesMax: 256 * 1024 * 1024,
	lookupsMax: 32,
};

/** A DID's document is asked for again on suspicion at most this often. */
export const REFRESH_INTERVAL_MS = 10_000;
/** Pauses before the second and third try of a lookup that failed for no lasting reason. */
export const RETRY_PAUSES_MS: readonly number[] = [2_000, 6_000];
/** DIDs whose last purge or refresh is remembered, at about 100 bytes each. */
const TIMES_ENTRIES_MAX = 100_000;

/** A lookup under way, which all who ask for the DID meanwhile wait for. */
interface Flight {
	result: Promise<Resolution>;
}

/** What the network said, and when it was asked. */
interface Answer {
	resolution: Resolution;
	askedAtMs: number;
}

/**
 * The identities that one shard needs, in front of the index and the network.
 *
 * A purge is a border in time: what was asked for before it, whether still under way or stored in the index, is neither
 * cached nor given to anyone who asks after it. A refresh is such a border too, but leaves what is cached to those who
 * only `get`, until the new answer is there.
 */
export class IdentityCache {
	readonly #resolver: Pick<DidResolver, "resolve">;
	readonly #stored: (did: string) => Promise<StoredIdentity | null>;
	readonly #onResolved: (facts: DidDocumentFacts) => void;
	readonly #counters: Counters;
	readonly #allowInsecure: boolean;
	readonly #clock: () => number;
	readonly #sleep: (ms: number) => Promise<void>;
	readonly #resolutions: Resolutions;
	readonly #flights = new Map<string, Flight>();
	/** Two queues, so that did:web hosts that answer slowly hold up none but their like. */
	readonly #plcSlots: Slots;
	readonly #webSlots: Slots;
	readonly #bordersMs = new LastTimes(TIMES_ENTRIES_MAX);
	readonly #refreshesMs = new LastTimes(TIMES_ENTRIES_MAX);

	constructor(options: IdentityCacheOptions) {
		const { limits = IDENTITY_CACHE_LIMITS, clock = Date.now, sleep = Bun.sleep } = options;
		this.#resolver = options.resolver;
		this.#stored = options.stored;
		this.#onResolved = options.onResolved;
		this.#counters = options.counters;
		this.#allowInsecure = options.allowInsecure ?? false;
		this.#clock = clock;
		this.#sleep = sleep;
		this.#resolutions = new Resolutions(limits, () => this.#counters.add("identity_evictions_total"));
		this.#plcSlots = new Slots(limits.lookupsMax);
		this.#webSlots = new Slots(limits.lookupsMax);
	}

	/** What is cached of the DID and still good, or null. */
	get(did: string): Resolution | null {
		return this.#resolutions.get(did, this.#clock());
	}

	/**
	 * Finds the DID's resolution in the cache, the index, or the network, which is asked again before the answer is
	 * `unavailable`: that takes about 10 seconds, or half a minute where every try times out.
	 */
	async lookup(did: string): Promise<Resolution> {
		return this.get(did) ?? (this.#flights.get(did) ?? this.#depart(did)).result;
	}

	/** Forgets the DID: the next lookup asks the network. For an `#identity` (rulebook 2.9). */
	purge(did: string): void {
		this.#bordersMs.set(did, this.#clock());
		this.#flights.delete(did);
		this.#resolutions.delete(did);
	}

	/**
	 * What the DID resolves to by a lookup begun at `sinceMs` or later, for a message of that time: a bad signature or a host
	 * mismatch may mean that what is cached is outdated. The network is asked at most once in ten seconds for each DID
	 * (rulebook 4): who comes sooner waits for his turn, so that nobody is judged by what was known before he spoke.
	 */
	async refresh(did: string, sinceMs: number): Promise<Resolution> {
		const lastMs = this.#refreshesMs.get(did);
		if (lastMs >= sinceMs) return this.#flights.get(did)?.result ?? this.lookup(did);
		const nowMs = this.#clock();
		const waitMs = lastMs + REFRESH_INTERVAL_MS - nowMs;
		if (waitMs > 0) {
			this.#counters.add("identity_refreshes_limited_total");
			await this.#sleep(waitMs);
			return this.refresh(did, sinceMs);
		}
		this.#counters.add("identity_refreshes_total");
		this.#refreshesMs.set(did, nowMs);
		this.#bordersMs.set(did, nowMs);
		return this.#depart(did).result;
	}

	/** Starts a lookup, which takes the place of one under way. */
	#depart(did: string): Flight {
		// The flight must be known before it starts, since it asks whether it is still the one that counts.
		const landed = Promise.withResolvers<Resolution>();
		const flight: Flight = { result: landed.promise };
		this.#flights.set(did, flight);
		landed.resolve(this.#fly(did, flight));
		return flight;
	}

	async #fly(did: string, flight: Flight): Promise<Resolution> {
		try {
			return (await this.#fromIndex(did, flight)) ?? (await this.#fromNetwork(did, flight));
		} finally {
			if (this.#counts(did, flight)) this.#flights.delete(did);
		}
	}

	/** False once a purge or a refresh came after the flight's departure. */
	#counts(did: string, flight: Flight): boolean {
		return this.#flights.get(did) === flight;
	}

	async #fromIndex(did: string, flight: Flight): Promise<Resolution | null> {
		const stored = await this.#stored(did);
		if (stored === null || stored.resolvedAtMs <= this.#bordersMs.get(did)) return null;
		const resolution = resolutionOfStored(stored, this.#allowInsecure);
		const ageMs = this.#clock() - stored.resolvedAtMs;
		if (ageMs < 0 || ageMs >= FRESH_MS[resolution.outcome]) return null;
		if (this.#counts(did, flight)) this.#resolutions.set(did, resolution, stored.resolvedAtMs);
		return resolution;
	}

	async #fromNetwork(did: string, flight: Flight): Promise<Resolution> {
		const slots = did.startsWith("did:plc:") ? this.#plcSlots : this.#webSlots;
		for (let tries = 1; ; tries++) {
			const answer = await slots.run(async () => (this.#counts(did, flight) ? this.#ask(did) : null));
			// Whoever still waits for a flight that no longer counts is served better, and cheaper, by the one after it.
			if (answer === null) return this.lookup(did);
			const pauseMs = RETRY_PAUSES_MS[tries - 1];
			if (answer.resolution.outcome !== "unavailable" || pauseMs === undefined) {
				if (this.#counts(did, flight)) this.#keep(did, answer);
				return answer.resolution;
			}
			await this.#sleep(pauseMs);
		}
	}

	async #ask(did: string): Promise<Answer> {
		const askedAtMs = this.#clock();
		this.#counters.add("identity_lookups_total");
		const resolution = await this.#resolver.resolve(did);
		const { outcome } = resolution;
		if (outcome !== "resolved" && outcome !== "tombstoned") this.#counters.add("identity_failures_total");
		return { resolution, askedAtMs };
	}

	#keep(did: string, { resolution, askedAtMs }: Answer): void {
		// A refresh that failed says nothing against what is known.
		if (resolution.outcome === "unavailable" && this.get(did) !== null) return;
		this.#resolutions.set(did, resolution, this.#clock());
		const facts = factsOf(did, resolution, askedAtMs);
		if (facts !== null) this.#onResolved(facts);
	}
}

/** What is worth logging of a resolution; null for a failure. */
function factsOf(did: string, resolution: Resolution, askedAtMs: number): DidDocumentFacts | null {
	switch (resolution.outcome) {
		case "resolved": {
			const { signingKeyDidKey, pds, resolvedAtMs } = resolution.identity;
			return { did, signingKey: signingKeyDidKey, pds, tombstoned: false, resolvedAtMs };
		}
		case "tombstoned":
			return { did, signingKey: null, pds: null, tombstoned: true, resolvedAtMs: askedAtMs };
		default:
			return null;
	}
}

function resolutionOfStored(stored: StoredIdentity, allowInsecure: boolean): Resolution {
	const { did, signingKey, pds, tombstoned, resolvedAtMs } = stored;
	if (tombstoned) return { outcome: "tombstoned" };
	return {
		outcome: "resolved",
		identity: {
			did,
			signingKey: signingKey === null ? null : signingKeyOfDidKey(signingKey),
			signingKeyDidKey: signingKey,
			pds,
			pdsFault: pds === null ? "there was no usable PDS when it was looked up" : null,
			pdsHost: hostOfPds(pds, { allowInsecure }),
			resolvedAtMs,
		},
	};
}
