import { contain, reportFailure } from "../boundary.ts";
import type { HostConnection, HostEvent } from "../hosts/messages.ts";
import type { Counters } from "../observe/counters.ts";
import { logOf } from "../observe/log.ts";
import { readFrame } from "../protocol/frame.ts";
import type { Message, ScannedFrame } from "../protocol/message.ts";
import { CLOSE_CODES, type RejectionReason } from "../protocol/reasons.ts";
import { Rejection } from "../protocol/rejection.ts";
import type { Sender } from "./arrival.ts";
import { Backoff } from "./backoff.ts";
import type { Budget, HostBudget } from "./budget.ts";
import { HostSocket } from "./host-socket.ts";
import { HostWindow, type Outcome, WINDOW_SLOTS_MAX } from "./window.ts";

/** So many messages out of order on one connection, and we'd rather start over. */
const SEQ_VIOLATIONS_MAX = 100;

const log = logOf("ingest");

export interface FollowerOptions {
	budget: Budget;
	hostBufferBytes: number;
	userAgent: string;
	counters: Counters;
	/** Takes each message to its DID's shard. `settle` is called exactly once. */
	deliver: (sender: Sender, frame: Uint8Array, message: Message, settle: (outcome: Outcome) => void) => void;
	/** The host's first message ever is about to be delivered: without a stored cursor a crash would lose its place. */
	began: () => void;
	emit: (event: HostEvent) => void;
}

/** Follows one host: keeps a connection to it, takes its frames in, and knows how far they are dealt with. */
export class HostFollower {
	readonly window: HostWindow;
	readonly #sender: Sender;
	readonly #host: HostConnection;
	readonly #options: FollowerOptions;
	readonly #budget: HostBudget;
	readonly #backoff = new Backoff();
	#socket: HostSocket | null = null;
	#redial: ReturnType<typeof setTimeout> | null = null;
	#stopped = false;
	#budgetPaused = false;
	/** Everything up to here was received in this process, and is on its way at least. */
	#received: number | null;
	/** State of the current connection. */
	#lastSeq = 0;
	#seqViolations = 0;
	#madeProgress = false;
	#openedAtMs: number | null = null;

