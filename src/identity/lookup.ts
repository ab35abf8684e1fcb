import type { Resolution } from "./identity.ts";

/** Who causes a lookup: the host that sent a message of the DID. */
export interface Asker {
	hostId: number;
	/** As DID documents name it. */
	hostname: string;
}

/** What the network said, and when it was asked, by the monotonic clock. */
export interface Answer {
	resolution: Resolution;
	askedAtMs: number;
}

/**
 * A lookup under way, which all who ask for the DID meanwhile wait for. It is tried until there is an answer, or until nobody
 * needs one.
 */
export class Lookup {
	readonly did: string;
	/** Whether it was begun on suspicion, although something is known. */
	readonly isRecheck: boolean;
	readonly askers = new Map<number, Asker>();
	/** Whether the network is being asked. */
	asking = false;
	/** When the last try began. */
	beganAtMs = Number.NEGATIVE_INFINITY;
	/** The next try begins at this time or later. */
	retryAtMs = Number.NEGATIVE_INFINITY;
	/** When the first try failed; null where none has. */
	failedSinceMs: number | null = null;
	/** When the last one did; after all time where none has. */
	failedAtMs = Number.POSITIVE_INFINITY;
	failures = 0;
	/** Failures of tries between which the server answered others. */
	ownFailures = 0;
	ended = false;
	readonly #answer = Promise.withResolvers<Answer>();
	#try: PromiseWithResolvers<Answer | null> | null = null;
	#needed = 0;

	constructor(did: string, isRecheck: boolean) {
		this.did = did;
		this.isRecheck = isRecheck;
		// Who waits for it hears of a failure; that nobody waits is no failure.
		this.#answer.promise.catch(() => {});
	}

	/** Whether anybody can't do without an answer. */
	get needed(): boolean {
		return this.#needed > 0;
	}

	/** The answer, however long it takes. */
	answered(): Promise<Answer> {
		this.#needed++;
		return this.#answer.promise;
	}

	/** The answer, or null as soon as a try has failed. */
	tried(): Promise<Answer | null> {
		this.#try ??= Promise.withResolvers();
		return this.#try.promise;
	}

	/** Tells those who only want a try that it failed. */
	fail(): void {
		this.#try?.resolve(null);
		this.#try = null;
	}

	end(answer: Answer): void {
		this.ended = true;
		this.#answer.resolve(answer);
		this.#try?.resolve(answer);
	}

	/** Nobody can do without an answer, so that there won't be one. */
	abandon(): void {
		this.ended = true;
		this.fail();
	}

	/** @param error a fault of ours, or of our data */
	break(error: unknown): void {
		this.ended = true;
		this.#answer.reject(error);
		this.#try?.reject(error);
	}
}
