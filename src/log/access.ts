import type { DiskFaultReason } from "../disk/fault.ts";
import type { Counters } from "../observe/counters.ts";
import { messageOf } from "../observe/log-value.ts";
import { Damage } from "../runtime/boundary.ts";
import { OutputFailed } from "../runtime/line-output.ts";
import { ActiveSegment, createActiveSegmentBuffer } from "./local/active-segment.ts";
import { type CopiedLog, copyLog, type LogCopyOptions } from "./local/copy/copy-log.ts";
import { type LogRestoreOptions, occupantOf, RestoredLog } from "./local/copy/restored-log.ts";
import { type ExportCounts, type ExportedMessage, type ExportRange, exportLog } from "./local/examine/export.ts";
import { exportCar, TooManyCommits } from "./local/examine/export-car.ts";
import { InspectError, inspectSegment } from "./local/examine/inspect.ts";
import { type InspectFormat, JSON_LINES, TEXT_LINES } from "./local/examine/inspect-text.ts";
import { type LogSummary, type VerifyOptions, verifyLog } from "./local/examine/verify.ts";
import { systemLogFs } from "./local/log-fs.ts";
import { readLogId } from "./local/log-id.ts";
import { BackgroundReader } from "./local/read/background-reader.ts";
import { LogReader } from "./local/read/reader.ts";
import { StagedLog } from "./local/staged.ts";
import { LogWriter, type LogWriterOptions } from "./local/write/log-writer.ts";
import type { BlockingReader, Log, LogNumbers, SharedReader } from "./log.ts";
import { createMarksBuffer, type MarkRule, Marks } from "./marks.ts";
import { createPositionBuffer, LogPosition } from "./position.ts";

/** The memory that the log's writer and all its readers share. */
export interface LogMemory {
	/** How far the log is published. */
	position: SharedArrayBuffer;
	/** The active segment, for readers of the log's files. */
	activeSegment: SharedArrayBuffer;
	/** How far the readers are that retention waits for. */
	marks: SharedArrayBuffer;
}

/** @param marks the readers that retention waits for */
export function createLogMemory(marks: readonly MarkRule[]): LogMemory {
	return {
		position: createPositionBuffer(),
		activeSegment: createActiveSegmentBuffer(),
		marks: createMarksBuffer(marks),
	};
}

/** How the log is kept. */
export type LogSettings = Pick<
	LogWriterOptions,
	"syncMode" | "segmentBytes" | "replayWindowMs" | "replayBytesMax" | "diskReserveBytes" | "initialSeq"
>;

/**
 * Opens the log for its one writer.
 *
 * @param options `onStall` is called with the reason when the log begins to take nothing or the reason changes, and with null
 * when it goes on; `onProgress` when another step may get on
 * @throws Error if another process writes to it, if it has another format, or if damage hides which numbers were used
 */
export function openLog(
	memory: LogMemory,
	options: LogSettings & {
		directory: string;
		counters: Counters;
		onStall: (reason: DiskFaultReason | null) => void;
		onProgress: () => void;
	},
): Log {
	return new LogWriter({
		...options,
		fs: systemLogFs,
		position: new LogPosition(memory.position),
		active: new ActiveSegment(memory.activeSegment),
		marks: new Marks(memory.marks),
		clock: Date.now,
		elapsedMs: () => performance.now(),
	});
}

export interface ReaderOptions {
	directory: string;
	/** Limit, in bytes, of the records that are kept in memory for other consumers that come to read them. */
	cacheBytesMax: number;
	counters: Counters;
}

/** Opens the log for the many consumers of a thread that must not wait for the disk. */
export function openSharedReader(memory: LogMemory, options: ReaderOptions): SharedReader {
	return new BackgroundReader(openLocal(memory, options));
}

/** Opens the log for a reader whose thread may wait for the disk. */
export function openBlockingReader(memory: LogMemory, options: ReaderOptions): BlockingReader {
	return openLocal(memory, options);
}

function openLocal(memory: LogMemory, options: ReaderOptions): LogReader {
	return new LogReader({ ...options, active: new ActiveSegment(memory.activeSegment), fs: systemLogFs });
}

