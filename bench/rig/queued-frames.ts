import { type FrameSource, withWsHeader } from "./frames.ts";

/**
 * Frames that are sent when they are due: the bench adds one and tells the host to send. If the socket is full, frames stay in
 * the queue, so a relay that stops reading delays frames but loses none.
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
