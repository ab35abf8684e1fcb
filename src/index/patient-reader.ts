import { RETRY_MS, Stall } from "../disk/stall.ts";
import { Marks } from "../log/marks.ts";
import type { PolicyKind } from "../log/record/policy-facts.ts";
import type { Counters } from "../observe/counters.ts";
import { INDEX_MARK } from "./mark.ts";
import { openIndexReader, openPatiently } from "./open.ts";
import type {
	Account,
	Host,
	IndexReader,
	Policy,
	StoredAction,
	StoredIdentity,
	Takedown,
	WaitingAccount,
} from "./store.ts";
import { type StoreFaultReason, storeFaultReason } from "./store-fault.ts";

/** Longest wait between two tries of a read that keeps failing. */
export const RETRY_MS_MAX = 8_000;

export interface PatienceOptions {
	/** Reports that the index can't be read. */
	stall: Stall<StoreFaultReason>;
	/** Waits before the next try. */
	sleep(ms: number): Promise<void>;
}

/**
 * Reads the index for callers that can't go on without it. If a read fails for a reason that can pass, such as a failing disk, it is
 * tried again until it succeeds. Any other failure, such as a damaged database, goes to the caller at once.
 */
export class PatientReader implements IndexReader {
	readonly #reader: IndexReader;
	readonly #options: PatienceOptions;
	/** How many reads have failed and are being tried again. */
	#waiting = 0;

	constructor(reader: IndexReader, options: PatienceOptions) {
		this.#reader = reader;
		this.#options = options;
	}

	account(did: string): Promise<Account | null> {
		return this.#read(() => this.#reader.account(did));
	}

	identity(did: string): Promise<StoredIdentity | null> {
		return this.#read(() => this.#reader.identity(did));
	}

	hostByName(hostname: string): Promise<Host | null> {
		return this.#read(() => this.#reader.hostByName(hostname));
	}

	hosts(afterId: number, limit: number): Promise<Host[]> {
		return this.#read(() => this.#reader.hosts(afterId, limit));
	}

	repos(afterId: number, limit: number): Promise<Account[]> {
		return this.#read(() => this.#reader.repos(afterId, limit));
	}

	takenDownSince(lsn: number, limit: number): Promise<Takedown[]> {
		return this.#read(() => this.#reader.takenDownSince(lsn, limit));
	}

	waiting(host: number, afterUs: number, limit: number): Promise<WaitingAccount[]> {
		return this.#read(() => this.#reader.waiting(host, afterUs, limit));
	}

	waitingBefore(host: number, sinceUs: number): Promise<number> {
		return this.#read(() => this.#reader.waitingBefore(host, sinceUs));
	}

	waitingCounts(): Promise<{ host: number; count: number }[]> {
		return this.#read(() => this.#reader.waitingCounts());
	}

	policies<K extends PolicyKind>(kind: K, afterKey: string, limit: number): Promise<Policy<K>[]> {
		return this.#read(() => this.#reader.policies(kind, afterKey, limit));
	}

	untoldPolicies<K extends PolicyKind>(kind: K, afterKey: string, limit: number): Promise<Policy<K>[]> {
		return this.#read(() => this.#reader.untoldPolicies(kind, afterKey, limit));
	}

	actions(beforeLsn: number, limit: number): Promise<StoredAction[]> {
		return this.#read(() => this.#reader.actions(beforeLsn, limit));
	}

	checkpoint(): Promise<number> {
		return this.#read(() => this.#reader.checkpoint());
	}

	hostIdMax(): Promise<number> {
		return this.#read(() => this.#reader.hostIdMax());
	}

	close(): Promise<void> {
		return this.#reader.close();
	}

	async #read<Result>(read: () => Promise<Result>): Promise<Result> {
		try {
			return await read();
		} catch (error) {
			this.#options.stall.note(error);
		}
		this.#waiting++;
		try {
			return await this.#readAgain(read);
		} finally {
			this.#waiting--;
			if (this.#waiting === 0) this.#options.stall.end();
		}
	}

	async #readAgain<Result>(read: () => Promise<Result>): Promise<Result> {
		for (let delayMs = RETRY_MS; ; delayMs = Math.min(2 * delayMs, RETRY_MS_MAX)) {
			await this.#options.sleep(delayMs);
			try {
				return await read();
			} catch (error) {
				this.#options.stall.note(error);
			}
		}
	}
}

/**
 * Opens a patient reader of the index. Waits for a database on a network.
 * @throws StoreBroken if it is not an index of this program's schema version
 */
export async function openPatientReader(
	url: string,
	marks: SharedArrayBuffer,
	counters: Counters,
): Promise<PatientReader> {
	const patience = patienceOf(counters);
	return new PatientReader(await openPatiently(url, patience, () => openIndexReader(url, appliedOf(marks))), patience);
}

/**
 * Opens a reader whose callers are told when a read fails. Waits for a database on a network.
 * @throws StoreBroken if it is not an index of this program's schema version
 */
export function openPlainReader(url: string, marks: SharedArrayBuffer, counters: Counters): Promise<IndexReader> {
	return openPatiently(url, patienceOf(counters), () => openIndexReader(url, appliedOf(marks)));
}

/** Makes a function that tells how far the index is, by the marks of the log. */
function appliedOf(marks: SharedArrayBuffer): () => number {
	const mark = new Marks(marks).mark(INDEX_MARK.name);
	return () => mark.lsn ?? 0;
}

/** How a thread waits that reads the index, or what is in its database: it is counted and logged as a thread that can't read the index. */
export function patienceOf(counters: Counters): PatienceOptions {
	const clock = (): number => performance.now();
	const stall = new Stall({ part: "index_reads", counters, reasonOf: storeFaultReason, clock, onChange: () => {} });
	return { stall, sleep: Bun.sleep };
}
