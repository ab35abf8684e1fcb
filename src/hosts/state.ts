import {
	type HostConnection,
	type HostError,
	isSameConnection,
	type Throttled,
} from "../log/record/host-connection.ts";
import type { HostStatus } from "../protocol/host-status.ts";
import { type FaultRule, HOST_FAULTS, type HostFault, isHostFault, type Retry } from "./fault.ts";

/**
 * Where a host is in its life. `new`: not followed yet. `waiting`: for the time of its next attempt. `queued`: for its turn to
 * dial. `barred`: not dialled, since it is banned or is a relay. `stopped`: the relay is shutting down.
 */
export type HostPhase = "new" | "waiting" | "queued" | "dialling" | "connected" | "barred" | "stopped";

/** All that is known of the connection to a host. Times are Unix ms, by a clock that never goes back. */
export interface HostState {
	readonly phase: HostPhase;
	/** When the relay first heard of it; null if an older release did. */
	readonly firstSeenMs: number | null;
	/** When the last connection was made. */
	readonly connectedAtMs: number | null;
	/** When it ended; null if it has not, as far as we know. */
	readonly disconnectedAtMs: number | null;
	readonly lastEventMs: number | null;
	/** Failures since the last connection that lasted. A request for the host forgets all but one of them. */
	readonly failures: number;
	/** Set while it is waiting. */
	readonly nextAttemptMs: number | null;
	/** Why it is not connected, or was not before. */
	readonly lastError: HostError | null;
	readonly throttled: Throttled | null;
	/** Days on which its messages were good, and the last of them. */
	readonly goodDays: number;
	readonly lastGoodDay: number | null;
	/** Why an operator has banned it; null if it is not banned. */
	readonly ban: string | null;
	/** Somebody has asked for it: it is dialled before those that have only been waiting. */
	readonly isUrgent: boolean;
	/** When somebody last asked for it; null if nobody has since the start. */
	readonly askedAtMs: number | null;
	/** Of the next delay's jitter. */
	readonly seed: number;
}

/** What happens to a host. */
export type HostFact =
	/** The relay begins to follow its hosts. */
	| { readonly type: "start" }
	| { readonly type: "asked"; readonly by: "operator" | "stranger" }
	/** The time of the next attempt has come. */
	| { readonly type: "due" }
	/** It is the host's turn to dial. */
	| { readonly type: "turn" }
	| { readonly type: "opened" }
	/** The attempt failed, or the connection ended. `progress`: a new message came over it. */
	| { readonly type: "ended"; readonly fault: HostFault; readonly text: string; readonly progress: boolean }
	/** It will be asked for another place in its stream from now on: what it answered before says nothing. */
	| { readonly type: "moved" }
	/** Its last message came so many ms ago. */
	| { readonly type: "heard"; readonly agoMs: number }
	/** A day of it has ended on which its messages were good. */
	| { readonly type: "goodDay"; readonly day: number }
	/** Its messages are held back. */
	| { readonly type: "throttled"; readonly why: string }
	| { readonly type: "released" }
	/** Hosts can be reached again, after hardly any could since then. */
	| { readonly type: "networkBack"; readonly sinceMs: number }
	| { readonly type: "banned"; readonly why: string }
	/** The ban is lifted. */
	| { readonly type: "allowed" }
	/** The relay is shutting down. */
	| { readonly type: "stop" };

/** What is to be done for a host, in this order. */
export type HostEffect =
	/** Report `due` at this time. */
	| { readonly type: "wait"; readonly untilMs: number }
	| { readonly type: "unwait" }
	/** Report `turn` when the host may dial. For a host that is queued already: put it in front. */
	| { readonly type: "queue"; readonly isUrgent: boolean }
	| { readonly type: "unqueue" }
	/** Dial, and report `opened` or `ended`. */
	| { readonly type: "dial" }
	/** The attempt is over: another host may dial. */
	| { readonly type: "release" }
	/** End the attempt or the connection. Whatever is still reported of it must not come here any more. */
	| { readonly type: "hangUp" }
	/** Write what is known to the log. */
	| { readonly type: "record" };

