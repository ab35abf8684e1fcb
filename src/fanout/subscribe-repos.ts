import { isMessageKind } from "../log/record/record.ts";
import { encodeErrorFrame } from "../protocol/event-frames.ts";
import { CURSOR_RULE, outdatedCursorFrame, parseCursor, startOfStream } from "./cursor.ts";
import type { Stream } from "./stream.ts";

/** The firehose: every message of every host, with the frames that the log has. */
export const subscribeRepos: Stream = {
	name: "subscribeRepos",
	path: "/xrpc/com.atproto.sync.subscribeRepos",

	start(query, span) {
		const cursor = parseCursor(query.get("cursor"));
		if (cursor === "malformed") return { refusal: CURSOR_RULE };
		const start = startOfStream(cursor, span);
		if (start === "future") return { error: "FutureCursor", message: "Cursor in the future." };
		return start;
	},

	encode: (batch, index) => (isMessageKind(batch.kind(index)) ? batch.frame(index) : null),
	gap: outdatedCursorFrame,
	error: encodeErrorFrame,
};
