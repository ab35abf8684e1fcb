import { backoffMs } from "../../identity/outage.ts";
import type { Counters } from "../../observe/counters.ts";
import { counter, gauge } from "../../observe/metric.ts";
import { readFrame } from "../../protocol/frame.ts";
import type { Message } from "../../protocol/kinds/table.ts";
import { Rejection } from "../../protocol/rejection.ts";
import { reportFailure } from "../../runtime/boundary.ts";
import type { Timing } from "../../runtime/timing.ts";
import { Detour } from "./detour.ts";
import { HostSocket } from "./socket.ts";
import { HostWindow } from "./window.ts";

const messagesLeftOut = counter(
	"messages_left_out_total",
	"messages that an account had too many waiting of, and that its host is asked for again later",
	"Nothing is lost: the host is asked again. If it grows all the time, raise the host's event limits.",
);
const accountsLeftOut = gauge(
	"accounts_left_out",
	"accounts of which messages are left out, and asked for again later",
	"If it does not fall, raise the host's event limits; `/_stats` names the hosts under `delayedHosts`.",
);
const catchUpRounds = counter(
	"catch_up_rounds_total",
	"connections to hosts for messages that were left out",
	"If it grows all the time, raise the event limits of the hosts that `/_stats` names under `delayedHosts`.",
);

/** Accounts of one host that can be left out. Messages of further ones wait in memory, until the host is paused. */
const ACCOUNTS_MAX = 1_000;
/** The host is connected to at most once in this time. */
const ROUND_INTERVAL_MS_MIN = 500;
/** If an account's part of the room is used this much, the connection is paused. What still arrives is taken while there is room. */
const PAUSE_PART = 0.5;
/** It is resumed, or made again, if the part is used this little. */
const RESUME_PART = 0.25;
/** A connection that is paused for longer than this is ended. */
const PAUSED_MS_MAX = 5_000;

/** What a catch-up needs of the subscription that it belongs to. */
export interface CatchUpOptions {
	hostname: string;
	insecure: boolean;
	userAgent: string;
	timing: Timing;
	counters: Counters;
	/** The greatest seq that the subscription's own connection has read; null if it goes on from the live end. */
	received: () => number | null;
	/** Whether there is room for a message of this account, in this part of what the account may have waiting. */
	hasRoom: (did: string, frameBytes: number, part: number) => boolean;
	/** Takes a message, which must be given a place in the window. There is room for it. */
	take: (frame: Uint8Array, message: Message, window: HostWindow) => void;
	/** Messages that were left out can't be had any more. */
	onMissed: (detail: string) => void;
}

/**
 * Gets the messages of accounts that were left out of a host's stream because too many of theirs wait already. The host keeps them: it is
 * asked for them over a second connection, from the first one that was left out, whenever there is room again. So one account's import of any
 * size takes a bounded amount of memory, and the host's own connection goes on meanwhile.
 *
 * From its first message that is left out on, all messages of such an account come this way, in their order, until the second
 * connection has read as far as the first one. Then the first one has all accounts again.
 */
export class CatchUp {
	readonly #options: CatchUpOptions;
	/** The accounts that are left out, each with the seq from which on it is. */
	readonly #since = new Map<string, number>();
	/** What came this way, from the first message that was left out on. */
	#window: HostWindow;
	/** Everything up to this seq came this way, or over the other connection. */
	#received: number;
	#socket: HostSocket | null = null;
	#cancelDial: (() => void) | null = null;
	/** The last message that there was too little room for. */
	#blockedBy: { did: string; bytes: number } | null = null;
	#pausedAtMs: number | null = null;
	#dialledAtMs = Number.NEGATIVE_INFINITY;
	#unreadable = 0;
	/** Connections in a row that ended without a message. */
	#failures = 0;
	readonly #detour = new Detour();

	/** @param first the first seq that is left out */
	constructor(first: number, options: CatchUpOptions) {
		this.#options = options;
		this.#received = first - 1;
		this.#window = new HostWindow(first - 1);
	}

	/** Whether all that was left out has come and is settled. */
	get isDone(): boolean {
		return this.#since.size === 0 && this.#window.size === 0;
	}

	/** Messages of this account come this way. */
	has(did: string): boolean {
		return this.#since.has(did);
	}

