import type {
	FailureExample,
	FailureTotals,
	ReasonCounts,
	ReasonFailures,
	WorkerFailures,
} from "../control/failures.ts";
import type { LastRejection } from "../control/why.ts";
import type { Counters } from "../observe/counters.ts";
import { cut } from "../observe/log-value.ts";
import { counter } from "../observe/metric.ts";
import { isHostsFault } from "../policy/growth.ts";
import type { Message } from "../protocol/kinds/table.ts";
import { REJECTION_REASONS, type RejectionReason } from "../protocol/reasons.ts";
import type { Sender } from "./arrival.ts";
import { messagesLenient, messagesRejected } from "./rejections.ts";

const examplesForgotten = counter(
	"failure_examples_forgotten_total",
	"last examples of messages that failed, by host and reason, that were forgotten since there were too many",
	"Nothing to do: the counts by host and reason are kept. Many hosts send bad messages of many kinds.",
);

/** Examples that are remembered. Each takes up to 1.5 kB. The counts of a reason take some 270 bytes: 7 MB if 10,000 hosts each fail for one. */
export const FAILURE_EXAMPLES_MAX = 8_192;

interface Entry extends ReasonFailures {
	readonly hostname: string;
}

/**
 * Counts the messages that failed, for each host and reason, and remembers the last one. A worker has one of it: its totals are of the
 * messages that this worker has judged. A host without failures takes no memory.
 */
export class HostFailures {
	readonly #counters: Counters;
	readonly #clock: () => number;
	readonly #examplesMax: number;
	/** By the host's id, and then by reason: that comes last which failed last. */
	readonly #hosts = new Map<number, Map<RejectionReason, Entry>>();
	/** Messages that were rejected by the host's fault since the last `takeFaults`, by the host's id. */
	#faults = new Map<number, number>();
	/** The entries that have an example, those first whose example is oldest. */
	readonly #withExample = new Set<Entry>();

	/** @param clock Unix ms */
	constructor(counters: Counters, clock: () => number = Date.now, examplesMax = FAILURE_EXAMPLES_MAX) {
		this.#counters = counters;
		this.#clock = clock;
		this.#examplesMax = examplesMax;
	}

	/** Examples that are remembered. */
	get examples(): number {
		return this.#withExample.size;
	}

	/** Notes that a message was dropped. @param message null if it could not be read so far */
	rejected(sender: Sender, message: Message | null, reason: RejectionReason, detail: string): void {
		this.#counters.add(messagesRejected.of(reason));
		this.#note(sender, message, reason, "rejected", detail);
		if (isHostsFault(reason)) this.#faults.set(sender.hostId, (this.#faults.get(sender.hostId) ?? 0) + 1);
	}

	/** Notes that a message has passed although it breaks a strict rule. */
	lenient(sender: Sender, message: Message, reason: RejectionReason): void {
		this.#counters.add(messagesLenient.of(reason));
		this.#note(sender, message, reason, "lenient", `${reason}: ${REJECTION_REASONS[reason].meaning}`);
	}

	/** How many messages of each host were rejected by the host's fault since the last call. */
	takeFaults(): ReadonlyMap<number, number> {
		const faults = this.#faults;
		this.#faults = new Map();
		return faults;
	}

	/** How many messages of each host failed. */
	totals(): FailureTotals[] {
		return Array.from(this.#hosts, ([hostId, reasons]) => {
			const totals = { hostId, rejected: 0, lenient: 0 };
			for (const { rejected, lenient } of reasons.values()) {
				totals.rejected += rejected;
				totals.lenient += lenient;
			}
			return totals;
		});
	}

	/** What failed of the messages of these hosts. Hosts of which nothing did are left out. */
	of(hostIds: readonly number[]): WorkerFailures[] {
		return hostIds.flatMap((hostId) => {
			const reasons = this.#entries(hostId).map(({ hostname: _, ...failures }) => failures);
			return reasons.length === 0 ? [] : [{ hostId, reasons }];
		});
	}

	/** The same without examples. */
	countsOf(hostId: number): ReasonCounts[] {
		return this.#entries(hostId).map(({ hostname: _, example: __, ...counts }) => counts);
	}

	/** The last message of a host that was rejected; null if none is remembered. */
	lastRejection(hostId: number): LastRejection | null {
		return this.#entries(hostId).flatMap(rejectionOf).at(-1) ?? null;
	}

	/** The last rejections that are remembered, one for each host and reason, the latest first. */
	latest(limit: number): LastRejection[] {
		return [...this.#withExample].flatMap(rejectionOf).reverse().slice(0, limit);
	}

	#entries(hostId: number): Entry[] {
		return [...(this.#hosts.get(hostId)?.values() ?? [])];
	}

	#note(
		{ hostId, hostname }: Sender,
		message: Message | null,
		reason: RejectionReason,
		outcome: FailureExample["outcome"],
		detail: string,
	): void {
		const nowMs = this.#clock();
		const reasons = this.#hosts.get(hostId) ?? new Map<RejectionReason, Entry>();
		this.#hosts.set(hostId, reasons);
		const entry = reasons.get(reason) ?? {
			...{ hostname, reason, rejected: 0, lenient: 0 },
			...{ firstAtMs: nowMs, lastAtMs: nowMs, example: null },
		};
		entry[outcome]++;
		entry.lastAtMs = nowMs;
		entry.example = { ...partsOf(message), outcome, detail: cut(detail) };
		reasons.delete(reason);
		reasons.set(reason, entry);
		this.#withExample.delete(entry);
		this.#withExample.add(entry);
		if (this.#withExample.size > this.#examplesMax) this.#forgetOldest();
	}

	#forgetOldest(): void {
		const [oldest] = this.#withExample;
		if (oldest === undefined) return;
		this.#withExample.delete(oldest);
		oldest.example = null;
		this.#counters.add(examplesForgotten);
	}
}

/** The rejection that an entry has as its example; none if it has another or none. */
function rejectionOf({ hostname, reason, lastAtMs: atMs, example }: Entry): LastRejection[] {
	if (example?.outcome !== "rejected") return [];
	const { did, type, upstreamSeq, detail } = example;
	return [{ hostname, did, type, reason, detail, upstreamSeq, atMs, passedSince: false }];
}

function partsOf(message: Message | null): Omit<FailureExample, "outcome" | "detail"> {
	if (message === null) return { did: null, type: null, upstreamSeq: null, rev: null, ops: null };
	return {
		did: cut(message.did),
		type: message.type,
		upstreamSeq: message.seq,
		rev: "rev" in message ? cut(message.rev) : null,
		ops: "opsCount" in message ? message.opsCount : null,
	};
}
