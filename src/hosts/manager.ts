// hosts/: which hosts are followed, and who may add one. The connections are in ingest/host/.

import type { EventLimits } from "../config/setting.ts";
import { type ControlResult, type DelayedHosts, type Requester, refusal } from "../control/api.ts";
import type { Host, IndexReader } from "../index/store.ts";
import type { CursorsFacts, HostFacts } from "../log/record/control.ts";
import { NEVER_CONNECTED } from "../log/record/host-connection.ts";
import { HostnameError, mayBePrivate, type ParsedHostname, parseHostname } from "../net/hostname.ts";
import type { Counters } from "../observe/counters.ts";
import { logOf } from "../observe/log.ts";
import { gauge } from "../observe/metric.ts";
import type { HostStatus } from "../protocol/host-status.ts";
import { LogLimiter } from "../runtime/log-limiter.ts";
import { workerOf } from "../runtime/worker-of.ts";
import { CrawlGate, HOST_NOT_FOUND } from "./crawl-gate.ts";
import { DayQuota } from "./day-quota.ts";
import type { HostCommand, HostDelays, HostEvent, HostGapEvent, HostStatusEvent } from "./messages.ts";
import { ProbeError } from "./probe.ts";

const hostsKnown = gauge("hosts_known", "hosts known");

/** At the start, this many hosts are connected to at once, and then as many again after a pause. */
const START_BURST = 5;
const START_PAUSE_MS = 100;
/** A stranger's request for a host within this time of the last one does not cause another dial. */
const RECONNECT_INTERVAL_MS = 60_000;
const HOSTS_PAGE = 1000;
/** A host's gaps cause a record at most this often. */
const GAP_RECORD_INTERVAL_MS = 60_000;
/** A host's status is logged at most this often; so many hosts are remembered for that. */
const STATUS_LINE_INTERVAL_MS = 60_000;
const STATUS_LINES_MAX = 10_000;

const log = logOf("hosts");

/** What the manager needs of the rest of the relay. */
export interface HostManagerOptions {
	/** Reads an index that has caught up with the log, so that no host's id is given away twice. */
	reader: IndexReader;
	/** Number of ingest workers. */
	workers: number;
	command(worker: number, command: HostCommand): void;
	/** What waits in the ingest workers because of limits: of this host, or of all (null). */
	delays(hostId: number | null): Promise<HostDelays[]>;
	/** A host's limits of messages; null for none. */
	limitsOf(hostname: string): EventLimits | null;
	/** Appends a `host` record. Resolves when nothing that is appended from now on can come before it. */
	append(facts: HostFacts): Promise<void>;
	/** Appends a `cursors` record. Resolves in the same way. */
	appendCursors(facts: CursorsFacts): Promise<void>;
	/** The log had no records at this start. What the index has of hosts is then from another log. */
	isLogNew: boolean;
	/** @throws ProbeError */
	probe(host: ParsedHostname, allowInsecure: boolean): Promise<void>;
	/** Monotonic milliseconds, a pause, and the date for texts that people read. */
	clock: { nowMs(): number; sleep(ms: number): Promise<void>; date(): Date };
	counters: Counters;
	allowInsecureHosts: boolean;
	disableRequestCrawl: boolean;
	newHostsPerDayMax: number;
}

/** What the manager knows of a host. */
export interface ManagedHost extends HostFacts {
	/** Why it has this status; empty if the status is from before the last start. */
	detail: string;
	/** Its worker was told to follow it, and has not reported since that it stopped. */
	isFollowed: boolean;
	/** When it was last asked for. */
	askedAtMs: number;
	/** When a gap last caused a record. */
	gapRecordedAtMs: number;
}

