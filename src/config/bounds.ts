/** Values that the settings share with the rooms that use them. */

/** What may verify messages. `auto` is the native engine if it works, else the portable one. */
export const ENGINE_CHOICES = ["auto", "native", "portable"] as const;

export type EngineChoice = (typeof ENGINE_CHOICES)[number];

/** The largest size of a segment. The shared memory that holds the index of the active segment has room for that much. */
export const SEGMENT_BYTES_MAX = 512 * 1024 * 1024;
