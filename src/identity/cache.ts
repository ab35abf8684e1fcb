// identity/: finds the signing key and the PDS of a DID. Handles are not resolved.

import type { StoredIdentity } from "../index/store.ts";
import type { DidDocumentFacts } from "../log/record/control.ts";
import type { Counters } from "../observe/counters.ts";
import { logOf } from "../observe/log.ts";
import { counter, gauge, histogram } from "../observe/metric.ts";
import { contain } from "../runtime/boundary.ts";
import { LogLimiter } from "../runtime/log-limiter.ts";
import { factsOf, resolutionOfStored } from "./facts.ts";
import { OUTCOMES, type Resolution, sameIdentity, type Unavailable } from "./identity.ts";
import type { Known } from "./known.ts";
import { LastTimes } from "./last-times.ts";
import { type Answer, type Asker, Lookup } from "./lookup.ts";
import type { IdentityMirror } from "./mirror.ts";
import { backoffMs, Outage } from "./outage.ts";
import { FRESH_MS, type ResolutionLimits, Resolutions } from "./resolutions.ts";
import type { DidResolver } from "./resolver.ts";
import { Turns } from "./turns.ts";
import { steadyWallMs } from "./wall-clock.ts";

const identityLookups = counter(
	"identity_lookups_total",
	"DID documents asked for over the network",
	"If it grows much faster than usual, the cache is too small (`standpipe_identity_evictions_total`) or a host sends many new DIDs.",
);
const identityLookupSeconds = histogram(
	"identity_lookup_seconds",
	"time from a request for a DID document to its answer or failure",
	"If `plc` is slow, look at your network and at the state of the PLC directory; the mirror makes most lookups needless.",
	[0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
	{ name: "method", values: ["plc", "web"] },
);
const identityAnswers = counter(
	"identity_answers_total",
	"what lookups of DID documents ended with; `unavailable` is tried again",
	"If `unavailable` is most of it, the PLC directory or your network is down. `malformed` and `not-found` are the accounts' fault.",
	{ name: "outcome", values: OUTCOMES },
);
const identityCacheEntries = gauge(
	"identity_cache_entries",
	"identities in memory",
	"Compare it with `standpipe_identity_cache_limit_entries`: when it is full, `RELAY_IDENT_CACHE_SIZE` may be too small.",
);
const identityCacheLimit = gauge(
	"identity_cache_limit_entries",
	"identities that may be in memory",
	"`RELAY_IDENT_CACHE_SIZE` sets it; a sixteenth of that is for lookups that found nothing.",
);
const identityFailures = counter(
	"identity_failures_total",
	"lookups that failed",
	"If most lookups fail, the PLC directory or your network is down: known accounts go on for three days.",
);
const identityRefreshes = counter(
	"identity_refreshes_total",
	"forced refreshes after an #identity, a bad signature or a host mismatch",
	"If it grows fast, some host sends bad signatures or `#identity` messages: `standpipe_messages_rejected_total` tells more.",
);
const identityRefreshesLimited = counter(
	"identity_refreshes_limited_total",
	"times a forced refresh had to wait because the DID had one a moment ago",
	"Nothing to do: a DID that changes too often waits. If it grows fast, look for the host that causes it.",
);
const identityStaleUses = counter(
	"identity_stale_uses_total",
	"times an outdated identity stayed in use for a while, because the directory or the did:web host failed",
	"If it grows, the PLC directory or a did:web host is down: nothing is lost for three days.",
);
const identityWaits = counter(
	"identity_waits_total",
	"failed lookups that are tried again, because messages can't be judged without them",
	"If it grows, messages wait for the PLC directory or a did:web host; look at your network.",
);
const identityLookupsLimited = counter(
	"identity_lookups_limited_total",
	"times a host's lookups had to wait because it named too many DIDs that are not its own",
	"If it grows, a host names many DIDs of others. It only slows that host; ban it if it does not end.",
);
const identityOutages = counter(
	"identity_outages_total",
	"times the PLC directory began to fail, or asked the relay to wait",
	"If it grows, look at the PLC directory's state and at your network.",
);
const identityEvictions = counter(
	"identity_evictions_total",
	"identities evicted because the cache was full",
	"If it grows fast, raise `RELAY_IDENT_CACHE_SIZE`: each eviction may cost a lookup.",
);

export interface IdentityCacheLimits extends ResolutionLimits {
	/**
	 * Requests that run at once to the PLC directory, and as many again to did:web hosts. One host may cause at most half of
	 * each.
	 */
	lookupsMax: number;
}

export interface IdentityCacheOptions {
	resolver: Pick<DidResolver, "resolve">;
	/** Reads what the index has of a DID. If it rejects, so does the lookup. */
	stored: (did: string) => Promise<StoredIdentity | null>;
	/** A mirror of the PLC directory, asked before the directory. */
	mirror?: IdentityMirror | null;
	/** How old the mirror's state may be. If it is older, its answers only count while the directory fails. */
	mirrorLagMaxMs?: number;
	/**
	 * Called after each lookup over the network or in the mirror that finds something lasting about the DID, so that it can be written to the log.
	 */
	onResolved: (facts: DidDocumentFacts) => void;
	/** Whether messages of this host may still wait for a did:web whose host fails. */
	mayWaitForWeb?: (hostId: number) => boolean;
	counters: Counters;
	/** Accept a PDS on localhost as one that can be followed: for development only. */
	allowInsecure?: boolean;
	limits?: IdentityCacheLimits;
	/** Monotonic milliseconds; `sinceMs` of the methods is a time of this clock. */
	clock?: () => number;
	/** Milliseconds since 1970, unaffected by steps of the system's clock. */
	wallClock?: () => number;
	sleep?: (ms: number) => Promise<void>;
	/** Uniform in [0, 1). */
	random?: () => number;
}

/** The default of `mirrorLagMaxMs`. */
const MIRROR_LAG_MS_MAX = 5 * 60_000;

export const IDENTITY_CACHE_LIMITS: IdentityCacheLimits = {
	entriesMax: 500_000,
	bytesMax: 256 * 1024 * 1024,
	lookupsMax: 32,
};

/** A suspicion that a DID's document is outdated causes at most one request in this time (rulebook 4). */
export const REFRESH_INTERVAL_MS = 10_000;
/** The same for an `#identity` from the account's own host. */
export const HOME_REFRESH_INTERVAL_MS = 1_000;
/** Maximum age of a document that stays in use while nobody can be asked for a newer one. */
export const STALE_MS_MAX = 3 * 24 * 60 * 60 * 1000;
/** After a failed try, a known document stays in use for this long before the next try. */
export const STALE_RETRY_MS = 60_000;
/**
 * How long messages wait for an unknown did:web whose host fails. The host's name may be the account's own, which must not
 * delay other accounts.
 */
export const WEB_WAIT_MS_MAX = 20_000;
/**
 * So many tries of a did:plc may fail while the directory answers others. After that the DID is at fault, not the directory.
 */
export const OWN_FAILURES_MAX = 30;
/** Lookups that one host may cause for DIDs that are not its own before it has to wait, and how many it regains per second. */
export const FOREIGN_LOOKUPS_MAX = 200;
export const FOREIGN_LOOKUPS_PER_SECOND = 5;
/** What a host is charged if one of its own accounts is looked up again and nothing has changed, in lookups. */
export const VAIN_RECHECK_CHARGE = 1 / 4;

/** Failures are kept apart from resolved documents. Their limits are this part of the cache's. */
const FAILURES_SHARE = 1 / 16;
/** DIDs whose last refresh is remembered, at about 100 bytes each. */
const TIMES_ENTRIES_MAX = 100_000;
const HOURS_MS = 60 * 60 * 1000;
/** A failing directory is logged at most this often. */
const OUTAGE_LINE_INTERVAL_MS = 60_000;

const log = logOf("identity");

/**
 * A cache of the identities that one shard needs. It reads the index and asks the network.
 *
 * Only an answer is final. While nobody can be asked, a known document stays in use for some days, and for an unknown one
 * messages wait. `lookup`, `recheck` and `refresh` differ in what they accept as an answer.
 */
export class IdentityCache {
	readonly #options: IdentityCacheOptions;
	readonly #counters: Counters;
	readonly #clock: () => number;
	readonly #wallClock: () => number;
	readonly #sleep: (ms: number) => Promise<void>;
	readonly #random: () => number;
	/** Resolved documents and failures are kept apart, so that made-up DIDs can't evict real ones. */
	readonly #resolved: Resolutions;
	readonly #failed: Resolutions;
	/** At most one for each DID that a message waits for. */
	readonly #lookups = new Map<string, Lookup>();
	readonly #plcOutage: Outage;
	/** Two queues, so that slow did:web hosts delay only other did:web lookups. */
	readonly #plcTurns: Turns<Lookup>;
	readonly #webTurns: Turns<Lookup>;
	readonly #rechecksMs = new LastTimes(TIMES_ENTRIES_MAX);
	readonly #outageLines: LogLimiter;
	/** When the directory last answered. */
	#plcAnsweredMs = Number.NEGATIVE_INFINITY;

	constructor(options: IdentityCacheOptions) {
		const { limits = IDENTITY_CACHE_LIMITS, counters } = options;
		this.#options = options;
		this.#counters = counters;
		this.#clock = options.clock ?? (() => performance.now());
		this.#wallClock = options.wallClock ?? steadyWallMs;
		this.#sleep = options.sleep ?? Bun.sleep;
		this.#random = options.random ?? Math.random;
		const evicted = (): void => counters.add(identityEvictions);
		this.#resolved = new Resolutions(limits, evicted);
		const share = (limit: number): number => Math.ceil(limit * FAILURES_SHARE);
		this.#failed = new Resolutions({ entriesMax: share(limits.entriesMax), bytesMax: share(limits.bytesMax) }, evicted);
		counters.set(identityCacheLimit, limits.entriesMax + share(limits.entriesMax));
		this.#plcOutage = new Outage(this.#random);
		this.#outageLines = new LogLimiter({ intervalMs: OUTAGE_LINE_INTERVAL_MS, keysMax: 2, nowMs: this.#clock });
		this.#plcTurns = this.#turns(limits.lookupsMax, this.#plcOutage);
		this.#webTurns = this.#turns(limits.lookupsMax, null);
	}

	#turns(lookupsMax: number, outage: Outage | null): Turns<Lookup> {
		return new Turns({
			limits: {
				atOnceMax: lookupsMax,
				atOncePerHostMax: Math.max(1, Math.floor(lookupsMax / 2)),
				chargesMax: FOREIGN_LOOKUPS_MAX,
				chargesPerSecond: FOREIGN_LOOKUPS_PER_SECOND,
			},
			work: (lookup) => this.#begin(lookup),
			outage,
			onLimited: () => this.#counters.add(identityLookupsLimited),
			clock: this.#clock,
			sleep: this.#sleep,
		});
	}

	/** Brings the metric of its size up to date. */
	measure(): void {
		this.#counters.set(identityCacheEntries, this.#resolved.size + this.#failed.size);
	}

	/** The cached resolution of the DID if it is still good, or null. */
	get(did: string): Resolution | null {
		const nowMs = this.#clock();
		return this.#resolved.get(did, nowMs) ?? this.#failed.get(did, nowMs);
	}

	/** The cached resolution of the DID, however old, or null. */
	peek(did: string): Resolution | null {
		return this.get(did) ?? this.#resolved.find(did)?.resolution ?? null;
	}

	/**
	 * Finds the DID's resolution in the cache, in the index, or over the network. If that fails, a known document stays in use up
	 * to the age of `STALE_MS_MAX`. For a DID without a known document this waits as long as necessary. It ends with
	 * `unavailable` only if the fault is that of this DID alone.
	 */
	async lookup(did: string, asker: Asker): Promise<Resolution> {
		const known = await this.#known(did);
		const good = this.get(did);
		if (good !== null) return good;
		if (known === null) return (await this.#join(did, asker, false, 0).answered()).resolution;
		if (this.#fails(did)) return this.#useOn(did, known);
		const answer = await this.#join(did, asker, false, 0).tried();
		return answer === null || answer.resolution.outcome === "unavailable" ? this.#useOn(did, known) : answer.resolution;
	}

	/**
	 * What the DID resolves to by a try that began at `sinceMs` or later. This is for an `#identity` of that time: what is cached
	 * may be outdated (rulebook 2.9). If the try fails, a known document stays in use as in `lookup`. The network is asked at
	 * most once a second for each DID; calls that come sooner wait, and share the next try.
	 */
	async recheck(did: string, asker: Asker, sinceMs: number): Promise<Resolution> {
		const known = await this.#known(did);
		return this.#resolveSince(did, asker, sinceMs, HOME_REFRESH_INTERVAL_MS, known);
	}

	/**
	 * What the DID resolves to by a lookup that began at `sinceMs` or later. This is for a message of that time that can't be
	 * judged otherwise: a bad signature or a host mismatch may mean that what is cached is outdated. An older document is no
	 * answer here, so this waits while nobody can be asked. The network is asked at most once in ten seconds for each DID
	 * (rulebook 4).
	 */
	async refresh(did: string, asker: Asker, sinceMs: number): Promise<Resolution> {
		const givenUp = this.#failed.get(did, this.#clock());
		if (givenUp?.outcome === "unavailable") return givenUp;
		return this.#resolveSince(did, asker, sinceMs, REFRESH_INTERVAL_MS, null);
	}

	/** @param known what to use if a try fails; null to wait for an answer */
	async #resolveSince(
		did: string,
		asker: Asker,
		sinceMs: number,
		intervalMs: number,
		known: Known | null,
	): Promise<Resolution> {
		for (;;) {
			const latest = this.#latest(did);
			if (latest !== null && latest.askedAtMs >= sinceMs) return latest.resolution;
			if (known !== null && this.#fails(did)) return this.#useOn(did, known);
			const lookup = this.#join(did, asker, true, this.#rechecksMs.get(did) + intervalMs);
			const answer = await (known === null ? lookup.answered() : lookup.tried());
			if (answer === null && known !== null) return this.#useOn(did, known);
			if (answer !== null && answer.askedAtMs >= sinceMs) return answer.resolution;
		}
	}

	/** The last answer about the DID; null if there is none, or if the last lookup was given up. */
	#latest(did: string): Known | null {
		const failed = this.#failed.find(did);
		const resolved = this.#resolved.find(did);
		const last = failed !== null && failed.askedAtMs > (resolved?.askedAtMs ?? -Infinity) ? failed : resolved;
		return last?.resolution.outcome === "unavailable" ? null : last;
	}

	/**
	 * A document that may be used while nobody can be asked: that of the cache, else that of the index; or that of the mirror, if it is
	 * newer. If the mirror lags little, the cache has a good resolution then.
	 */
	async #known(did: string): Promise<Known | null> {
		if (this.get(did) === null && this.#resolved.find(did) === null) await this.#load(did);
		if (this.get(did) === null && isPlc(did)) await this.#consultMirror(did);
		return this.#usable(did);
	}

	#usable(did: string): Known | null {
		const known = this.#resolved.find(did);
		return known !== null && this.#clock() - known.askedAtMs < STALE_MS_MAX ? known : null;
	}

	/** Takes the index's row of a DID into the cache. */
	async #load(did: string): Promise<void> {
		const stored = await this.#options.stored(did);
		// If a lookup has ended meanwhile, its result is newer.
		if (stored === null || this.get(did) !== null || this.#resolved.find(did) !== null) return;
		const resolution = resolutionOfStored(stored, this.#options.allowInsecure ?? false);
		const freshMs = FRESH_MS[resolution.outcome];
		const ageMs = this.#wallClock() - stored.resolvedAtMs;
		// A time in the future means that the clock was set back, and the age of the row is unknown.
		const askedAtMs = this.#clock() - (ageMs < 0 ? freshMs : ageMs);
		const isOutdated = askedAtMs <= this.#rechecksMs.get(did);
		const known = { resolution, askedAtMs, goodUntilMs: isOutdated ? askedAtMs : askedAtMs + freshMs };
		if (resolution.outcome === "resolved") this.#resolved.set(did, known);
		else if (known.goodUntilMs > this.#clock()) this.#failed.set(did, known);
	}

	/** Takes what the mirror says of a DID into the cache, unless what is there is newer. */
	async #consultMirror(did: string): Promise<void> {
		const { mirrorLagMaxMs = MIRROR_LAG_MS_MAX } = this.#options;
		const mirrored = await this.#mirrored(did);
		if (mirrored === null || this.get(did) !== null) return;
		const { resolution, askedAtMs, askedAtWallMs } = mirrored;
		if (askedAtMs <= (this.#resolved.find(did)?.askedAtMs ?? Number.NEGATIVE_INFINITY)) return;
		// If a recheck has begun after what the mirror knows, something has probably changed.
		const isGood = this.#clock() - askedAtMs <= mirrorLagMaxMs && askedAtMs > this.#rechecksMs.get(did);
		if (isGood) this.#keep(did, resolution, askedAtMs, askedAtWallMs);
		else if (resolution.outcome === "resolved") {
			this.#resolved.set(did, { resolution, askedAtMs, goodUntilMs: askedAtMs });
		}
	}

	/** What the mirror says, as an answer of the time up to which it is complete. Null if there is no mirror, or it does not know. */
	async #mirrored(did: string): Promise<(Answer & { askedAtWallMs: number }) | null> {
		const mirrored = (await this.#options.mirror?.find(did)) ?? null;
		if (mirrored === null) return null;
		const { resolution, ageMs } = mirrored;
		return { resolution, askedAtMs: this.#clock() - ageMs, askedAtWallMs: this.#wallClock() - ageMs };
	}

	/** Keeps an answer in the cache, and tells the log of it. @param askedAtWallMs in milliseconds since 1970 */
	#keep(did: string, resolution: Resolution, askedAtMs: number, askedAtWallMs: number): void {
		const [kept, other] =
			resolution.outcome === "resolved" ? [this.#resolved, this.#failed] : [this.#failed, this.#resolved];
		other.delete(did);
		kept.set(did, { resolution, askedAtMs, goodUntilMs: this.#clock() + FRESH_MS[resolution.outcome] });
		const facts = factsOf(did, resolution, askedAtWallMs);
		if (facts !== null) this.#options.onResolved(facts);
	}

	/** Whether a try now would be useless: the directory is in a pause, or the last try for the DID failed. */
	#fails(did: string): boolean {
		const lookup = this.#lookups.get(did);
		if (lookup !== undefined && !lookup.asking && lookup.failures > 0) return true;
		return isPlc(did) && this.#plcOutage.waitMs(this.#clock()) > 0;
	}

	/** Keeps a document in use for a while, since nobody can be asked for a newer one. */
	#useOn(did: string, known: Known): Resolution {
		this.#counters.add(identityStaleUses);
		this.#resolved.prolong(did, this.#clock() + STALE_RETRY_MS * (0.5 + this.#random() / 2));
		return known.resolution;
	}

	/** Joins the lookup of the DID, or begins one. It gets a turn among the asker's lookups, at `notBeforeMs` or later. */
	#join(did: string, asker: Asker, isRecheck: boolean, notBeforeMs: number): Lookup {
		let lookup = this.#lookups.get(did);
		if (lookup === undefined) {
			lookup = new Lookup(did, isRecheck);
			this.#lookups.set(did, lookup);
		}
		lookup.askers.set(asker.hostId, asker);
		if (!lookup.asking) this.#queue(lookup, asker.hostId, notBeforeMs);
		return lookup;
	}

	#queue(lookup: Lookup, hostId: number, notBeforeMs: number): void {
		const turns = isPlc(lookup.did) ? this.#plcTurns : this.#webTurns;
		const waitMs = Math.max(notBeforeMs, lookup.retryAtMs) - this.#clock();
		if (waitMs <= 0) {
			turns.add(hostId, lookup);
			return;
		}
		if (notBeforeMs > lookup.retryAtMs) this.#counters.add(identityRefreshesLimited);
		void this.#sleep(Math.ceil(waitMs)).then(() => contain("a lookup's turn", () => turns.add(hostId, lookup)));
	}

	/** Asks the network; null if there is no need to, or not yet. */
	#begin(lookup: Lookup): Promise<void> | null {
		const nowMs = this.#clock();
		if (lookup.ended || lookup.asking || lookup.retryAtMs > nowMs) return null;
		lookup.asking = true;
		lookup.beganAtMs = nowMs;
		lookup.firstBeganAtMs = Math.min(lookup.firstBeganAtMs, nowMs);
		this.#counters.add(identityLookups);
		if (lookup.isRecheck) {
			this.#counters.add(identityRefreshes);
			this.#rechecksMs.set(lookup.did, nowMs);
		}
		return this.#ask(lookup);
	}

	async #ask(lookup: Lookup): Promise<void> {
		const askedAtWallMs = this.#wallClock();
		try {
			const resolution = await this.#options.resolver.resolve(lookup.did);
			lookup.asking = false;
			const metric = identityLookupSeconds.of(isPlc(lookup.did) ? "plc" : "web");
			this.#counters.observe(metric, (this.#clock() - lookup.beganAtMs) / 1000);
			this.#counters.add(identityAnswers.of(resolution.outcome));
			if (resolution.outcome === "unavailable") this.#tryFailed(lookup, resolution);
			else this.#answered(lookup, resolution, askedAtWallMs);
		} catch (error) {
			lookup.asking = false;
			this.#lookups.delete(lookup.did);
			lookup.break(error);
		}
	}

	#answered(lookup: Lookup, resolution: Resolution, askedAtWallMs: number): void {
		const { did, beganAtMs } = lookup;
		const nowMs = this.#clock();
		if (isPlc(did)) {
			this.#plcAnsweredMs = nowMs;
			if (this.#plcOutage.answered(nowMs) && this.#outageLines.take("end") !== null) {
				log.info("the PLC directory answers again");
			}
		}
		if (resolution.outcome !== "resolved" && resolution.outcome !== "tombstoned") {
			this.#counters.add(identityFailures);
		}
		const isVain = lookup.isRecheck && sameIdentity(this.#resolved.find(did)?.resolution ?? null, resolution);
		this.#keep(did, resolution, beganAtMs, askedAtWallMs);
		this.#end(lookup, resolution, isVain ? VAIN_RECHECK_CHARGE : 0);
	}

	#tryFailed(lookup: Lookup, failure: Unavailable): void {
		const nowMs = this.#clock();
		const retryAfterMs = failure.retryAfterMs ?? 0;
		this.#counters.add(identityFailures);
		lookup.failures++;
		if (this.#plcAnsweredMs > lookup.failedAtMs) lookup.ownFailures++;
		lookup.failedSinceMs ??= nowMs;
		lookup.failedAtMs = nowMs;
		lookup.retryAtMs = nowMs + Math.max(backoffMs(lookup.failures, this.#random()), retryAfterMs);
		if (isPlc(lookup.did)) this.#directoryFailed(nowMs, failure);
		if (this.#isFinal(lookup)) this.#giveUp(lookup, failure, nowMs + Math.max(FRESH_MS.unavailable, retryAfterMs));
		else if (this.#release(lookup)) {
			this.#counters.add(identityWaits);
			for (const hostId of lookup.askers.keys()) this.#queue(lookup, hostId, lookup.retryAtMs);
			if (isPlc(lookup.did)) void this.#answerByMirror(lookup);
		}
	}

	/** Ends a lookup that the directory fails, if the mirror is complete up to a time after the lookup began. */
	async #answerByMirror(lookup: Lookup): Promise<void> {
		try {
			const mirrored = await this.#mirrored(lookup.did);
			if (mirrored === null || lookup.ended || lookup.asking) return;
			const { resolution, askedAtMs, askedAtWallMs } = mirrored;
			if (askedAtMs < lookup.firstBeganAtMs) return;
			this.#keep(lookup.did, resolution, askedAtMs, askedAtWallMs);
			this.#end(lookup, resolution, 0, askedAtMs);
		} catch (error) {
			this.#lookups.delete(lookup.did);
			lookup.break(error);
		}
	}

	/** Whether a failure is the DID's own and lasts, so that its messages need not wait any longer. */
	#isFinal(lookup: Lookup): boolean {
		if (!lookup.needed) return false;
		if (isPlc(lookup.did)) return lookup.ownFailures >= OWN_FAILURES_MAX;
		const { mayWaitForWeb = () => true } = this.#options;
		const waitMs = lookup.retryAtMs - (lookup.failedSinceMs ?? lookup.retryAtMs);
		return waitMs > WEB_WAIT_MS_MAX || !lookup.askers.keys().some(mayWaitForWeb);
	}

	#giveUp(lookup: Lookup, failure: Unavailable, goodUntilMs: number): void {
		const { did } = lookup;
		const known = this.#usable(did);
		// A known document stays good. Only callers that need a newer one get the failure.
		if (known === null) this.#resolved.delete(did);
		else this.#resolved.prolong(did, goodUntilMs);
		this.#failed.set(did, { resolution: failure, askedAtMs: lookup.beganAtMs, goodUntilMs });
		this.#end(lookup, failure, 0);
	}

	/**
	 * Tells callers that have a known document to use that there is no answer now. Returns whether any caller needs an answer.
	 */
	#release(lookup: Lookup): boolean {
		if (lookup.needed) {
			lookup.fail();
			return true;
		}
		this.#lookups.delete(lookup.did);
		lookup.abandon();
		return false;
	}

	#directoryFailed(nowMs: number, { detail, retryAfterMs }: Unavailable): void {
		if (this.#plcOutage.failed(nowMs, retryAfterMs)) {
			this.#counters.add(identityOutages);
			const omitted = this.#outageLines.take("begin");
			if (omitted !== null) {
				log.warning(
					"the PLC directory fails: {detail}; until it answers, known identities are used up to an age of {hours} hours",
					{
						detail,
						hours: STALE_MS_MAX / HOURS_MS,
						omitted,
					},
				);
			}
		}
		if (this.#plcOutage.waitMs(nowMs) === 0) return;
		for (const lookup of this.#lookups.values()) {
			if (isPlc(lookup.did) && !lookup.asking) this.#release(lookup);
		}
	}

	/** Ends a lookup, and charges the hosts that caused it. @param ownCharge what the account's own host is charged */
	#end(lookup: Lookup, resolution: Resolution, ownCharge: number, askedAtMs = lookup.beganAtMs): void {
		this.#lookups.delete(lookup.did);
		const turns = isPlc(lookup.did) ? this.#plcTurns : this.#webTurns;
		for (const { hostId, hostname } of lookup.askers.values()) {
			const isOwn = resolution.outcome === "resolved" && resolution.identity.pdsHost === hostname;
			turns.charge(hostId, isOwn ? ownCharge : 1);
		}
		lookup.end({ resolution, askedAtMs });
	}
}

function isPlc(did: string): boolean {
	return did.startsWith("did:plc:");
}
