// index/: the database of hosts, accounts and identities, made from the log. No source of truth, and off the path of messages.

import type { AccountState } from "../account/state.ts";
import type { DidDocumentFacts, HostFacts } from "../log/record/control.ts";

/** A host, as the index knows it. */
export interface Host extends HostFacts {
	/** Low-water cursor; null before the first message, and when the host is to be followed from its live end. */
	cursor: number | null;
	/** Accounts whose current host this is and whose upstream status is not `deleted`. */
	accountCount: number;
}

/** An account, as the index knows it. */
export interface Account extends AccountState {
	/** Order of first sight: the paging key of listRepos. */
	readonly id: number;
	readonly did: string;
}

/** Whether an account is taken down, suspended or deleted, by its host or by this relay's operator (rulebook 2.14). */
export interface Takedown {
	did: string;
	/** Lsn of the record that last told of its status; null for an account that is none of these. */
	takenDownSinceLsn: number | null;
}

/** What a DID last resolved to, kept so that a restart doesn't ask the PLC directory for everyone again. */
export type StoredIdentity = DidDocumentFacts;

/**
 * Reads of the index. Every thread opens a reader of its own. They reject with `StoreUnavailable` if the store fails for now,
 * so that the same call may succeed later, and with `StoreBroken` if it can't be used any more.
 */
export interface IndexReader {
	account(did: string): Promise<Account | null>;
	identity(did: string): Promise<StoredIdentity | null>;
	hostByName(hostname: string): Promise<Host | null>;
	/** Hosts with id > `afterId`, by id. */
	hosts(afterId: number, limit: number): Promise<Host[]>;
	/** Accounts with id > `afterId` that have a repo, by id. */
	repos(afterId: number, limit: number): Promise<Account[]>;
	/** Up to `limit` accounts that are taken down and whose status was told of at `lsn` or later, the latest first. */
	takenDownSince(lsn: number, limit: number): Promise<Takedown[]>;
	/** Lsn of the last record applied; 0 before the first. */
	checkpoint(): Promise<number>;
	/** The greatest id that a host has had in the log, even if its row was lost; 0 before the first. */
	hostIdMax(): Promise<number>;
	close(): Promise<void>;
}

/** An account's row without its id. */
export type AccountRow = Omit<Account, "id">;

/** Names the rows that the fold of a batch needs. */
export interface RowKeys {
	/** Accounts that records tell of. */
	dids: ReadonlySet<string>;
	/** Hosts that records name. */
	hosts: ReadonlySet<number>;
	/** Of these, the ones that a record of their own introduces. */
	introduced: ReadonlySet<number>;
}

/** The rows as they are before a batch. */
export interface RowSource {
	account(did: string): AccountRow | null;
	/** Each call gives a row that the caller may change. */
	host(id: number): Host | null;
	/** The greatest host id that any record has named. */
	hostIdMax(): number;
	/** Accounts that are at a host and not deleted, for one that a record introduces and that has no row although it was known. */
	countAccounts(host: number): number;
}

/** The rows as a batch leaves them: one for each DID and host, however many records told of it. */
export interface RowChanges {
	/** New ones in order of first sight. */
	accounts: AccountRow[];
	identities: StoredIdentity[];
	/** Identities that no longer hold, if they were resolved before this time. */
	outdated: { did: string; beforeMs: number }[];
	hosts: Host[];
	/** The greatest host id that any record has named. */
	hostIdMax: number;
	/** How often records named a host that has no row. */
	unknownHostRecords: number;
	/** Of each account whose status was told of, whatever it was before: whether it is taken down now. */
	takedowns: Takedown[];
}

/** Where a batch begins and ends in the log. */
export interface Span {
	/** Lsn of the last record applied before it: the checkpoint that the store must be at. */
	after: number;
	/** Lsn of its last record: the checkpoint from then on. */
	last: number;
}

/**
 * A database that holds the index. It knows nothing of records: it gives the rows that a batch needs and takes the rows that
 * the batch leads to. It fails as its reads do.
 */
export interface Store extends IndexReader {
	/** The id of the log whose records it has applied; null before any log has claimed it. */
	logId(): Promise<string | null>;
	/** Makes it the index of a log, whatever it was before. */
	claim(logId: string): Promise<void>;
	/** The rows of these keys and of the hosts that these accounts are at, all of one moment, with the checkpoint of that moment. */
	load(keys: RowKeys): Promise<{ rows: RowSource; checkpoint: number }>;
	/**
	 * Writes what a batch leads to and moves the checkpoint, all or nothing. The operator's own statuses are not in the log, so
	 * they stay as they are.
	 *
	 * @throws StoreBroken if the store is not at `span.after` of the log `logId`: something else writes to it
	 */
	write(changes: RowChanges, span: Span, logId: string): Promise<void>;
}
