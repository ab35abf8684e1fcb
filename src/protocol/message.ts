// protocol/: what the wire says: frames, messages, syntax, limits, reasons. No I/O, and nothing of what becomes of a message.

import type { Message } from "./kinds/table.ts";
import type { FieldChanges } from "./patch.ts";

/**
 * What a frame is. `ignored` is an op or a message type that we don't know, which the specification says to skip.
 *
 * `repairs` says how the payload has to be changed so that every consumer can read it; null for a frame that may pass as it
 * is, empty where only the header is not the plain one.
 */
export type ScannedFrame =
	| { kind: "message"; message: Message; repairs: FieldChanges | null }
	| { kind: "info"; name: string; text: string | null }
	| { kind: "error"; error: string; text: string | null }
	| { kind: "ignored" };
