import { reportFailure } from "./boundary.ts";
import { systemTiming, type Timing } from "./timing.ts";

/** What one thread does for another: methods whose arguments and answers can be sent. */
export type Service<Methods> = { [Method in keyof Methods]: (...args: never[]) => Promise<unknown> };

/** A service as its owner implements it: a method may return its answer at once, or a promise of it. */
export type Served<Methods extends Service<Methods>> = {
	[Method in keyof Methods]: (
		...args: Parameters<Methods[Method]>
	) => ReturnType<Methods[Method]> | Awaited<ReturnType<Methods[Method]>>;
};

/** The service of an end that answers no requests. */
export type NoService = Record<never, never>;

/** A service whose methods are looked up by the name in a message. */
type AnyService = Record<string, (...args: readonly unknown[]) => unknown>;

interface RequestMessage {
	type: "request";
	id: number;
	method: string;
	args: readonly unknown[];
}

interface AnswerMessage {
	type: "answer";
	id: number;
	reply: Reply<unknown>;
}

/** What one end sends to the other. */
export type LinkMessage = RequestMessage | AnswerMessage;

/**
 * Why there is no answer: too many requests wait already (`full`), too many of this client wait (`client-full`), the deadline
 * has passed, or the other end failed while it answered and has logged why.
 */
export type Unanswered = "full" | "client-full" | "timeout" | "failed";

export type Reply<Answer> = { answered: true; answer: Answer } | { answered: false; why: Unanswered };

/** Requests of strangers that may wait for their answers at once: in all, and of one client. */
export interface RequestLimits {
	max: number;
	perClientMax: number;
}

export interface RequestOptions {
	/** How long to wait for the answer. */
	timeoutMs: number;
	/**
	 * The client that the request is counted for, such as an IPv4 address or IPv6 /64. Null for requests of the operator and our
	 * own, which have no limit.
	 */
	client?: string | null;
}

/** Asks another thread. */
export interface Requests<Theirs extends Service<Theirs>> {
	/** Calls a method of the other end's service. Resolves with the answer, or with why there is none; never rejects. */
	request<Method extends keyof Theirs & string>(
		method: Method,
		args: Parameters<Theirs[Method]>,
		options: RequestOptions,
	): Promise<Reply<Awaited<ReturnType<Theirs[Method]>>>>;
}

export interface RequestLinkOptions<Ours extends Service<Ours>> {
	/** Sends a message to the other end, which passes it to its `take`. */
	send(message: LinkMessage): void;
	/** What the other end may ask of this one, if anything; looked up for each request. */
	serves?(): Served<Ours> | undefined;
	limits: RequestLimits;
	timing?: Timing;
}

/** One end of the requests between two threads: asks the other end, and answers it. */
export class RequestLink<Theirs extends Service<Theirs>, Ours extends Service<Ours>> implements Requests<Theirs> {
	readonly #options: RequestLinkOptions<Ours>;
	readonly #timing: Timing;
	/** The requests that wait, by id. */
	readonly #waiting = new Map<number, (reply: Reply<unknown>) => void>();
	/** How many requests of each client wait. */
	readonly #ofClient = new Map<string, number>();
	#lastId = 0;

	constructor(options: RequestLinkOptions<Ours>) {
		this.#options = options;
		this.#timing = options.timing ?? systemTiming;
	}

	async request<Method extends keyof Theirs & string>(
		method: Method,
		args: Parameters<Theirs[Method]>,
		{ timeoutMs, client = null }: RequestOptions,
	): Promise<Reply<Awaited<ReturnType<Theirs[Method]>>>> {
		const why = client === null ? null : this.#limitOf(client);
		if (why !== null) return { answered: false, why };
		const id = ++this.#lastId;
		const { promise, resolve } = Promise.withResolvers<Reply<unknown>>();
		const cancel = this.#timing.after(timeoutMs, () => resolve({ answered: false, why: "timeout" }));
		this.#waiting.set(id, resolve);
		if (client !== null) this.#count(client, 1);
		try {
			this.#options.send({ type: "request", id, method, args });
			// The other end is ours, and its service has this type.
			return (await promise) as Reply<Awaited<ReturnType<Theirs[Method]>>>;
		} finally {
			cancel();
			this.#waiting.delete(id);
			if (client !== null) this.#count(client, -1);
		}
	}

	/**
	 * Takes a message of the other end. An answer that comes after its deadline is ignored.
	 * @returns resolves when a request is answered; rejects if it failed on our own data or disk (see `boundary.ts`)
	 */
	async take(message: LinkMessage): Promise<void> {
		if (message.type === "answer") this.#waiting.get(message.id)?.(message.reply);
		else await this.#answer(message);
	}

	async #answer({ id, method, args }: RequestMessage): Promise<void> {
		try {
			const service = this.#options.serves?.() as AnyService | undefined;
			if (service?.[method] === undefined) throw new RangeError(`no method is named ${method}`);
			const answer = await service[method](...args);
			this.#options.send({ type: "answer", id, reply: { answered: true, answer } });
		} catch (error) {
			reportFailure(`the answer to ${method}`, error, { args });
			this.#options.send({ type: "answer", id, reply: { answered: false, why: "failed" } });
		}
	}

	#limitOf(client: string): Unanswered | null {
		const { max, perClientMax } = this.#options.limits;
		if (this.#waiting.size >= max) return "full";
		return (this.#ofClient.get(client) ?? 0) >= perClientMax ? "client-full" : null;
	}

	#count(client: string, amount: 1 | -1): void {
		const count = (this.#ofClient.get(client) ?? 0) + amount;
		if (count === 0) this.#ofClient.delete(client);
		else this.#ofClient.set(client, count);
	}
}