	/**
	 * Leaves out a message, and those of its account that follow. Returns false if too many accounts are left out already.
	 *
	 * @param message the last one that the other connection has read
	 */
	leaveOut(message: Message, bytes: number): boolean {
		const { counters } = this.#options;
		if (!this.#since.has(message.did)) {
			if (this.#since.size >= ACCOUNTS_MAX) return false;
			this.#since.set(message.did, message.seq);
			counters.add(accountsLeftOut);
			if (this.#since.size === 1) this.#blockedBy = { did: message.did, bytes };
		}
		counters.add(messagesLeftOut);
		return true;
	}

	/** How many accounts are left out. */
	get accounts(): number {
		return this.#since.size;
	}

	/** Moves and returns the low-water mark of what comes this way. */
	advance(acknowledged: (ring: number) => number): number {
		return this.#window.advance(acknowledged) ?? 0;
	}

	/** Must be called when there may be room again. Does not throw. */
	goOn(): void {
		if (this.#blockedBy === null || this.#cancelDial !== null) return;
		const nowMs = this.#options.timing.nowMs();
		if (!this.#options.hasRoom(this.#blockedBy.did, this.#blockedBy.bytes, RESUME_PART)) {
			if (this.#pausedAtMs !== null && nowMs - this.#pausedAtMs > PAUSED_MS_MAX) this.#end("no room for more");
			return;
		}
		this.#blockedBy = null;
		this.#pausedAtMs = null;
		if (this.#socket !== null) this.#socket.resume();
		else this.#dialIn(Math.max(0, ROUND_INTERVAL_MS_MIN - (nowMs - this.#dialledAtMs)));
	}

	/** Ends this without getting what is left out. The subscription must ask for it, or it is missed. */
	stop(): void {
		this.#options.counters.add(accountsLeftOut, -this.#since.size);
		this.#since.clear();
		this.#end("no longer needed");
	}

	#dialIn(delayMs: number): void {
		this.#cancelDial = this.#options.timing.after(delayMs, () => this.#dial());
	}

	#dial(): void {
		this.#cancelDial = null;
		const { hostname, insecure, userAgent, timing, counters } = this.#options;
		counters.add(catchUpRounds);
		this.#unreadable = 0;
		this.#dialledAtMs = timing.nowMs();
		const cursor = this.#detour.cursor(this.#received);
		// The name can be dialled, since the other connection was made to it.
		const socket: HostSocket = new HostSocket(
			{ hostname, insecure, cursor, userAgent, timing },
			{
				opened: () => undefined,
				frame: (bytes) => {
					if (this.#socket !== socket) return;
					this.#failures = 0;
					this.#frame(bytes);
				},
				unreadable: (_reason, _detail, isLast) => {
					this.#unreadable++;
					if (!isLast) return;
					this.#detour.blocked(this.#unreadable);
					socket.close(1002, "unreadable");
				},
				closed: () => {
					if (this.#socket !== socket) return;
					this.#socket = null;
					this.#pausedAtMs = null;
					this.#blockedBy = null;
					this.#dialIn(backoffMs(++this.#failures, Math.random()));
				},
			},
		);
		this.#socket = socket;
	}

	#end(why: string): void {
		this.#cancelDial?.();
		this.#cancelDial = null;
		const socket = this.#socket;
		this.#socket = null;
		this.#pausedAtMs = null;
		socket?.close(1000, why);
	}

	#frame(bytes: Buffer): void {
		try {
			const { scanned, frame } = readFrame(bytes);
			if (scanned.kind === "message") this.#message(frame, scanned.message);
			else if (scanned.kind === "info" && scanned.name === "OutdatedCursor")
				this.#options.onMissed("it no longer has them");
			else if (scanned.kind === "error") this.#socket?.close(1000, "error received");
		} catch (error) {
			// The other connection has met the same message, and has counted and reported it.
			if (!(error instanceof Rejection))
				reportFailure("a frame's catch-up", error, { host: this.#options.hostname }, bytes);
			this.#unreadable++;
		}
	}

	#message(frame: Uint8Array, message: Message): void {
		const { seq, did } = message;
		if (seq <= this.#received) return;
		this.#unreadable = 0;
		this.#detour.clear();
		const received = this.#options.received();
		if (received === null || seq > received) {
			this.#finish();
			return;
		}
		const since = this.#since.get(did);
		const isLeftOut = since !== undefined && seq >= since;
		if (isLeftOut && !this.#options.hasRoom(did, frame.length, 1)) {
			this.#blockedBy = { did, bytes: frame.length };
			this.#end("no room for more");
			return;
		}
		this.#received = seq;
		if (isLeftOut) {
			if (!this.#options.hasRoom(did, frame.length, PAUSE_PART)) this.#pauseFor(did, frame.length);
			this.#options.take(frame, message, this.#window);
		} else this.#window.skip(seq);
		if (seq === received) this.#finish();
	}

	#pauseFor(did: string, bytes: number): void {
		this.#blockedBy = { did, bytes };
		this.#pausedAtMs ??= this.#options.timing.nowMs();
		this.#socket?.pause();
	}

	/** All that the other connection has read has come: it has all accounts again. */
	#finish(): void {
		this.stop();
		this.#blockedBy = null;
	}
}
