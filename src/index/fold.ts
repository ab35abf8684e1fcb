import {
	type AccountFacts,
	type CursorsFacts,
	decodeAccountFacts,
	decodeCursorsFacts,
	decodeDidDocumentFacts,
	decodeHostFacts,
	decodeIdentityFacts,
	decodeRepoFacts,
	type HostFacts,
	type IdentityFacts,
	type RepoFacts,
} from "../log/record/facts.ts";
import { isMessageKind, RecordFlag, RecordKind } from "../log/record/record.ts";
import type { StoredRecord } from "../log/record/stored-record.ts";
import { FORGOTTEN_REPO, isDeletion } from "../protocol/deletion.ts";
import type { Account, Host, StoredIdentity } from "./store.ts";

/** An account's row without what the log does not set: its id, and the operator's own status. */
export type AccountRow = Omit<Account, "id" | "localStatus">;

/** The rows as they are before a batch. Each call gives a row that the caller may change. */
export interface RowSource {
	account(did: string): AccountRow | null;
	host(id: number): Host | null;
	/** The greatest host id that any record has named. */
	hostIdMax(): number;
	/** Accounts that are at a host and not deleted. It looks at all accounts. */
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
	/** Accounts whose status was told of, whatever it was before. */
	statuses: ReadonlySet<string>;
}

/** The lookup that an `#identity` causes begins before its record is written, by up to this much with all its retries. */
const LOOKUP_MS_MAX = 120_000;

/** Folds consecutive records into row changes. Folding records that the rows already hold leads to the same rows. */
export function foldRecords(records: readonly StoredRecord[], rows: RowSource): RowChanges {
	const fold = new Fold(rows);
	for (const record of records) fold.add(record);
	return fold.changes();
}

/**
 * A host has a row once its `host` record was seen. That record comes before all others of the host. It is missing only if
 * the index was lost and the log's beginning is gone, or if the log has a gap. Then nothing is made up: what messages and
 * cursors say of the host is not kept, until a `host` record names it again.
 */
class Fold {
	readonly #rows: RowSource;
	readonly #accounts = new Map<string, { row: AccountRow; countedAt: number | null }>();
	readonly #identities = new Map<string, StoredIdentity>();
	readonly #outdated = new Map<string, number>();
	/** Null for those without a row. */
	readonly #hosts = new Map<number, Host | null>();
	readonly #statuses = new Set<string>();
	readonly #hostIdMaxBefore: number;
	#hostIdMax: number;
	#unknownHostRecords = 0;

	constructor(rows: RowSource) {
		this.#rows = rows;
		this.#hostIdMax = this.#hostIdMaxBefore = rows.hostIdMax();
	}

	add(record: StoredRecord): void {
		if (isMessageKind(record.kind)) this.#named(record.host);
		switch (record.kind) {
			case RecordKind.commit:
			case RecordKind.sync:
				this.#setRepo(record, decodeRepoFacts(record.facts));
				break;
			case RecordKind.account:
				this.#setStatus(record, decodeAccountFacts(record.facts));
				break;
			case RecordKind.identity:
				this.#noteIdentity(record, decodeIdentityFacts(record.facts));
				break;
			case RecordKind.cursors:
				this.#setCursors(decodeCursorsFacts(record.facts));
				break;
			case RecordKind.host:
				this.#setHost(decodeHostFacts(record.facts));
				break;
			case RecordKind.didDocument: {
				const identity = decodeDidDocumentFacts(record.facts);
				this.#identities.set(identity.did, identity);
				break;
			}
		}
	}

