import { IDENTITY_CACHE_LIMITS, IdentityCache, type IdentityCacheLimits } from "../../src/identity/cache.ts";
import { hostOfPds } from "../../src/identity/did-document.ts";
import type { Resolution } from "../../src/identity/identity.ts";
import type { Asker } from "../../src/identity/lookup.ts";
import type { MirroredResolution } from "../../src/identity/mirror.ts";
import { signingKeyOfDidKey } from "../../src/identity/signing-key.ts";
import type { StoredIdentity } from "../../src/index/store.ts";
import type { DidDocumentFacts } from "../../src/log/record/control.ts";
import { Counters } from "../../src/observe/counters.ts";
import { counted, countedBy, observed } from "../observe/counted.ts";
import { DID, K256_DID_KEY } from "./documents.ts";
import { FakeTime, settle } from "./fake-time.ts";

/** Wall time and monotonic time at the start of a test. They are unrelated. */
export const START_WALL_MS = 1_700_000_000_000;
const START_MS = 5_000;

export const NOT_FOUND: Resolution = { outcome: "not-found" };
export const UNAVAILABLE: Resolution = { outcome: "unavailable", detail: "down", retryAfterMs: null };

/** The account's own host, and another. */
export const HOME: Asker = { hostId: 1, hostname: "a.example.com" };
export const STRANGER: Asker = { hostId: 2, hostname: "stranger.example.com" };

/** A DID made of a number. */
export function plc(n: number): string {
	return `did:plc:${n.toString(2).padStart(24, "a").replaceAll("0", "a").replaceAll("1", "b")}`;
}

export function pdsOf(resolution: Resolution | null): string | null {
	return resolution?.outcome === "resolved" ? resolution.identity.pds : null;
}

/** The present state of a promise, without waiting for it. */
export function watch<T>(promise: Promise<T>): { value: T | null } {
	const watched: { value: T | null } = { value: null };
	void promise.then((value) => {
		watched.value = value;
	});
	return watched;
}

/** A cache with a clock, an index and a network whose answers and times the test decides. */
export class CacheRig {
	readonly time = new FakeTime(START_MS);
	readonly cache: IdentityCache;
	readonly asked: string[] = [];
	readonly facts: DidDocumentFacts[] = [];
	readonly stored = new Map<string, StoredIdentity>();
	/** Milliseconds by which the system's clock was set forward, or back if negative. */
	wallStepMs = 0;
	/** Whether messages of a host may wait for a did:web whose host fails. */
	mayWaitForWeb = true;
	/** What the network answers by itself; if null, requests wait for `answer`. */
	network: ((did: string) => Resolution) | null = null;
	/** How long each answer of `network` takes. */
	latencyMs: () => number = () => 0;
	readonly #open: PromiseWithResolvers<Resolution>[] = [];
	readonly #counters = new Counters();

	/** What a mirror of the directory knows, by DID. */
	readonly mirrored = new Map<string, { resolution: Resolution; completeUntilMs: number }>();
	/** How often the mirror was asked. */
	mirrorLookups = 0;
	/** What the mirror fails with. */
	mirrorFault: Error | null = null;

	constructor(limits: Partial<IdentityCacheLimits> = {}, options: { mirrorLagMaxMs?: number } = {}) {
		this.cache = new IdentityCache({
			resolver: { resolve: (did) => this.#resolve(did) },
			stored: async (did) => this.stored.get(did) ?? null,
			mirror: { find: (did) => this.#find(did) },
			...options,
			onResolved: (fact) => this.facts.push(fact),
			mayWaitForWeb: () => this.mayWaitForWeb,
			counters: this.#counters,
			limits: { ...IDENTITY_CACHE_LIMITS, ...limits },
			clock: this.time.clock,
			wallClock: () => this.wallMs,
			sleep: this.time.sleep,
			random: () => 0.5,
		});
	}

	get wallMs(): number {
		return START_WALL_MS + this.time.nowMs - START_MS + this.wallStepMs;
	}

	/** Answers the request with this index. */
	async answer(index: number, resolution: Resolution): Promise<void> {
		const request = this.#open[index];
		if (request === undefined) throw new Error(`nobody asked ${index + 1} times`);
		request.resolve(resolution);
		await settle();
	}

	resolved(pds: string, did = DID): Resolution {
		const signingKey = signingKeyOfDidKey(K256_DID_KEY);
		const pdsHost = hostOfPds(pds, { allowInsecure: false });
		const identity = { did, signingKey, signingKeyDidKey: K256_DID_KEY, pds, pdsFault: null, pdsHost };
		return { outcome: "resolved", identity: { ...identity, resolvedAtMs: this.wallMs } };
	}

	/** Puts a row into the index, of a lookup this long ago. */
	store(ageMs: number, parts: Partial<StoredIdentity> = {}): void {
		const row = { did: DID, signingKey: K256_DID_KEY, pds: "https://stored.example.com", tombstoned: false };
		const identity = { ...row, resolvedAtMs: this.wallMs - ageMs, ...parts };
		this.stored.set(identity.did, identity);
	}

	counted(name: string): number {
		return counted(this.#counters).of(name);
	}

	/** The network's answers, by outcome. */
	answers(): Record<string, number> {
		return countedBy(this.#counters, "identity_answers_total");
	}

	/** By the DID's method: how many answers the network gave, and how many seconds they took together. */
	lookupSeconds(): Record<string, { count: number; sum: number }> {
		const { distributions } = observed(this.#counters, "identity_lookup_seconds");
		return Object.fromEntries(distributions.map(({ of, upTo, sum }) => [of, { count: upTo.at(-1) ?? 0, sum }]));
	}

	async #find(did: string): Promise<MirroredResolution | null> {
		this.mirrorLookups++;
		if (this.mirrorFault !== null) throw this.mirrorFault;
		const known = this.mirrored.get(did);
		if (known === undefined) return null;
		return { resolution: known.resolution, ageMs: this.wallMs - known.completeUntilMs };
	}

	#answerLater(request: PromiseWithResolvers<Resolution>, resolution: Resolution): void {
		const latencyMs = this.latencyMs();
		if (latencyMs === 0) request.resolve(resolution);
		else void this.time.sleep(latencyMs).then(() => request.resolve(resolution));
	}

	#resolve(did: string): Promise<Resolution> {
		this.asked.push(did);
		const request = Promise.withResolvers<Resolution>();
		this.#open.push(request);
		if (this.network !== null) this.#answerLater(request, this.network(did));
		return request.promise;
	}
}
