// index/: the database of hosts, accounts and identities, made from the log. It is no source of truth, and messages don't wait for it.

import type { AccountState } from "../account/state.ts";
import type { DidDocumentFacts, HostFacts } from "../log/record/control.ts";
import type { AdminAction, PolicyKind, PolicyValues } from "../log/record/policy-facts.ts";

/** A host, as the index knows it. */
export interface Host extends HostFacts {
	/** The host's low-water mark; null before its first message, and if it is to be followed from its live end. */
	cursor: number | null;
	/** Accounts whose current host this is and that its host does not have as deleted. */
	accountCount: number;
}

/** An account, as the index knows it. */
export interface Account extends AccountState {
	/** Rises in the order in which accounts were first seen. The paging key of listRepos. */
	readonly id: number;
	readonly did: string;
}

/** Whether an account is taken down, suspended or deleted, by its host or by this relay's operator (rulebook 2.14). */
export interface Takedown {
	did: string;
	/** Lsn of the record that last told of its status; null for an account that is none of these. */
	takenDownSinceLsn: number | null;
}

/** An account that waits for room in its host's account limit. */
export interface WaitingAccount {
	did: string;
	/** Since when, in microseconds since 1970. No two accounts have the same time. */
	sinceUs: number;
}

/** A host's accounts were counted anew. */
export interface Recount {
	host: number;
	/** `accountCount` of the host's row before, and what it should have been. */
	before: number;
	counted: number;
}

/** What a DID last resolved to. It is kept so that a restart doesn't ask the PLC directory for all DIDs again. */
export type StoredIdentity = DidDocumentFacts;

/** What the operator has set: the value of a key of this kind. */
export interface Policy<K extends PolicyKind = PolicyKind> {
	kind: K;
	key: string;
	value: PolicyValues[K];
}

/** A change of what the operator has set. A null takes the key's value away. */
export interface PolicyChange<K extends PolicyKind = PolicyKind> {
	kind: K;
	key: string;
	value: PolicyValues[K] | null;
}

/** A line of the audit log, with the lsn of its record. */
export interface StoredAction extends AdminAction {
	lsn: number;
}

/** The index keeps this many lines of the audit log, the latest ones. */
export const ACTIONS_MAX = 100_000;

/**
 * Reads the index. Every thread opens a reader of its own. A read rejects with `StoreUnavailable` if the store fails for now and the
 * same call may succeed later, and with `StoreBroken` if the store can't be used any more.
 *
 * An answer contains all that the index had applied when it was asked for. A database in a server can go back, as by a crash of the
 * server or in a failover: then reads reject with `StoreUnavailable` until the index has been brought up again.
 */
export interface IndexReader {
	account(did: string): Promise<Account | null>;
	identity(did: string): Promise<StoredIdentity | null>;
	hostByName(hostname: string): Promise<Host | null>;
	/** Hosts with id > `afterId`, by id. */
	hosts(afterId: number, limit: number): Promise<Host[]>;
	/** Accounts with id > `afterId` that have a repo, by id. */
	repos(afterId: number, limit: number): Promise<Account[]>;
	/** Up to `limit` accounts that are taken down and whose last status record has `lsn` or a greater one, the latest first. */
	takenDownSince(lsn: number, limit: number): Promise<Takedown[]>;
	/** Accounts that wait for room in this host's limit since later than `afterUs` (microseconds since 1970), those first that came first. */
	waiting(host: number, afterUs: number, limit: number): Promise<WaitingAccount[]>;
	/** How many accounts wait at this host since before `sinceUs`. */
	waitingBefore(host: number, sinceUs: number): Promise<number>;
	/** How many accounts wait at each host at which some do. */
	waitingCounts(): Promise<{ host: number; count: number }[]>;
	/** What the operator has set, of this kind and with key > `afterKey`, by the bytes of the key. */
	policies<K extends PolicyKind>(kind: K, afterKey: string, limit: number): Promise<Policy<K>[]>;
	/** Like `policies`, but only those that no record of this log has told. */
	untoldPolicies<K extends PolicyKind>(kind: K, afterKey: string, limit: number): Promise<Policy<K>[]>;
	/** Lines of the audit log with lsn < `beforeLsn`, the latest first. */
	actions(beforeLsn: number, limit: number): Promise<StoredAction[]>;
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
	/** Those of `hosts` that have a `host` record in the batch. */
	introduced: ReadonlySet<number>;
	/** Those of `hosts` whose accounts are to be counted anew. */
	recounted: ReadonlySet<number>;
}

/** The rows as they are before a batch. */
export interface RowSource {
	account(did: string): AccountRow | null;
	/** The caller may change the row. */
	host(id: number): Host | null;
	/** The greatest host id that any record has named. */
	hostIdMax(): number;
	/**
	 * How many accounts are at a host and not deleted. Only for an introduced host that has no row although its id was in use, and for a
	 * host to be recounted.
	 */
	countAccounts(host: number): number;
}

/** The rows as they are after a batch: one for each DID and host, however many records told of it. */
export interface RowChanges {
	/** New ones in the order in which they were first seen. */
	accounts: AccountRow[];
	identities: StoredIdentity[];
	/** Identities that no longer hold, if they were resolved before this time. */
	outdated: { did: string; beforeMs: number }[];
	hosts: Host[];
	/** The greatest host id that any record has named. */
	hostIdMax: number;
	/** What records have told of policies: at most one change for each kind and key. */
	policies: PolicyChange[];
	/** In the order of their lsns. */
	actions: StoredAction[];
	/** How often records named a host that has no row. */
	unknownHostRecords: number;
	/** For each account that a record told the status of, even if it did not change: whether it is taken down now. */
	takedowns: Takedown[];
	/** Hosts whose accounts were counted anew. */
	recounts: Recount[];
}

/** Where a batch begins and ends in the log. */
export interface Span {
	/** Lsn of the last record applied before the batch. The store's checkpoint must be this. */
	after: number;
	/** Lsn of the batch's last record: the store's next checkpoint. */
	last: number;
}

/**
 * A database that holds the index. It knows nothing of records: it loads the rows that a batch needs and writes the rows that the
 * batch changes. Its errors are those of `IndexReader`.
 */
export interface Store extends IndexReader {
	/** Whether a crash of the database can undo, while the relay goes on, what a `write` has stored. */
	readonly canGoBack: boolean;
	/** The id of the log that it is the index of; null if no log has claimed it. */
	logId(): Promise<string | null>;
	/** Makes it the index of a log, also if it is another log's. That log has not told its policies. */
	claim(logId: string): Promise<void>;
	/**
	 * Loads the rows of these keys, the rows of the hosts that these accounts are at, and the checkpoint, all as of one moment. If something
	 * else writes meanwhile, they may be as of several, and the next `write` fails.
	 */
	load(keys: RowKeys): Promise<{ rows: RowSource; checkpoint: number }>;
	/**
	 * Writes the changes of a batch and moves the checkpoint, all or nothing. Of the audit log, the latest `ACTIONS_MAX` lines stay.
	 *
	 * @throws StoreBroken if the store is not at `span.after` of the log `logId`, which means that something else writes to it
	 */
	write(changes: RowChanges, span: Span, logId: string): Promise<void>;
}
