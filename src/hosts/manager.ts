import type { IndexReader } from "../index/store.ts";
import type { HostFacts, HostStatus } from "../log/facts.ts";
import type { Counters } from "../observe/counters.ts";
import { logOf } from "../observe/log.ts";
import { HostnameError, type ParsedHostname, parseHostname } from "../protocol/hostname.ts";
import { CrawlGate, HOST_NOT_FOUND } from "./crawl-gate.ts";
import { DayQuota } from "./day-quota.ts";
import type { CrawlRequester, CrawlResult, HostCommand, HostEvent } from "./messages.ts";
import { ProbeError } from "./probe.ts";
import { refusal } from "./refusal.ts";

/** At the start, this many hosts are connected to at once, and then as many again after a pause. */
const START_BURST = 5;
const START_PAUSE_MS = 100;
/** A host that is asked for again within this time is being dialled already. */
const RECONNECT_INTERVAL_MS = 60_000;
const HOSTS_PAGE = 1000;

const log = logOf("hosts");

/** What the manager needs of the rest of the relay. */
export interface HostManagerOptions {
	/** Of an index that has caught up with the log, so that no host's id is given away twice. */
	reader: IndexReader;
	/** Number of ingest workers. */
	workers: number;
	command(worker: number, command: HostCommand): void;
	/** Appends a `host` record. Resolves when nothing that is appended from now on can come before it. */
	append(facts: HostFacts): Promise<void>;
	/** @throws ProbeError */
	probe(host: ParsedHostname, allowInsecure: boolean): Promise<void>;
	clock: { nowMs(): number; sleep(ms: number): Promise<void> };
	counters: Counters;
	allowInsecureHosts: boolean;
	disableRequestCrawl: boolean;
	newHostsPerDayMax: number;
}

/** A host, as operators see it. */
export interface ManagedHost {
	readonly id: number;
	readonly hostname: string;
	readonly insecure: boolean;
	readonly status: HostStatus;
	/** Why it has this status; empty where that is not known, since it was set before the last start. */
	readonly detail: string;
}

interface KnownHost extends ManagedHost {
	status: HostStatus;
	detail: string;
	/** Its worker was told to follow it, and has not stopped of its own accord. */
	isFollowed: boolean;
	/** When somebody last asked for it. */
	askedAtMs: number;
}

/** The worker that owns a host: the same for as long as their number is. */
export function workerOfHost(hostname: string, workers: number): number {
	return Bun.hash.crc32(hostname) % workers;
}

/** Knows every host, decides which are followed and by which ingest worker, and writes their state to the log. */
export class HostManager {
	readonly #options: HostManagerOptions;
	readonly #quota: DayQuota;
	readonly #byName = new Map<string, KnownHost>();
	readonly #byId = new Map<number, KnownHost>();
	readonly #gate: CrawlGate;
	/** What runs for a new host's name now. */
	readonly #crawls = new Map<string, Promise<CrawlResult>>();
	#idMax = 0;
	#isStopped = false;

	constructor(options: HostManagerOptions) {
		this.#options = options;
		const { nowMs } = options.clock;
		this.#quota = new DayQuota(options.newHostsPerDayMax, nowMs);
		this.#gate = new CrawlGate({ counters: options.counters, nowMs });
	}

