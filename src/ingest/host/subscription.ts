// ingest/host/: the connections to hosts, with their cursors and budgets. It judges no message.

import type { EventLimits } from "../../config/setting.ts";
import type { DelayReport } from "../../control/delays.ts";
import type { HostUsage } from "../../control/host-details.ts";
import type { DelayView } from "../../control/why.ts";
import { HOST_FAULT_NAMES, type HostFault } from "../../hosts/fault.ts";
import type { HostEvent, HostGapReason, HostTarget } from "../../hosts/messages.ts";
import type { HostTally } from "../../hosts/tallies.ts";
import type { Counters } from "../../observe/counters.ts";
import { logOf } from "../../observe/log.ts";
import { counter, gauge } from "../../observe/metric.ts";
import { readFrame } from "../../protocol/frame.ts";
import type { Message } from "../../protocol/kinds/table.ts";
import type { ScannedFrame } from "../../protocol/message.ts";
import { CLOSE_CODES, type RejectionReason } from "../../protocol/reasons.ts";
import { Rejection } from "../../protocol/rejection.ts";
import { isRelay } from "../../protocol/relay-token.ts";
import { reportFailure } from "../../runtime/boundary.ts";
import { LogLimiter } from "../../runtime/log-limiter.ts";
import { monotonicMsOf, steadyMs } from "../../runtime/steady-clock.ts";
import { systemTiming, type Timing } from "../../runtime/timing.ts";
import { type Arrival, arrivalOf, type Sender } from "../arrival.ts";
import type { HostFailures } from "../host-failures.ts";
import { FAILED, GIVEN_UP, type Outcome, REJECTED } from "../outcome.ts";
import { type Budget, type HostBudget, MESSAGE_OVERHEAD_BYTES } from "./budget.ts";
import { CatchUp } from "./catch-up.ts";
import { type Delayed, Delays } from "./delays.ts";
import { Detour } from "./detour.ts";
import { RefusedCursor } from "./refused-cursor.ts";
import { HostSocket } from "./socket.ts";
import type { SocketEnd } from "./socket-fault.ts";
import { HostWindow, type Slot, WINDOW_SLOTS_MAX } from "./window.ts";

const framesReceived = counter(
	"frames_received_total",
	"WebSocket messages received from hosts",
	"If it stops, look at `standpipe_hosts_connected` and at your network; then at `standpipe_log_stalled`, since a stalled log pauses hosts.",
);
const bytesReceived = counter(
	"bytes_received_total",
	"bytes of WebSocket messages received from hosts",
	"Compare it with the line's capacity: near that, hosts fall back.",
);
const framesNoncanonical = counter(
	"frames_noncanonical_total",
	"valid frames that some consumers could not have read, and that were rewritten",
	"Nothing to do: they are made readable. Tell the host's operator if it is one host.",
);
const framesIgnored = counter(
	"frames_ignored_total",
	"frames with an op or type that we don't know, skipped",
	"If it grows, hosts send a kind of message that is newer than this release: look for an update.",
);
const hostInfos = counter(
	"host_infos_total",
	"notices from hosts, such as that a cursor is outdated",
	"If it grows, look at `standpipe_host_outdated_cursors_total` and in the log lines.",
);
const hostErrors = counter(
	"host_errors_total",
	"error frames from hosts",
	"If it grows, the log lines say which host sent which error; tell its operator.",
);
const hostOutdatedCursors = counter(
	"host_outdated_cursors_total",
	"times a host could not replay from our cursor, so that some of its messages were missed",
	"If it grows, the relay was away for longer than hosts keep messages: consumers of their accounts need a `#sync` or a fetch of the repo.",
);
const hostGaps = counter(
	"host_gaps_total",
	"times messages of a host may have been missed: the log says of which host, after which seq and why",
	"If it grows, read the log lines: if the hosts are at fault, tell their operators; if the relay was down too long, keep it up.",
);
const hostConnects = counter(
	"host_connects_total",
	"successful connections to hosts",
	"If it grows as fast as `standpipe_host_disconnects_total` all the time, connections do not hold: look at your network.",
);
const hostDisconnects = counter(
	"host_disconnects_total",
	"connections to hosts that ended",
	"If it jumps, many connections ended at once: look at your network. `standpipe_host_ends_total` has the reasons.",
);
const hostEnds = counter(
	"host_ends_total",
	"connections to hosts that ended, and attempts to connect that failed, by the reason",
	"The label says whose fault it is: many `dns`, `unreachable` or `timeout` at once are your network's, a single host's are its own.",
	{ name: "fault", values: HOST_FAULT_NAMES },
);
const hostPauses = counter(
	"host_pauses_total",
	"times a host's socket was paused because a budget of bytes was reached",
	"If it grows fast, verification or the disk is slower than what hosts send: look at the processor and at `standpipe_log_sync_seconds`.",
);
const hostsConnected = gauge(
	"hosts_connected",
	"hosts connected now",
	"If it falls at once, look at your network; if single hosts are missing, `standpipe hosts list` says why.",
);
const inflightBytes = gauge(
	"inflight_bytes",
	"bytes received from hosts and not yet durable or rejected",
	"If it stays near its limit, the relay is slower than what hosts send: look at the processor, the disk and the PLC directory.",
);

