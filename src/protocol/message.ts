// protocol/: what is on the wire: frames, messages, syntax, limits, reasons. No I/O, and no decisions about messages.

import type { Message } from "./kinds/table.ts";
import type { FieldChanges } from "./patch.ts";

/**
 * What a frame is. `ignored` is an unknown op or message type, which the specification tells us to skip.
 *
 * `repairs` says how the payload has to be changed so that every consumer can read it. It is null if the frame can pass as it
 * is, and empty if only the header needs to be replaced by the plain one.
 */
export type ScannedFrame =
	| { kind: "message"; message: Message; repairs: FieldChanges | null }
	| { kind: "info"; name: string; text: string | null }
	| { kind: "error"; error: string; text: string | null }
	| { kind: "ignored" };