	changes(): RowChanges {
		for (const { row, countedAt } of this.#accounts.values()) {
			const countsAt = countingHost(row);
			if (countsAt === countedAt) continue;
			this.#count(countedAt, -1);
			this.#count(countsAt, 1);
		}
		return {
			accounts: Array.from(this.#accounts.values(), ({ row }) => row),
			identities: [...this.#identities.values()],
			outdated: Array.from(this.#outdated, ([did, beforeMs]) => ({ did, beforeMs })),
			hosts: Array.from(this.#hosts.values()).filter((host) => host !== null),
			hostIdMax: this.#hostIdMax,
			unknownHostRecords: this.#unknownHostRecords,
			statuses: this.#statuses,
		};
	}

	#setRepo(record: StoredRecord, facts: RepoFacts): void {
		const account = this.#account(facts.did) ?? this.#createAccount(facts.did, record.host);
		this.#comeFrom(account, record);
		account.rev = facts.rev;
		account.commit = facts.commit;
		account.data = facts.data;
	}

	#setStatus(record: StoredRecord, facts: AccountFacts): void {
		const account = this.#account(facts.did) ?? this.#createAccount(facts.did, record.host);
		this.#comeFrom(account, record, facts.timeMs);
		this.#tellStatus(account, record.seq, facts.active, facts.status);
		if (isDeletion(facts.active, facts.status)) Object.assign(account, FORGOTTEN_REPO);
	}

	#tellStatus(account: AccountRow, seq: number, active: boolean, status: string | null): void {
		account.upstreamActive = active;
		account.upstreamStatus = status;
		account.statusSeq = seq;
		this.#statuses.add(account.did);
	}

	/**
	 * Any host may announce an identity, but only one from home makes an account or moves it. What the DID resolved to before
	 * must not be taken for the present after a restart, where the lookup that followed has failed.
	 */
	#noteIdentity(record: StoredRecord, facts: IdentityFacts): void {
		this.#outdated.set(facts.did, record.timeUs / 1000 - LOOKUP_MS_MAX);
		const isHome = (record.flags & RecordFlag.home) !== 0;
		const account = this.#account(facts.did) ?? (isHome ? this.#createAccount(facts.did, record.host) : null);
		if (account === null || (account.host !== record.host && !isHome)) return;
		this.#comeFrom(account, record, facts.timeMs);
	}

	/** Notes which host the account's message came from, and that it is there now. */
	#comeFrom(account: AccountRow, record: StoredRecord, timeMs = 0): void {
		if (account.host !== record.host) {
			// Its status at the host it left says nothing any more, and neither do that host's times.
			this.#tellStatus(account, record.seq, true, null);
			account.lastTimeMs = 0;
		}
		account.host = record.host;
		account.hostSeq = record.upstreamSeq;
		account.lastTimeMs = Math.max(account.lastTimeMs, timeMs);
	}

	#setCursors({ cursors }: CursorsFacts): void {
		for (const { host: id, seq } of cursors) {
			const host = this.#named(id);
			if (host !== null) host.cursor = seq;
		}
	}

	#setHost(facts: HostFacts): void {
		const { id, hostname, insecure, status } = facts;
		const host = this.#host(id);
		const { gaps = host?.gaps ?? 0, lastGap = host?.lastGap ?? null } = facts;
		if (host === null) {
			// Only a host whose row was lost can have accounts already.
			const accountCount = id <= this.#hostIdMaxBefore ? this.#rows.countAccounts(id) : 0;
			this.#hosts.set(id, { id, hostname, insecure, status, cursor: null, gaps, lastGap, accountCount });
			this.#hostIdMax = Math.max(this.#hostIdMax, id);
		} else {
			Object.assign(host, { hostname, insecure, status, gaps, lastGap });
		}
	}

	#account(did: string): AccountRow | null {
		const touched = this.#accounts.get(did);
		if (touched !== undefined) return touched.row;
		const row = this.#rows.account(did);
		if (row !== null) this.#accounts.set(did, { row, countedAt: countingHost(row) });
		return row;
	}

	#createAccount(did: string, host: number): AccountRow {
		const row: AccountRow = {
			did,
			host,
			hostSeq: 0,
			lastTimeMs: 0,
			upstreamActive: true,
			upstreamStatus: null,
			statusSeq: 0,
			rev: null,
			commit: null,
			data: null,
		};
		this.#accounts.set(did, { row, countedAt: null });
		return row;
	}

	/** A host that a record other than its own names. */
	#named(id: number): Host | null {
		const host = this.#host(id);
		if (host === null) this.#unknownHostRecords++;
		this.#hostIdMax = Math.max(this.#hostIdMax, id);
		return host;
	}

	#host(id: number): Host | null {
		const touched = this.#hosts.get(id);
		if (touched !== undefined) return touched;
		const row = this.#rows.host(id);
		this.#hosts.set(id, row);
		return row;
	}

	#count(id: number | null, change: number): void {
		const host = id === null ? null : this.#host(id);
		if (host !== null) host.accountCount += change;
	}
}

/** The host whose accountCount this account is part of. */
function countingHost(account: AccountRow): number | null {
	return account.upstreamStatus === "deleted" ? null : account.host;
}
