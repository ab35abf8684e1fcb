import { BodyTooLargeError, readBody } from "../../net/bounded-fetch.ts";
import { FetchError, outboundFetch } from "../../net/outbound-fetch.ts";
import { retryAfterMs } from "../../net/retry-after.ts";
import { messageOf } from "../../observe/log-value.ts";
import { USER_AGENT } from "../../version.ts";
import { SkipCheck } from "./verdict.ts";

/** The path of a method of `com.atproto.sync`, without its name. */
export const SYNC_PATH = "/xrpc/com.atproto.sync.";
const ANSWER_MS_MAX = 30_000;
/** A page of 1,000 rows takes some 200 kB. */
const ANSWER_BYTES_MAX = 4 * 1024 * 1024;
/** All requests of a run. */
export const REQUESTS_MAX = 2_000;
/** How long a relay may make us wait with 429 before the same request is made again, once. */
const PATIENCE_MS_MAX = 30_000;
/** All these waits of a run. */
const PATIENCE_RUN_MS_MAX = 120_000;
/** How long all answers of a run may take, so that a relay which answers slowly does not hold us for hours. */
const ANSWERS_MS_MAX = 600_000;

/** A request got no answer. The message says why. */
export class Unreachable extends Error {
	override readonly name = "Unreachable";
}

/** An answer of the relay. */
export interface Answer {
	/** What was asked, for words about the answer. */
	asked: string;
	status: number;
	headers: Headers;
	/** The body if it is JSON; else undefined. */
	json: unknown;
}

export interface ClientOptions {
	/** Origin of the relay. */
	relay: string;
	requestsPerS: number;
	/** Lets time pass. */
	sleep?: (ms: number) => Promise<void>;
	/** Milliseconds since any moment. */
	elapsedMs?: () => number;
}

/** Asks a relay, politely: at a rate, one request at a time. */
export class Client {
	readonly #relay: string;
	readonly #pauseMs: number;
	readonly #sleep: (ms: number) => Promise<void>;
	readonly #elapsedMs: () => number;
	#requests = 0;
	#answers = 0;
	/** So much of the limits is used. */
	#patienceMs = 0;
	#answersMs = 0;

	constructor({ relay, requestsPerS, sleep = Bun.sleep, elapsedMs = () => performance.now() }: ClientOptions) {
		this.#relay = relay;
		this.#pauseMs = 1000 / requestsPerS;
		this.#sleep = sleep;
		this.#elapsedMs = elapsedMs;
	}

	/** Requests that were answered. */
	get answers(): number {
		return this.#answers;
	}

	/** @param parameters of the query @throws Unreachable, SkipCheck */
	get(path: string, parameters: Readonly<Record<string, string>> = {}): Promise<Answer> {
		return this.request("GET", path, parameters);
	}

	/** @throws Unreachable; SkipCheck if we may not ask any more */
	async request(
		method: string,
		path: string,
		parameters: Readonly<Record<string, string>> = {},
		more: { headers?: Record<string, string>; body?: string } = {},
	): Promise<Answer> {
		const answer = await this.#try(method, path, parameters, more);
		if (answer.status !== 429) return answer;
		const waitMs = retryAfterMs(answer.status, answer.headers, Date.now()) ?? PATIENCE_MS_MAX;
		if (waitMs > PATIENCE_MS_MAX || this.#patienceMs + waitMs > PATIENCE_RUN_MS_MAX)
			throw new SkipCheck(`${answer.asked}: HTTP 429: we have asked too much`);
		this.#patienceMs += waitMs;
		await this.#sleep(waitMs);
		return this.#try(method, path, parameters, more);
	}

	async #try(
		method: string,
		path: string,
		parameters: Readonly<Record<string, string>>,
		more: { headers?: Record<string, string>; body?: string },
	): Promise<Answer> {
		if (++this.#requests > REQUESTS_MAX) throw new SkipCheck(`more than ${REQUESTS_MAX} requests would be needed`);
		if (this.#answersMs > ANSWERS_MS_MAX)
			throw new SkipCheck(`the relay has taken more than ${ANSWERS_MS_MAX} ms for all its answers`);
		if (this.#requests > 1) await this.#sleep(this.#pauseMs);
		const url = new URL(path, this.#relay);
		for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
		const asked = `${method} ${path.replace(SYNC_PATH, "")}${url.search}`;
		const signal = AbortSignal.timeout(ANSWER_MS_MAX);
		const askedMs = this.#elapsedMs();
		try {
			const headers = { Origin: "https://client.example.com", "User-Agent": USER_AGENT, ...more.headers };
			const body = more.body === undefined ? {} : { body: more.body };
			const response = await outboundFetch(url, { method, headers, signal, redirect: "manual", ...body });
			this.#answers++;
			return { asked, status: response.status, headers: response.headers, json: await jsonOf(response, signal) };
		} catch (error) {
			const isForeseen = error instanceof FetchError || error instanceof BodyTooLargeError || signal.aborted;
			const why = signal.aborted ? `no answer within ${ANSWER_MS_MAX} ms` : messageOf(error);
			throw isForeseen ? new Unreachable(`${asked}: ${why}`) : error;
		} finally {
			this.#answersMs += this.#elapsedMs() - askedMs;
		}
	}
}

/** @returns undefined if the body is no JSON */
async function jsonOf(response: Response, signal: AbortSignal): Promise<unknown> {
	if (!(response.headers.get("content-type") ?? "").toLowerCase().startsWith("application/json")) {
		await response.body?.cancel();
		return undefined;
	}
	const text = new TextDecoder().decode(await readBody(response, signal, ANSWER_BYTES_MAX));
	try {
		return JSON.parse(text);
	} catch {
		return undefined;
	}
}