	constructor(host: HostConnection, options: FollowerOptions) {
		this.#host = host;
		this.#options = options;
		this.#sender = { hostId: host.id, hostname: host.hostname };
		this.#received = host.cursor;
		this.window = new HostWindow(host.cursor);
		this.#budget = options.budget.host(options.hostBufferBytes, {
			pause: () => {
				this.#budgetPaused = true;
				options.counters.add("host_pauses_total");
				this.#socket?.pause();
			},
			resume: () => {
				this.#budgetPaused = false;
				this.#applyPause();
			},
		});
	}

	/** Connects, and again whenever the connection ends, until `stop`. */
	start(): void {
		this.#stopped = false;
		this.dialNow();
	}

	/** Cuts the wait for the next dial short. */
	dialNow(): void {
		if (this.#stopped || this.#socket !== null) return;
		this.#backoff.reset();
		this.#dial();
	}

	/** Stops following. What was received goes on to be dealt with. */
	stop(code: number, reason: string): void {
		this.#stopped = true;
		if (this.#redial !== null) clearTimeout(this.#redial);
		this.#redial = null;
		this.#socket?.close(code, reason);
	}

	/** Moves and returns the low-water mark: see `HostWindow.advance`. */
	advance(acknowledged: (ring: number) => number): number | null {
		const cursor = this.window.advance(acknowledged);
		this.#applyPause();
		return cursor;
	}

	#dial(): void {
		if (this.#redial !== null) clearTimeout(this.#redial);
		this.#redial = null;
		this.#lastSeq = 0;
		this.#seqViolations = 0;
		this.#madeProgress = false;
		const { hostname, insecure } = this.#host;
		const { userAgent } = this.#options;
		try {
			this.#socket = new HostSocket(
				{ hostname, insecure, cursor: this.#received, userAgent },
				{
					opened: (server) => this.#opened(server),
					frame: (bytes) => this.#frame(bytes),
					unreadable: (reason) => this.#reject(reason, "unreadable message"),
					closed: (detail) => this.#closed(detail),
				},
			);
		} catch (error) {
			// A name that an older release accepted need not be one that can be dialled.
			reportFailure("a dial", error, { host: hostname });
			this.#closed("the connection could not be set up");
			return;
		}
		this.#applyPause();
	}

	#applyPause(): void {
		if (this.#socket === null) return;
		if (this.#budgetPaused || this.window.size >= WINDOW_SLOTS_MAX) this.#socket.pause();
		else this.#socket.resume();
	}

	#opened(server: string): void {
		this.#openedAtMs = Date.now();
		this.#options.counters.add("host_connects_total");
		this.#options.counters.add("hosts_connected");
		if (server.includes("atproto-relay")) {
			this.#giveUp("banned", `it is a relay itself (Server: ${server.slice(0, 100)})`);
			return;
		}
		log.info("connected to {host}", { host: this.#host.hostname, cursor: this.#received });
		this.#emit("active", "connected");
	}

	#closed(detail: string): void {
		const heldMs = this.#openedAtMs === null ? 0 : Date.now() - this.#openedAtMs;
		if (this.#openedAtMs !== null) {
			this.#options.counters.add("host_disconnects_total");
			this.#options.counters.add("hosts_connected", -1);
		}
		this.#openedAtMs = null;
		this.#socket = null;
		if (this.#stopped) return;
		const delayMs = this.#backoff.ended(this.#madeProgress, heldMs);
		log.info("no connection to {host}: {detail}; next attempt in {delayMs} ms", {
			host: this.#host.hostname,
			detail,
			delayMs: Math.round(delayMs),
		});
		if (this.#backoff.offline) this.#emit("offline", detail);
		this.#redial = setTimeout(() => contain("a redial", () => this.#dial()), delayMs);
	}

	#frame(bytes: Buffer): void {
		const { counters } = this.#options;
		counters.add("frames_received_total");
		counters.add("bytes_received_total", bytes.length);
		try {
			const { scanned, frame, rewritten } = readFrame(bytes);
			if (rewritten) counters.add("frames_noncanonical_total");
			if (scanned.kind === "message") this.#message(frame, scanned.message);
			else this.#notice(scanned);
		} catch (error) {
			const isRule = error instanceof Rejection;
			if (!isRule) reportFailure("a frame's intake", error, { host: this.#host.hostname }, bytes);
			const { reason, message } = isRule ? error : new Rejection("internal-error");
			this.#reject(reason, message);
			const code = CLOSE_CODES[reason];
			if (code !== undefined) this.#socket?.close(code, reason);
		}
	}

	#message(frame: Uint8Array, message: Message): void {
		if (message.seq <= this.#lastSeq) {
			if (++this.#seqViolations > SEQ_VIOLATIONS_MAX) this.#socket?.close(1008, "seq-not-increasing");
			throw new Rejection("seq-not-increasing", `${message.seq} after ${this.#lastSeq}`);
		}
		this.#lastSeq = message.seq;
		this.#received = message.seq;
		this.#madeProgress = true;
		const isFirst = this.window.lowWater === null;
		const slot = this.window.arrive(message.seq);
		if (isFirst) this.#options.began();
		if (this.window.size >= WINDOW_SLOTS_MAX) this.#socket?.pause();
		const bytes = this.#budget.hold(frame.length);
		this.#options.counters.add("inflight_bytes", bytes);
		this.#options.deliver(this.#sender, frame, message, (outcome) => {
			this.#options.counters.add("inflight_bytes", -bytes);
			this.window.settle(slot, outcome);
			this.#budget.release(bytes);
			if (outcome.rejected && outcome.internalError) this.#socket?.close(1011, "internal-error");
		});
	}

	#notice(scanned: Exclude<ScannedFrame, { kind: "message" }>): void {
		const { counters } = this.#options;
		const host = this.#host.hostname;
		if (scanned.kind === "ignored") {
			counters.add("frames_ignored_total");
		} else if (scanned.kind === "info") {
			counters.add("host_infos_total");
			if (scanned.name === "OutdatedCursor") counters.add("host_outdated_cursors_total");
			log.warning("{host} says {name}: {text}", { host, name: scanned.name, text: scanned.text });
		} else {
			counters.add("host_errors_total");
			log.warning("{host} sent the error {error}: {text}", { host, error: scanned.error, text: scanned.text });
			// Its seqs went back. Whether to forget our cursor is the operator's to say (rulebook 1.7).
			if (scanned.error === "FutureCursor") this.#giveUp("idle", "it answered FutureCursor to our cursor");
			else this.#socket?.close(1000, "error received");
		}
	}

	#giveUp(status: "idle" | "banned", detail: string): void {
		log.warning("no longer following {host}: {detail}", { host: this.#host.hostname, detail });
		this.stop(1000, status);
		this.#emit(status, detail);
	}

	#reject(reason: RejectionReason, detail: string): void {
		this.#options.counters.reject(reason);
		log.debug("rejected a frame of {host}: {detail}", { host: this.#host.hostname, detail });
	}

	#emit(status: HostEvent["status"], detail: string): void {
		this.#options.emit({ type: "hostStatus", hostId: this.#host.id, status, detail });
	}
}
