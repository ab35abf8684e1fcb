import { networkOf } from "../net/network.ts";
import type { Reply, Requests } from "../runtime/requests.ts";
import { WORKER_REQUEST_LIMITS } from "../runtime/thread.ts";
import { type Control, type ControlResult, type CrawlRequester, FAILED, refusal } from "./api.ts";

/** Above what probing a host may take, and waiting for it. */
export const CONTROL_TIMEOUT_MS = 30_000;
const RETRY_AFTER_S = 30;

/** The control thread, for those on another thread. Never rejects: too many requests and a missing answer are results too. */
export class ControlClient implements Control {
	readonly #requests: Requests<Control>;
	readonly #limits: typeof WORKER_REQUEST_LIMITS;

	/** @param limits those of `requests`, for the words of an answer */
	constructor(requests: Requests<Control>, limits = WORKER_REQUEST_LIMITS) {
		this.#requests = requests;
		this.#limits = limits;
	}

	async requestCrawl(hostname: string, by: CrawlRequester): Promise<ControlResult> {
		const client = by.admin ? null : networkOf(by.ip);
		const options = { timeoutMs: CONTROL_TIMEOUT_MS, client };
		return this.#resultOf(await this.#requests.request("requestCrawl", [hostname, by], options));
	}

	async resetCursor(hostname: string, cursor: number | null): Promise<ControlResult> {
		const options = { timeoutMs: CONTROL_TIMEOUT_MS };
		return this.#resultOf(await this.#requests.request("resetCursor", [hostname, cursor], options));
	}

	#resultOf(reply: Reply<ControlResult>): ControlResult {
		if (reply.answered) return reply.answer;
		const { max, perClientMax } = this.#limits;
		switch (reply.why) {
			case "full":
				return busy(`${max} crawl requests are being worked on`);
			case "client-full":
				return busy(`${perClientMax} crawl requests from your address are being worked on`);
			case "timeout":
				return refusal(504, "UpstreamTimeout", `no answer within ${CONTROL_TIMEOUT_MS} ms`);
			case "failed":
				return FAILED;
		}
	}
}

function busy(why: string): ControlResult {
	return refusal(429, "RateLimitExceeded", `${why}: try again in a minute`, RETRY_AFTER_S);
}
