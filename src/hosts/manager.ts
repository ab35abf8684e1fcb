// hosts/: which hosts are followed, and who may add one. The connections are in ingest/host/.

import type { EventLimits } from "../config/setting.ts";
import { type ControlResult, type Requester, refusal } from "../control/api.ts";
import type { DelayedHost } from "../control/delays.ts";
import type { AddedHost } from "../control/hosts.ts";
import type { HostView } from "../control/why.ts";
import { hostPages } from "../index/pages.ts";
import type { Host, IndexReader } from "../index/store.ts";
import type { CursorsFacts, HostFacts } from "../log/record/control.ts";
import { isSameConnection, NEVER_CONNECTED } from "../log/record/host-connection.ts";
import type { ParsedHostname } from "../net/hostname.ts";
import { logOf } from "../observe/log.ts";
import { gauge } from "../observe/metric.ts";
import { contain } from "../runtime/boundary.ts";
import { LogLimiter } from "../runtime/log-limiter.ts";
import type { Timing } from "../runtime/timing.ts";
import { workerOf } from "../runtime/worker-of.ts";
import { ConductBook } from "./conduct-book.ts";
import { Crawls, type CrawlsOptions } from "./crawls.ts";
import { DialQueue } from "./dial-queue.ts";
import { HostDriver } from "./host-driver.ts";
import { hostViewOf } from "./host-view.ts";
import { byActivity, ManagedHost } from "./managed-host.ts";
import type { HostCommand, HostDelays, HostEvent, HostGapEvent, HostTarget } from "./messages.ts";
import { NetworkWatch } from "./network-watch.ts";
import { banned, parsedOr400, reasonOf, refusedBy, STARTING, STOPPED } from "./refusals.ts";
import { type HostFact, initialState } from "./state.ts";

const hostsKnown = gauge(
	"hosts_known",
	"hosts known",
	"If it jumps, somebody adds hosts: `RELAY_NEW_HOSTS_PER_DAY_LIMIT` limits that.",
);

/** Connections that are made at once. A handshake takes a few ms of a core, and waits for the host for a hundred times that. */
export const DIALS_MAX = 128;
/** What is new of hosts is written to the log this long after it became known, so a host causes at most one record in this time. */
export const RECORD_DELAY_MS = 1_000;
/** This long after the start, hosts that have not been reached yet no longer count as connected in the log. */
export const START_GRACE_MS = 5_000;
/** A host's gaps cause a record at most this often. */
const GAP_RECORD_INTERVAL_MS = 60_000;
/** A host's status is logged at most this often; so many hosts are remembered for that. */
const STATUS_LINE_INTERVAL_MS = 60_000;
const STATUS_LINES_MAX = 10_000;

const log = logOf("hosts");

/** What the manager needs of the rest of the relay. */
export interface HostManagerOptions extends Omit<CrawlsOptions, "hosts" | "nowMs"> {
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
	timing: Timing;
	date(): Date;
	/** Uniform in [0, 1). */
	random(): number;
}

/**
 * Knows every host, and writes their state to the log. When a host is dialled is decided by its machine (`state.ts`), which is told
 * here what happens; the connection is made by the ingest worker that has the host.
 */
export class HostManager {
	readonly #options: HostManagerOptions;
	readonly #byName = new Map<string, ManagedHost>();
	readonly #byId = new Map<number, ManagedHost>();
	readonly #crawls: Crawls;
	readonly #dials: DialQueue;
	readonly #network = new NetworkWatch();
	readonly #conduct: ConductBook;
	readonly #statusLines: LogLimiter;
	/** Hosts of which the log does not know everything. */
	readonly #unrecorded = new Set<ManagedHost>();
	/** Unix ms at zero of the monotonic clock. So the date does not jump while the relay runs. */
	readonly #epochMs: number;
	#idMax = 0;
	#isStarted = false;
	#isStopped = false;