const FIRST_DELAY_MS = 1_000;
export const DELAY_MS_MAX = 3_600_000;
const HALF_HOUR_MS = 30 * 60_000;
/** A connection that was open this long counts as a success, even if the host sent nothing. */
export const LASTING_MS = 60_000;
/** So does one that was open this long and brought messages. */
export const LASTING_WITH_PROGRESS_MS = 5_000;
/** A stranger's request within this time of the last one has no effect: else anybody could make us dial as often as they ask. */
export const ASKED_INTERVAL_MS = 60_000;
/** The time of the last message is written to the log each time it has come into another span of this length. */
const HEARD_SPAN_MS = 3_600_000;
/** Seeds rise by this, and so come to every number before one comes back. */
const SEED_STEP = 0x9e3779b9;
/** Of a fault's text. A host can choose parts of it. */
const TEXT_CHARS_MAX = 200;

/** A host as the log knows it, before it is followed. @param seed any integer: hosts should have different ones */
export function initialState(known: HostConnection, seed: number): HostState {
	const { firstSeenMs, connectedAtMs, disconnectedAtMs, lastEventMs, failures, nextAttemptMs, lastError } = known;
	const { goodDays, lastGoodDay } = known;
	return {
		...{ phase: "new", firstSeenMs, goodDays, lastGoodDay },
		...{ connectedAtMs, disconnectedAtMs, lastEventMs, nextAttemptMs, lastError, throttled: null, ban: null },
		// A host that was connected when the relay stopped has not failed since.
		failures: known.connected ? 0 : failures,
		...{ isUrgent: false, askedAtMs: null, seed: seed >>> 0 },
	};
}

/** The part of a host's state that the log keeps. */
export function connectionOf(state: HostState): HostConnection {
	const { phase, firstSeenMs, goodDays, lastGoodDay, ...facts } = state;
	const { connectedAtMs, disconnectedAtMs, lastEventMs, failures, nextAttemptMs, lastError, throttled } = facts;
	return {
		firstSeenMs,
		connected: phase === "connected",
		connectedAtMs,
		disconnectedAtMs,
		lastEventMs,
		failures,
		nextAttemptMs,
		lastError,
		throttled,
		goodDays,
		lastGoodDay,
	};
}

/** The status that the lexicon's words give a host. It follows from the facts alone. */
export function statusOf(state: HostState): HostStatus {
	const { phase, throttled, ban } = state;
	if (ban !== null) return "banned";
	if (phase === "connected") return throttled === null ? "active" : "throttled";
	return faultOf(state)?.status ?? "idle";
}

/** Why a host has its status, for people. */
export function detailOf(state: HostState): string {
	const { phase, throttled, lastError, ban } = state;
	if (ban !== null) return ban;
	if (phase === "connected") return throttled?.why ?? "connected";
	const fault = faultOf(state);
	return fault === null || lastError === null
		? "not dialled yet since the relay's start"
		: `${lastError.text.replace(/[.\s]+$/, "")}; ${fault.advice}`;
}

/** The next state of a host, and what is to be done. Pure: the same arguments always give the same answer. */
export function next(state: HostState, fact: HostFact, nowMs: number): { state: HostState; effects: HostEffect[] } {
	const after = step(state, fact, nowMs);
	return { state: after, effects: after === state ? [] : effectsBetween(state, after) };
}

type FactOf<T extends HostFact["type"]> = Extract<HostFact, { type: T }>;
type Step<T extends HostFact["type"]> = (state: HostState, fact: FactOf<T>, nowMs: number) => HostState;
type Row = { readonly [T in HostFact["type"]]?: Step<T> };

/** In every phase. */
const ANYWHERE = {
	heard: heard,
	// A day counts once, also if the relay has started anew on it.
	goodDay: (state, { day }) =>
		day === state.lastGoodDay ? state : { ...state, goodDays: state.goodDays + 1, lastGoodDay: day },
	banned: (state, { why }, nowMs) => ({ ...into(state, "barred"), ban: why, disconnectedAtMs: endOf(state, nowMs) }),
	stop: (state) => into(state, "stopped"),
} as const satisfies Row;

