import type { MarkRule } from "../log/marks.ts";

/** Retention waits for the index without a limit: what it holds is nowhere else but in the log. */
export const INDEX_MARK: MarkRule = { name: "index", lagBytesMax: null };
