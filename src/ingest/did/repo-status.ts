import * as v from "valibot";
import { LastTimes } from "../../identity/last-times.ts";
import { fetchBounded } from "../../net/bounded-fetch.ts";
import { type GuardOptions, guardedFetch } from "../../net/guarded-fetch.ts";
import type { Counters } from "../../observe/counters.ts";
import { counter } from "../../observe/metric.ts";
import { Semaphore } from "../../runtime/semaphore.ts";

const repoStatusRequests = counter(
	"repo_status_requests_total",
	"times a host was asked whether an account is active, because a commit came while the account was inactive here",
	"If it grows fast, a host does not announce when its accounts are active again; tell its operator.",
);
const repoStatusLimited = counter(
	"repo_status_limited_total",
	"times a host was not asked whether an account is active, because the host or the account had been asked too recently",
	"Nothing to do: the limit keeps hosts from being asked too often.",
);

/** How often hosts are asked, and for how long. The limits apply to each ingest worker by itself. */
export const REPO_STATUS_LIMITS = {
	/** For each DID, at most one request in this time. */
	didIntervalMs: 60_000,
	/** DIDs whose last request is remembered. */
	didsMax: 20_000,
	/** Requests to one host within `hostIntervalMs`. */
	perHostMax: 20,
	hostIntervalMs: 60_000,
	/** Requests to one host without an answer yet, including those that wait for their turn. */
	unansweredPerHostMax: 8,
	/** Requests under way at once, to one host and to all. */
	inFlightPerHostMax: 2,
	inFlightMax: 32,
	timeoutMs: 5_000,
	/** An answer has about a hundred bytes. */
	bodyBytesMax: 16_384,
} as const;

type Limits = { [Name in keyof typeof REPO_STATUS_LIMITS]: number };

export interface RepoStatusOptions {
	guard: GuardOptions;
	userAgent: string;
	counters: Counters;
	limits?: Limits;
	/** Monotonic milliseconds. */
	nowMs?: () => number;
}

/** The host of an account. */
export interface AccountHost {
	id: number;
	/** Origin of its PDS, such as `https://pds.example`. */
	pds: string;
}

/** The requests to one host. */
interface Asked {
	readonly slots: Semaphore;
	sinceMs: number;
	count: number;
	unanswered: number;
}

const GET_REPO_STATUS = "/xrpc/com.atproto.sync.getRepoStatus";
const ANSWER = v.object({ did: v.string(), active: v.boolean() });

/** Asks an account's host whether the account is active, if an `#account` seems to have been missed (rulebook 2.6, check 5). */
export class RepoStatusProbe {
	readonly #options: RepoStatusOptions;
	readonly #limits: Limits;
	readonly #nowMs: () => number;
	readonly #lastAsked: LastTimes;
	/** By host id. There are no more than the hosts that are followed. */
	readonly #hosts = new Map<number, Asked>();
	readonly #slots: Semaphore;

	constructor(options: RepoStatusOptions) {
		this.#options = options;
		this.#limits = options.limits ?? REPO_STATUS_LIMITS;
		this.#nowMs = options.nowMs ?? (() => performance.now());
		this.#lastAsked = new LastTimes(this.#limits.didsMax);
		this.#slots = new Semaphore(this.#limits.inFlightMax);
	}

	/**
	 * Whether the host says that the account is active. Takes at most the timeout, once the request has its turn. Never throws:
	 * returns false if the host or account has been asked too often, or if the answer is missing or invalid.
	 */
	async isActive(did: string, host: AccountHost): Promise<boolean> {
		const asked = this.#permit(did, host.id);
		if (asked === null) {
			this.#options.counters.add(repoStatusLimited);
			return false;
		}
		this.#options.counters.add(repoStatusRequests);
		asked.unanswered++;
		// The request waits for a slot of its host first, so that a host that doesn't answer takes few of the shared slots.
		const isActive = await asked.slots.run(() => this.#slots.run(() => this.#ask(did, host.pds)));
		asked.unanswered--;
		return isActive;
	}

	/** Counts a request against the limits. Returns null if one of them is reached. */
	#permit(did: string, hostId: number): Asked | null {
		const { didIntervalMs, perHostMax, hostIntervalMs, inFlightPerHostMax, unansweredPerHostMax } = this.#limits;
		const nowMs = this.#nowMs();
		if (nowMs - this.#lastAsked.get(did) < didIntervalMs) return null;
		let asked = this.#hosts.get(hostId);
		if (asked === undefined) {
			asked = { slots: new Semaphore(inFlightPerHostMax), sinceMs: nowMs, count: 0, unanswered: 0 };
			this.#hosts.set(hostId, asked);
		}
		if (nowMs - asked.sinceMs >= hostIntervalMs) {
			asked.sinceMs = nowMs;
			asked.count = 0;
		}
		if (asked.count >= perHostMax || asked.unanswered >= unansweredPerHostMax) return null;
		asked.count++;
		this.#lastAsked.set(did, nowMs);
		return asked;
	}

	async #ask(did: string, pds: string): Promise<boolean> {
		const { guard, userAgent } = this.#options;
		const { timeoutMs, bodyBytesMax } = this.#limits;
		const headers = { Accept: "application/json", "User-Agent": userAgent };
		try {
			const url = new URL(GET_REPO_STATUS, pds);
			url.searchParams.set("did", did);
			const send = (signal: AbortSignal): Promise<Response> => guardedFetch(url, { headers, signal }, guard);
			const { status, body } = await fetchBounded(send, { timeoutMs, bytesMax: bodyBytesMax });
			if (status !== 200) return false;
			const answer = v.parse(ANSWER, JSON.parse(new TextDecoder().decode(body)));
			return answer.did === did && answer.active;
		} catch {
			// Any error is due to the host or the network. The host's next `#account` will set the status.
			return false;
		}
	}
}
