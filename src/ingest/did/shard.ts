// ingest/did/: the work on DIDs: the order of messages, waiting, the account's state. It knows nothing of sockets.

import { atHost, next } from "../../account/next.ts";
import { placeOf } from "../../account/place.ts";
import { type AccountState, NO_HOST } from "../../account/state.ts";
import { isActive } from "../../account/status.ts";
import type { IdentityCache } from "../../identity/cache.ts";
import type { Resolution } from "../../identity/identity.ts";
import type { Handover } from "../../log/handover.ts";
import type { DidDocumentFacts } from "../../log/record/control.ts";
import { controlEntry, type Entry, type EntryTimes } from "../../log/record/entry.ts";
import type { Strictness } from "../../log/record/policy-facts.ts";
import { counter, gauge, histogram, LATENCY_BOUNDS_S } from "../../observe/metric.ts";
import type { RejectionReason } from "../../protocol/reasons.ts";
import { Rejection } from "../../protocol/rejection.ts";
import { didMethod, isDid } from "../../protocol/syntax.ts";
import { reportFailure } from "../../runtime/boundary.ts";
import { steadyMs } from "../../runtime/steady-clock.ts";
import { endThreadOnFailure } from "../../runtime/thread.ts";
import type { Admitted, Arrival, Sender, UpstreamStatus } from "../arrival.ts";
import type { HostFailures } from "../host-failures.ts";
import type { LastRejections } from "../last-rejections.ts";
import { FAILED, type Outcome, REJECTED, REPEATED } from "../outcome.ts";
import type { AccountCache } from "./accounts.ts";
import { ownAccountMessage } from "./admit/account.ts";
import type { AdmissionRules } from "./admit/admission.ts";
import { ADMISSIONS, isRepeat } from "./admit/table.ts";
import type { Places } from "./places.ts";
import type { RepoStatusProbe } from "./repo-status.ts";
import type { ShardTracer } from "./shard-tracer.ts";

const messagesAccepted = counter(
	"messages_accepted_total",
	"messages handed to the sequencer",
	"If it stops, look at `standpipe_hosts_connected`, `standpipe_log_stalled` and `standpipe_parked_messages`, in this order.",
);
const messagesReplayed = counter(
	"messages_replayed_total",
	"messages dropped because the host had sent them before",
	"It grows after reconnections. If it grows all the time, a host repeats itself: the log lines name it.",
);
const accountsFoundActive = counter(
	"accounts_found_active_total",
	"accounts that were active again at their host without an #account that said so",
	"If it grows fast, a host does not announce when its accounts are active again; tell its operator.",
);
const accountsThrottled = counter(
	"accounts_throttled_total",
	"accounts that had to wait when they came to a host, since it had as many as its account limit allows",
	"If wanted accounts wait, raise the host's `repo_limit`, or `RELAY_DEFAULT_ACCOUNT_LIMIT`.",
);
const parkedMessages = gauge(
	"parked_messages",
	"messages that wait for their DID's identity or account",
	"If it stays high, look at the PLC directory (`standpipe_identity_waits_total`) and at the index (`standpipe_index_reads_stalled`).",
);
const messageIntakeSeconds = histogram(
	"message_intake_seconds",
	"how long a message took from its host's socket until the thread of its DID took it on: the scan, the way between threads, and the wait for " +
		"its host's event limits",
	"If it is high, look at `standpipe_messages_delayed_total` and at the event limits of the hosts that `/_stats` names under `delayedHosts`. If " +
		"nothing is delayed, the ingest threads have no time: look at the processor.",
	LATENCY_BOUNDS_S,
);
const messageAdmissionSeconds = histogram(
	"message_admission_seconds",
	"how long a message took from there until it was handed to the log: its verification, and the waits for its identity, its account and room " +
		"in the ring",
	"If p99 is high and `standpipe_verification_seconds` is not, messages wait: look at `standpipe_identity_lookup_seconds`, at " +
		"`standpipe_ring_full_total` and at the database.",
	LATENCY_BOUNDS_S,
);

const identityCacheUses = counter(
	"identity_cache_uses_total",
	"messages whose account's identity was in memory, and messages that had to wait for it",
	"If `miss` stays above a tenth long after a start, raise `RELAY_IDENT_CACHE_SIZE`.",
	{ name: "result", values: ["hit", "miss"] },
);
const identityHits = identityCacheUses.of("hit");
const identityMisses = identityCacheUses.of("miss");

