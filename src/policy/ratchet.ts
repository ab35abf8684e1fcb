import type { Strictness } from "../log/record/policy-facts.ts";
import type { Timing } from "../runtime/timing.ts";
import type { Policies } from "./policies.ts";

/** A host whose messages have kept all strict rules for this long gets `enforce`. */
export const CLEAN_MS = 7 * 24 * 3_600_000;
/** The beginning of a clean period is written to the log at most this often for a host. */
const RECORD_INTERVAL_MS = 3_600_000;
const CHECK_INTERVAL_MS = 60_000;

export interface RatchetOptions {
	policies: Policies;
	/** Tells all ingest workers how strict to be with a host. */
	setStrictness(hostname: string, strictness: Strictness): Promise<void>;
	timing: Timing;
	/** Milliseconds since 1970. */
	nowMs(): number;
}

/** Moves hosts from `observe` to `enforce` after a clean period, if the operator has set them so. It never moves one back. */
export class Ratchet {
	readonly #options: RatchetOptions;
	/** When a message of a host last broke a strict rule, if that is later than what the log has. */
	readonly #brokenAtMs = new Map<string, number>();

	constructor(options: RatchetOptions) {
		this.#options = options;
		this.#checkLater();
	}

	/** Notes hosts whose messages have broken a strict rule, and passed. */
	noteLenient(hostnames: readonly string[]): void {
		const { policies, nowMs } = this.#options;
		for (const hostname of hostnames) {
			const policy = policies.hostPolicy(hostname);
			if (policy.cleanSinceMs === null) continue;
			const cleanSinceMs = nowMs();
			if (cleanSinceMs - policy.cleanSinceMs < RECORD_INTERVAL_MS) this.#brokenAtMs.set(hostname, cleanSinceMs);
			else {
				this.#brokenAtMs.delete(hostname);
				void policies.change("hostPolicy", hostname, { ...policy, cleanSinceMs }, null);
			}
		}
	}

	#checkLater(): void {
		this.#options.timing.after(CHECK_INTERVAL_MS, () => {
			this.#checkLater();
			this.#check();
		});
	}

	#check(): void {
		const { policies, nowMs, setStrictness } = this.#options;
		for (const [hostname, policy] of policies.hostPolicies()) {
			if (policy.cleanSinceMs === null) continue;
			const cleanSinceMs = Math.max(policy.cleanSinceMs, this.#brokenAtMs.get(hostname) ?? 0);
			if (nowMs() - cleanSinceMs < CLEAN_MS) continue;
			this.#brokenAtMs.delete(hostname);
			const action = { atMs: nowMs(), by: "the relay", action: "ratchet" };
			void policies.change("hostPolicy", hostname, { ...policy, strictness: "enforce", cleanSinceMs: null }, action);
			void setStrictness(hostname, "enforce");
		}
	}
}
