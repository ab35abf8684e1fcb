import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** If there are more frames than this, they go to a file. */
const FRAMES_SHOWN_MAX = 5;

/** A message that an odd host has sent. */
export interface SentFrame {
	/** The host's index among the odd hosts. */
	host: number;
	data: Uint8Array<ArrayBuffer> | string;
}

/** The relay failed: how, and the messages that may have caused it, in hex. */
export class EdgeFailure extends Error {
	override readonly name = "EdgeFailure";
	readonly frames: readonly string[];
	/** The messages at which the relay ended or fell silent. One of them is the cause. */
	readonly suspects: readonly SentFrame[];

	constructor(what: string, frames: readonly string[], suspects: readonly SentFrame[] = []) {
		super(what);
		this.frames = frames;
		this.suspects = suspects;
	}

	/** Describes the failure with its seed and messages. Many messages are written to a file. */
	describe(seed: string): string {
		const what = `seed ${JSON.stringify(seed)}: ${this.message}`;
		if (this.frames.length <= FRAMES_SHOWN_MAX) return [what, ...this.frames].join("\n");
		const path = join(mkdtempSync(join(tmpdir(), "standpipe-edge-")), "frames.hex");
		writeFileSync(path, `${this.frames.join("\n")}\n`);
		return `${what}\none of ${this.frames.length} messages, which are in ${path}, one a line`;
	}
}
