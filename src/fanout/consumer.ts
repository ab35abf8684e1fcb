import type { PublishedSpan, RecordBatch, RecordReader } from "../log/log.ts";
import { RECORD_HEADER_BYTES } from "../log/record/record.ts";
import type { Counters } from "../observe/counters.ts";
import { counter } from "../observe/metric.ts";
import { HEARD_MAX, Liveness } from "./liveness.ts";
import { Pace, type PaceFloor } from "./pace.ts";
import { ReadingPlace } from "./reading-place.ts";
import type { Stream } from "./stream.ts";
import type { Takedowns } from "./takedowns.ts";

const logReadFailures = counter(
	"log_read_failures_total",
	"consumers closed because the log could not be read for them",
	"If it grows, look in the log lines for the segment that can't be read, and check the disk.",
);
const framesSent = counter(
	"frames_sent_total",
	"frames sent to consumers",
	"If it stops while messages are accepted and consumers are connected, look at the fan-out thread in `/_stats`.",
);
const bytesSent = counter(
	"bytes_sent_total",
	"bytes of frames sent to consumers",
	"Compare it with the line's capacity: near that, consumers fall back together.",
);
const framesTakenDown = counter(
	"frames_taken_down_total",
	"frames not sent to a consumer because their account is taken down",
	"Nothing to do: this is what a takedown is for.",
);
const consumersSlow = counter(
	"consumers_slow_total",
	"times a consumer was paused because its socket's buffer reached the watermark",
	"If it grows all the time, the network out of here is full or some consumers are slow: `/admin/consumers/list` shows their lag.",
);
const consumersTooSlow = counter(
	"consumers_too_slow_total",
	"consumers closed because they were far behind and read slower than the floor rate",
	"If many are dropped, look at your own network first, then at `RELAY_SLOW_CONSUMER_RATE`.",
);
const consumersDead = counter(
	"consumers_dead_total",
	"consumers cut off because they took nothing or did not answer",
	"A few are normal. If it grows fast, look at the network and at a proxy's timeouts.",
);
const consumersNoisy = counter(
	"consumers_noisy_total",
	"consumers closed because they sent too many messages",
	"Nothing to do for single ones: consumers have nothing to send here. If one comes back all the time, keep its address out.",
);

/** Bytes that one consumer may be sent before the next one has its turn. */
export const TURN_BYTES_MAX = 1024 * 1024;

/** When a consumer's socket has this much in its buffer, the consumer is sent nothing more until less than half of it is left. */
export const WATERMARK_BYTES = 1024 * 1024;

/**
 * Bun drops frames, with no more notice than a 0 from `send`, when more than this is buffered. The watermark and the longest frame
 * together stay below it, so that an error frame fits even if the consumer was paused at the worst moment.
 */
export const BACKPRESSURE_BYTES_MAX = 8 * 1024 * 1024;

/** A consumer is far behind if the log has at least this many records after its place: some seconds of a busy network. */
export const FAR_BEHIND_RECORDS = 10_000;

/** A consumer that is closing gets the time that it needs to take its buffer at half the floor rate, within these limits. */
export const CLOSE_MS_MIN = 5_000;
export const CLOSE_MS_MAX = 300_000;

/** The part of Bun's server socket that a consumer uses. */
export interface ConsumerSocket {
	/** Returns the number of bytes taken, -1 if the frame was queued after others, or 0 if it was dropped. */
	sendBinary(frame: Uint8Array<ArrayBuffer>): number;
	getBufferedAmount(): number;
	/** Gathers what the callback sends into few writes. Returns what the callback returns. */
	cork<Result>(callback: () => Result): Result;
	ping(): number;
	close(code: number, reason: string): void;
	terminate(): void;
}

export interface ConsumerOptions {
	socket: ConsumerSocket;
	stream: Stream;
	/** The consumer gets every message with a greater seq, or every one after `span`. */
	cursor: number | "live";
	/** The log as the consumer's request found it. */
	span: PublishedSpan;
	floor: PaceFloor;
	takedowns: Takedowns;
	counters: Counters;
	/** Monotonic milliseconds. */
	clock: () => number;
}

/**
 * Result of a turn. `more`: the consumer wants another turn. A promise: it wants one when the promise resolves. `caught-up`: it
 * waits for the log to grow. `blocked`: it waits for its socket, or it is closing and wants no turn.
 */
export type Turn = "more" | "caught-up" | "blocked" | Promise<void>;

/**
 * Reads the log and writes to a socket. It has no queue: what it has not been sent yet is in the log, after its cursor. The cursor
 * moves only over records that the socket took.
 */
export class Consumer {
	readonly #socket: ConsumerSocket;
	readonly #stream: Stream;
	readonly #counters: Counters;
	readonly #clock: () => number;
	readonly #place: ReadingPlace;
	#isLive: boolean;
	#state: "streaming" | "paused" | "closing" = "streaming";
	/** Set when the consumer is to be closed, at once or when it has caught up. */
	#closeWith: { code: number; reason: string } | null = null;
	#closeByMs = 0;
	/** Bytes of all frames that the socket was given so far. */
	#givenBytes = 0;
	/** Frames of the log among them. */
	#framesSent = 0;
	readonly #floor: PaceFloor;
	readonly #takedowns: Takedowns;
	readonly #pace: Pace;
	readonly #liveness: Liveness;

