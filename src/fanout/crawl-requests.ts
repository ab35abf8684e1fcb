import type { CrawlRequester, CrawlResult } from "../hosts/messages.ts";
import { refusal } from "../hosts/refusal.ts";
import { PendingAnswers, type PendingLimits } from "../runtime/pending-answers.ts";

/** To the control thread, which has the host manager. */
export interface CrawlRequestEvent {
	type: "requestCrawl";
	id: number;
	hostname: string;
	by: CrawlRequester;
}

/** To the same. */
export interface ResetCursorEvent {
	type: "resetCursor";
	id: number;
	hostname: string;
	/** Null: the host's live end. */
	cursor: number | null;
}

/** Its answer. */
export interface CrawlResultCommand {
	type: "crawlResult";
	id: number;
	result: CrawlResult;
}

/** Requests that wait for the control thread's answer, each of which holds an HTTP request open. */
const LIMITS: PendingLimits = { max: 512, perAddressMax: 16, timeoutMs: 30_000 };
const RETRY_AFTER_S = 30;

type ControlEvent = CrawlRequestEvent | ResetCursorEvent;

/** Carries requests about hosts from this thread to the control thread, and their answers back. */
export class CrawlRequests {
	readonly #emit: (event: ControlEvent) => void;
	readonly #limits: PendingLimits;
	readonly #pending: PendingAnswers<CrawlResult>;

	/** @param limits the time must be above what probing a host may take, and waiting for it */
	constructor(emit: (event: ControlEvent) => void, limits = LIMITS) {
		this.#emit = emit;
		this.#limits = limits;
		this.#pending = new PendingAnswers(limits);
	}

	/** Never rejects: too many requests and a missing answer are results too. */
	request(hostname: string, by: CrawlRequester): Promise<CrawlResult> {
		return this.#ask(by.admin ? null : by.ip, (id) => this.#emit({ type: "requestCrawl", id, hostname, by }));
	}

	/** For an admin. Never rejects. */
	resetCursor(hostname: string, cursor: number | null): Promise<CrawlResult> {
		return this.#ask(null, (id) => this.#emit({ type: "resetCursor", id, hostname, cursor }));
	}

	async #ask(ip: string | null, send: (id: number) => void): Promise<CrawlResult> {
		const { max, perAddressMax, timeoutMs } = this.#limits;
		const answer = await this.#pending.ask(ip, send);
		if (answer === "full") return busy(`${max} crawl requests are being worked on`);
		if (answer === "address-full") return busy(`${perAddressMax} crawl requests from your address are being worked on`);
		if (answer === "timeout") return refusal(504, "UpstreamTimeout", `no answer within ${timeoutMs} ms`);
		return answer;
	}

	/** Takes the control thread's answer. One that comes after the timeout is of no use any more. */
	settle(id: number, result: CrawlResult): void {
		this.#pending.settle(id, result);
	}
}

function busy(why: string): CrawlResult {
	return refusal(429, "RateLimitExceeded", `${why}: try again in a minute`, RETRY_AFTER_S);
}
