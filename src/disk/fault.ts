/**
 * Why the log or the index can't be written for now. The names are stable: the health answer and log lines contain them.
 *
 * - `disk-full`: no space, quota or file size left
 * - `disk-reserve`: there is less free disk than `RELAY_DISK_RESERVE` asks for, and nothing more to remove
 * - `io-error`: the device or the system failed a call
 * - `read-only`: the file system or the folder takes no writes
 * - `too-many-files`: this process, or the system, has as many files open as it may; nothing is wrong with the disk
 * - `sync-failed`: written data could not be made durable
 */
export const DISK_FAULT_REASONS = [
	"disk-full",
	"disk-reserve",
	"io-error",
	"read-only",
	"sync-failed",
	"too-many-files",
] as const;

export type DiskFaultReason = (typeof DISK_FAULT_REASONS)[number];

/** The disk or the database that holds our data does not work for now. The relay waits, and tries again. */
export abstract class Unavailable extends Error {
	/** Stable: the health answer and log lines contain it. */
	abstract readonly reason: string;
}

/** A fault of the disk, not of what is on it. */
export class DiskFault extends Unavailable {
	override readonly name = "DiskFault";
	readonly reason: DiskFaultReason;

	constructor(reason: DiskFaultReason, message: string, options?: ErrorOptions) {
		super(message, options);
		this.reason = reason;
	}
}

/** Failures that can pass without a change of the program. Any other code means a mistake in the program, and is final. */
const REASONS: Readonly<Record<string, DiskFaultReason>> = {
	ENOSPC: "disk-full",
	EDQUOT: "disk-full",
	EFBIG: "disk-full",
	EROFS: "read-only",
	EACCES: "read-only",
	EPERM: "read-only",
	EIO: "io-error",
	ENXIO: "io-error",
	ENODEV: "io-error",
	// The folder was moved away or unmounted.
	ENOENT: "io-error",
	ESTALE: "io-error",
	ETIMEDOUT: "io-error",
	ENOMEM: "io-error",
	EMFILE: "too-many-files",
	ENFILE: "too-many-files",
	EINTR: "io-error",
	EAGAIN: "io-error",
	SQLITE_FULL: "disk-full",
	SQLITE_IOERR: "io-error",
	SQLITE_READONLY: "read-only",
	SQLITE_CANTOPEN: "io-error",
};

/** SQLite's codes may say more after the name: `SQLITE_IOERR_WRITE`. */
const SQLITE_CODE = /^SQLITE_[A-Z]+/;

/** The reason if `error` is a fault of the disk, by the code that the system or SQLite gave it; else null. */
export function diskFaultReason(error: unknown): DiskFaultReason | null {
	if (error instanceof DiskFault) return error.reason;
	if (!(error instanceof Error) || !("code" in error) || typeof error.code !== "string") return null;
	return REASONS[SQLITE_CODE.exec(error.code)?.[0] ?? error.code] ?? null;
}

/** Whether an error says that the file does not exist. */
export function isNotFound(error: unknown): boolean {
	return error instanceof Error && "code" in error && error.code === "ENOENT";
}