export interface ShardOptions {
	accounts: AccountCache;
	identities: Pick<IdentityCache, "get" | "peek" | "lookup" | "recheck" | "refresh">;
	repoStatus: Pick<RepoStatusProbe, "isActive">;
	places: Pick<Places, "ask" | "giveBack" | "note">;
	handover: Handover;
	rules: AdmissionRules;
	/** Whether a did:web may name localhost and a port. */
	allowLocalhost: boolean;
	/** Takes notes of traced messages; null or none if messages are not traced. */
	tracer?: ShardTracer | null;
	/** As `steadyMs`; that one by default. */
	steadyMs?: () => number;
	/** Called for each rejection, to log it. */
	onRejection: (arrival: Arrival, rejection: Rejection) => void;
	/** Counts what fails, by host. */
	failures: Pick<HostFailures, "rejected" | "lenient">;
	/** Remembers rejections by account, for those who ask. */
	lastRejections: Pick<LastRejections, "note" | "passed">;
}

/**
 * Bytes of one host's messages of did:web accounts that may wait for failing lookups. Above this, such messages no longer wait:
 * account owners control these names and could make them fail, and the rest of the host's budget is for its other accounts.
 */
export const WEB_WAITING_BYTES_MAX = 1024 * 1024;

/**
 * Does all work on the DIDs of one shard. The messages of each DID are handled in the order in which they came. A message that
 * has to wait (for its identity, for its account's row, for room in the ring) waits in a lane and delays no other lane. A lane
 * has one host's messages of one DID. So a host that sends messages of an account at another host can't delay that host's.
 *
 * The number of waiting messages is not limited here. The sender's budget limits it, and is given back when a message is settled.
 */
export class Shard {
	readonly #options: ShardOptions;
	readonly #steadyMs: () => number;
	readonly #tracer: ShardTracer | null;
	readonly #lanes = new Map<string, Arrival[]>();
	/** Control entries that wait because the ring was full. */
	readonly #unsent: Entry[] = [];
	#room: PromiseWithResolvers<void> | null = null;
	#parked = 0;
	readonly #times: EntryTimes = { receivedMs: 0, handedOverMs: 0 };
	/** The rules for messages of hosts with a strictness of their own, by hostname. */
	readonly #rules = new Map<string, AdmissionRules>();
	readonly #lenient = new Set<string>();
	/** Bytes of parked messages of did:web accounts, by host. */
	readonly #webBytes = new Map<number, number>();

	constructor(options: ShardOptions) {
		this.#options = options;
		this.#steadyMs = options.steadyMs ?? steadyMs;
		this.#tracer = options.tracer ?? null;
	}

	/** Messages that wait in lanes. */
	get parked(): number {
		return this.#parked;
	}

	/** Messages of an account that wait, of those that this host has sent, and when the first of them came. */
	waitingOf(did: string, hostId: number): { messages: number; sinceMs: number } | null {
		const lane = this.#lanes.get(laneName(did, hostId));
		const [first] = lane ?? [];
		return lane === undefined || first === undefined ? null : { messages: lane.length, sinceMs: first.arrivedAtMs };
	}

	/** Takes a message. It is settled now or later. */
	submit(arrival: Arrival): void {
		if (arrival.receivedMs > 0) {
			arrival.takenOnMs = this.#steadyMs();
			this.#options.rules.counters.time(messageIntakeSeconds, arrival.receivedMs, arrival.takenOnMs);
			arrival.trace = this.#tracer === null ? null : this.#tracer.begin(arrival);
		}
		// Usually nothing waits. Then the lane's name need not be made.
		const lane = this.#lanes.size === 0 ? undefined : this.#lanes.get(laneOf(arrival));
		if (lane !== undefined) {
			lane.push(arrival);
			this.#countParked(arrival, 1);
			return;
		}
		const waiting = this.#attempt(arrival);
		if (waiting === null) return;
		const name = laneOf(arrival);
		this.#lanes.set(name, [arrival]);
		this.#countParked(arrival, 1);
		this.#resumeAfter(waiting, name);
	}

