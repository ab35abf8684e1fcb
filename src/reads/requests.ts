import { errorResponse } from "../http/response.ts";
import { PendingAnswers, type PendingLimits } from "../runtime/pending-answers.ts";

/** To the reads thread. */
export interface ReadRequest {
	id: number;
	/** Path and query. */
	target: string;
	/** The sender's address. */
	ip: string;
}

/** What the reads thread answers. */
export interface ReadAnswer {
	id: number;
	status: number;
	headers: [name: string, value: string][];
	body: string;
}

/** Each holds an HTTP request open, and then its answer of up to some 300 kB. */
const LIMITS: PendingLimits = { max: 128, perAddressMax: 16, timeoutMs: 10_000 };
const RETRY_AFTER = { "Retry-After": "5" };

/** Hands reads of the index to the thread that does them, so that no read holds up this thread's consumers. */
export class ReadRequests {
	readonly #send: (request: ReadRequest) => void;
	readonly #pending: PendingAnswers<ReadAnswer>;
	readonly #limits: PendingLimits;

	constructor(send: (request: ReadRequest) => void, limits = LIMITS) {
		this.#send = send;
		this.#limits = limits;
		this.#pending = new PendingAnswers(limits);
	}

	/** Takes the other thread's answer. */
	settle(answer: ReadAnswer): void {
		this.#pending.settle(answer.id, answer);
	}

	/** Answers a read, or says why it is not answered now. Never rejects. */
	async read(target: string, ip: string): Promise<Response> {
		const answer = await this.#pending.ask(ip, (id) => this.#send({ id, target, ip }));
		if (answer === "full") return unavailable(`${this.#limits.max} reads are being worked on`);
		if (answer === "timeout") return unavailable(`no answer within ${this.#limits.timeoutMs} ms`);
		if (answer === "address-full") {
			const rule = `${this.#limits.perAddressMax} reads from your address are being worked on`;
			return errorResponse(429, "RateLimitExceeded", `${rule}: wait for their answers`, { "Retry-After": "1" });
		}
		return new Response(answer.body, { status: answer.status, headers: answer.headers });
	}
}

function unavailable(why: string): Response {
	return errorResponse(503, "ServiceUnavailable", `${why}: try again in a moment`, RETRY_AFTER);
}