	constructor(options: ConsumerOptions) {
		this.#socket = options.socket;
		this.#stream = options.stream;
		this.#place = new ReadingPlace(options.cursor, options.span);
		this.#isLive = options.cursor === "live";
		this.#counters = options.counters;
		this.#clock = options.clock;
		this.#floor = options.floor;
		this.#takedowns = options.takedowns;
		const nowMs = options.clock();
		this.#pace = new Pace(options.floor, nowMs);
		this.#liveness = new Liveness(nowMs);
	}

	/** Lsn of the last record that the socket took or that was not for this consumer; null until the start is found. */
	get lsn(): number | null {
		return this.#place.lsn;
	}

	/** Whether it has been at the log's end since it connected. Before that it replays. */
	get isLive(): boolean {
		return this.#isLive;
	}

	/** Records of the log after its place; null until the start is found. May be too high. */
	lag(lastLsn: number): number | null {
		return this.#place.lsn === null ? null : Math.max(0, this.#place.lag(lastLsn));
	}

	/** Messages of the log that its socket was given. */
	get framesSent(): number {
		return this.#framesSent;
	}

	/** Bytes of all frames that its socket was given. */
	get bytesSent(): number {
		return this.#givenBytes;
	}

	/** Bytes that its socket has not taken yet. */
	get bufferedBytes(): number {
		return this.#socket.getBufferedAmount();
	}

