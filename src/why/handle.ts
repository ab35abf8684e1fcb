import { resolveTxt } from "node:dns/promises";
import { fetchBounded } from "../net/bounded-fetch.ts";
import { type GuardOptions, guardedFetch } from "../net/guarded-fetch.ts";
import type { Counters } from "../observe/counters.ts";
import { counter } from "../observe/metric.ts";
import { dnsNameFault } from "../protocol/dns-name.ts";
import { isDid } from "../protocol/syntax.ts";
import { RateLimit } from "../runtime/rate-limit.ts";
import { RecentMap } from "../runtime/recent-map.ts";
import { systemTiming, type Timing } from "../runtime/timing.ts";

const handleLookups = counter(
	"handle_lookups_total",
	"handles looked up over the network, for those who ask why",
	"If it grows fast, somebody asks why for many handles: limits hold, and nothing else is slowed.",
);
const handleLookupsLimited = counter(
	"handle_lookups_limited_total",
	"handles that were not looked up, since too many lookups were asked for",
	"Nothing to do: the limit keeps the relay from being used to look up handles.",
);

/** A stranger names the host that is asked. So few lookups are made, whoever asks, and each is small. */
export const HANDLE_LIMITS = {
	/** Lookups of one client, in a second and at once. */
	perClientPerS: 0.2,
	perClientBurst: 5,
	/** Of all together. */
	perS: 2,
	burst: 20,
	atOnceMax: 8,
	clientsMax: 10_000,
	timeoutMs: 2_000,
	/** A DID and a line's end. */
	bodyBytesMax: 2_048,
	/** TXT records of one name that are looked at. */
	recordsMax: 20,
	keptMax: 10_000,
	foundMs: 10 * 60_000,
	/** Not longer, since whoever asks may just be mending it. */
	missingMs: 60_000,
} as const;

export type HandleAnswer =
	| { readonly did: string }
	/** It leads to no DID, or to several. */
	| { readonly missing: string }
	/** Too many lookups were asked for. */
	| { readonly busy: string };

export interface HandleResolverOptions {
	guard: GuardOptions;
	userAgent: string;
	counters: Counters;
	/** The TXT records of a name, each as its pieces. Rejects if there are none. */
	resolveTxt?: (name: string) => Promise<string[][]>;
	timing?: Timing;
}

interface Kept {
	readonly answer: HandleAnswer;
	readonly untilMs: number;
}

/** Finds the DID that a handle leads to, as the network does: by a TXT record, or by a file of the handle's host. */
export class HandleResolver {
	readonly #options: HandleResolverOptions;
	readonly #timing: Timing;
	readonly #kept = new RecentMap<string, Kept>({ entriesMax: HANDLE_LIMITS.keptMax });
	readonly #running = new Map<string, Promise<HandleAnswer>>();
	readonly #ofClient: RateLimit;
	readonly #ofAll: RateLimit;

	constructor(options: HandleResolverOptions) {
		this.#options = options;
		this.#timing = options.timing ?? systemTiming;
		const nowMs = (): number => this.#timing.nowMs();
		const { perClientPerS, perClientBurst, clientsMax, perS, burst } = HANDLE_LIMITS;
		this.#ofClient = new RateLimit({ perS: perClientPerS, burst: perClientBurst, keysMax: clientsMax, nowMs });
		this.#ofAll = new RateLimit({ perS, burst, keysMax: 1, nowMs });
	}

	/**
	 * Never rejects.
	 * @param handle lower-case; its syntax was checked by `handleFault`
	 * @param client for which the lookup counts
	 */
	resolve(handle: string, client: string): Promise<HandleAnswer> {
		const kept = this.#kept.get(handle);
		if (kept !== undefined && kept.untilMs > this.#timing.nowMs()) return Promise.resolve(kept.answer);
		const running = this.#running.get(handle);
		if (running !== undefined) return running;
		const busy = this.#limitOf(client);
		if (busy !== null) {
			this.#options.counters.add(handleLookupsLimited);
			return Promise.resolve({ busy });
		}
		const lookup = this.#lookUp(handle).finally(() => this.#running.delete(handle));
		this.#running.set(handle, lookup);
		return lookup;
	}

	#limitOf(client: string): string | null {
		if (this.#running.size >= HANDLE_LIMITS.atOnceMax) return "handles are being looked up: ask again in a moment";
		if (this.#ofClient.waitMs(client) > 0) return "too many handles were asked for from your address: ask by DID";
		if (this.#ofAll.take("all") > 0) return "too many handles were asked for: ask by DID";
		this.#ofClient.charge(client);
		return null;
	}

	async #lookUp(handle: string): Promise<HandleAnswer> {
		this.#options.counters.add(handleLookups);
		const [byDns, byFile] = await Promise.all([this.#byDns(handle), this.#byFile(handle)]);
		const answer = decide(handle, byDns, byFile);
		const keepMs = "did" in answer ? HANDLE_LIMITS.foundMs : HANDLE_LIMITS.missingMs;
		this.#kept.set(handle, { answer, untilMs: this.#timing.nowMs() + keepMs });
		return answer;
	}

	/** The DIDs that TXT records of the handle name, each once. */
	async #byDns(handle: string): Promise<string[]> {
		const resolve = this.#options.resolveTxt ?? resolveTxt;
		const late = Promise.withResolvers<string[][]>();
		const cancel = this.#timing.after(HANDLE_LIMITS.timeoutMs, () => late.resolve([]));
		try {
			const records = await Promise.race([resolve(`_atproto.${handle}`), late.promise]);
			const texts = records.slice(0, HANDLE_LIMITS.recordsMax).map((pieces) => pieces.join(""));
			const dids = texts.filter((text) => text.startsWith("did=")).map((text) => text.slice("did=".length));
			return [...new Set(dids.filter(isDid))];
		} catch {
			// There are no such records, or the resolver failed. Then the file counts.
			return [];
		} finally {
			cancel();
		}
	}

	/** The DID in the file of the handle's host; null if there is none. */
	async #byFile(handle: string): Promise<string | null> {
		const { guard, userAgent } = this.#options;
		const { timeoutMs, bodyBytesMax } = HANDLE_LIMITS;
		const url = new URL(`https://${handle}/.well-known/atproto-did`);
		const headers = { Accept: "text/plain", "User-Agent": userAgent };
		try {
			const send = (signal: AbortSignal): Promise<Response> => guardedFetch(url, { headers, signal }, guard);
			const { status, body } = await fetchBounded(send, { timeoutMs, bytesMax: bodyBytesMax });
			const did = new TextDecoder().decode(body).trim();
			return status === 200 && isDid(did) ? did : null;
		} catch {
			// Any error is the host's or the network's. Details of it would tell strangers what they can't see themselves.
			return null;
		}
	}
}

/** The rule that a handle breaks, or null. @param handle lower-case */
export function handleFault(handle: string, allowTest: boolean): string | null {
	return dnsNameFault(handle, allowTest);
}

/** TXT records take precedence. */
function decide(handle: string, byDns: readonly string[], byFile: string | null): HandleAnswer {
	if (byDns.length > 1) return { missing: `the TXT records of _atproto.${handle} name several DIDs` };
	const did = byDns[0] ?? byFile;
	if (did !== null && did !== undefined) return { did };
	return {
		missing: `no TXT record of _atproto.${handle} and no file https://${handle}/.well-known/atproto-did names a DID`,
	};
}
