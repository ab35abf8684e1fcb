import { DISK_FAULT_REASONS, diskFaultReason, Unavailable } from "../disk/fault.ts";
import { Damage } from "../runtime/boundary.ts";

/**
 * Why a database on a network can't be used for now. The names are stable: the health answer and log lines contain them.
 *
 * - `database-unreachable`: no connection can be made, the server ends it or does not answer, it is starting or stopping, or it no longer
 *   lets the relay in
 * - `database-full`: the server has no disk space or memory left
 * - `database-slow`: a statement, or its wait for another's lock, took too long
 * - `database-read-only`: the server takes no writes, as a standby does
 * - `database-behind`: the database lacks what it had before, as after a failover, until it is brought up again
 */
const DATABASE_FAULT_REASONS = [
	"database-unreachable",
	"database-full",
	"database-slow",
	"database-read-only",
	"database-behind",
] as const;

/** Why a store can't be used for now. An embedded database has the disk's reasons. */
export const STORE_FAULT_REASONS = [...DISK_FAULT_REASONS, ...DATABASE_FAULT_REASONS] as const;

export type StoreFaultReason = (typeof STORE_FAULT_REASONS)[number];

/** The store can't do this for now. The same call may succeed later. */
export class StoreUnavailable extends Unavailable {
	override readonly name = "StoreUnavailable";
	readonly reason: StoreFaultReason;
	/** The system's or the database's code of the error, if it gave one. */
	readonly code: string | undefined;

	constructor(reason: StoreFaultReason, message: string, code?: string) {
		super(message);
		this.reason = reason;
		this.code = code;
	}
}

/** The store can't be used any more: it is damaged, it is not this relay's, or it was given a statement that it can't execute. */
export class StoreBroken extends Damage {
	override readonly name: string = "StoreBroken";
	/** The database's code of the error, if it gave one. */
	readonly code: string | undefined;

	constructor(message: string, code?: string) {
		super(message);
		this.code = code;
	}
}

/** Why a failure to read or write the index, or the log that it follows, may be waited for; null if it is final. */
export function storeFaultReason(error: unknown): StoreFaultReason | null {
	if (error instanceof StoreUnavailable) return error.reason;
	return error instanceof StoreBroken ? null : diskFaultReason(error);
}
