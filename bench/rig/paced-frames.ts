import type { FrameSource } from "./frames.ts";
import type { LoadHost } from "./load-host.ts";

/** A message with its WebSocket header, and a name by which its arrival is recognised. */
export interface NamedFrame {
	name: string;
	bytes: Buffer;
}

const TICK_MS = 1;
/** Frames that are written at once if the host is late. */
const BLOCK_FRAMES_MAX = 32;

/**
 * Frames that a host sends by the clock, no matter how fast the relay takes them. Frame k is due k/rate seconds after the
 * start, and a frame that is sent late keeps its due time. A load that waits for the relay would not measure the relay's
 * pauses.
 */
export class PacedFrames implements FrameSource {
	/** When each frame was due, by name, in ms of `performance.now`. */
	readonly dueMs = new Map<string, number>();
	/** How late each frame's write began, in ms: because of the rig's own delay, or of a full socket. */
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
