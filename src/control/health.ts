import { DISK_FAULT_REASONS, type DiskFaultReason } from "../disk/fault.ts";
import { STORE_FAULT_REASONS, type StoreFaultReason } from "../index/store-fault.ts";

/** What health looks at, by the names that a probe can leave out. */
export const HEALTH_CHECKS = ["start", "drain", "log", "index"] as const;

export type HealthCheck = (typeof HEALTH_CHECKS)[number];

/** Places in the shared memory. Each has one number, so a reader needs no lock. */
const STARTING = 0;
const DRAINING = 1;
const LOG = 2;
const INDEX = 3;
const READS_STALLED = 4;
const PLACES = 5;

/**
 * How the relay is, in memory that all threads see. Only the control thread writes it. Others answer probes from it, so that a
 * probe waits for no disk and no database. Only faults that can pass are listed: a thread that dies ends the process.
 */
export class Health {
	readonly buffer: SharedArrayBuffer;
	readonly #places: Int32Array;

	/** @param buffer of another thread's; without it this is a relay that is starting */
	constructor(buffer?: SharedArrayBuffer) {
		this.buffer = buffer ?? new SharedArrayBuffer(PLACES * Int32Array.BYTES_PER_ELEMENT);
		this.#places = new Int32Array(this.buffer);
		if (buffer === undefined) this.isStarting = true;
	}

	/** Until consumers are served and hosts are dialled. */
	get isStarting(): boolean {
		return this.#get(STARTING) !== 0;
	}

	set isStarting(value: boolean) {
		this.#set(STARTING, Number(value));
	}

	/** From the moment at which the relay is told to stop. */
	get isDraining(): boolean {
		return this.#get(DRAINING) !== 0;
	}

	set isDraining(value: boolean) {
		this.#set(DRAINING, Number(value));
	}

	/** Why the log can't be written; null if it can. */
	get log(): DiskFaultReason | null {
		return DISK_FAULT_REASONS[this.#get(LOG) - 1] ?? null;
	}

	set log(reason: DiskFaultReason | null) {
		this.#set(LOG, reason === null ? 0 : DISK_FAULT_REASONS.indexOf(reason) + 1);
	}

	/** Why the index can't be written; null if it can. */
	get index(): StoreFaultReason | null {
		return STORE_FAULT_REASONS[this.#get(INDEX) - 1] ?? null;
	}

	set index(reason: StoreFaultReason | null) {
		this.#set(INDEX, reason === null ? 0 : STORE_FAULT_REASONS.indexOf(reason) + 1);
	}

	/** Whether a thread waits because it can't read the index. */
	get areReadsStalled(): boolean {
		return this.#get(READS_STALLED) !== 0;
	}

	set areReadsStalled(value: boolean) {
		this.#set(READS_STALLED, Number(value));
	}

	/** What is wrong, in words; null if nothing is. @param except checks to leave out */
	fault(except: readonly HealthCheck[] = []): string | null {
		const faults = HEALTH_CHECKS.filter((check) => !except.includes(check)).flatMap((check) => this.#faultsOf(check));
		return faults.length === 0 ? null : faults.join("; ");
	}

	#faultsOf(check: HealthCheck): string[] {
		const { isStarting, isDraining, log, index, areReadsStalled } = this;
		if (check === "start") return isStarting ? ["the relay is starting"] : [];
		if (check === "drain") return isDraining ? ["the relay is shutting down"] : [];
		if (check === "log") {
			return log === null
				? []
				: [`the log can't be written (${log}): hosts are paused, and consumers get only what the log has already`];
		}
		const cost = isStarting ? "the start waits for it" : "the log goes on without it";
		return [
			...(index === null ? [] : [`the index can't be written (${index}): ${cost}`]),
			...(areReadsStalled ? ["the index can't be read: messages and hosts that need it wait"] : []),
		];
	}

	#get(place: number): number {
		return Atomics.load(this.#places, place);
	}

	#set(place: number, value: number): void {
		Atomics.store(this.#places, place, value);
	}
}
