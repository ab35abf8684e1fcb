import { type ControlResult, refusal } from "../control/answer.ts";
import {
	FAILING_HOSTS_MAX,
	type FailureControl,
	type FailureTotals,
	type HostFailureReport,
	type ReasonCounts,
	type ReasonFailures,
} from "../control/failures.ts";
import type { HostManager } from "../hosts/manager.ts";
import type { IngestService } from "../ingest/ingest.ts";
import type { Requests } from "../runtime/requests.ts";

/** How long a worker may take to tell what failed. */
const WORKER_MS_MAX = 2_000;

/** Asks an ingest worker. */
type Worker = { readonly requests: Pick<Requests<IngestService>, "request"> };

export interface FailuresOptions {
	hosts: Pick<HostManager, "hostIdOf" | "hostnameOf">;
	ingest: readonly Worker[];
	/** Unix ms of the relay's start, since which all is counted. */
	sinceMs: number;
}

/** Puts together what the ingest workers have counted of messages that failed: those of one host may be at any worker. */
export class Failures implements FailureControl {
	readonly #options: FailuresOptions;

	constructor(options: FailuresOptions) {
		this.#options = options;
	}

	async hostFailures(input: string): Promise<ControlResult<{ sinceMs: number; failures: HostFailureReport }>> {
		const { hosts, sinceMs } = this.#options;
		const hostname = input.toLowerCase();
		const hostId = hosts.hostIdOf(hostname);
		if (hostId === null) return refusal(404, "HostNotFound", `host ${hostname} is not known`);
		const [failures] = (await this.#reports([hostId])) ?? [null];
		return failures === null || failures === undefined ? BUSY : { ok: true, sinceMs, failures };
	}

	async failingHosts(
		skip: number,
		limit: number,
	): Promise<ControlResult<{ sinceMs: number; total: number; hosts: HostFailureReport<ReasonCounts>[] }>> {
		const { ingest, sinceMs } = this.#options;
		const told = await answersOf(ingest, ({ requests }) => requests.request("failureTotals", [], TIMEOUT));
		if (told === null) return BUSY;
		const totals = summed(told.flat());
		const page = totals.slice(skip, skip + Math.min(limit, FAILING_HOSTS_MAX));
		const reports = await this.#reports(page.map(({ hostId }) => hostId));
		if (reports === null) return BUSY;
		const hosts = reports.map(({ reasons, ...report }) => ({ ...report, reasons: reasons.map(countsOf) }));
		return { ok: true, sinceMs, total: totals.length, hosts };
	}

	/** How many messages of each host were rejected, if any were; null if that can't be known now. */
	async rejectedOf(): Promise<{ hostname: string; rejected: number }[] | null> {
		const { hosts, ingest } = this.#options;
		const told = await answersOf(ingest, ({ requests }) => requests.request("failureTotals", [], TIMEOUT));
		if (told === null) return null;
		return summed(told.flat()).flatMap(({ hostId, rejected }) => {
			const hostname = hosts.hostnameOf(hostId);
			return rejected === 0 || hostname === null ? [] : [{ hostname, rejected }];
		});
	}

	/** Null if a worker does not answer in time. */
	async #reports(hostIds: readonly number[]): Promise<HostFailureReport[] | null> {
		const { hosts, ingest } = this.#options;
		const told = await answersOf(ingest, ({ requests }) => requests.request("failures", [hostIds], TIMEOUT));
		if (told === null) return null;
		const ofWorkers = told.flat();
		return hostIds.map((hostId) => {
			const reasons = merged(ofWorkers.flatMap((one) => (one.hostId === hostId ? one.reasons : [])));
			const sum = (outcome: "rejected" | "lenient"): number =>
				reasons.reduce((total, counts) => total + counts[outcome], 0);
			const hostname = hosts.hostnameOf(hostId) ?? "";
			return { hostname, rejected: sum("rejected"), lenient: sum("lenient"), reasons };
		});
	}
}

const TIMEOUT = { timeoutMs: WORKER_MS_MAX };
const BUSY = refusal(504, "Timeout", "a part of the relay is busy and does not answer: ask again in a moment");

/** Null if a worker does not answer: then a sum would be too low. */
async function answersOf<T>(
	ingest: readonly Worker[],
	ask: (worker: Worker) => Promise<{ answered: true; answer: T } | { answered: false }>,
): Promise<T[] | null> {
	const replies = await Promise.all(ingest.map(ask));
	const answers = replies.flatMap((reply) => (reply.answered ? [reply.answer] : []));
	return answers.length === ingest.length ? answers : null;
}

/** The totals of each host, those first of which most messages failed. */
function summed(totals: readonly FailureTotals[]): FailureTotals[] {
	const sums = new Map<number, FailureTotals>();
	for (const { hostId, rejected, lenient } of totals) {
		const sum = sums.get(hostId) ?? { hostId, rejected: 0, lenient: 0 };
		sums.set(hostId, { hostId, rejected: sum.rejected + rejected, lenient: sum.lenient + lenient });
	}
	return [...sums.values()].sort((a, b) => failed(b) - failed(a) || a.hostId - b.hostId);
}

/** What several workers have counted of one host, by reason: the most first. Of the examples, the last one stays. */
export function merged<Counts extends ReasonCounts>(ofWorkers: readonly Counts[]): Counts[] {
	const byReason = new Map<string, Counts>();
	for (const one of ofWorkers) {
		const other = byReason.get(one.reason);
		byReason.set(one.reason, other === undefined ? one : mergedPair(one, other));
	}
	return [...byReason.values()].sort((a, b) => failed(b) - failed(a) || b.lastAtMs - a.lastAtMs);
}

function mergedPair<Counts extends ReasonCounts>(a: Counts, b: Counts): Counts {
	return {
		...(a.lastAtMs > b.lastAtMs ? a : b),
		rejected: a.rejected + b.rejected,
		lenient: a.lenient + b.lenient,
		firstAtMs: Math.min(a.firstAtMs, b.firstAtMs),
	};
}

function failed({ rejected, lenient }: Pick<FailureTotals, "rejected" | "lenient">): number {
	return rejected + lenient;
}

function countsOf({ example: _, ...counts }: ReasonFailures): ReasonCounts {
	return counts;
}
