import type { CrawlResult } from "../hosts/messages.ts";

/** To the control thread, which has the host manager. */
export interface CrawlRequestEvent {
	type: "requestCrawl";
	id: number;
	hostname: string;
	admin: boolean;
}

/** Its answer. */
export interface CrawlResultCommand {
	type: "crawlResult";
	id: number;
	result: CrawlResult;
}

/** Requests that wait for the control thread's answer, each of which holds an HTTP request open. */
const PENDING_MAX = 64;
/** Above the time that probing the host may take. */
const TIMEOUT_MS = 15_000;

/** Carries `requestCrawl` from this thread to the control thread and its answer back. */
export class CrawlRequests {
	readonly #emit: (event: CrawlRequestEvent) => void;
	readonly #timeoutMs: number;
	readonly #pending = new Map<number, (result: CrawlResult) => void>();
	#lastId = 0;

	constructor(emit: (event: CrawlRequestEvent) => void, timeoutMs = TIMEOUT_MS) {
		this.#emit = emit;
		this.#timeoutMs = timeoutMs;
	}

	/** Never rejects: too many requests and a missing answer are results too. */
	request(hostname: string, options: { admin: boolean }): Promise<CrawlResult> {
		if (this.#pending.size >= PENDING_MAX) {
			const message = `${PENDING_MAX} requests are being worked on: try again in a minute`;
			return Promise.resolve({ ok: false, status: 429, error: "RateLimitExceeded", message });
		}
		const id = ++this.#lastId;
		const { promise, resolve } = Promise.withResolvers<CrawlResult>();
		const timer = setTimeout(() => {
			const message = `no answer within ${this.#timeoutMs} ms`;
			this.settle(id, { ok: false, status: 504, error: "UpstreamTimeout", message });
		}, this.#timeoutMs);
		this.#pending.set(id, (result) => {
			clearTimeout(timer);
			resolve(result);
		});
		this.#emit({ type: "requestCrawl", id, hostname, admin: options.admin });
		return promise;
	}

	/** Takes the control thread's answer. One that comes after the timeout is of no use any more. */
	settle(id: number, result: CrawlResult): void {
		this.#pending.get(id)?.(result);
		this.#pending.delete(id);
	}
}
