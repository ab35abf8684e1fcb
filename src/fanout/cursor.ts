import type { LogSpan } from "../log/log.ts";
import { encodeInfoFrame } from "../protocol/event-frames.ts";
import { INTEGER_MAX } from "../protocol/limits.ts";
import type { StreamStart } from "./stream.ts";

/** The message for a consumer whose `cursor` parameter is refused. */
export const CURSOR_RULE = "`cursor` must be an integer from 0 to 9007199254740991 (2^53-1), without a sign";

/** Reads the `cursor` parameter. An absent and an empty one both mean "live from now on". */
export function parseCursor(text: string | null): number | "live" | "malformed" {
	if (text === null || text === "") return "live";
	if (!/^\d{1,16}$/.test(text)) return "malformed";
	const cursor = Number(text);
	return cursor <= INTEGER_MAX ? cursor : "malformed";
}

/** Applies the cursor rules of rulebook 1.6. `future` means that no message ever had the cursor's seq. */
export function startOfStream(requested: number | "live", { firstSeq, seqUsedMax }: LogSpan): StreamStart | "future" {
	if (requested === "live") return { cursor: "live", first: null };
	if (requested > seqUsedMax) return "future";
	if (requested + 1 >= firstSeq) return { cursor: requested, first: null };
	// A consumer that asks from 0 wants all that the log has, and can't have missed anything.
	return { cursor: firstSeq - 1, first: requested === 0 ? null : outdatedCursorFrame(firstSeq) };
}

/** The frame that tells a consumer that messages before `nextSeq` are no longer available. */
export function outdatedCursorFrame(nextSeq: number): Uint8Array<ArrayBuffer> {
	return encodeInfoFrame(
		"OutdatedCursor",
		`Messages after the cursor are no longer available. The stream goes on at seq ${nextSeq}.`,
	);
}