	/** Every known host, by id. */
	hosts(): readonly ManagedHost[] {
		return [...this.#byId.values()];
	}

	/** Loads all hosts. Connecting to them goes on after it has resolved, a few at a time. */
	async start(): Promise<void> {
		const { reader } = this.#options;
		let page = await reader.hosts(0, HOSTS_PAGE);
		while (page.length > 0) {
			for (const { id, hostname, insecure, status } of page) this.#know({ id, hostname, insecure }, status);
			page = await reader.hosts(this.#idMax, HOSTS_PAGE);
		}
		// No id is given away twice: accounts may still be filed under one whose host's row was lost.
		this.#idMax = Math.max(this.#idMax, await reader.hostIdMax());
		log.info("{count} hosts known", { count: this.#byId.size });
		void this.#connectKnown();
	}

	/** Connects to no further host. The workers let go of theirs when they drain. */
	stop(): void {
		this.#isStopped = true;
	}

	/** Takes note of what an ingest worker found out about a host of its. */
	onEvent(event: HostEvent): void {
		const host = this.#byId.get(event.hostId);
		if (host === undefined)
			throw new RangeError(`an ingest worker reports on host ${event.hostId}, which is not known`);
		// An operator's ban stands, whatever its worker still had to say.
		if (host.status === "banned") return;
		if (event.status === "idle" || event.status === "banned") host.isFollowed = false;
		host.detail = event.detail;
		if (host.status === event.status) return;
		log.info("host {hostname} is {status}: {detail}", { hostname: host.hostname, ...event });
		host.status = event.status;
		void this.#record(host);
	}

	/**
	 * Starts following a host, or reconnects to it now (rulebook 5). Requests for one new host that run at once share one
	 * probe. Admins are free of the limits on strangers, and may add `localhost:PORT` where the configuration allows it.
	 */
	async requestCrawl(input: string, by: CrawlRequester): Promise<CrawlResult> {
		const { admin } = by;
		const { allowInsecureHosts, disableRequestCrawl } = this.#options;
		if (this.#isStopped) return refusal(503, "ServiceUnavailable", "the relay is shutting down");
		if (disableRequestCrawl && !admin) return refusal(403, "Forbidden", "this relay takes no crawl requests");
		const allowInsecure = admin && allowInsecureHosts;
		let parsed: ParsedHostname;
		try {
			parsed = parseHostname(input, { allowLocalhost: allowInsecure, allowInsecure });
		} catch (error) {
			if (!(error instanceof HostnameError)) throw error;
			return refusal(400, "InvalidRequest", `hostname: ${error.message}`);
		}
		const known = this.#byName.get(parsed.hostname);
		if (known !== undefined) return this.#crawlKnown(known, admin);
		if (admin) return this.#share("admin", parsed.hostname, () => this.#crawlNew(parsed, true));
		return this.#gate.run(by.ip, () => this.#share("public", parsed.hostname, () => this.#crawlWithinQuota(parsed)));
	}

	#share(by: string, hostname: string, crawl: () => Promise<CrawlResult>): Promise<CrawlResult> {
		const key = `${by} ${hostname}`;
		const running = this.#crawls.get(key) ?? crawl().finally(() => this.#crawls.delete(key));
		this.#crawls.set(key, running);
		return running;
	}

	async #crawlWithinQuota(parsed: ParsedHostname): Promise<CrawlResult> {
		// It may have become known while this request waited.
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

	async #crawlKnown(host: KnownHost, admin: boolean): Promise<CrawlResult> {
		if (host.status === "banned") return refusal(403, "HostBanned", `host ${host.hostname} is banned from this relay`);
		if (host.isFollowed && host.status === "active") return { ok: true };
		const nowMs = this.#options.clock.nowMs();
		// Else anybody could have us dial a host as often as he can ask.
		if (!admin && nowMs - host.askedAtMs < RECONNECT_INTERVAL_MS) return { ok: true };
		host.askedAtMs = nowMs;
		if (host.isFollowed) this.#command(host, { type: "dialNow", hostId: host.id });
		else await this.#connect(host);
		return { ok: true };
	}

	async #crawlNew(parsed: ParsedHostname, admin: boolean): Promise<CrawlResult> {
		try {
			await this.#options.probe(parsed, admin && this.#options.allowInsecureHosts);
		} catch (error) {
			if (!(error instanceof ProbeError)) throw error;
			return refusal(400, HOST_NOT_FOUND, `host ${parsed.hostname} ${error.message}`);
		}
		// An admin and a stranger may have asked for it at once.
		const known = this.#byName.get(parsed.hostname);
		if (known !== undefined) return this.#crawlKnown(known, admin);
		const host = this.#know({ id: this.#idMax + 1, ...parsed }, "active");
		host.askedAtMs = this.#options.clock.nowMs();
		log.info("host {hostname} is new, as id {id}", { hostname: host.hostname, id: host.id });
		// In the log before its first message is.
		await this.#record(host);
		await this.#connect(host);
		return { ok: true };
	}

	#know(row: Pick<ManagedHost, "id" | "hostname" | "insecure">, status: HostStatus): KnownHost {
		const host: KnownHost = { ...row, status, detail: "", isFollowed: false, askedAtMs: Number.NEGATIVE_INFINITY };
		this.#byName.set(host.hostname, host);
		this.#byId.set(host.id, host);
		this.#idMax = Math.max(this.#idMax, host.id);
		this.#options.counters.add("hosts_known");
		return host;
	}

	/**
	 * Hosts that were offline are tried again too: a relay that forgets them leaves it to their operators to notice. Idle
	 * ones wait to be asked for.
	 */
	async #connectKnown(): Promise<void> {
		const hosts = [...this.#byId.values()].filter(({ status }) => status !== "banned" && status !== "idle");
		for (let at = 0; at < hosts.length && !this.#isStopped; at += START_BURST) {
			if (at > 0) await this.#options.clock.sleep(START_PAUSE_MS);
			for (const host of hosts.slice(at, at + START_BURST)) await this.#connect(host);
		}
	}

	async #connect(host: KnownHost): Promise<void> {
		if (host.isFollowed || this.#isStopped) return;
		host.isFollowed = true;
		const row = await this.#options.reader.hostByName(host.hostname);
		const { id, hostname, insecure } = host;
		const connection = { id, hostname, insecure, cursor: row?.cursor ?? null };
		this.#command(host, { type: "connect", host: connection });
	}

	#command(host: ManagedHost, command: HostCommand): void {
		this.#options.command(workerOfHost(host.hostname, this.#options.workers), command);
	}

	#record({ id, hostname, insecure, status }: ManagedHost): Promise<void> {
		return this.#options.append({ id, hostname, insecure, status });
	}
}