	/** Must be called whenever the sequencer has rung: the ring may have room again. */
	ringHasRoom(): void {
		const room = this.#room;
		this.#room = null;
		for (let entry = this.#unsent[0]; entry !== undefined; entry = this.#unsent[0]) {
			if (this.#options.handover.push(entry) === null) break;
			this.#unsent.shift();
		}
		room?.resolve();
	}

	/** Writes to the log what a DID resolved to, so that it is known after a restart. */
	logDidDocument(facts: DidDocumentFacts): void {
		const entry = controlEntry("didDocument", facts);
		if (this.#unsent.length > 0 || this.#options.handover.push(entry) === null) this.#unsent.push(entry);
	}

	/** How strict to be from now on with messages of a host; null: as with all others. */
	setStrictness(hostname: string, strictness: Strictness | null): void {
		if (strictness === null) this.#rules.delete(hostname);
		else this.#rules.set(hostname, { ...this.#options.rules, strict: strictness === "enforce" });
	}

	/** The hosts with a strictness of their own, of which messages have passed since the last call that break a strict rule. */
	takeLenient(): string[] {
		const hostnames = [...this.#lenient];
		this.#lenient.clear();
		return hostnames;
	}

	#rulesFor({ sender }: Arrival): AdmissionRules {
		return (this.#rules.size === 0 ? undefined : this.#rules.get(sender.hostname)) ?? this.#options.rules;
	}

	/** Whether messages of the host may go on waiting for failing lookups of did:web names. */
	mayWaitForWeb(hostId: number): boolean {
		return (this.#webBytes.get(hostId) ?? 0) <= WEB_WAITING_BYTES_MAX;
	}

	#countParked({ message, sender, frame }: Arrival, change: 1 | -1): void {
		this.#parked += change;
		this.#options.rules.counters.add(parkedMessages, change);
		if (!message.did.startsWith("did:web:")) return;
		const bytes = (this.#webBytes.get(sender.hostId) ?? 0) + change * frame.length;
		if (bytes > 0) this.#webBytes.set(sender.hostId, bytes);
		else this.#webBytes.delete(sender.hostId);
	}

	#resumeAfter(waiting: Promise<unknown>, name: string): void {
		const resumed = waiting.then(
			() => this.#resume(name),
			(error: unknown) => this.#failFirst(name, error),
		);
		endThreadOnFailure(resumed);
	}

	/** Rejects the lane's first message, since what it waited for has failed. */
	#failFirst(name: string, error: unknown): void {
		const lane = this.#lanes.get(name);
		const arrival = lane?.shift();
		if (arrival !== undefined) {
			this.#countParked(arrival, -1);
			if (arrival.trace !== null) this.#tracer?.failed(arrival.trace);
			this.#reject(arrival, error);
		}
		this.#resume(name);
	}

	#resume(name: string): void {
		const lane = this.#lanes.get(name) ?? [];
		for (let arrival = lane[0]; arrival !== undefined; arrival = lane[0]) {
			const waiting = this.#attempt(arrival);
			if (waiting !== null) {
				this.#resumeAfter(waiting, name);
				return;
			}
			lane.shift();
			this.#countParked(arrival, -1);
		}
		this.#lanes.delete(name);
	}

	/** Does as much for a message as can be done now. Returns null if it is settled, else what to wait for before trying again. */
	#attempt(arrival: Arrival): Promise<unknown> | null {
		if (this.#room !== null) return this.#room.promise;
		if (arrival.trace !== null) this.#tracer?.tried(arrival.trace);
		try {
			const admitted = arrival.following === null ? this.#admit(arrival) : this.#follow(arrival, arrival.following);
			if (admitted === null || admitted instanceof Promise) return admitted;
			return this.#handOver(arrival, admitted);
		} catch (error) {
			this.#reject(arrival, error);
			return null;
		}
	}

	/** Settles a message that broke a rule, or on which our own code failed. Throws `error` itself if it is fatal. */
	#reject(arrival: Arrival, error: unknown): void {
		const { rules, onRejection, failures, lastRejections } = this.#options;
		const { type, did } = arrival.message;
		const isRule = error instanceof Rejection;
		if (!isRule)
			reportFailure(`an admission of #${type}`, error, { did, host: arrival.sender.hostname }, arrival.frame);
		const rejection = isRule ? error : new Rejection("internal-error");
		failures.rejected(arrival.sender, arrival.message, rejection.reason, rejection.message);
		onRejection(arrival, rejection);
		if (arrival.trace !== null) this.#tracer?.settled(arrival, arrival.trace, rejection.reason);
		lastRejections.note(arrival.sender, arrival.message, rejection.reason, rejection.message, rules.clock());
		this.#settle(arrival, rejection.reason === "internal-error" ? FAILED : REJECTED);
	}

