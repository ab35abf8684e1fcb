import type { Webhook } from "../config/webhook.ts";
import { type Fetch, outboundFetch } from "../net/outbound-fetch.ts";
import { retryAfterMs } from "../net/retry-after.ts";
import type { Counters } from "../observe/counters.ts";
import { logOf } from "../observe/log.ts";
import { messageOf } from "../observe/log-value.ts";
import { counter, gauge } from "../observe/metric.ts";
import { contain } from "../runtime/boundary.ts";
import type { Timing } from "../runtime/timing.ts";
import { USER_AGENT } from "../version.ts";
import { bodyOf, type Notice } from "./notice.ts";

const alertsSent = counter(
	"alerts_total",
	"notices for webhooks of alerts: those that a webhook took, tries that failed, and notices that were given up",
	"If `failed` grows, look in the log lines for why the webhook does not answer with 2xx. `dropped` ones were lost: see the log lines of alerts.",
	{ name: "outcome", values: ["sent", "failed", "dropped"] },
);
const alertsWaiting = gauge(
	"alerts_waiting",
	"notices that webhooks have not taken yet",
	"If it stays above 0, a webhook does not answer with 2xx: look in the log lines.",
);

/** How long a webhook may take to answer. */
export const ANSWER_MS_MAX = 10_000;
/** Notices that wait for one webhook. Beyond that the oldest is dropped. */
export const WAITING_MAX = 200;
/** Delay after the first failed try. It doubles up to the maximum. */
export const RETRY_MS = 5_000;
export const RETRY_MS_MAX = 10 * 60_000;
/** A notice is given up after so long. */
export const GIVE_UP_MS = 24 * 3_600_000;

const log = logOf("alerts");

/** A notice that a webhook has not taken yet. `target` names the webhook and can't be turned back into its URL. */
export interface Waiting {
	target: string;
	notice: Notice;
}

export interface OutboxOptions {
	webhooks: readonly Webhook[];
	/** What the receivers call this relay. */
	source: string;
	counters: Counters;
	timing: Timing;
	/** Unix ms. */
	date: () => number;
	/** Called when a notice does not wait any more. */
	onChange: () => void;
	fetch?: Fetch;
	answerMsMax?: number;
}

/**
 * Sends notices to webhooks, to each in their order, until it has taken them: each arrives, and after a crash or a lost answer it may arrive twice,
 * with the same id.
 */
export class Outbox {
	readonly #queues: readonly Queue[];
	/** Those that must be saved before they are sent. */
	#added: Notice[] = [];

	/** @param waiting as it was when the relay stopped. Those for webhooks that are no longer set are left out. */
	constructor(options: OutboxOptions, waiting: readonly Waiting[]) {
		this.#queues = options.webhooks.map((webhook) => new Queue(webhook, options));
		for (const queue of this.#queues) {
			const ofQueue = waiting.filter(({ target }) => target === queue.target).slice(-WAITING_MAX);
			for (const { notice } of ofQueue) queue.add(notice);
		}
	}

