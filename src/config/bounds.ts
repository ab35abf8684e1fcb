/** What settings and the rooms that they are for have to agree on. */

/** What may verify messages: `auto` is the native engine where it works, else the portable one. */
export const ENGINE_CHOICES = ["auto", "native", "portable"] as const;

export type EngineChoice = (typeof ENGINE_CHOICES)[number];

/** The largest size of a segment: the readers' view of the active segment's index has room for that much. */
export const SEGMENT_BYTES_MAX = 512 * 1024 * 1024;