	#settle(arrival: Arrival, outcome: Outcome): void {
		if (arrival.place === "granted") this.#options.places.giveBack(arrival.sender.hostId);
		arrival.settle(outcome);
	}

	/** Hands a message over and settles it. If the ring is full it is admitted again later, since its account may change until then. */
	#handOver(arrival: Arrival, admitted: Admitted): Promise<unknown> | null {
		const { handover, rules } = this.#options;
		if (admitted.preceding !== undefined) {
			if (this.#push(arrival, admitted.preceding) === null) return this.#waitForRoom();
			rules.counters.add(accountsFoundActive);
		}
		const times = this.#timesOf(arrival);
		const position = this.#push(arrival, admitted, times);
		if (position === null) return this.#waitForRoom();
		if (times !== undefined) rules.counters.time(messageAdmissionSeconds, arrival.takenOnMs, times.handedOverMs);
		if (arrival.trace !== null && arrival.following === null) this.#tracer?.settled(arrival, arrival.trace, null);
		if (admitted.following !== undefined) {
			arrival.following = admitted.following;
			return this.#attempt(arrival);
		}
		const { sender, message } = arrival;
		this.#options.lastRejections.passed(sender.hostId, message.did, message.type);
		if (arrival.lenientReason !== null) this.#noteLenient(arrival, arrival.lenientReason);
		handover.time(arrival.arrivedAtMs);
		this.#settle(arrival, { rejected: false, ring: handover.ring, position });
		return null;
	}

	#noteLenient({ sender, message }: Arrival, reason: RejectionReason): void {
		this.#options.failures.lenient(sender, message, reason);
		if (this.#rules.has(sender.hostname)) this.#lenient.add(sender.hostname);
	}

	/** The times of a message that came from a host, and is handed over now. The object is used again. */
	#timesOf({ receivedMs, following }: Arrival): EntryTimes | undefined {
		// What follows a message is the relay's own, and has no times.
		if (receivedMs === 0 || following !== null) return undefined;
		this.#times.receivedMs = receivedMs;
		this.#times.handedOverMs = this.#steadyMs();
		return this.#times;
	}

	/**
	 * Hands one entry over and stores its account's new state. Returns the ring position after it, or null if the ring is full.
	 *
	 * @param times of the message itself, not of what precedes or follows it
	 */
	#push(arrival: Arrival, { entry, fact }: Admitted, times?: EntryTimes): number | null {
		const { handover, accounts, places, rules } = this.#options;
		const position = handover.push(entry, times);
		if (position === null) return null;
		const { did } = arrival.message;
		const before = accounts.peek(did);
		const state = next(before, fact, entry);
		if (state !== null && state !== before) {
			accounts.set(did, { ...state, position });
			if (places.note(before, state, arrival.place === "granted")) arrival.place = null;
		}
		rules.counters.add(messagesAccepted);
		return position;
	}

	#waitForRoom(): Promise<void> {
		this.#room = Promise.withResolvers();
		return this.#room.promise;
	}

	/**
	 * Makes the `#account` that follows a message. While it waited for room in the ring, the account's state may have left the cache, and
	 * the operator may have changed its status.
	 */
	#follow(arrival: Arrival, following: UpstreamStatus): Admitted | Promise<void> {
		const { accounts, rules } = this.#options;
		const { did } = arrival.message;
		const account = accounts.get(did);
		if (account === undefined) return accounts.load(did);
		if (account === null) throw new Error("a message that was handed over has left no account");
		return ownAccountMessage(did, account, following, rules.clock);
	}

	/** Returns null if the message was a repeat, which is now settled, and a promise if the message has to wait. */
	#admit(arrival: Arrival): Admitted | Promise<unknown> | null {
		const { message } = arrival;
		arrival.lenientReason = null;
		checkDid(message.did, this.#options.allowLocalhost);
		const account = this.#options.accounts.get(message.did);
		if (account === undefined) return this.#options.accounts.load(message.did);
		if (isRepeat(arrival, account)) {
			this.#options.rules.counters.add(messagesReplayed);
			this.#settle(arrival, REPEATED);
			return null;
		}
		const resolution = this.#resolution(arrival, account);
		if (resolution instanceof Promise) return resolution;
		const admitted = ADMISSIONS[message.type].admit(arrival, account, resolution, this.#rulesFor(arrival));
		if (admitted === "ask-host") return this.#askHost(arrival, resolution);
		if (admitted === "retry") return this.#refresh(arrival);
		return takesPlace(account, admitted) ? this.#place(arrival, account, admitted) : admitted;
	}

	/**
	 * For a message by which its account comes to a host, or is there again after its deletion: asks for a place. If there is none, the
	 * relay's own `#account` says that the account waits, and the message is admitted as any other of such an account.
	 */
	#place(arrival: Arrival, account: AccountState | null, admitted: Admitted): Admitted | Promise<unknown> | null {
		const { places, rules } = this.#options;
		const { sender, message } = arrival;
		if (arrival.place === null) return this.#askForPlace(arrival, places.ask(sender));
		const here = accountAt(account, sender.hostId);
		if (arrival.place === "granted") {
			const isTold = account === null || isActive(account) || !isActive(here) || admitted.preceding !== undefined;
			if (isTold || admitted.fact.type === "status") return admitted;
			// It was inactive where it was before, and consumers were told that.
			return { ...admitted, preceding: ownAccountMessage(message.did, here, ACTIVE, rules.clock) };
		}
		const own = ownAccountMessage(message.did, here, { ...ACTIVE, waits: true }, rules.clock);
		if (this.#push(arrival, own) === null) return this.#waitForRoom();
		rules.counters.add(accountsThrottled);
		return this.#admit(arrival);
	}

	async #askForPlace(arrival: Arrival, asked: Promise<boolean>): Promise<void> {
		arrival.place = (await asked) ? "granted" : "refused";
	}

	#resolution(arrival: Arrival, account: AccountState | null): Resolution | Promise<unknown> {
		if (arrival.resolution !== null) return arrival.resolution;
		const { identities, rules } = this.#options;
		const { did, type } = arrival.message;
		if (!ADMISSIONS[type].looksUpAnew) {
			const known = identities.get(did);
			rules.counters.add(known === null ? identityMisses : identityHits);
			return known ?? this.#await(arrival, identities.lookup(did, arrival.sender));
		}
		arrival.before = identities.peek(did);
		// From another host than the account's own: lookups are less frequent, and a known older document is no answer.
		if (isForeign(account, arrival.before, arrival.sender)) return this.#refresh(arrival);
		return this.#await(arrival, identities.recheck(did, arrival.sender, arrival.arrivedAtMs));
	}

	#refresh(arrival: Arrival): Promise<unknown> {
		arrival.refreshed = true;
		const { message, sender, arrivedAtMs } = arrival;
		return this.#await(arrival, this.#options.identities.refresh(message.did, sender, arrivedAtMs));
	}

	/** Asks the sender, which is the account's host, whether the account is active after all. */
	async #askHost(arrival: Arrival, resolution: Resolution): Promise<void> {
		const pds = resolution.outcome === "resolved" ? resolution.identity.pds : null;
		const { message, sender } = arrival;
		arrival.activeAtHost =
			pds !== null && (await this.#options.repoStatus.isActive(message.did, { id: sender.hostId, pds }));
	}

	async #await(arrival: Arrival, lookup: Promise<Resolution>): Promise<void> {
		if (arrival.trace !== null) this.#tracer?.asked(arrival.trace);
		arrival.resolution = await lookup;
		if (arrival.trace !== null) this.#tracer?.answered(arrival.trace);
	}
}