/** After more messages out of order than this, the connection is closed and made again. */
const SEQ_VIOLATIONS_MAX = 100;
/** After more unreadable messages in a row than this, the connection is closed: it is not just a single bad message. */
const UNREADABLE_IN_ROW_MAX = 100;
/** Minimum time between two requests to a host, whose seqs went back, for all that it has. */
const FROM_START_INTERVAL_MS = 24 * 3_600_000;
/** A host whose messages have been held back for this long is throttled. */
const THROTTLED_AFTER_MS = 10_000;
/** At most one log line of each host and kind in this time. */
const LOG_INTERVAL_MS = 60_000;
const LOG_KINDS_MAX = 128;

/** Messages are left out, and none waits now. */
const NOTHING_WAITS = { forMs: 0, messages: 0, bytes: 0, accounts: 0, next: null, account: null };

const log = logOf("ingest");

export interface SubscriptionOptions {
	tally: HostTally;
	budget: Budget;
	hostBufferBytes: number;
	userAgent: string;
	counters: Counters;
	/** Counts what fails, by host. */
	failures: Pick<HostFailures, "rejected">;
	/** Takes each message to its DID's shard. `settle` is called exactly once. */
	deliver: (arrival: Arrival) => void;
	/**
	 * Stores the low-water marks. Called if the mark has moved in a way that must be in the log before the next messages: after a
	 * crash without it we would not know where to go on.
	 */
	storeCursor: () => void;
	emit: (event: HostEvent) => void;
	timing?: Timing;
}

/** A message that waits because of a limit of its host. */
interface Waiting extends Delayed {
	readonly arrival: Arrival;
	readonly slot: Slot;
}

/**
 * Follows one host: connects when it is told to, takes its frames in, and tracks up to which seq they are settled. When to connect
 * is decided by the host manager (`hosts/state.ts`), which is told how each attempt ends.
 */
export class HostSubscription {
	readonly window: HostWindow;
	readonly #sender: Sender;
	readonly #host: HostTarget;
	readonly #options: SubscriptionOptions;
	readonly #timing: Timing;
	readonly #budget: HostBudget;
	readonly #delays: Delays<Waiting>;
	/** Gets the messages that are left out; null if none are. */
	#catchUp: CatchUp | null = null;
	readonly #detour = new Detour();
	readonly #refusedCursor = new RefusedCursor();
	readonly #limiter: LogLimiter;
	#socket: HostSocket | null = null;
	/** What the host manager calls the current connection or attempt. */
	#attempt = 0;
	#stopped = false;
	#budgetPaused = false;
	/** Since when its messages are held back; null if they are not. */
	#heldBackSinceMs: number | null = null;
	#isThrottled = false;
	/** Messages that have come since the start. */
	#messages = 0;
	/** Those of them that `takeMessages` has told of. */
	#messagesTold = 0;
	/** Whether a message has come since the last time that somebody asked. */
	#heard = false;
	/** The upstream seq to go on after: everything up to it has been received. Null for the host's live end. */
	#received: number | null;
	/** Messages that may have been missed, and are not yet reported. */
	#gap: { count: number; reason: HostGapReason; afterSeq: number | null } | null = null;
	/** Unreadable messages after this seq are counted as one gap, however often they come. */
	#gapNotedAt: number | null | undefined;
	/** When the host was last asked for all that it has, because its seqs went back. */
	#askedFromStartMs = Number.NEGATIVE_INFINITY;
	/** From here on: state of the current connection. The last seq received over it. */
	#lastSeq = 0;
	/** A seq up to this one was received before, or the host has restarted its numbering. */
	#knownSeq = 0;
	#seqViolations = 0;
	#unreadableInRow = 0;
	/** Whether a message has come, other than the one at our cursor. */
	#madeProgress = false;
	#isOpen = false;
	/** Why we end the connection, if we do. */
	#ending: SocketEnd | null = null;

