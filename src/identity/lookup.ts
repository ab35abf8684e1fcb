import type { Resolution } from "./identity.ts";

/** What causes a lookup: the host that sent a message of the DID. */
export interface Asker {
	hostId: number;
	/** As in `Identity.pdsHost`. */
	hostname: string;
}

/** What the network said, and when it was asked, by the monotonic clock. */
export interface Answer {
	resolution: Resolution;
	askedAtMs: number;
}

/**
 * A lookup under way. All who ask for the DID meanwhile share it. It is tried until there is an answer, or until nobody needs
 * one.
 */
export class Lookup {
	readonly did: string;
	/** Whether it was begun on suspicion, although a document may be known. */
	readonly isRecheck: boolean;
	readonly askers = new Map<number, Asker>();
	/** Whether the network is being asked. */
	asking = false;
	/** When the last try began. */
	beganAtMs = Number.NEGATIVE_INFINITY;
	/** When the first try began; infinity before it. */
	firstBeganAtMs = Number.POSITIVE_INFINITY;
	/** The next try begins at this time or later. */
	retryAtMs = Number.NEGATIVE_INFINITY;
	/** When the first try failed; null if none has. */
	failedSinceMs: number | null = null;
	/** When the last try failed; infinity if none has. */
	failedAtMs = Number.POSITIVE_INFINITY;
	failures = 0;
	/** Failures that are probably the DID's own: since the failure before, the server has answered other lookups. */
	ownFailures = 0;
	ended = false;
	readonly #answer = Promise.withResolvers<Answer>();
	#try: PromiseWithResolvers<Answer | null> | null = null;
	#needed = 0;

	constructor(did: string, isRecheck: boolean) {
		this.did = did;
		this.isRecheck = isRecheck;
		// Callers that wait get the rejection. If nobody waits, it must not count as unhandled.
		this.#answer.promise.catch(() => {});
	}

	/** Whether any caller needs an answer, rather than only a try. */
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

	/** Ends the lookup without an answer, since nobody needs one. */
	abandon(): void {
		this.ended = true;
		this.fail();
	}

	/** Ends the lookup with an error. @param error a fault of ours, or of our data */
	break(error: unknown): void {
		this.ended = true;
		this.#answer.reject(error);
		this.#try?.reject(error);
	}
}
