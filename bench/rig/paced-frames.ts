import type { FrameSource } from "./frames.ts";
import type { LoadHost } from "./load-host.ts";

/** A message with its WebSocket header, and the name that its arrival is known by. */
export interface NamedFrame {
	name: string;
	bytes: Buffer;
}

const TICK_MS = 1;
/** What is written at once where the host is late. */
const BLOCK_FRAMES_MAX = 32;

/**
 * Frames that a host sends by the clock, however fast they are taken: frame k is due k/rate seconds after the start, and
 * what is sent late keeps the time at which it was due. A load that waited for the relay would not see the relay's pauses.
 */
export class PacedFrames implements FrameSource {
	/** When each frame was due, by name, in ms of `performance.now`. */
	readonly dueMs = new Map<string, number>();
	/** How late each write began, in ms: the rig's own delay, or a socket that took no more. */
	readonly lateMs: number[] = [];
	readonly #frames: Iterator<NamedFrame>;
	readonly #stepMs: number;
	readonly #ended = Promise.withResolvers<void>();
	#nextMs = 0;

	constructor(frames: Iterator<NamedFrame>, framesPerS: number) {
		this.#frames = frames;
		this.#stepMs = 1000 / framesPerS;
	}

	/** Sends until the frames end, or for `durationMs`. */
	async sendThrough(host: LoadHost, durationMs = Number.POSITIVE_INFINITY): Promise<void> {
		this.#nextMs = performance.now();
		const endMs = this.#nextMs + durationMs;
		const timer = setInterval(() => {
			if (performance.now() < endMs) host.send(this);
			else this.#ended.resolve();
		}, TICK_MS);
		await this.#ended.promise;
		clearInterval(timer);
		host.pause();
	}

	next(): Buffer | null {
		const nowMs = performance.now();
		const block: Buffer[] = [];
		while (this.#nextMs <= nowMs && block.length < BLOCK_FRAMES_MAX) {
			const { value, done } = this.#frames.next();
			if (done === true) {
				this.#nextMs = Number.POSITIVE_INFINITY;
				this.#ended.resolve();
				break;
			}
			this.dueMs.set(value.name, this.#nextMs);
			this.lateMs.push(nowMs - this.#nextMs);
			this.#nextMs += this.#stepMs;
			block.push(value.bytes);
		}
		return block.length === 0 ? null : Buffer.concat(block);
	}
}