const ACTIVE = { active: true, status: null } as const;

/** Whether an account takes a place at its host by an admitted message, and has none there before. */
function takesPlace(account: AccountState | null, { preceding, fact, entry }: Admitted): boolean {
	// Nearly all messages are of accounts that have their place.
	if (account !== null && account.host === entry.host && placeOf(account) === entry.host) return false;
	const before = preceding === undefined ? account : next(account, preceding.fact, preceding.entry);
	const after = placeOf(next(before, fact, entry));
	return after !== null && after !== placeOf(account);
}

/** The account at a host to which it comes. Seqs of another host mean nothing there. */
function accountAt(account: AccountState | null, host: number): AccountState {
	const state = atHost(account, host);
	return account?.host === host ? state : { ...state, hostSeq: 0 };
}

function laneOf({ message, sender }: Arrival): string {
	return laneName(message.did, sender.hostId);
}

function laneName(did: string, hostId: number): string {
	return `${did} ${hostId}`;
}

/** Whether the account is, as far as we know, at another host than the sender. */
function isForeign(account: AccountState | null, known: Resolution | null, sender: Sender): boolean {
	if (account !== null && account.host !== NO_HOST) return account.host !== sender.hostId;
	return known?.outcome === "resolved" && known.identity.pdsHost !== sender.hostname;
}

function checkDid(did: string, allowLocalhost: boolean): void {
	if (!isDid(did)) throw new Rejection("did-syntax");
	if (didMethod(did, { allowLocalhost }) !== null) return;
	throw new Rejection(/^did:(plc|web):/.test(did) ? "did-syntax" : "did-method");
}
