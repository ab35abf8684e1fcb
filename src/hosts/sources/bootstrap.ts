import type { Fetch } from "../../net/outbound-fetch.ts";
import type { Counters } from "../../observe/counters.ts";
import { logOf } from "../../observe/log.ts";
import { messageOf } from "../../observe/log-value.ts";
import { counter } from "../../observe/metric.ts";
import { reportFailure } from "../../runtime/boundary.ts";
import { type AddHosts, type IntakeCounts, takeIn } from "./intake.ts";
import { listRelay } from "./relay-listing.ts";
import { type Sleep, SourceError, systemSleep } from "./source.ts";

const hostPulls = counter(
	"host_pulls_total",
	"times that hosts were pulled from another relay, by outcome",
	"If `failed` grows, look in the log lines for the relay of `RELAY_BOOTSTRAP` and why it failed.",
	{
		name: "outcome",
		values: ["done", "failed"],
	},
);

const FIRST_RETRY_MS = 60_000;
/** A pull begins up to this part of its interval earlier, so that relays that were started together don't all ask at once. */
const JITTER = 0.1;

const log = logOf("bootstrap");

export interface BootstrapOptions {
	/** Origins of other relays. */
	relays: readonly string[];
	/** From one pull to the next. After a pull that failed, the next one comes sooner. */
	intervalMs: number;
	userAgent: string;
	/** Adds the hosts, through the gate. */
	add: AddHosts;
	counters: Counters;
	/** Uniform in [0, 1). */
	random(): number;
	fetch?: Fetch;
	sleep?: Sleep;
}

/** Pulls the hosts of other relays, at the start and then on a schedule. */
export class Bootstrap {
	readonly #options: BootstrapOptions;
	readonly #stopping = new AbortController();
	#done: Promise<unknown> = Promise.resolve();

	constructor(options: BootstrapOptions) {
		this.#options = options;
	}

	/** Begins. Each relay is pulled from in its own time. */
	start(): void {
		this.#done = Promise.all(this.#options.relays.map((relay) => this.#follow(relay)));
	}

	/** Ends pulls that are under way. Resolves when none is. */
	async stop(): Promise<void> {
		this.#stopping.abort();
		await this.#done;
	}

	async #follow(relay: string): Promise<void> {
		const { intervalMs, random, sleep = systemSleep } = this.#options;
		const { signal } = this.#stopping;
		let retryMs = FIRST_RETRY_MS;
		while (!signal.aborted) {
			const isDone = await this.#pull(relay);
			const pauseMs = isDone ? intervalMs : Math.min(retryMs, intervalMs);
			retryMs = isDone ? FIRST_RETRY_MS : retryMs * 2;
			await sleep(pauseMs * (1 - JITTER * random()), signal).catch(() => undefined);
		}
	}

	/** Returns whether it came to its end. Never rejects. */
	async #pull(relay: string): Promise<boolean> {
		const { userAgent, add, counters, fetch, sleep } = this.#options;
		const { signal } = this.#stopping;
		const pages = listRelay({ relay, userAgent, signal, ...(fetch && { fetch }), ...(sleep && { sleep }) });
		try {
			const counts = await takeIn(pages, (hostnames) => {
				signal.throwIfAborted();
				return add(hostnames);
			});
			counters.add(hostPulls.of("done"));
			logCounts(relay, counts);
			return true;
		} catch (error) {
			if (signal.aborted) return false;
			counters.add(hostPulls.of("failed"));
			if (error instanceof SourceError)
				log.warning("the hosts of {relay} can't be pulled: {fault}", { relay, fault: messageOf(error) });
			else reportFailure("a pull of hosts", error);
			return false;
		}
	}
}

function logCounts(relay: string, { listed, omitted, known, refused, byRule, ...counts }: IntakeCounts): void {
	log.info(
		"{relay} lists {listed} hosts: {new} are new, {known} known, {omitted} offline or banned there, {refused} refused",
		{
			...{ relay, listed, omitted, known, refused, byRule },
			new: counts.new,
		},
	);
}
