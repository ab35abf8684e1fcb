import type { AccountState } from "../account/state.ts";
import type { HostStatus } from "../log/record/facts.ts";
import type { StoredRecord } from "../log/record/stored-record.ts";

/** A host, as the index knows it. */
export interface Host {
	id: number;
	hostname: string;
	insecure: boolean;
	status: HostStatus;
	/** Low-water cursor; null before the first message, and when the host is to be followed from its live end. */
	cursor: number | null;
	/** How often messages of it may have been missed. */
	gaps: number;
	/** When, after which of its seqs and why that was the last time, for people; null where it never was. */
	lastGap: string | null;
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
	/** Seq of the record that last told of its status; null for an account that is none of these. */
	takenDownSinceSeq: number | null;
}

/** What a DID last resolved to, kept so that a restart doesn't ask the PLC directory for everyone again. */
export interface StoredIdentity {
	did: string;
	signingKey: string | null;
	pds: string | null;
	tombstoned: boolean;
	resolvedAtMs: number;
}

/**
 * Reads of the index. Asynchronous even where the embedded database is not, so that PostgreSQL fits behind it.
 * Every thread opens a reader of its own.
 */
export interface IndexReader {
	account(did: string): Promise<Account | null>;
	identity(did: string): Promise<StoredIdentity | null>;
	hostByName(hostname: string): Promise<Host | null>;
	/** Hosts with id > `afterId`, by id. */
	hosts(afterId: number, limit: number): Promise<Host[]>;
	/** Accounts with id > `afterId` that have a repo, by id. */
	repos(afterId: number, limit: number): Promise<Account[]>;
	/** Up to `limit` accounts that are taken down and whose status was told of at `seq` or later, the latest first. */
	takenDownSince(seq: number, limit: number): Promise<Takedown[]>;
	/** Seq of the last record applied; 0 before the first. */
	checkpoint(): Promise<number>;
	/** The greatest id that a host has had in the log, even if its row was lost; 0 before the first. */
	hostIdMax(): Promise<number>;
	close(): Promise<void>;
}

/** What came of a batch of records. */
export interface Applied {
	/** Of each account whose status they tell of, whether it is taken down now. */
	takedowns: Takedown[];
	/** How often they named a host that the index does not know. */
	unknownHostRecords: number;
}

/** The one writer of the index. Only the log's follower calls it. */
export interface IndexWriter extends IndexReader {
	/** Applies consecutive records and moves the checkpoint, all in one transaction. */
	apply(records: readonly StoredRecord[]): Promise<Applied>;
}
