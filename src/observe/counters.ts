import { REJECTION_REASON_NAMES, type RejectionReason } from "../protocol/reasons.ts";
import { CELLS_MAX, counter, declarations, gauge, type Metric } from "./metric.ts";
import { type ThreadCounters, Totals } from "./totals.ts";

/** Every counter and gauge, with its line of meaning: its name in /metrics is `standpipe_` and this name. */
export const COUNTERS = {
	frames_received_total: "WebSocket messages received from hosts",
	bytes_received_total: "bytes of those messages",
	messages_verified_total: "commits and syncs whose signature and structure were checked and found good",
	messages_accepted_total: "messages handed to the sequencer",
	frames_noncanonical_total: "frames that were valid but not as every consumer reads them, and were rewritten",
	frames_ignored_total: "frames with an op or type that we don't know, skipped",
	messages_replayed_total: "messages dropped since a host sent them again after a reconnect",
	discontinuities_total: "commits passed on although they don't chain to the state we had",
	host_infos_total: "notices from hosts, such as that a cursor is outdated",
	host_errors_total: "error frames from hosts",
	host_outdated_cursors_total: "hosts that could not replay from our cursor: events of theirs were missed",
	host_gaps_total: "times messages of a host may have been missed: the log says of which host, after which seq and why",
	host_connects_total: "successful connections to hosts",
	host_disconnects_total: "connections to hosts that ended",
	host_pauses_total: "times a host's socket was paused since a budget in bytes was reached",
	identity_lookups_total: "DID documents asked for over the network",
	identity_failures_total: "lookups that failed",
	identity_refreshes_total: "forced refreshes after an #identity, a bad signature or a host mismatch",
	identity_refreshes_limited_total: "times a forced refresh had to wait since the DID had one a moment ago",
	identity_stale_uses_total:
		"times an outdated identity was used on for a while, since the directory or its did:web host failed",
	identity_waits_total: "failed lookups that are tried again, since messages can't be judged without them",
	identity_lookups_limited_total:
		"times a host's lookups had to wait since it named too many DIDs that are not its own",
	identity_outages_total: "times the PLC directory began to fail, or asked to be left alone",
	identity_evictions_total: "identities that left the cache since it was full",
	repo_status_requests_total:
		"times a host was asked whether an account is active, since its commit came while it was not",
	repo_status_limited_total: "times a host was not asked, since it or the account had been asked a moment ago",
	accounts_found_active_total: "accounts that were active again at their host without an #account that said so",
	account_evictions_total: "account states that left the cache since it was full",
	account_cache_overflows_total: "times the account cache was full of states the index had not applied yet",
	ring_full_total: "times a ring was full and its writer had to wait",
	records_appended_total: "records appended to the log",
	log_bytes_total: "bytes appended to the log",
	log_syncs_total: "syncs of the log to disk",
	segments_removed_total: "segments removed by retention",
	log_marks_lost_total: "times a reader of the log was so far behind that retention waited for it no longer",
	log_gaps_total: "damaged stretches of the log that were quarantined",
	log_read_failures_total: "consumers closed since the log could not be read for them",
	log_stalls_total: "times the log could not be written for a while, since the disk failed or was full",
	index_stalls_total: "times the index could not be written for a while",
	index_reads_stalls_total: "times a thread could not read the index for a while, and waited",
	index_reads_stalled: "threads that wait since they can't read the index",
	log_stalled: "1 while the log can't be written; `/_health` says why",
	index_stalled: "1 while the index can't be written; `/_health` says why",
	batches_evicted_total: "batches that left the readers' cache since it was full",
	frames_sent_total: "frames sent to consumers",
	bytes_sent_total: "bytes of those frames",
	frames_withheld_total: "frames not sent to a consumer since their account is taken down",
	withheld_evictions_total: "accounts whose frames are withheld no longer since there were too many of them",
	consumers_slow_total: "consumers paused since their socket's buffer reached the watermark",
	consumers_too_slow_total: "consumers dropped since they were far behind and read below the floor rate",
	consumers_dead_total: "consumers given up since they took nothing or did not answer",
	consumers_noisy_total: "consumers closed since they sent too many messages",
	consumers_refused_total: "consumers refused since a limit on their number was reached",
	crawls_limited_total: "crawl requests refused since their address had its share of probes or of failed ones",
	http_rate_limited_total: "HTTP requests refused since their address made too many",
	http_failures_total: "HTTP requests that were answered with 500, by a fault of ours",
	connections_ended_total: "connections without a request that were ended since they took too many descriptors",
	networks_refused_total: "times a network was refused new connections for a while since it had too many",
	index_records_total: "records applied to the index",
	index_unknown_host_records_total: "times a record named a host that the index does not know, since its row was lost",
	engine_panics_total: "messages on which the native engine failed, and which the portable one judged",
	engines_native: "ingest workers that verify with the native engine",
	engines_portable: "ingest workers that verify with the portable engine",
	hosts_connected: "hosts connected now",
	hosts_known: "hosts known",
	hosts_lost: "hosts that this start found lost with an earlier index database, and that are not followed any more",
	consumers_connected: "consumers connected now",
	inflight_bytes: "bytes received from hosts and not yet durable or rejected",
	parked_messages: "messages that wait for their DID's identity or account",
} as const;

