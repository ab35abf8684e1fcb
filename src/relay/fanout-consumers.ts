import { type ControlResult, refusal } from "../control/api.ts";
import type { ConsumerReport } from "../control/consumers.ts";
import { workerOfConsumer } from "../fanout/roster.ts";
import { at } from "./shared-memory.ts";
import type { FanoutThread } from "./threads.ts";

/** How long a fan-out thread may take to answer. */
const ANSWER_MS_MAX = 5_000;

/** The consumers of all fan-out threads. A thread that does not answer in time is left out. */
export class FanoutConsumers {
	readonly #threads: readonly FanoutThread[];

	constructor(threads: readonly FanoutThread[]) {
		this.#threads = threads;
	}

	/** Up to `limit` consumers with id > `afterId`, by id. */
	async list(afterId: number, limit: number): Promise<{ ok: true; consumers: ConsumerReport[] }> {
		const options = { timeoutMs: ANSWER_MS_MAX };
		const replies = await Promise.all(
			this.#threads.map(({ requests }) => requests.request("consumers", [afterId, limit], options)),
		);
		const consumers = replies.flatMap((reply) => (reply.answered ? reply.answer : []));
		return { ok: true, consumers: consumers.sort((a, b) => a.id - b.id).slice(0, limit) };
	}

	/** Ends a consumer's connection. Refused if there is none with this id. */
	async drop(id: number): Promise<ControlResult<{ consumer: ConsumerReport }>> {
		const thread = at(this.#threads, workerOfConsumer(id, this.#threads.length));
		const reply = await thread.requests.request("dropConsumer", [id], { timeoutMs: ANSWER_MS_MAX });
		if (!reply.answered) return refusal(504, "UpstreamTimeout", `no answer within ${ANSWER_MS_MAX} ms`);
		if (reply.answer === null) return refusal(404, "ConsumerNotFound", `no consumer has the id ${id}`);
		return { ok: true, consumer: reply.answer };
	}
}
