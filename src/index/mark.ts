import type { MarkRule } from "../log/marks.ts";

/** Retention waits for the index without a limit: what the index has not applied yet is nowhere but in the log. */
export const INDEX_MARK: MarkRule = { name: "index", lagBytesMax: null };