/** Knows every host, decides which are followed and by which ingest worker, and writes their state to the log. */
export class HostManager {
	readonly #options: HostManagerOptions;
	readonly #quota: DayQuota;
	readonly #byName = new Map<string, ManagedHost>();
	readonly #byId = new Map<number, ManagedHost>();
	readonly #gate: CrawlGate;
	readonly #statusLines: LogLimiter;
	/** The requests for new hosts that run now, by who may share them and the host's name. */
	readonly #crawls = new Map<string, Promise<ControlResult>>();
	#idMax = 0;
	#isStopped = false;

	constructor(options: HostManagerOptions) {
		this.#options = options;
		const { nowMs } = options.clock;
		this.#quota = new DayQuota(options.newHostsPerDayMax, nowMs);
		this.#gate = new CrawlGate({ counters: options.counters, nowMs });
		this.#statusLines = new LogLimiter({ intervalMs: STATUS_LINE_INTERVAL_MS, keysMax: STATUS_LINES_MAX, nowMs });
	}

	/** Every known host, by id. */
	hosts(): readonly Readonly<ManagedHost>[] {
		return [...this.#byId.values()];
	}

	/** Loads all hosts, and begins to connect to them, a few at a time. Resolves before all are connected. */
	async start(): Promise<void> {
		const { reader } = this.#options;
		let page = await reader.hosts(0, HOSTS_PAGE);
		while (page.length > 0) {
			for (const { status, ...row } of page) this.#know(row, status);
			if (this.#options.isLogNew) await this.#tellLog(page);
			page = await reader.hosts(this.#idMax, HOSTS_PAGE);
		}
		// No id is given away twice: accounts may still be filed under one whose host's row was lost.
		this.#idMax = Math.max(this.#idMax, await reader.hostIdMax());
		log.info("{count} hosts known", { count: this.#byId.size });
		void this.#connectKnown();
	}

	/** Tells a new log of hosts that the index has from the one before. Without that, the log could not restore them. */
	async #tellLog(hosts: readonly Host[]): Promise<void> {
		await Promise.all(hosts.map((host) => this.#record(host)));
		await this.#options.appendCursors({ cursors: hosts.map(({ id, cursor }) => ({ host: id, seq: cursor })) });
	}

	/** Connects to no further host. The workers disconnect from their hosts when they drain. */
	stop(): void {
		this.#isStopped = true;
	}

	/** Notes what an ingest worker reports about one of its hosts. */
	onEvent(event: HostEvent): void {
		const host = this.#byId.get(event.hostId);
		if (host === undefined)
			throw new RangeError(`an ingest worker reports on host ${event.hostId}, which is not known`);
		if (event.type === "hostGap") this.#noteGap(host, event);
		else this.#noteStatus(host, event);
	}

	#noteStatus(host: ManagedHost, event: HostStatusEvent): void {
		// An operator's ban stands, whatever the worker still reports.
		if (host.status === "banned") return;
		if (event.status === "banned") host.isFollowed = false;
		host.detail = event.detail;
		if (host.status === event.status) return;
		const omitted = this.#statusLines.take(host.hostname);
		if (omitted !== null)
			log.info("host {hostname} is {status}: {detail}", {
				hostname: host.hostname,
				status: event.status,
				detail: event.detail,
				...(omitted > 0 ? { omitted } : {}),
			});
		host.status = event.status;
		void this.#record(host);
	}

	/**
	 * Keeps a gap with the host, and records it in the log, at most once per interval: a host could cause any number of gaps. The
	 * worker has logged and counted it.
	 */
	#noteGap(host: ManagedHost, { count, reason, afterSeq }: HostGapEvent): void {
		const { nowMs, date } = this.#options.clock;
		host.gaps += count;
		host.lastGap = `${date().toISOString()} after seq ${afterSeq ?? "none"}: ${reason}`;
		if (nowMs() - host.gapRecordedAtMs < GAP_RECORD_INTERVAL_MS) return;
		host.gapRecordedAtMs = nowMs();
		void this.#record(host);
	}

	/**
	 * Follows a known host from this cursor, or from its live end (null), whatever its cursor was. For an admin: the messages
	 * between the two cursors are missed, or come again.
	 */
	resetCursor(input: string, cursor: number | null): ControlResult {
		if (this.#isStopped) return STOPPED;
		const { allowInsecureHosts } = this.#options;
		const parsed = parsedOr400(input, allowInsecureHosts);
		if ("ok" in parsed) return parsed;
		const host = this.#byName.get(parsed.hostname);
		if (host === undefined) return refusal(404, "HostNotFound", `host ${parsed.hostname} is not known`);
		if (host.status === "banned") return banned(host);
		log.info("an admin set the cursor of {hostname} to {cursor}", {
			hostname: host.hostname,
			cursor: cursor ?? "the live end",
		});
		host.isFollowed = true;
		const { id, hostname, insecure } = host;
		const limits = this.#options.limitsOf(hostname);
		this.#command(host, { type: "resetCursor", host: { id, hostname, insecure, cursor, limits } });
		return { ok: true };
	}

	/** What waits because of limits: of this host, or of all (null). */
	async delayedHosts(hostname: string | null): Promise<DelayedHosts> {
		const asked = hostname === null ? null : this.#byName.get(hostname);
		if (asked === undefined) return { ok: true, hosts: [] };
		const delays = await this.#options.delays(asked?.id ?? null);
		const hosts = delays.flatMap(({ hostId, ...report }) => {
			const host = this.#byId.get(hostId);
			return host === undefined ? [] : [{ hostname: host.hostname, ...report }];
		});
		return { ok: true, hosts };
	}

	/**
	 * Starts following a host, or reconnects to it now (rulebook 5). Requests for one new host that run at once share one probe.
	 * Admins have none of the limits on strangers, and may add `localhost:PORT` if the configuration allows it.
	 */
	async requestCrawl(input: string, by: Requester): Promise<ControlResult> {
		const { admin } = by;
		const { allowInsecureHosts, disableRequestCrawl } = this.#options;
		if (this.#isStopped) return STOPPED;
		if (disableRequestCrawl && !admin) return refusal(403, "Forbidden", "this relay takes no crawl requests");
		const parsed = parsedOr400(input, admin && allowInsecureHosts);
		if ("ok" in parsed) return parsed;
		const known = this.#byName.get(parsed.hostname);
		if (known !== undefined) return this.#crawlKnown(known, admin);
		if (admin) return this.#share("admin", parsed.hostname, () => this.#crawlNew(parsed, true));
		return this.#gate.run(by.ip, () => this.#share("public", parsed.hostname, () => this.#crawlWithinQuota(parsed)));
	}

	#share(by: string, hostname: string, crawl: () => Promise<ControlResult>): Promise<ControlResult> {
		const key = `${by} ${hostname}`;
		const running = this.#crawls.get(key) ?? crawl().finally(() => this.#crawls.delete(key));
		this.#crawls.set(key, running);
		return running;
	}

	async #crawlWithinQuota(parsed: ParsedHostname): Promise<ControlResult> {
		// The host may have become known while this request waited.
		const known = this.#byName.get(parsed.hostname);
		if (known !== undefined) return this.#crawlKnown(known, false);
		if (!this.#quota.take()) {
			const rule = `this relay takes ${this.#options.newHostsPerDayMax} new hosts in 24 hours, try again later`;
			return refusal(429, "RateLimitExceeded", rule, Math.ceil(this.#quota.waitMs() / 1000));
		}
		const result = await this.#crawlNew(parsed, false);
		if (!result.ok) this.#quota.giveBack();
		return result;
	}

	async #crawlKnown(host: ManagedHost, admin: boolean): Promise<ControlResult> {
		if (host.status === "banned") return banned(host);
		if (host.isFollowed && host.status === "active") return { ok: true };
		const nowMs = this.#options.clock.nowMs();
		// Without this limit, anybody could make us dial a host as often as they can ask.
		if (!admin && nowMs - host.askedAtMs < RECONNECT_INTERVAL_MS) return { ok: true };
		host.askedAtMs = nowMs;
		if (host.isFollowed) this.#command(host, { type: "dialNow", hostId: host.id });
		else await this.#connect(host);
		return { ok: true };
	}

	async #crawlNew(parsed: ParsedHostname, admin: boolean): Promise<ControlResult> {
		try {
			await this.#options.probe(parsed, mayBePrivate(parsed));
		} catch (error) {
			if (!(error instanceof ProbeError)) throw error;
			return refusal(400, HOST_NOT_FOUND, `host ${parsed.hostname} ${error.message}`);
		}
		// An admin and a stranger may have asked for the host at the same time.
		const known = this.#byName.get(parsed.hostname);
		if (known !== undefined) return this.#crawlKnown(known, admin);
		const host = this.#know(
			{ id: this.#idMax + 1, ...parsed, gaps: 0, lastGap: null, connection: NEVER_CONNECTED },
			"active",
		);
		host.askedAtMs = this.#options.clock.nowMs();
		log.info("host {hostname} is new, with id {id}", { hostname: host.hostname, id: host.id });
		// The host's record must be in the log before its first message.
		await this.#record(host);
		await this.#connect(host);
		return { ok: true };
	}

	#know(row: Omit<HostFacts, "status">, status: HostStatus): ManagedHost {
		const { id, hostname, insecure, gaps, lastGap, connection } = row;
		const host: ManagedHost = {
			...{ id, hostname, insecure, status, detail: "", gaps, lastGap, connection },
			isFollowed: false,
			askedAtMs: Number.NEGATIVE_INFINITY,
			gapRecordedAtMs: Number.NEGATIVE_INFINITY,
		};
		this.#byName.set(host.hostname, host);
		this.#byId.set(host.id, host);
		this.#idMax = Math.max(this.#idMax, host.id);
		this.#options.counters.add(hostsKnown);
		return host;
	}

	/**
	 * Connects to all known hosts. Those that were offline or idle are tried again too: otherwise their operators would have to
	 * notice that the relay has forgotten them.
	 */
	async #connectKnown(): Promise<void> {
		const hosts = [...this.#byId.values()].filter(({ status }) => status !== "banned");
		for (let at = 0; at < hosts.length && !this.#isStopped; at += START_BURST) {
			if (at > 0) await this.#options.clock.sleep(START_PAUSE_MS);
			for (const host of hosts.slice(at, at + START_BURST)) await this.#connect(host);
		}
	}

	async #connect(host: ManagedHost): Promise<void> {
		if (host.isFollowed || this.#isStopped) return;
		host.isFollowed = true;
		const row = await this.#options.reader.hostByName(host.hostname);
		const { id, hostname, insecure } = host;
		const limits = this.#options.limitsOf(hostname);
		const target = { id, hostname, insecure, cursor: row?.cursor ?? null, limits };
		this.#command(host, { type: "connect", host: target });
	}

	#command(host: ManagedHost, command: HostCommand): void {
		this.#options.command(workerOf(host.hostname, this.#options.workers), command);
	}

	#record({ id, hostname, insecure, status, gaps, lastGap, connection }: HostFacts): Promise<void> {
		return this.#options.append({ id, hostname, insecure, status, gaps, lastGap, connection });
	}
}

const STOPPED = refusal(503, "ServiceUnavailable", "the relay is shutting down");

function banned({ hostname }: ManagedHost): ControlResult {
	return refusal(403, "HostBanned", `host ${hostname} is banned from this relay`);
}

function parsedOr400(input: string, allowInsecure: boolean): ParsedHostname | ControlResult {
	try {
		return parseHostname(input, { allowLocalhost: allowInsecure, allowInsecure });
	} catch (error) {
		if (!(error instanceof HostnameError)) throw error;
		return refusal(400, "InvalidRequest", `hostname: ${error.message}`);
	}
}
