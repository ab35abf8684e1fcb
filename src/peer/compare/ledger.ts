import { MESSAGE_TYPES, type MessageType } from "../../protocol/kinds/table.ts";
import type { PeerEvent } from "./event.ts";
import { Lags } from "./lags.ts";

/** Missing messages of one relay that are kept. Further ones are only counted. */
export const MISSING_KEPT_MAX = 1_000;
/** DIDs that are counted for one relay. */
const DIDS_MAX = 2_000_000;
/** The bits of a hash that a number holds exactly. */
const HASH_MASK = (1n << 53n) - 1n;

/** A message that a relay lacks. */
export type MissingEvent = Pick<PeerEvent, "type" | "did" | "rev" | "time">;

/** What was found of one relay. */
export interface RelayTally {
	events: number;
	byType: Record<MessageType, number>;
	/** Different DIDs, up to two million. */
	dids: number;
	/** Messages that another relay had and this one lacks. */
	missing: number;
	/** The first of them. */
	missingEvents: MissingEvent[];
	/** Messages that came again. */
	duplicates: number;
	/** Messages whose seq is not above the one before. */
	orderFaults: number;
	/** Frames that could not be read. */
	unreadable: number;
	/** Behind the first relay that had a message, of messages that all have. Null if there are none. */
	lagMs: { p50: number | null; p99: number | null };
}

/** What was found of all together. */
export interface LedgerTally {
	/** Messages that all relays have. */
	matched: number;
	/** Messages that some relay lacks. */
	lacking: number;
	/** Messages that only some had, but so near to the start or the end that the others may have had them before or after. */
	unjudged: number;
	/** The limit of remembered messages was reached. Messages further apart than that were not compared. */
	limitReached: boolean;
	relays: RelayTally[];
}

export interface LedgerOptions {
	relays: number;
	/** When all relays were connected. */
	startMs: number;
	/** A message that comes within this time after the start or before the end counts for no loss. */
	graceMs: number;
	/** Messages that are remembered. */
	eventsMax: number;
}

interface Pending {
	event: PeerEvent;
	firstMs: number;
	/** When each relay had it; null for those that have not. */
	seenMs: (number | null)[];
}

/** Keeps account of which relay had which message, and when. */
export class Ledger {
	readonly #options: LedgerOptions;
	/** Messages that some relay has not had yet, the oldest first. */
	readonly #pending = new Map<string, Pending>();
	/** Messages that all have had, the oldest first. They are kept to know repeats. */
	readonly #matched = new Set<string>();
	readonly #relays: { tally: RelayTally; lags: Lags; dids: Set<number>; lastSeq: number }[];
	#counts = { matched: 0, lacking: 0, unjudged: 0 };
	#limitReached = false;

	constructor(options: LedgerOptions) {
		this.#options = options;
		this.#relays = Array.from({ length: options.relays }, () => ({
			tally: emptyTally(),
			lags: new Lags(),
			dids: new Set(),
			lastSeq: 0,
		}));
	}

	/** A message came from a relay. Times must not go back. */
	note(at: number, event: PeerEvent, nowMs: number): void {
		const relay = this.#relay(at);
		const { tally, dids } = relay;
		tally.events++;
		tally.byType[event.type]++;
		if (dids.size < DIDS_MAX) dids.add(Number(Bun.hash.wyhash(event.did) & HASH_MASK));
		if (event.seq <= relay.lastSeq) tally.orderFaults++;
		relay.lastSeq = event.seq;
		this.#match(at, event, nowMs, tally);
	}

	unreadable(at: number): void {
		this.#relay(at).tally.unreadable++;
	}

	/** What was found. After this nothing may be noted any more. */
	settle(endMs: number): LedgerTally {
		for (const pending of this.#pending.values()) this.#settle(pending, endMs);
		this.#pending.clear();
		const relays = this.#relays.map(({ tally, lags, dids }) => ({
			...tally,
			dids: dids.size,
			lagMs: { p50: lags.quantile(0.5), p99: lags.quantile(0.99) },
		}));
		return { ...this.#counts, limitReached: this.#limitReached, relays };
	}

	#relay(at: number) {
		const relay = this.#relays[at];
		if (relay === undefined) throw new RangeError(`there is no relay ${at}`);
		return relay;
	}

	#match(at: number, event: PeerEvent, nowMs: number, tally: RelayTally): void {
		const { key } = event;
		const known = this.#pending.get(key);
		if (this.#matched.has(key) || (known?.seenMs[at] ?? null) !== null) {
			tally.duplicates++;
			return;
		}
		const pending = known ?? { event, firstMs: nowMs, seenMs: this.#relays.map(() => null) };
		pending.seenMs[at] = nowMs;
		if (known === undefined) {
			this.#makeRoom(nowMs);
			this.#pending.set(key, pending);
		}
		if (pending.seenMs.includes(null)) return;
		this.#pending.delete(key);
		this.#matched.add(key);
		this.#counts.matched++;
		for (const [other, seenMs] of pending.seenMs.entries())
			this.#relay(other).lags.add((seenMs ?? nowMs) - pending.firstMs);
	}

	/** Forgets what all have had, and then what is oldest, if the limit is reached. */
	#makeRoom(nowMs: number): void {
		if (this.#pending.size + this.#matched.size < this.#options.eventsMax) return;
		this.#limitReached = true;
		const [matched] = this.#matched;
		if (matched !== undefined) {
			this.#matched.delete(matched);
			return;
		}
		const [oldest] = this.#pending;
		if (oldest === undefined) return;
		this.#pending.delete(oldest[0]);
		this.#settle(oldest[1], nowMs);
	}

	#settle({ event, firstMs, seenMs }: Pending, endMs: number): void {
		const { startMs, graceMs } = this.#options;
		if (firstMs < startMs + graceMs || firstMs > endMs - graceMs) {
			this.#counts.unjudged++;
			return;
		}
		this.#counts.lacking++;
		const { type, did, rev, time } = event;
		for (const [at, ms] of seenMs.entries()) {
			if (ms !== null) continue;
			const { tally } = this.#relay(at);
			tally.missing++;
			if (tally.missingEvents.length < MISSING_KEPT_MAX) tally.missingEvents.push({ type, did, rev, time });
		}
	}
}

function emptyTally(): RelayTally {
	const byType = Object.fromEntries(MESSAGE_TYPES.map((type) => [type, 0])) as Record<MessageType, number>;
	return {
		events: 0,
		byType,
		dids: 0,
		missing: 0,
		missingEvents: [],
		duplicates: 0,
		orderFaults: 0,
		unreadable: 0,
		lagMs: { p50: null, p99: null },
	};
}