/** What each fact does in each phase. A fact that is not named has no effect there. */
const TABLE: { readonly [P in HostPhase]: Row } = {
	new: { ...ANYWHERE, start, asked: (state, _, nowMs) => ({ ...queued(state), isUrgent: true, askedAtMs: nowMs }) },
	waiting: { ...ANYWHERE, asked, due: queued, moved: (state) => ({ ...queued(state), isUrgent: true }), networkBack },
	queued: {
		...ANYWHERE,
		asked: (state) => ({ ...state, isUrgent: true }),
		turn: (state) => into(state, "dialling"),
	},
	dialling: { ...ANYWHERE, opened, ended },
	connected: {
		...ANYWHERE,
		ended,
		throttled: (state, { why }, nowMs) => ({
			...state,
			throttled: { sinceMs: state.throttled?.sinceMs ?? nowMs, why: cut(why) },
		}),
		released: (state) => ({ ...state, throttled: null }),
	},
	barred: {
		...ANYWHERE,
		allowed: (state) => (state.ban === null ? state : { ...queued(state), ban: null }),
		// The host may have been a relay and be a PDS now. A ban is lifted by `allowed` only.
		asked: (state, { by }, nowMs) =>
			by === "operator" && state.ban === null ? asked(state, { type: "asked", by }, nowMs) : state,
	},
	stopped: {},
};

function step<T extends HostFact["type"]>(state: HostState, fact: FactOf<T>, nowMs: number): HostState {
	const row: { readonly [K in T]?: Step<K> } = TABLE[state.phase];
	return row[fact.type as T]?.(state, fact, nowMs) ?? state;
}

/** What a change from one state to another asks for: each phase is left and entered in one way. */
function effectsBetween(before: HostState, after: HostState): HostEffect[] {
	const effects: HostEffect[] = [];
	if (before.phase !== after.phase) {
		if (before.phase === "waiting") effects.push({ type: "unwait" });
		if (before.phase === "queued" && after.phase !== "dialling") effects.push({ type: "unqueue" });
		if (before.phase === "dialling") effects.push({ type: "release" });
		if (isOver(after) && (before.phase === "dialling" || before.phase === "connected"))
			effects.push({ type: "hangUp" });
		if (after.phase === "waiting") effects.push({ type: "wait", untilMs: after.nextAttemptMs ?? 0 });
		if (after.phase === "dialling") effects.push({ type: "dial" });
	}
	const isPutInFront = after.isUrgent && !before.isUrgent;
	if (after.phase === "queued" && (before.phase !== "queued" || isPutInFront))
		effects.push({ type: "queue", isUrgent: after.isUrgent });
	if (isWorthRecording(before, after)) effects.push({ type: "record" });
	return effects;
}

function isOver({ phase }: HostState): boolean {
	return phase === "barred" || phase === "stopped";
}

/** How an attempt ends will be recorded, so its turn to dial need not be. A shutdown says nothing of a host. */
function isWorthRecording(before: HostState, after: HostState): boolean {
	if (after.phase === "stopped") return false;
	if (statusOf(before) !== statusOf(after)) return true;
	if (isInTurn(after)) return false;
	if (isInTurn(before)) return true;
	const span = (ms: number | null): number => Math.floor((ms ?? 0) / HEARD_SPAN_MS);
	const a = connectionOf(before);
	const b = connectionOf(after);
	return span(a.lastEventMs) !== span(b.lastEventMs) || !isSameConnection(a, { ...b, lastEventMs: a.lastEventMs });
}

function isInTurn({ phase }: HostState): boolean {
	return phase === "queued" || phase === "dialling";
}

function into(state: HostState, phase: HostPhase): HostState {
	return { ...state, phase, nextAttemptMs: null, throttled: null, isUrgent: false };
}

function queued(state: HostState): HostState {
	return into(state, "queued");
}

