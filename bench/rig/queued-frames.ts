import { type FrameSource, withWsHeader } from "./frames.ts";

/**
 * Frames that are sent when their time comes: the bench puts one in and tells the host to send. What a full socket holds up
 * stays in the queue, so a relay that stops reading delays frames and loses none.
 */
export class QueuedFrames implements FrameSource {
	readonly #frames: Uint8Array[] = [];

	push(frame: Uint8Array): void {
		this.#frames.push(frame);
	}

	next(): Buffer | null {
		const frame = this.#frames.shift();
		return frame === undefined ? null : withWsHeader(frame);
	}
}