	constructor(host: HostTarget, options: SubscriptionOptions) {
		this.#host = host;
		this.#options = options;
		this.#timing = options.timing ?? systemTiming;
		this.#limiter = new LogLimiter({
			intervalMs: LOG_INTERVAL_MS,
			keysMax: LOG_KINDS_MAX,
			nowMs: () => this.#timing.nowMs(),
		});
		this.#sender = { hostId: host.id, hostname: host.hostname };
		this.#received = host.cursor;
		this.window = new HostWindow(host.cursor);
		this.#budget = options.budget.host(options.hostBufferBytes, {
			pause: () => {
				this.#budgetPaused = true;
				options.counters.add(hostPauses);
				this.#socket?.pause();
			},
			resume: () => {
				this.#budgetPaused = false;
				this.#applyPause();
				this.#catchUp?.goOn();
			},
		});
		this.#delays = new Delays<Waiting>({
			limits: host.limits,
			timing: this.#timing,
			counters: options.counters,
			onWaiting: (isWaiting) => options.tally.noteWaiting(isWaiting),
			pass: ({ arrival, slot }) => {
				try {
					this.#deliver(arrival, slot);
				} catch (error) {
					reportFailure("a delayed message", error, { host: host.hostname }, arrival.frame);
				}
				this.#catchUp?.goOn();
			},
		});
	}

	/** From now on the host has these limits; null for none. */
	setLimits(limits: EventLimits | null): void {
		this.#delays.setLimits(limits);
	}

	/** What waits because of the limits; null if nothing does. */
	delays(): DelayReport | null {
		const report = this.#delays.report();
		return report === null ? null : { ...report, leftOut: this.#catchUp?.accounts ?? 0 };
	}

	/** What waits because of the limits, in short; null if nothing does. @param did an account of which more is told */
	delayView(did: string | null): DelayView | null {
		const leftOut = this.#catchUp?.accounts ?? 0;
		const view = this.#delays.view(did);
		if (view === null && leftOut === 0) return null;
		const isLeftOut = did !== null && this.#catchUp?.has(did) === true;
		return { ...(view ?? NOTHING_WAITS), leftOut, isLeftOut };
	}

	/** What has come of the host since the start. */
	usage(): Omit<HostUsage, "hostId"> {
		return { messages: this.#messages, used: this.#delays.used() };
	}

	/** How many messages have come since the last call. */
	takeMessages(): number {
		const messages = this.#messages - this.#messagesTold;
		this.#messagesTold = this.#messages;
		return messages;
	}

	/** Whether all that was received is durable, rejected or given up. */
	get isSettled(): boolean {
		return this.window.size === 0 && this.#catchUp === null;
	}

	/** Connects, unless it is connected. @param attempt what the events of the connection are to name */
	dial(attempt: number): void {
		if (this.#socket !== null) return;
		this.#stopped = false;
		this.#attempt = attempt;
		this.#dial();
	}

	/**
	 * Ends the connection, and reports no more of it. Messages that were received are still handled, but for those that wait because of a limit: they are given up,
	 * and the host is asked for them again if it is followed again.
	 */
	stop(code: number, reason: string): void {
		this.#stopped = true;
		this.#socket?.close(code, reason);
		this.#giveUpWaiting();
	}

	/** Goes on from another cursor, or from the host's live end (null), as an operator asked. */
	resetCursor(cursor: number | null): void {
		const hadSocket = this.#socket !== null;
		this.#hangUp(1000, "cursor reset", "moved");
		this.#noteGap("cursor-reset", `an operator set the cursor to ${cursor ?? "the live end"}`);
		this.#goOnFrom(cursor);
		if (!hadSocket) this.#options.emit({ type: "moved", hostId: this.#host.id, attempt: this.#attempt });
	}

	/** Whether a message has come since the last call. */
	takeHeard(): boolean {
		const heard = this.#heard;
		this.#heard = false;
		return heard;
	}

	/** Moves and returns the low-water mark: see `HostWindow.advance`. Also reports a gap, if there is one. */
	advance(acknowledged: (ring: number) => number): number | null {
		const cursor = this.#lowWater(acknowledged);
		this.#applyPause();
		this.#noteThrottled();
		if (this.#gap !== null) this.#options.emit({ type: "hostGap", hostId: this.#host.id, ...this.#gap });
		this.#gap = null;
		return cursor;
	}

	/** The mark of all that was received: messages that were left out, and have come since, may hold it back. */
	#lowWater(acknowledged: (ring: number) => number): number | null {
		const mark = this.window.advance(acknowledged);
		const catchUp = this.#catchUp;
		if (catchUp === null) return mark;
		const caughtUp = catchUp.advance(acknowledged);
		catchUp.goOn();
		if (catchUp.isDone) this.#catchUp = null;
		else if (mark === null || caughtUp < mark) return caughtUp;
		return mark;
	}

	#giveUpWaiting(): void {
		const waiting = this.#delays.clear();
		if (this.#catchUp !== null) {
			// What was left out has not come. So all that has come since is asked for again.
			const mark = this.#lowWater(() => 0);
			this.#dropCatchUp();
			this.#received = mark;
			this.window.restart(mark);
		} else if (waiting.length > 0) {
			this.#received = this.window.giveUp(new Set(waiting.map(({ slot }) => slot)));
		}
		for (const { arrival } of waiting) arrival.settle(GIVEN_UP);
	}

	#dropCatchUp(): void {
		this.#catchUp?.stop();
		this.#catchUp = null;
	}

	/** Reports that the host's messages are held back, when they have been for a while, and when they no longer are. */
	#noteThrottled(): void {
		if (!this.#isOpen || !this.#isHeldBack()) {
			if (this.#isThrottled) this.#emitThrottled(null);
			this.#heldBackSinceMs = null;
			return;
		}
		this.#heldBackSinceMs ??= this.#timing.nowMs();
		if (this.#isThrottled || this.#timing.nowMs() - this.#heldBackSinceMs < THROTTLED_AFTER_MS) return;
		const unit = this.#budgetPaused ? "bytes" : "messages";
		const whatFor = this.#delays.size > 0 ? "its limits" : "identities, accounts or the log";
		this.#emitThrottled(`as many ${unit} of it as may wait do so, for ${whatFor}`);
	}

	#emitThrottled(why: string | null): void {
		this.#isThrottled = why !== null;
		this.#options.emit({ type: "throttled", hostId: this.#host.id, attempt: this.#attempt, why });
	}

	#isHeldBack(): boolean {
		return this.#budgetPaused || this.window.size >= WINDOW_SLOTS_MAX;
	}

	#dial(): void {
		this.#ending = null;
		this.#lastSeq = 0;
		this.#knownSeq = this.#received ?? 0;
		this.#seqViolations = 0;
		this.#unreadableInRow = 0;
		this.#madeProgress = false;
		const { hostname, insecure } = this.#host;
		const { userAgent } = this.#options;
		const cursor = this.#detour.cursor(this.#received);
		try {
			this.#socket = new HostSocket(
				{ hostname, insecure, cursor, userAgent, timing: this.#timing },
				{
					opened: (server) => this.#opened(server, cursor),
					frame: (bytes) => this.#frame(bytes),
					unreadable: (reason, detail, isLast) => this.#unreadable(reason, detail, isLast),
					closed: (end) => this.#closed(this.#ending ?? end),
				},
			);
		} catch (error) {
			// An older release may have accepted a name that can't be dialled.
			reportFailure("a dial", error, { host: hostname });
			this.#closed({ fault: "internal", text: "the connection could not be set up" });
			return;
		}
		this.#applyPause();
	}

	#applyPause(): void {
		if (this.#socket === null) return;
		if (this.#isHeldBack()) this.#socket.pause();
		else this.#socket.resume();
	}

	#opened(server: string, cursor: number | null): void {
		this.#isOpen = true;
		this.#options.counters.add(hostConnects);
		this.#options.counters.add(hostsConnected);
		if (isRelay(server)) {
			log.warning("{host} is a relay itself, and is not followed", { host: this.#host.hostname, server });
			this.#hangUp(1000, "banned", "relay-loop", `it is a relay itself (Server: ${server.slice(0, 100)})`);
			return;
		}
		this.#log("info", "connected to {host}", "connects", { cursor });
		this.#options.emit({ type: "opened", hostId: this.#host.id, attempt: this.#attempt });
	}

	/** Ends the connection or the attempt, if there is one, for a reason of ours. */
	#hangUp(code: number, reason: string, fault: HostFault, text = reason): void {
		this.#ending = { fault, text };
		this.#socket?.close(code, reason);
	}

	#closed({ fault, text }: SocketEnd): void {
		this.#options.counters.add(hostEnds.of(fault));
		if (this.#isOpen) {
			this.#options.counters.add(hostDisconnects);
			this.#options.counters.add(hostsConnected, -1);
		}
		this.#isOpen = false;
		this.#isThrottled = false;
		this.#socket = null;
		if (this.#stopped) return;
		this.#log("info", "no connection to {host}: {detail}", "disconnects", { fault, detail: text });
		const { id: hostId } = this.#host;
		const ended = { hostId, attempt: this.#attempt, fault, text, progress: this.#madeProgress };
		this.#options.emit({ type: "ended", ...ended, heard: this.takeHeard() });
	}

	#frame(bytes: Buffer): void {
		const receivedMs = steadyMs();
		const { counters } = this.#options;
		this.#messages++;
		counters.add(framesReceived);
		this.#options.tally.addEvent();
		counters.add(bytesReceived, bytes.length);
		let read: Message | null = null;
		try {
			const { scanned, frame, rewritten } = readFrame(bytes);
			if (rewritten) counters.add(framesNoncanonical);
			if (scanned.kind === "message") {
				read = scanned.message;
				this.#message(frame, read, receivedMs);
			} else this.#notice(scanned);
		} catch (error) {
			const isRule = error instanceof Rejection;
			if (!isRule) reportFailure("a frame's intake", error, { host: this.#host.hostname }, bytes);
			const { reason, message: detail } = isRule ? error : new Rejection("internal-error");
			if (CLOSE_CODES[reason] === undefined) this.#reject(reason, detail, read);
			else this.#unreadable(reason, detail, reason === "internal-error");
		}
	}

	#message(frame: Uint8Array, message: Message, receivedMs: number): void {
		if (message.seq <= this.#lastSeq) {
			if (++this.#seqViolations > SEQ_VIOLATIONS_MAX) this.#hangUp(1008, "seq-not-increasing", "unreadable");
			throw new Rejection("seq-not-increasing", `${message.seq} after ${this.#lastSeq}`);
		}
		this.#unreadableInRow = 0;
		if (!this.#madeProgress && !this.#arriveAt(message.seq)) return;
		this.#heard = true;
		this.#lastSeq = message.seq;
		this.#received = message.seq;
		if (this.#mustLeaveOut(message, frame.length)) this.window.skip(message.seq);
		else this.#take(frame, message, this.window, receivedMs);
		if (this.window.size >= WINDOW_SLOTS_MAX) this.#socket?.pause();
	}

	/** Takes a message in: it passes now or waits. @param receivedMs when its frame came, by `steadyMs` */
	#take(frame: Uint8Array, message: Message, window: HostWindow, receivedMs: number): void {
		const isFirst = window.lowWater === null;
		const slot = window.arrive(message.seq);
		if (isFirst) this.#options.storeCursor();
		const bytes = this.#budget.hold(frame.length);
		this.#options.counters.add(inflightBytes, bytes);
		const settle = (outcome: Outcome): void => {
			this.#options.counters.add(inflightBytes, -bytes);
			window.settle(slot, outcome);
			if (outcome === REJECTED || outcome === FAILED) this.#options.tally.addRejected();
			if (outcome.rejected && outcome.isRepeat) this.#delays.takeBack(slot.passedAtMs);
			this.#budget.release(bytes);
			if (outcome.rejected && outcome.internalError) this.#hangUp(1011, "internal-error", "internal");
		};
		const arrival = arrivalOf(this.#sender, frame, message, settle, receivedMs, monotonicMsOf(receivedMs));
		if (this.#delays.passes(message.did)) this.#deliver(arrival, slot);
		else this.#delays.wait({ did: message.did, bytes, arrival, slot });
	}

	/** Whether a message is left out, since too many of its account wait already: `CatchUp` gets it later. */
	#mustLeaveOut(message: Message, frameBytes: number): boolean {
		if (this.#catchUp?.has(message.did) !== true && this.#hasRoom(message.did, frameBytes, 1)) return false;
		const { hostname, insecure } = this.#host;
		const { userAgent, counters } = this.#options;
		this.#catchUp ??= new CatchUp(message.seq, {
			...{ hostname, insecure, userAgent, counters, timing: this.#timing },
			received: () => this.#received,
			hasRoom: (did, bytes, part) => !this.#budgetPaused && this.#hasRoom(did, bytes, part),
			take: (frame, late, window) => this.#take(frame, late, window, steadyMs()),
			onMissed: (detail) => this.#noteGap("outdated-cursor", detail),
		});
		const { did } = message;
		if (!this.#catchUp.has(did))
			this.#log("info", "too much of {did} at {host} waits: it is left out for now", "left out", { did });
		return this.#catchUp.leaveOut(message, frameBytes);
	}

	/**
	 * Whether one more message of the account may wait in memory: always one, and as many as take a quarter of what is left of half of
	 * the host's budget. So accounts of which many wait never fill it, however many accounts these are.
	 *
	 * @param part asks for this part of that room
	 */
	#hasRoom(did: string, frameBytes: number, part: number): boolean {
		const waiting = this.#delays.bytesOf(did);
		if (waiting === 0) return true;
		const room = (this.#budget.room / 2 - this.#delays.bytes) / 4;
		return waiting + frameBytes + MESSAGE_OVERHEAD_BYTES <= part * room;
	}

	#deliver(arrival: Arrival, slot: Slot): void {
		slot.passedAtMs = this.#delays.lastPassMs;
		try {
			this.#options.deliver(arrival);
		} catch (error) {
			// A message that is never settled would hold back the mark and keep its bytes for ever.
			if (slot.outcome === null) arrival.settle(FAILED);
			throw error;
		}
	}

	/**
	 * Handles the first messages of a connection. They show whether the host has restarted its numbering, and whether a detour got
	 * past the unreadable message. Returns false if the connection was ended, and another one will bring the message again.
	 */
	#arriveAt(seq: number): boolean {
		this.#refusedCursor.clear();
		if (seq === this.#knownSeq) {
			// The host includes the message at the cursor in its replay. That says nothing about the messages that follow.
			this.#fallBack(seq);
			return true;
		}
		this.#madeProgress = true;
		if (this.#detour.leavesOut)
			this.#log("warning", "{host} goes on at its seq {seq}: the messages in between are missed", "detours", {
				seq,
				afterSeq: this.#received,
			});
		this.#detour.clear();
		if (seq > this.#knownSeq) return true;
		this.#noteGap("seq-went-back", `it goes on at its seq ${seq}, after ${this.#knownSeq}`);
		if (seq > 1 && this.#timing.nowMs() - this.#askedFromStartMs >= FROM_START_INTERVAL_MS) {
			this.#askFromStart();
			return false;
		}
		// What was left out has seqs of the numbering before.
		this.#dropCatchUp();
		this.#fallBack(seq);
		return true;
	}

	/**
	 * A host that has restarted its numbering may have sent messages before this connection, with seqs that we took for old ones. So
	 * it is asked for all that it has. This is done rarely, since a host that only repeats a few messages would send everything again
	 * each time.
	 */
	#askFromStart(): void {
		this.#askedFromStartMs = this.#timing.nowMs();
		this.#hangUp(1000, "asking for all", "moved");
		this.#goOnFrom(0);
	}

	#fallBack(seq: number): void {
		this.window.fallBack(seq);
		this.#options.storeCursor();
	}

	#notice(scanned: Exclude<ScannedFrame, { kind: "message" }>): void {
		const { counters } = this.#options;
		if (scanned.kind === "ignored") {
			counters.add(framesIgnored);
		} else if (scanned.kind === "info") {
			counters.add(hostInfos);
			const { name, text } = scanned;
			this.#log("warning", "{host} says {name}: {text}", "infos", { name, text });
			if (name !== "OutdatedCursor") return;
			counters.add(hostOutdatedCursors);
			this.#noteGap("outdated-cursor", "it no longer has what follows our cursor");
		} else {
			counters.add(hostErrors);
			const { error, text } = scanned;
			this.#log("warning", "{host} sent the error {error}: {text}", "errors", { error, text });
			const isRefusal = error === "FutureCursor" && this.#received !== null && !this.#detour.isLive;
			const fault = isRefusal ? this.#cursorRefused() : "error-frame";
			this.#hangUp(1000, "error received", fault, `it sent the error ${error}: ${text}`);
		}
	}

	/** The host says that our cursor is beyond its last seq. It is asked again, and in the end the cursor is given up (rulebook 1.7). */
	#cursorRefused(): HostFault {
		if (this.#detour.leavesOut) {
			this.#detour.goLive();
			return "moved";
		}
		if (!this.#refusedCursor.answered(this.#timing.nowMs())) return "future-cursor";
		this.#noteGap("future-cursor", "it has answered FutureCursor for an hour, and is followed from its live end");
		this.#goOnFrom(null);
		return "moved";
	}

	/** Goes on from another place in the host's stream, or from its live end (null). */
	#goOnFrom(cursor: number | null): void {
		this.#dropCatchUp();
		this.#received = cursor;
		this.window.restart(cursor);
		this.#detour.clear();
		this.#refusedCursor.clear();
		this.#gapNotedAt = undefined;
		this.#options.storeCursor();
	}

	/** Skips a message that can't be read. Its seq is unknown, so the low-water mark stays where it is. */
	#unreadable(reason: RejectionReason, detail: string, isLast: boolean): void {
		this.#reject(reason, detail, null);
		this.#unreadableInRow++;
		if (this.#gapNotedAt !== this.#received) {
			this.#gapNotedAt = this.#received;
			this.#noteGap(reason, detail);
		}
		if (!isLast && this.#unreadableInRow <= UNREADABLE_IN_ROW_MAX) return;
		this.#detour.blocked(this.#unreadableInRow);
		// Each try with another cursor comes soon; there are few of them.
		const fault = this.#detour.leavesOut && !this.#detour.isLive ? "moved" : "unreadable";
		this.#hangUp(CLOSE_CODES[reason] ?? 1002, reason, fault, `${reason}: ${detail}`);
	}

	/** Counts and logs that messages of the host may be missed. The next `advance` reports it to the host manager. */
	#noteGap(reason: HostGapReason, detail: string): void {
		const afterSeq = this.#received;
		this.#options.counters.add(hostGaps);
		this.#gap = { count: (this.#gap?.count ?? 0) + 1, reason, afterSeq };
		this.#log("warning", "messages of {host} may be missed ({reason}): {detail}", `gap ${reason}`, {
			reason,
			detail: detail.slice(0, 200),
			afterSeq,
		});
	}

	/** @param message null if it could not be read so far */
	#reject(reason: RejectionReason, detail: string, message: Message | null): void {
		this.#options.failures.rejected(this.#sender, message, reason, detail);
		this.#options.tally.addRejected();
		this.#log("debug", "rejected a frame of {host}: {detail}", `rejection ${reason}`, { detail });
	}

	/** Logs a line that the host can cause at will: at most one of each kind a minute, with the number of lines left out. */
	#log(level: "debug" | "info" | "warning", text: string, kind: string, properties: Record<string, unknown>): void {
		const omitted = this.#limiter.take(kind);
		if (omitted === null) return;
		log[level](text, { host: this.#host.hostname, ...properties, ...(omitted > 0 ? { omitted } : {}) });
	}
}
