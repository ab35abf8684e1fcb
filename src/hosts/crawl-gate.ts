import { type ControlResult, refusal } from "../control/api.ts";
import { networkOf } from "../net/network.ts";
import type { Counters } from "../observe/counters.ts";
import { counter } from "../observe/metric.ts";
import { RateLimit } from "../runtime/rate-limit.ts";
import { type NoSlot, ProbeSlots, type ProbeSlotsOptions } from "./probe-slots.ts";

const crawlsLimited = counter(
	"crawls_limited_total",
	"crawl requests refused because their address had reached its limit of probes or of failed probes",
	"Nothing to do: the limits on strangers work. Add wanted hosts as an admin.",
);

/** Failed probes that one address may cause in an hour. Each costs a DNS lookup and a connection. */
export const FAILED_PROBES_PER_HOUR = 10;
const HOUR_S = 3600;
/** Addresses whose failures are remembered, at some 100 bytes each. */
const ADDRESSES_MAX = 20_000;
/** A probe takes up to 5 s, and a request waits up to 15 s for its probe to begin. */
export const PROBE_SLOTS = {
	slots: 32,
	perAddressMax: 2,
	waitingMax: 256,
	waitingPerAddressMax: 8,
	waitMs: 15_000,
} as const satisfies ProbeSlotsOptions;
const RETRY_AFTER_BUSY_S = 30;

/** The error of a host that a probe found not to be a PDS. */
export const HOST_NOT_FOUND = "HostNotFound";
/** The error of a host that this relay does not follow: the operator has banned it or its domain, or it is a relay [L]. */
export const HOST_BANNED = "HostBanned";
const CHARGED: ReadonlySet<string> = new Set([HOST_NOT_FOUND, HOST_BANNED]);

export interface CrawlGateOptions {
	counters: Counters;
	/** Monotonic milliseconds. */
	nowMs: () => number;
	timer?: ProbeSlotsOptions["timer"];
}

/** Limits the probes of new hosts that strangers ask for, by the sender's address. Requests of admins don't pass through it. */
export class CrawlGate {
	readonly #counters: Counters;
	readonly #slots: ProbeSlots;
	readonly #failures: RateLimit;

	constructor({ counters, nowMs, timer }: CrawlGateOptions) {
		this.#counters = counters;
		this.#slots = new ProbeSlots(timer === undefined ? PROBE_SLOTS : { ...PROBE_SLOTS, timer });
		this.#failures = new RateLimit({
			perS: FAILED_PROBES_PER_HOUR / HOUR_S,
			burst: FAILED_PROBES_PER_HOUR,
			keysMax: ADDRESSES_MAX,
			nowMs,
		});
	}

	/** Runs `probe` for the sender at `ip` when its turn comes, or answers with the limit that it has reached. */
	async run(ip: string, probe: () => Promise<ControlResult>): Promise<ControlResult> {
		const address = networkOf(ip);
		const result = this.#failuresLimit(address) ?? (await this.#slots.run(address, () => this.#probe(address, probe)));
		if (typeof result === "string") return this.#limit(busyMessage(result), RETRY_AFTER_BUSY_S);
		return result;
	}

	async #probe(address: string, probe: () => Promise<ControlResult>): Promise<ControlResult> {
		// Other probes of this address may have failed while this one waited.
		const limit = this.#failuresLimit(address);
		if (limit !== null) return limit;
		const result = await probe();
		if (!result.ok && CHARGED.has(result.error)) this.#failures.charge(address);
		return result;
	}

	#failuresLimit(address: string): ControlResult | null {
		const waitMs = this.#failures.waitMs(address);
		if (waitMs === 0) return null;
		const rule = `in an hour, ${FAILED_PROBES_PER_HOUR} hosts from one address may fail their check, and yours has reached that limit`;
		return this.#limit(rule, Math.ceil(waitMs / 1000));
	}

	#limit(rule: string, retryAfterS: number): ControlResult {
		this.#counters.add(crawlsLimited);
		return refusal(429, "RateLimitExceeded", rule, retryAfterS);
	}
}

function busyMessage(why: NoSlot): string {
	return why === "full"
		? "too many new hosts wait to be checked, try again in a minute"
		: `the check of this host did not begin within ${PROBE_SLOTS.waitMs} ms, try again in a minute`;
}