export type CounterName = keyof typeof COUNTERS;

/** Metrics that the files which count them do not declare themselves yet. */
const BY_NAME = new Map<string, Metric>();
for (const [name, help] of Object.entries(COUNTERS)) {
	BY_NAME.set(name, name.endsWith("_total") ? counter(name, help) : gauge(name, help));
}

const byReason = { name: "reason", values: REJECTION_REASON_NAMES };
const messagesRejected = counter("messages_rejected_total", "messages dropped, by the rule they broke", byReason);
const messagesLenient = counter(
	"messages_lenient_total",
	"messages passed on that only the strict rules would have dropped, by the rule they broke",
	byReason,
);

/** Makes the memory for `threads` rows. */
export function createCounterBuffer(threads: number): SharedArrayBuffer {
	return new SharedArrayBuffer(threads * CELLS_MAX * 8);
}

/**
 * What one thread counts: a row of numbers in shared memory. No other thread writes it, so no write is ever contended and
 * counting costs one store; the control thread sums the rows when somebody asks (`totals.ts`).
 */
export class Counters {
	readonly #row: Float64Array;

	constructor(buffer: SharedArrayBuffer = createCounterBuffer(1), thread = 0) {
		this.#row = new Float64Array(buffer, thread * CELLS_MAX * 8, CELLS_MAX);
	}

	/** Only a gauge takes an amount below zero. */
	add(metric: Metric | CounterName, amount = 1): void {
		const { cell } = typeof metric === "string" ? metricOf(metric) : metric;
		this.#row[cell] = (this.#row[cell] ?? 0) + amount;
	}

	/** Counts a message that was dropped. */
	reject(reason: RejectionReason): void {
		this.add(messagesRejected.of(reason));
	}

	/** Counts a message that only the strict rules would have dropped, and that was passed on. */
	lenient(reason: RejectionReason): void {
		this.add(messagesLenient.of(reason));
	}

	/** What the control thread needs, to add this thread's numbers to those of others. */
	share(): ThreadCounters {
		return { row: this.#row, metrics: declarations() };
	}
}

function metricOf(name: string): Metric {
	const metric = BY_NAME.get(name);
	if (metric === undefined) throw new RangeError(`no counter is named ${name}`);
	return metric;
}

/** The sum over all threads. */
export interface CounterSnapshot {
	counters: Record<CounterName, number>;
	rejected: Record<RejectionReason, number>;
	lenient: Record<RejectionReason, number>;
}

/** Sums the rows of threads that have the same modules. */
export function readCounters(buffer: SharedArrayBuffer): CounterSnapshot {
	const totals = new Totals();
	for (let thread = 0; thread < buffer.byteLength / (CELLS_MAX * 8); thread++)
		totals.include(new Counters(buffer, thread).share());
	const byName = new Map(totals.read().map((metric) => [metric.name, metric]));
	return {
		counters: Object.fromEntries([...byName.values()].map(({ name, total }) => [name, total])) as Record<
			CounterName,
			number
		>,
		rejected: byName.get("messages_rejected_total")?.by?.totals as Record<RejectionReason, number>,
		lenient: byName.get("messages_lenient_total")?.by?.totals as Record<RejectionReason, number>,
	};
}