/**
 * The id of a log that its writer has opened: a UUID.
 *
 * @throws Damage if its file is gone or holds no UUID
 */
export function logIdOf(directory: string): string {
	const id = readLogId(systemLogFs, directory);
	if (id === null) throw new Damage(`the log in ${directory} has no file \`id\` any more: put it back`);
	return id;
}

/**
 * Begins a log that is made aside, and gets its place when it is whole.
 *
 * @throws LogTaken if there is a log already
 */
export function stageLog(directory: string): StagedLog {
	return new StagedLog(systemLogFs, directory);
}

export { LogTaken, type StagedLog } from "./local/staged.ts";

/** How a segment can be shown: for people, or for programs, one JSON object a line. */
export const INSPECT_FORMATS = { text: TEXT_LINES, json: JSON_LINES } as const satisfies Record<string, InspectFormat>;

/**
 * Shows the contents of a segment, line by line. The segment may be in use.
 *
 * @param line called with each line. If it returns false, the rest is left out
 * @throws InspectError if the file can't be shown. The message says why
 */
export function inspectLogFile(
	path: string,
	format: keyof typeof INSPECT_FORMATS,
	line: (text: string) => boolean,
): void {
	inspectSegment(systemLogFs, path, (part) => line(INSPECT_FORMATS[format].line(part)));
}

export { InspectError } from "./local/examine/inspect.ts";

/**
 * Checks the files of a log, as `verifyLog` says. A relay may write to them meanwhile.
 *
 * @throws InspectError if the log can't be read. The message says why
 */
export function verifyLogFiles(directory: string, options: VerifyOptions): LogSummary {
	try {
		return verifyLog(systemLogFs, directory, options);
	} catch (error) {
		throw unreadable(directory, error);
	}
}

/**
 * Gives the messages of a range of a log, as `exportLog` says. A relay may write to it meanwhile.
 *
 * @throws InspectError if the log can't be read. The message says why
 */
export function exportLogFiles(
	directory: string,
	range: ExportRange,
	visit: (message: ExportedMessage) => boolean,
): ExportCounts {
	try {
		return exportLog(systemLogFs, directory, range, visit);
	} catch (error) {
		throw unreadable(directory, error);
	}
}

/**
 * Writes the blocks of the messages of a range as a CAR, as `exportCar` says.
 *
 * @throws InspectError if that can't be done. The message says why
 */
export async function exportLogCar(
	directory: string,
	range: ExportRange,
	write: (bytes: Uint8Array) => void,
): Promise<ExportCounts> {
	try {
		return await exportCar(systemLogFs, directory, range, write);
	} catch (error) {
		throw error instanceof TooManyCommits ? new InspectError(error.message) : unreadable(directory, error);
	}
}

/** Copies a log's files, as `copyLog` says. */
export function copyLogFiles(options: Omit<LogCopyOptions, "fs">): CopiedLog {
	return copyLog({ ...options, fs: systemLogFs });
}

/** A name of something in the folder because of which no log can be restored to it; null if there is nothing or no folder. */
export function logOccupant(directory: string): string | null {
	return occupantOf(systemLogFs, directory);
}

/** Begins to make a log from a copy, as `RestoredLog` says. */
export function openRestoredLog(options: Omit<LogRestoreOptions, "fs">, used: LogNumbers): RestoredLog {
	return new RestoredLog({ ...options, fs: systemLogFs }, used);
}

export type { CopiedFile } from "./local/copy/copied-file.ts";
export { CopyOvertaken } from "./local/copy/copy-log.ts";
export { CopyChanged } from "./local/copy/restored-log.ts";
export type { ExportCounts, ExportedMessage, ExportRange } from "./local/examine/export.ts";
export type { LogFault, LogSummary, VerifyOptions } from "./local/examine/verify.ts";
export { LOG_FAULTS } from "./local/examine/verify.ts";
export type { CopiedLog, RestoredLog };

function unreadable(directory: string, error: unknown): Error {
	// What is done with each part may fail, too: that says nothing of the log.
	if (error instanceof OutputFailed || error instanceof InspectError) return error;
	return new InspectError(`the log in ${directory} can't be read: ${messageOf(error)}`);
}