	get waiting(): Waiting[] {
		return this.#queues.flatMap(({ target, notices }) => {
			const all = [...notices, ...this.#added].slice(-WAITING_MAX);
			return all.map((notice) => ({ target, notice }));
		});
	}

	/** Adds notices. None of them is sent before the next `send`, whatever is being sent now. */
	add(notices: readonly Notice[]): void {
		this.#added.push(...notices);
	}

	/** Sends what was added. To be called when it is saved. */
	send(): void {
		for (const queue of this.#queues) {
			for (const notice of this.#added) queue.add(notice);
			queue.send();
		}
		this.#added = [];
	}

	/** Sends no more. What waits stays in `waiting`. */
	stop(): void {
		for (const queue of this.#queues) queue.stop();
	}
}

/** What waits for one webhook. */
class Queue {
	readonly target: string;
	readonly notices: Notice[] = [];
	readonly #webhook: Webhook;
	readonly #options: OutboxOptions;
	readonly #stopping = new AbortController();
	#failures = 0;
	#isBusy = false;

	constructor(webhook: Webhook, options: OutboxOptions) {
		this.#webhook = webhook;
		this.#options = options;
		this.target = new Bun.CryptoHasher("sha256").update(`${webhook.format} ${webhook.url}`).digest("hex").slice(0, 32);
	}

	add(notice: Notice): void {
		this.notices.push(notice);
		this.#options.counters.add(alertsWaiting);
		if (this.notices.length > WAITING_MAX) this.#drop("too many wait");
	}

	/** Sends what waits, unless that is going on. */
	send(): void {
		if (this.#isBusy || this.#stopping.signal.aborted) return;
		this.#isBusy = true;
		void this.#sendAll();
	}

	stop(): void {
		this.#stopping.abort();
	}

	async #sendAll(): Promise<void> {
		const { date, timing } = this.#options;
		for (let next = this.notices[0]; next !== undefined; next = this.notices[0]) {
			if (date() - next.atMs >= GIVE_UP_MS) {
				this.#drop("it was tried for a day");
				continue;
			}
			const delayMs = await this.#try(next);
			if (this.#stopping.signal.aborted) return;
			if (delayMs === null) {
				this.#take(next);
				continue;
			}
			timing.after(delayMs, () => {
				this.#isBusy = false;
				this.send();
			});
			return;
		}
		this.#isBusy = false;
	}

	/** Resolves with null if the webhook has taken the notice, else with how long to wait before the next try. Never rejects. */
	async #try(notice: Notice): Promise<number | null> {
		const { source, counters, date, fetch = outboundFetch, answerMsMax = ANSWER_MS_MAX } = this.#options;
		let fault: string;
		let askedMs: number | null = null;
		try {
			const response = await fetch(new URL(this.#webhook.url), {
				method: "POST",
				headers: { "Content-Type": "application/json", "User-Agent": USER_AGENT, "Idempotency-Key": notice.id },
				body: bodyOf(notice, this.#webhook.format, source),
				// The URL is a secret, and so may the notice be: neither goes to another place.
				redirect: "manual",
				signal: AbortSignal.any([AbortSignal.timeout(answerMsMax), this.#stopping.signal]),
			});
			response.body?.cancel().catch(() => undefined);
			if (response.ok) return null;
			fault = `status ${response.status}`;
			askedMs = retryAfterMs(response.status, response.headers, date());
		} catch (error) {
			fault = messageOf(error);
		}
		this.#failures++;
		if (this.#stopping.signal.aborted) return 0;
		counters.add(alertsSent.of("failed"));
		const backoffMs = Math.min(RETRY_MS_MAX, RETRY_MS * 2 ** Math.min(this.#failures - 1, 20));
		const delayMs = Math.max(backoffMs, askedMs ?? 0);
		const { host } = new URL(this.#webhook.url);
		log.warning("the webhook at {host} did not take alert {id}: {fault}; it is tried again after {delayMs} ms", {
			...{ host, id: notice.id, fault, delayMs },
		});
		return delayMs;
	}

	#take(notice: Notice): void {
		this.#failures = 0;
		this.#options.counters.add(alertsSent.of("sent"));
		this.#remove(notice);
	}

	/** Drops the oldest one. */
	#drop(why: string): void {
		const [notice] = this.notices;
		if (notice === undefined) return;
		this.#options.counters.add(alertsSent.of("dropped"));
		log.error("alert {id} ({kind}) is given up: {why}", { id: notice.id, kind: notice.kind, why });
		this.#remove(notice);
	}

	/** It may have been dropped while it was sent. */
	#remove(notice: Notice): void {
		const at = this.notices.indexOf(notice);
		if (at < 0) return;
		this.notices.splice(at, 1);
		this.#options.counters.add(alertsWaiting, -1);
		contain("the end of an alert", () => this.#options.onChange());
	}
}
