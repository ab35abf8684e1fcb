import { errorResponse } from "../http/response.ts";
import { networkOf } from "../net/network.ts";
import type { RequestLimits, Requests } from "../runtime/requests.ts";

/** What the reads thread does for a fan-out thread. */
export interface ReadsService {
	/**
	 * @param target path and query
	 * @param ip the sender's address
	 */
	read(target: string, ip: string): Promise<ReadAnswer>;
}

/** An HTTP response, in a form that can be sent to another thread. */
export interface ReadAnswer {
	status: number;
	headers: [name: string, value: string][];
	body: string;
}

/** Each read holds an HTTP request open, and later an answer of up to some 300 kB. */
export const READ_LIMITS: RequestLimits = { max: 128, perClientMax: 16 };
/** The runtime closes an HTTP connection on which nothing comes or goes for 10 s, and the client would get no answer at all. */
export const READ_TIMEOUT_MS = 6_000;
const RETRY_AFTER = { "Retry-After": "5" };

/** Passes reads of the index to the reads thread, so that no read delays this thread's consumers. */
export class ReadRequests {
	readonly #requests: Requests<ReadsService>;
	readonly #limits: RequestLimits;

	/** @param limits those of `requests`, which error messages name */
	constructor(requests: Requests<ReadsService>, limits = READ_LIMITS) {
		this.#requests = requests;
		this.#limits = limits;
	}

	/** Resolves with the answer to a read, or with an error that says why there is none now. Never rejects. */
	async read(target: string, ip: string): Promise<Response> {
		const options = { timeoutMs: READ_TIMEOUT_MS, client: networkOf(ip) };
		const reply = await this.#requests.request("read", [target, ip], options);
		if (reply.answered) {
			const { status, headers, body } = reply.answer;
			return new Response(body, { status, headers });
		}
		const { max, perClientMax } = this.#limits;
		switch (reply.why) {
			case "full":
				return unavailable(`${max} reads are being worked on`);
			case "client-full": {
				const rule = `${perClientMax} reads from your address are being worked on`;
				return errorResponse(429, "RateLimitExceeded", `${rule}: wait for their answers`, { "Retry-After": "1" });
			}
			case "timeout":
				return unavailable(`no answer within ${READ_TIMEOUT_MS} ms`);
			case "failed":
				return errorResponse(500, "InternalServerError", "the relay failed to answer this request");
		}
	}
}

function unavailable(why: string): Response {
	return errorResponse(503, "ServiceUnavailable", `${why}: try again in a moment`, RETRY_AFTER);
}