/** Goes on with what the log knows. An attempt that was planned keeps its time, so that a restart does not dial all hosts that are down. */
function start(state: HostState, _: HostFact, nowMs: number): HostState {
	const { nextAttemptMs } = state;
	if (faultOf(state)?.retry === "never") return into(state, "barred");
	if (nextAttemptMs === null || nextAttemptMs <= nowMs) return queued(state);
	// The clock may have been wrong then, or be wrong now.
	return { ...into(state, "waiting"), nextAttemptMs: Math.min(nextAttemptMs, nowMs + DELAY_MS_MAX) };
}

function asked(state: HostState, { by }: FactOf<"asked">, nowMs: number): HostState {
	const { askedAtMs, failures } = state;
	if (by === "stranger" && askedAtMs !== null && nowMs - askedAtMs < ASKED_INTERVAL_MS) return state;
	return { ...queued(state), isUrgent: true, askedAtMs: nowMs, failures: Math.min(failures, 1) };
}

function opened(state: HostState, _: HostFact, nowMs: number): HostState {
	return { ...into(state, "connected"), connectedAtMs: nowMs, disconnectedAtMs: null };
}

function ended(state: HostState, { fault, text, progress }: FactOf<"ended">, nowMs: number): HostState {
	const wasConnected = state.phase === "connected";
	const heldMs = wasConnected ? nowMs - (state.connectedAtMs ?? nowMs) : 0;
	const hasLasted = heldMs >= LASTING_MS || (progress && heldMs >= LASTING_WITH_PROGRESS_MS);
	const { retry } = HOST_FAULTS[fault];
	const before = hasLasted || retry === "soon" ? 0 : state.failures;
	const failures = retry === "backoff" ? before + 1 : before;
	const lastError = { fault, text: cut(text), atMs: nowMs };
	const failed = { ...state, failures, lastError, disconnectedAtMs: endOf(state, nowMs) };
	if (retry === "never") return into(failed, "barred");
	const seed = (state.seed + SEED_STEP) >>> 0;
	return { ...into(failed, "waiting"), nextAttemptMs: nowMs + delayMs(retry, failures, chanceOf(seed)), seed };
}

/** When its last connection ended, if the present one ends now. */
function endOf({ phase, disconnectedAtMs }: HostState, nowMs: number): number | null {
	return phase === "connected" ? nowMs : disconnectedAtMs;
}

/** What made this host fail is over, if it was connected when it began. */
function networkBack(state: HostState, { sinceMs }: FactOf<"networkBack">): HostState {
	const { connectedAtMs, disconnectedAtMs, failures } = state;
	const wasUp = connectedAtMs !== null && (disconnectedAtMs === null || disconnectedAtMs >= sinceMs);
	if (!wasUp || faultOf(state)?.retry !== "backoff") return state;
	return { ...queued(state), failures: Math.min(failures, 1) };
}

function heard(state: HostState, { agoMs }: FactOf<"heard">, nowMs: number): HostState {
	return { ...state, lastEventMs: Math.max(state.lastEventMs ?? 0, nowMs - agoMs) };
}

/** Delays double up to a maximum. Each is shortened by up to its half, so that hosts which failed together come back spread. */
function delayMs(retry: Exclude<Retry, "never">, failures: number, chance: number): number {
	if (retry === "half-hour") return HALF_HOUR_MS;
	const wholeMs = Math.min(DELAY_MS_MAX, FIRST_DELAY_MS * 2 ** Math.max(0, failures - 1));
	return Math.round(wholeMs * (1 - chance / 2));
}

/** A number in [0, 1) that looks random (splitmix32). */
function chanceOf(seed: number): number {
	let mixed = Math.imul(seed ^ (seed >>> 16), 0x21f0aaad);
	mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
	return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32;
}

/** What follows from the last error, if it is why the host is not connected; null if it is older than the last connection. */
export function faultOf({ connectedAtMs, lastError }: HostState): FaultRule | null {
	if (lastError === null || lastError.atMs < (connectedAtMs ?? 0)) return null;
	// A fault that only another release knows is taken for the most general one.
	return HOST_FAULTS[isHostFault(lastError.fault) ? lastError.fault : "dropped"];
}

function cut(text: string): string {
	return text.slice(0, TEXT_CHARS_MAX).toWellFormed();
}