	/** Sends a frame that is not from the log, such as the first `#info`. */
	announce(frame: Uint8Array<ArrayBuffer>): void {
		if (!this.#give(frame)) this.close(1011, "a frame could not be queued");
	}

	/** Sends what the log has for this consumer, until the turn's budget is used up or the socket's buffer is full. */
	turn(reader: RecordReader): Turn {
		if (!this.#isStreaming()) return "blocked";
		const turn = this.#socket.cork(() => this.#send(reader));
		if (turn === "caught-up") this.#isLive = true;
		if (turn === "caught-up" && this.#closeWith !== null) this.#beginClosing();
		// Inside the cork the buffered amount is not up to date.
		if (this.#state === "closing") this.#closeWhenEmpty();
		if (this.#resume()) return "more";
		return this.#isStreaming() ? turn : "blocked";
	}

	/** Called when the socket wrote some of its buffer. Returns whether the consumer wants a turn. */
	drained(): boolean {
		this.#liveness.took(this.#clock());
		if (this.#state === "closing") this.#closeWhenEmpty();
		return this.#resume();
	}

	/**
	 * Called for every message, ping and pong of the consumer. It shows that the consumer is alive; its content is ignored (rulebook
	 * 1.2.8). A consumer that sends too much is closed, and cut off if it goes on.
	 */
	heard(): void {
		const excess = this.#liveness.heard(this.#clock()) - HEARD_MAX;
		if (excess <= 0) return;
		if (excess === 1) this.#counters.add(consumersNoisy);
		if (excess <= HEARD_MAX) this.close(1008, "too many messages");
		else this.#socket.terminate();
	}

	/**
	 * Pings the consumer if it is silent, and closes it if it is too slow or dead. To be called every few seconds.
	 *
	 * @param lastLsn lsn of the log's last record
	 */
	check(lastLsn: number): void {
		const nowMs = this.#clock();
		const bufferedBytes = this.#socket.getBufferedAmount();
		if (bufferedBytes === 0) this.#liveness.excuse(nowMs);
		if (this.#state === "closing") {
			if (nowMs >= this.#closeByMs || this.#liveness.isStalled(nowMs)) this.#socket.terminate();
			return;
		}
		// A consumer that has taken all that it was given is not slow, however far behind it is: it waits for its turns.
		const isHeldUp = bufferedBytes > 0 && this.#place.lag(lastLsn) >= FAR_BEHIND_RECORDS;
		const takenBytes = this.#givenBytes - bufferedBytes;
		if (!isHeldUp) this.#pace.restart(nowMs, takenBytes);
		if (isHeldUp && this.#pace.isTooSlow(nowMs, takenBytes)) {
			this.#closeAsTooSlow();
		} else if (this.#liveness.isDead(nowMs)) {
			this.#counters.add(consumersDead);
			this.#socket.terminate();
		} else if (bufferedBytes === 0 && this.#liveness.isPingDue(nowMs)) {
			this.#liveness.pinged(nowMs);
			this.#socket.ping();
		}
	}

	/** Closes the consumer when it has been sent all that is published. */
	closeWhenCaughtUp(code: number, reason: string): void {
		this.#closeWith ??= { code, reason };
	}

	/** Closes the consumer after it has taken what is in its buffer. Nothing more is sent to it. */
	close(code: number, reason: string): void {
		if (this.#state === "closing") return;
		this.#closeWith = { code, reason };
		this.#beginClosing();
		this.#closeWhenEmpty();
	}

	/** Closes the consumer since the log could not be read at its cursor. It can come back with that cursor later. */
	failToRead(): void {
		this.#counters.add(logReadFailures);
		this.close(1011, "the log could not be read");
	}

	/** Ends the connection at once, whatever is in the buffer. */
	terminate(): void {
		this.#socket.terminate();
	}

	#isStreaming(): boolean {
		return this.#state === "streaming";
	}

	#resume(): boolean {
		if (this.#state !== "paused" || this.#socket.getBufferedAmount() >= WATERMARK_BYTES / 2) return false;
		this.#state = "streaming";
		return true;
	}

	#send(reader: RecordReader): Turn {
		let budgetBytes = TURN_BYTES_MAX;
		while (budgetBytes > 0) {
			const lsn = this.#place.find(reader);
			if (lsn instanceof Promise) return lsn;
			const read = reader.read(lsn);
			if (read === null) return "caught-up";
			if (read instanceof Promise) return read;
			if ("nextLsn" in read) this.#place.skip(read);
			else if (!this.#tellOfLoss(read)) return this.#giveUp();
			else budgetBytes -= this.#sendBatch(read, lsn, budgetBytes);
			if (!this.#isStreaming()) return "blocked";
		}
		return "more";
	}

	/** Tells the consumer if messages right before this batch are lost. Returns false if the socket dropped the frame that says so. */
	#tellOfLoss(batch: RecordBatch): boolean {
		const nextSeq = this.#place.lostBefore(batch);
		return nextSeq === null || this.#give(this.#stream.gap(nextSeq));
	}

	/** Returns how many bytes of the budget were used. Record headers count too, so that a run of control records ends a turn. */
	#sendBatch(batch: RecordBatch, lsn: number, budgetBytes: number): number {
		let cost = 0;
		let frames = 0;
		let frameBytes = 0;
		let passed = -1;
		const leftOut = this.#takedowns.leftOut(batch);
		for (let index = batch.indexAfter(lsn); index < batch.count && cost < budgetBytes; index++) {
			cost += RECORD_HEADER_BYTES;
			if (leftOut?.[index] === 1) {
				this.#counters.add(framesTakenDown);
			} else {
				const frame = this.#stream.encode(batch, index);
				if (frame !== null) {
					if (!this.#give(frame)) {
						this.#giveUp();
						break;
					}
					frames++;
					frameBytes += frame.length;
					cost += frame.length;
				}
			}
			passed = index;
			if (!this.#isStreaming()) break;
		}
		if (passed >= 0) this.#place.pass(batch, passed);
		this.#framesSent += frames;
		this.#counters.add(framesSent, frames);
		this.#counters.add(bytesSent, frameBytes);
		return cost;
	}

	/** Gives a frame to the socket, and pauses at the watermark. Returns false if the socket dropped the frame. */
	#give(frame: Uint8Array): boolean {
		// A batch may lie in shared memory. The socket can send from it, although its types allow an ArrayBuffer only.
		const status = this.#socket.sendBinary(frame as Uint8Array<ArrayBuffer>);
		if (status === 0) return false;
		this.#givenBytes += frame.length;
		if (status < 0 && this.#socket.getBufferedAmount() >= WATERMARK_BYTES && this.#state === "streaming") {
			this.#state = "paused";
			this.#counters.add(consumersSlow);
		}
		return true;
	}

	/** Ends the stream since a frame was dropped: otherwise it would have a hole. */
	#giveUp(): Turn {
		this.#closeWith = { code: 1011, reason: "a frame could not be queued" };
		this.#beginClosing();
		return "blocked";
	}

	/** The error frame arrives after what is buffered, if the consumer reads on and takes it in time (`CLOSE_MS_MAX`). */
	#closeAsTooSlow(): void {
		const { bytesPerS, windowMs } = this.#floor;
		const message = `The consumer is far behind, and read less than ${bytesPerS} bytes per second for ${windowMs / 1000} seconds.`;
		this.#counters.add(consumersTooSlow);
		this.#socket.sendBinary(this.#stream.error("ConsumerTooSlow", message));
		this.close(1008, "ConsumerTooSlow");
	}

	#beginClosing(): void {
		this.#state = "closing";
		const nowMs = this.#clock();
		const neededMs = (2000 * this.#socket.getBufferedAmount()) / this.#floor.bytesPerS;
		this.#closeByMs = nowMs + Math.min(Math.max(neededMs, CLOSE_MS_MIN), CLOSE_MS_MAX);
		this.#liveness.excuse(nowMs);
	}

	/** Closes only when the buffer is empty: otherwise Bun would decide how long the consumer may take for it, and not show what is left. */
	#closeWhenEmpty(): void {
		if (this.#closeWith === null || this.#socket.getBufferedAmount() > 0) return;
		this.#socket.close(this.#closeWith.code, this.#closeWith.reason);
	}
}
