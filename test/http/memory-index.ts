import type {
	Account,
	Host,
	IndexReader,
	StoredAction,
	StoredIdentity,
	Takedown,
	WaitingAccount,
} from "../../src/index/store.ts";
import { NEVER_CONNECTED } from "../../src/log/record/host-connection.ts";

/** An index in memory. */
export class MemoryIndex implements IndexReader {
	readonly hostRows: Host[] = [];
	readonly accountRows: Account[] = [];
	readonly identityRows: StoredIdentity[] = [];
	failing = false;
	/** The DIDs and host names that it was asked for. */
	readonly askedFor: string[] = [];

	addHost(hostname: string, values: Partial<Host> = {}): Host {
		const host: Host = {
			id: this.hostRows.length + 1,
			hostname,
			insecure: false,
			status: "active",
			cursor: 10,
			gaps: 0,
			lastGap: null,
			connection: NEVER_CONNECTED,
			accountCount: 0,
			...values,
		};
		this.hostRows.push(host);
		return host;
	}

	addAccount(did: string, values: Partial<Account> = {}): Account {
		const account: Account = {
			id: this.accountRows.length + 1,
			did,
			host: 1,
			hostSeq: 1,
			lastTimeMs: 0,
			upstreamActive: true,
			upstreamStatus: null,
			localStatus: null,
			waitingSinceUs: null,
			statusLsn: 0,
			rev: "3l3qo2vuowo2b",
			commit: COMMIT,
			data: COMMIT,
			...values,
		};
		this.accountRows.push(account);
		return account;
	}

	async account(did: string): Promise<Account | null> {
		this.askedFor.push(did);
		return this.accountRows.find((account) => account.did === did) ?? null;
	}

	async identity(did: string): Promise<StoredIdentity | null> {
		this.askedFor.push(did);
		return this.identityRows.find((identity) => identity.did === did) ?? null;
	}

	async hostByName(hostname: string): Promise<Host | null> {
		this.askedFor.push(hostname);
		return this.hostRows.find((host) => host.hostname === hostname) ?? null;
	}

	async hosts(afterId: number, limit: number): Promise<Host[]> {
		return this.hostRows.filter(({ id }) => id > afterId).slice(0, limit);
	}

	async repos(afterId: number, limit: number): Promise<Account[]> {
		return this.accountRows.filter(({ id, commit }) => id > afterId && commit !== null).slice(0, limit);
	}

	async takenDownSince(): Promise<Takedown[]> {
		throw new Error("no HTTP method asks for this");
	}

	async waiting(): Promise<WaitingAccount[]> {
		throw new Error("no HTTP method of the reads asks for this");
	}

	async waitingBefore(): Promise<number> {
		throw new Error("no HTTP method of the reads asks for this");
	}

	async waitingCounts(): Promise<{ host: number; count: number }[]> {
		throw new Error("no HTTP method of the reads asks for this");
	}

	async policies(): Promise<never[]> {
		throw new Error("no HTTP method of the reads asks for this");
	}

	async untoldPolicies(): Promise<never[]> {
		throw new Error("no HTTP method asks for this");
	}

	async actions(): Promise<StoredAction[]> {
		throw new Error("no HTTP method of the reads asks for this");
	}

	async checkpoint(): Promise<number> {
		if (this.failing) throw new Error("disk I/O error");
		return 1;
	}

	async hostIdMax(): Promise<number> {
		return Math.max(0, ...this.hostRows.map(({ id }) => id));
	}

	async close(): Promise<void> {}
}

/** A binary CID and its string form: dag-cbor, sha2-256 of no bytes. */
const COMMIT = new Uint8Array(
	Buffer.from("01711220e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "hex"),
);
export const COMMIT_STRING = "bafyreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku";