	constructor(options: HostManagerOptions) {
		this.#options = options;
		const { timing, counters } = options;
		const nowMs = (): number => timing.nowMs();
		this.#epochMs = options.date().getTime() - nowMs();
		const known = {
			find: (hostname: string) => this.#byName.get(hostname),
			add: (host: ParsedHostname) => this.#add(host),
			append: (facts: HostFacts) => options.append(facts),
		};
		this.#crawls = new Crawls({ ...options, hosts: known, nowMs });
		this.#conduct = new ConductBook({
			timing,
			nowMs: () => this.#nowMs(),
			onGoodDay: (hostId, day) => this.#noteGoodDay(this.#reported(hostId), day),
		});
		this.#dials = new DialQueue(DIALS_MAX, counters);
		this.#statusLines = new LogLimiter({ intervalMs: STATUS_LINE_INTERVAL_MS, keysMax: STATUS_LINES_MAX, nowMs });
	}

	/** Every known host, by id. */
	hosts(): readonly Readonly<ManagedHost>[] {
		return [...this.#byId.values()];
	}

	/** What is told of a host to those who ask; null if it is not known. */
	viewOf(hostname: string): HostView | null {
		const host = this.#byName.get(hostname);
		return host === undefined ? null : hostViewOf(hostname, host.driver.state, this.#options.banOf(hostname));
	}

	hostIdOf(hostname: string): number | null {
		return this.#byName.get(hostname)?.id ?? null;
	}

	hostnameOf(hostId: number): string | null {
		return this.#byId.get(hostId)?.hostname ?? null;
	}

	/** A known host; undefined for others. */
	find(hostname: string): Readonly<ManagedHost> | undefined {
		return this.#byName.get(hostname);
	}

	/** On how many days the messages of a host were good; 0 if it is not known. */
	goodDaysOf(hostname: string): number {
		return this.#byName.get(hostname)?.driver.state.goodDays ?? 0;
	}

	isKnown(hostname: string): boolean {
		return this.#byName.has(hostname);
	}

	/** The hosts that are connected now, by id. */
	connected(): string[] {
		const hosts = [...this.#byId.values()];
		return hosts.filter(({ driver }) => driver.state.phase === "connected").map(({ hostname }) => hostname);
	}

	/** Ends the connection to a host, which is then dialled anew. For an admin. Refused if it is not connected. */
	drop(input: string): ControlResult {
		const parsed = parsedOr400(input, this.#options.allowInsecureHosts);
		if ("ok" in parsed) return parsed;
		const host = this.#byName.get(parsed.hostname);
		if (host?.driver.state.phase !== "connected")
			return refusal(400, "InvalidRequest", `host ${parsed.hostname} is not connected`);
		host.driver.tell({ type: "banned", why: "an operator ended the connection" });
		host.driver.tell({ type: "allowed" });
		return { ok: true };
	}

	/** Must be called after policies have changed: ends the connections to hosts that are banned now, and tells workers new limits. */
	applyPolicies(): void {
		for (const host of this.#byId.values()) {
			this.#applyBan(host);
			this.#applyLimits(host);
		}
	}

	#applyLimits(host: ManagedHost): void {
		const limits = this.#options.limitsOf(host.hostname);
		if (Bun.deepEquals(limits, host.limits)) return;
		host.limits = limits;
		this.#command(host, { type: "setLimits", hostId: host.id, limits });
	}

	#applyBan({ hostname, driver }: ManagedHost): void {
		const ban = this.#options.banOf(hostname);
		const why = ban === null ? null : reasonOf(ban);
		if (why === driver.state.ban) return;
		driver.tell(why === null ? { type: "allowed" } : { type: "banned", why });
	}

	/** Loads all hosts, and begins to connect to them, those first that were active last. Resolves before all are connected. */
	async start(): Promise<void> {
		const { reader, timing } = this.#options;
		let connected = 0;
		for await (const page of hostPages(reader)) {
			for (const row of page) this.#know(row, row.cursor);
			connected += page.filter(({ connection }) => connection.connected).length;
			if (this.#options.isLogNew) await this.#tellLog(page);
		}
		// No id is given away twice: accounts may still be filed under one whose host's row was lost.
		this.#idMax = Math.max(this.#idMax, await reader.hostIdMax());
		log.info("{count} hosts known", { count: this.#byId.size });
		if (this.#isStopped) return;
		this.#isStarted = true;
		this.#network.expect(connected, this.#nowMs());
		this.#tellAll({ type: "start" });
		timing.after(START_GRACE_MS, () => {
			for (const host of this.#byId.values()) if (host.status !== host.recordedStatus) this.#recordSoon(host);
		});
	}

	/** Tells all hosts, those first that were active last. */
	#tellAll(fact: HostFact): void {
		for (const { driver } of [...this.#byId.values()].sort(byActivity)) driver.tell(fact);
	}

	/** Unix ms, by a clock that never goes back. */
	#nowMs(): number {
		return this.#epochMs + this.#options.timing.nowMs();
	}

	#noteConnected(isConnected: boolean): void {
		if (!isConnected) {
			this.#network.ended(this.#nowMs());
			return;
		}
		const sinceMs = this.#network.opened();
		if (sinceMs === null) return;
		log.info("hosts can be reached again: those that could not be are dialled now");
		this.#tellAll({ type: "networkBack", sinceMs });
	}

	/** Tells a new log of hosts that the index has from the one before. Without that, the log could not restore them. */
	async #tellLog(hosts: readonly Host[]): Promise<void> {
		await Promise.all(hosts.map(({ cursor, accountCount, ...facts }) => this.#options.append(facts)));
		await this.#options.appendCursors({ cursors: hosts.map(({ id, cursor }) => ({ host: id, seq: cursor })) });
	}

	/** Connects to no further host, and writes what the log does not know. The workers disconnect from their hosts when they drain. */
	stop(): void {
		this.#recordAll();
		this.#isStopped = true;
		this.#conduct.stop();
		for (const { driver } of this.#byId.values()) driver.tell({ type: "stop" });
	}

	/** Takes what an ingest worker reports about its hosts. */
	onEvent(event: HostEvent): void {
		if (this.#isStopped) return;
		if (event.type === "heard") {
			for (const id of event.hostIds) this.#reported(id).driver.tell({ type: "heard", agoMs: 0 });
			return;
		}
		if (event.type === "counts") {
			this.#conduct.note(event.counts);
			return;
		}
		const host = this.#reported(event.hostId);
		if (event.type === "hostGap") this.#noteGap(host, event);
		else host.driver.report(event);
	}

	#reported(hostId: number): ManagedHost {
		const host = this.#byId.get(hostId);
		if (host === undefined) throw new RangeError(`an ingest worker reports on host ${hostId}, which is not known`);
		return host;
	}

	/** Its account limit may have grown, and its limits of messages with that. */
	#noteGoodDay(host: ManagedHost, day: number): void {
		host.driver.tell({ type: "goodDay", day });
		this.#applyLimits(host);
	}

	/**
	 * Keeps a gap with the host, and records it in the log, at most once per interval: a host could cause any number of gaps. The
	 * worker has logged and counted it.
	 */
	#noteGap(host: ManagedHost, { count, reason, afterSeq }: HostGapEvent): void {
		const { timing, date } = this.#options;
		host.gaps += count;
		host.lastGap = `${date().toISOString()} after seq ${afterSeq ?? "none"}: ${reason}`;
		if (timing.nowMs() - host.gapRecordedAtMs < GAP_RECORD_INTERVAL_MS) return;
		host.gapRecordedAtMs = timing.nowMs();
		this.#recordSoon(host);
	}

	/**
	 * Follows a known host from this cursor, or from its live end (null), whatever its cursor was. For an admin: the messages
	 * between the two cursors are missed, or come again.
	 */
	resetCursor(input: string, cursor: number | null): ControlResult {
		if (this.#isStopped) return STOPPED;
		if (!this.#isStarted) return STARTING;
		const { allowInsecureHosts } = this.#options;
		const parsed = parsedOr400(input, allowInsecureHosts);
		if ("ok" in parsed) return parsed;
		const host = this.#byName.get(parsed.hostname);
		if (host === undefined) return refusal(404, "HostNotFound", `host ${parsed.hostname} is not known`);
		const ban = this.#options.banOf(host.hostname);
		if (ban !== null) return refusedBy(ban, host.hostname);
		if (host.status === "banned") return banned(host);
		log.info("an admin set the cursor of {hostname} to {cursor}", {
			hostname: host.hostname,
			cursor: cursor ?? "the live end",
		});
		// Its worker reports when that is done, and the host is dialled then.
		this.#command(host, { type: "resetCursor", host: this.#target(host, cursor) });
		return { ok: true };
	}

	/** What waits because of limits: of this host, or of all (null). */
	async delayedHosts(hostname: string | null): Promise<{ ok: true; hosts: DelayedHost[] }> {
		const asked = hostname === null ? null : this.#byName.get(hostname);
		if (asked === undefined) return { ok: true, hosts: [] };
		const delays = await this.#options.delays(asked?.id ?? null);
		const hosts = delays.flatMap(({ hostId, ...report }) => {
			const host = this.#byId.get(hostId);
			return host === undefined ? [] : [{ hostname: host.hostname, ...report }];
		});
		return { ok: true, hosts };
	}

	/** Starts following a host, or reconnects to it now (rulebook 5). */
	async requestCrawl(input: string, by: Requester): Promise<ControlResult> {
		if (this.#isStopped) return STOPPED;
		// A host that is not loaded yet would be taken for a new one.
		return this.#isStarted ? this.#crawls.requestCrawl(input, by) : STARTING;
	}

	/** Adds hosts of a list that others may have made. */
	async addListed(hostnames: readonly string[]): Promise<ControlResult<{ hosts: AddedHost[] }>> {
		if (this.#isStopped) return STOPPED;
		return this.#isStarted ? this.#crawls.addListed(hostnames) : STARTING;
	}

	/** Makes a new host known, which is not recorded yet. */
	#add(parsed: ParsedHostname): ManagedHost {
		const news = { gaps: 0, lastGap: null, connection: { ...NEVER_CONNECTED, firstSeenMs: this.#nowMs() } };
		return this.#know({ id: this.#idMax + 1, ...parsed, status: "idle", ...news }, null);
	}

	#know(facts: HostFacts, cursor: number | null): ManagedHost {
		const { timing, random, counters } = this.#options;
		const state = initialState(connectionOfRow(facts), random() * 2 ** 32);
		const driver = new HostDriver(state, {
			timing,
			nowMs: () => this.#nowMs(),
			queue: this.#dials,
			dial: (attempt) => this.#command(host, { type: "dial", host: this.#target(host), attempt }),
			hangUp: () => this.#command(host, { type: "disconnect", hostId: host.id }),
			connected: (isConnected) => this.#noteConnected(isConnected),
			record: () => this.#recordSoon(host),
		});
		const host = new ManagedHost(facts, cursor, driver);
		this.#applyBan(host);
		this.#byName.set(host.hostname, host);
		this.#byId.set(host.id, host);
		this.#idMax = Math.max(this.#idMax, host.id);
		counters.add(hostsKnown);
		return host;
	}

	/** What a worker must know of a host. Without a cursor it is that of the start. */
	#target(host: ManagedHost, cursor = host.startCursor): HostTarget {
		const { id, hostname, insecure } = host;
		host.limits = this.#options.limitsOf(hostname);
		return { id, hostname, insecure, cursor, limits: host.limits };
	}

	#command({ hostname }: ManagedHost, command: HostCommand): void {
		if (!this.#isStopped) this.#options.command(workerOf(hostname, this.#options.workers), command);
	}

	/** Has the log told of a host, together with what else is new in the next moment. */
	#recordSoon(host: ManagedHost): void {
		if (this.#isStopped) return;
		const isFirst = this.#unrecorded.size === 0;
		this.#unrecorded.add(host);
		if (isFirst)
			this.#options.timing.after(RECORD_DELAY_MS, () => contain("the hosts' records", () => this.#recordAll()));
	}

	#recordAll(): void {
		for (const host of this.#unrecorded) {
			this.#logStatus(host);
			host.recordedStatus = host.status;
			void this.#options.append(host.facts);
		}
		this.#unrecorded.clear();
	}

	#logStatus({ hostname, status, detail, recordedStatus }: ManagedHost): void {
		if (status === recordedStatus) return;
		const omitted = this.#statusLines.take(hostname);
		if (omitted === null) return;
		log.info("host {hostname} is {status}: {detail}", {
			hostname,
			status,
			detail,
			...(omitted > 0 ? { omitted } : {}),
		});
	}
}

/** Up to the release before, the log said of a relay only that it is banned, and of no other host. */
function connectionOfRow({ status, connection }: HostFacts): HostFacts["connection"] {
	if (status !== "banned" || !isSameConnection(connection, NEVER_CONNECTED)) return connection;
	return { ...connection, lastError: { fault: "relay-loop", text: "it is a relay itself", atMs: 0 } };
}
