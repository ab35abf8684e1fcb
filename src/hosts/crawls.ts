import { type ControlResult, type Requester, refusal } from "../control/api.ts";
import type { AddedHost } from "../control/hosts.ts";
import type { RuntimeSettings } from "../control/policy.ts";
import type { HostFacts } from "../log/record/control.ts";
import { mayBePrivate, type ParsedHostname } from "../net/hostname.ts";
import type { Counters } from "../observe/counters.ts";
import { logOf } from "../observe/log.ts";
import type { Ban } from "../policy/policies.ts";
import { Semaphore } from "../runtime/semaphore.ts";
import { CrawlGate, HOST_BANNED, HOST_NOT_FOUND } from "./crawl-gate.ts";
import { DayQuota } from "./day-quota.ts";
import type { ManagedHost } from "./managed-host.ts";
import { ProbeError } from "./probe.ts";
import { banned, parsedOr400, refusedBy } from "./refusals.ts";

/** Probes of hosts of lists that run at once. */
export const LISTED_PROBES_MAX = 16;

const log = logOf("hosts");

/** On whose word a host is added or dialled: that of a list has no weight. */
type Asker = "operator" | "stranger" | "list";

export interface CrawlsOptions {
	/** The hosts that are known, all of them loaded. */
	hosts: {
		find(hostname: string): ManagedHost | undefined;
		/** Makes a host known. */
		add(host: ParsedHostname): ManagedHost;
		/** Appends a `host` record. Resolves when nothing that is appended from now on can come before it. */
		append(facts: HostFacts): Promise<void>;
	};
	/** @throws ProbeError */
	probe(host: ParsedHostname, allowInsecure: boolean): Promise<void>;
	/** Monotonic ms. */
	nowMs(): number;
	counters: Counters;
	allowInsecureHosts: boolean;
	/** Those that can be changed while the relay runs. They are read each time. */
	settings: Readonly<Pick<RuntimeSettings, "disableRequestCrawl" | "newHostsPerDayMax">>;
	/** Why the operator has banned a host; null if it is not banned. */
	banOf(hostname: string): Ban | null;
}

/** Decides about requests to follow hosts, of strangers, admins and lists, and adds those that are new. */
export class Crawls {
	readonly #options: CrawlsOptions;
	readonly #quota: DayQuota;
	readonly #gate: CrawlGate;
	readonly #listedProbes = new Semaphore(LISTED_PROBES_MAX);
	/** The requests for new hosts that run now, by who may share them and the host's name. */
	readonly #crawls = new Map<string, Promise<ControlResult>>();

	constructor(options: CrawlsOptions) {
		this.#options = options;
		const { nowMs, counters } = options;
		this.#quota = new DayQuota(() => options.settings.newHostsPerDayMax, nowMs);
		this.#gate = new CrawlGate({ counters, nowMs });
	}

	/**
	 * Starts following a host, or reconnects to it now (rulebook 5). Requests for one new host that run at once share one probe.
	 * Admins have none of the limits on strangers, and may add `localhost:PORT` if the configuration allows it.
	 */
	async requestCrawl(input: string, by: Requester): Promise<ControlResult> {
		const { admin } = by;
		const { allowInsecureHosts, settings, banOf } = this.#options;
		if (settings.disableRequestCrawl && !admin) return refusal(403, "Forbidden", "this relay takes no crawl requests");
		const parsed = parsedOr400(input, admin && allowInsecureHosts);
		if ("ok" in parsed) return parsed;
		const ban = banOf(parsed.hostname);
		if (ban !== null) return refusedBy(ban, parsed.hostname);
		const known = this.#options.hosts.find(parsed.hostname);
		if (known !== undefined) return this.#crawlKnown(known, admin ? "operator" : "stranger");
		if (admin) return this.#share("admin", parsed.hostname, () => this.#crawlNew(parsed, "operator"));
		return this.#gate.run(by.ip, () => this.#share("public", parsed.hostname, () => this.#crawlWithinQuota(parsed)));
	}

	/**
	 * Adds hosts of a list that others may have made. Each passes the gate of `requestCrawl`, but for the limits on strangers. A host that is
	 * known stays as it is.
	 */
	async addListed(hostnames: readonly string[]): Promise<ControlResult<{ hosts: AddedHost[] }>> {
		const hosts = await Promise.all(
			hostnames.map(async (hostname): Promise<AddedHost> => {
				const result = await this.#addListed(hostname);
				if (result.ok) return { hostname, outcome: result.isNew ? "new" : "known" };
				return { hostname, outcome: "refused", error: result.error, message: result.message };
			}),
		);
		return { ok: true, hosts };
	}

	async #addListed(input: string): Promise<ControlResult<{ isNew: boolean }>> {
		const { allowInsecureHosts, banOf } = this.#options;
		const parsed = parsedOr400(input, allowInsecureHosts);
		if ("ok" in parsed) return parsed;
		const { hostname } = parsed;
		const ban = banOf(hostname);
		if (ban !== null) return refusedBy(ban, hostname);
		const known = this.#options.hosts.find(hostname);
		if (known !== undefined) return known.driver.state.phase === "barred" ? banned(known) : { ok: true, isNew: false };
		// A relay's list is not to be dialled before the hosts that are dialled already, so nobody asks for these.
		const result = await this.#share("list", hostname, () =>
			this.#listedProbes.run(() => this.#crawlNew(parsed, "list")),
		);
		return result.ok ? { ok: true, isNew: true } : result;
	}

	#share(by: string, hostname: string, crawl: () => Promise<ControlResult>): Promise<ControlResult> {
		const key = `${by} ${hostname}`;
		const running = this.#crawls.get(key) ?? crawl().finally(() => this.#crawls.delete(key));
		this.#crawls.set(key, running);
		return running;
	}

	async #crawlWithinQuota(parsed: ParsedHostname): Promise<ControlResult> {
		// The host may have become known while this request waited.
		const known = this.#options.hosts.find(parsed.hostname);
		if (known !== undefined) return this.#crawlKnown(known, "stranger");
		if (!this.#quota.take()) {
			const rule = `this relay takes ${this.#options.settings.newHostsPerDayMax} new hosts in 24 hours, try again later`;
			return refusal(429, "RateLimitExceeded", rule, Math.ceil(this.#quota.waitMs() / 1000));
		}
		const result = await this.#crawlNew(parsed, "stranger");
		if (!result.ok) this.#quota.giveBack();
		return result;
	}

	#crawlKnown(host: ManagedHost, by: Asker): ControlResult {
		host.driver.tell(by === "list" ? { type: "start" } : { type: "asked", by });
		return host.driver.state.phase === "barred" ? banned(host) : { ok: true };
	}

	async #crawlNew(parsed: ParsedHostname, by: Asker): Promise<ControlResult> {
		try {
			await this.#options.probe(parsed, mayBePrivate(parsed));
		} catch (error) {
			if (!(error instanceof ProbeError)) throw error;
			const rule = `host ${parsed.hostname} ${error.message}`;
			return error.isRelay ? refusal(403, HOST_BANNED, rule) : refusal(400, HOST_NOT_FOUND, rule);
		}
		// An admin and a stranger may have asked for the host at the same time.
		const known = this.#options.hosts.find(parsed.hostname);
		if (known !== undefined) return this.#crawlKnown(known, by);
		const host = this.#options.hosts.add(parsed);
		log.info("host {hostname} is new, with id {id}", { hostname: host.hostname, id: host.id });
		// The host's record must be in the log before its first message.
		await this.#options.hosts.append(host.facts);
		return this.#crawlKnown(host, by);
	}
}
