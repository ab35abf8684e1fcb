import { type DiskFaultReason, diskFaultReason, Unavailable } from "../disk/fault.ts";
import { Damage } from "../runtime/boundary.ts";

/** Why a store can't be used for now. An embedded database can't for the disk's reasons; one that is asked over a network adds its own. */
export type StoreFaultReason = DiskFaultReason;

/** The store can't do this for now. The same call may succeed later. */
export class StoreUnavailable extends Unavailable {
	override readonly name = "StoreUnavailable";
	readonly reason: StoreFaultReason;
	/** Of the system or the database, if it gave one. */
	readonly code: string | undefined;

	constructor(reason: StoreFaultReason, message: string, code?: string) {
		super(message);
		this.reason = reason;
		this.code = code;
	}
}

/** The store can't be used any more: it is damaged, is not ours, or we asked it for what it can't do. */
export class StoreBroken extends Damage {
	override readonly name: string = "StoreBroken";
	/** Of the database, if it gave one. */
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
