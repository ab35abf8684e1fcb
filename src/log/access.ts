import type { Counters } from "../observe/counters.ts";
import { ActiveSegment, createActiveSegmentBuffer } from "./local/active-segment.ts";
import { systemLogFs } from "./local/log-fs.ts";
import { LogReader } from "./local/read/reader.ts";
import { createPositionBuffer } from "./position.ts";

/** The memory that all share who write or read the log. */
export interface LogMemory {
	/** How far the log goes. */
	position: SharedArrayBuffer;
	/** What those need besides who read the log's files. */
	activeSegment: SharedArrayBuffer;
}

export function createLogMemory(): LogMemory {
	return { position: createPositionBuffer(), activeSegment: createActiveSegmentBuffer() };
}

/** @param options `cacheBytesMax`: bytes of records that are kept for consumers who read the same */
export function openLogReader(
	memory: LogMemory,
	options: { directory: string; cacheBytesMax: number; counters: Counters },
): LogReader {
	return new LogReader({ ...options, active: new ActiveSegment(memory.activeSegment), fs: systemLogFs });
}
