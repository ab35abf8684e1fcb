import { type LocalStatusFact, next } from "../account/next.ts";
import { type AccountState, NO_HOST } from "../account/state.ts";
import { isDeletedAtHost, isTakenDown } from "../account/status.ts";
import {
	type Control,
	type ControlFacts,
	type ControlKind,
	type CursorsFacts,
	decodeControl,
	type HostFacts,
	type RecountFacts,
} from "../log/record/control.ts";
import { decodeFact, didOf, type MessageFact } from "../log/record/message-facts.ts";
import type { AdminAction, PolicyFacts, PolicyKind } from "../log/record/policy-facts.ts";
import { isMessageKind } from "../log/record/record.ts";
import type { StoredRecord } from "../log/record/stored-record.ts";
import type {
	Host,
	PolicyChange,
	Recount,
	RowChanges,
	RowKeys,
	RowSource,
	StoredAction,
	StoredIdentity,
	Takedown,
} from "./store.ts";

/** An `#identity` causes a lookup, with retries. It begins at most this long before the record is written. */
const LOOKUP_MS_MAX = 120_000;

/** An account that records of the batch tell of. */
interface TouchedAccount {
	state: AccountState;
	/** As it was before the batch; null if it was not known. */
	readonly before: AccountState | null;
	/** The host whose `accountCount` it was part of before the batch. */
	readonly countedAt: number | null;
}

/** Names the rows that `foldRecords` needs for the same records, besides those of the hosts that the accounts are at. */
export function touched(records: readonly StoredRecord[]): RowKeys {
	const keys = {
		dids: new Set<string>(),
		hosts: new Set<number>(),
		introduced: new Set<number>(),
		recounted: new Set<number>(),
	};
	for (const record of records) {
		if (isMessageKind(record.kind)) {
			keys.hosts.add(record.host);
			const did = didOf(record);
			if (did !== null) keys.dids.add(did);
		} else {
			const control = decodeControl(record);
			if (control !== null) partOf(control).touch(control.facts, keys);
		}
	}
	return keys;
}

/** Folds consecutive records into row changes. If the rows already contain the records, they stay the same. */
export function foldRecords(records: readonly StoredRecord[], rows: RowSource): RowChanges {
	const fold = new Fold(rows);
	for (const record of records) fold.add(record);
	return fold.changes();
}

/**
 * A host gets a row by its `host` record, which comes before all other records of the host. It is missing only if the index was lost
 * and the log's beginning is gone, or if the log has a gap. In that case no row is made up: cursors and counts of the host are not kept
 * until a `host` record names it again.
 */
class Fold {
	readonly #rows: RowSource;
	readonly #accounts = new Map<string, TouchedAccount>();
	readonly #identities = new Map<string, StoredIdentity>();
	readonly #outdated = new Map<string, number>();
	/** Null for hosts without a row. */
	readonly #hosts = new Map<number, Host | null>();
	/** By kind and key. */
	readonly #policies = new Map<string, PolicyChange>();
	readonly #actions: StoredAction[] = [];
	/** By host. */
	readonly #recounts = new Map<number, Recount>();
	/** DIDs of accounts whose status was told, in order. */
	readonly #statuses = new Set<string>();
	readonly #hostIdMaxBefore: number;
	#hostIdMax: number;
	#unknownHostRecords = 0;

	constructor(rows: RowSource) {
		this.#rows = rows;
		this.#hostIdMax = this.#hostIdMaxBefore = rows.hostIdMax();
	}

	add(record: StoredRecord): void {
		if (isMessageKind(record.kind)) this.#addMessage(record);
		else {
			const control = decodeControl(record);
			if (control !== null) partOf(control).fold(control.facts, this, record);
		}
	}

	#addMessage(record: StoredRecord): void {
		if (record.host !== NO_HOST) this.#named(record.host);
		const fact = decodeFact(record);
		if (fact === null) return;
		if (fact.type === "identity") {
			// If the lookup that followed failed, an earlier document must not count as fresh after a restart.
			this.#outdated.set(fact.did, record.timeUs / 1000 - LOOKUP_MS_MAX);
		}
		this.tell(fact, record);
	}

	changes(): RowChanges {
		for (const { state, countedAt } of this.#accounts.values()) {
			const countsAt = countingHost(state);
			if (countsAt === countedAt) continue;
			this.#count(countedAt, -1);
			this.#count(countsAt, 1);
		}
		return {
			accounts: [...this.#accounts].flatMap(([did, { state, before }]) =>
				state === before ? [] : [{ ...state, did }],
			),
			identities: [...this.#identities.values()],
			outdated: Array.from(this.#outdated, ([did, beforeMs]) => ({ did, beforeMs })),
			hosts: Array.from(this.#hosts.values()).filter((host) => host !== null),
			hostIdMax: this.#hostIdMax,
			policies: [...this.#policies.values()],
			actions: this.#actions,
			unknownHostRecords: this.#unknownHostRecords,
			takedowns: this.#takedowns(),
			recounts: [...this.#recounts.values()],
		};
	}

	#takedowns(): Takedown[] {
		return Array.from(this.#statuses, (did) => {
			const state = this.#account(did)?.state;
			return { did, takenDownSinceLsn: state && isTakenDown(state) ? state.statusLsn : null };
		});
	}

	tell(fact: MessageFact | (LocalStatusFact & { did: string }), record: StoredRecord): void {
		const { did } = fact;
		const touched = this.#account(did);
		const state = next(touched?.state ?? null, fact, record);
		if (state === null) return;
		if (touched === null) this.#accounts.set(did, { state, before: null, countedAt: null });
		else touched.state = state;
		if (state.statusLsn === record.lsn) this.#statuses.add(did);
	}

	setCursors({ cursors }: CursorsFacts): void {
		for (const { host: id, seq } of cursors) {
			const host = this.#named(id);
			if (host !== null) host.cursor = seq;
		}
	}

	setIdentity(identity: StoredIdentity): void {
		this.#identities.set(identity.did, identity);
	}

	setPolicy(change: PolicyChange): void {
		this.#policies.set(`${change.kind} ${change.key}`, change);
	}

	addAction(action: AdminAction, { lsn }: StoredRecord): void {
		this.#actions.push({ ...action, lsn });
	}

	/** Counts the accounts of a host as they were before the batch. What the batch changes is added at its end. */
	recount({ host: id }: RecountFacts): void {
		const host = this.#host(id);
		if (host === null || this.#recounts.has(id)) return;
		const counted = this.#rows.countAccounts(id);
		this.#recounts.set(id, { host: id, before: host.accountCount, counted });
		host.accountCount = counted;
	}

	setHost(facts: HostFacts): void {
		const { id, ...told } = facts;
		const host = this.#host(id);
		if (host === null) {
			// Only a host whose row was lost can have accounts already.
			const accountCount = id <= this.#hostIdMaxBefore ? this.#rows.countAccounts(id) : 0;
			this.#hosts.set(id, { id, ...told, cursor: null, accountCount });
			this.#hostIdMax = Math.max(this.#hostIdMax, id);
		} else {
			Object.assign(host, told);
		}
	}

	#account(did: string): TouchedAccount | null {
		const touched = this.#accounts.get(did);
		if (touched !== undefined) return touched;
		const row = this.#rows.account(did);
		if (row === null) return null;
		const loaded = { state: row, before: row, countedAt: countingHost(row) };
		this.#accounts.set(did, loaded);
		return loaded;
	}

	/** Returns the row of a host that a message or cursor names; null, and counted, if it has none. */
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

/** The host whose `accountCount` this account is part of; null if none. */
function countingHost(account: AccountState): number | null {
	return isDeletedAtHost(account) ? null : account.host;
}

/** The keys of rows while they are gathered. */
type GatheredKeys = { readonly [K in keyof RowKeys]: RowKeys[K] extends ReadonlySet<infer Key> ? Set<Key> : never };

/** What the index does with a kind of control record: which rows it needs, and how they change. */
interface ControlPart<F> {
	touch(facts: F, keys: GatheredKeys): void;
	fold(facts: F, rows: Fold, record: StoredRecord): void;
}

/** A kind of policy that concerns no other row. */
function policyPart<K extends PolicyKind>(kind: K): ControlPart<PolicyFacts<K>> {
	return { touch() {}, fold: (facts, rows) => rows.setPolicy({ kind, ...facts }) };
}

const CONTROL_PARTS: { readonly [K in ControlKind]: ControlPart<ControlFacts[K]> } = {
	cursors: {
		touch({ cursors }, { hosts }) {
			for (const { host } of cursors) hosts.add(host);
		},
		fold: (facts, rows) => rows.setCursors(facts),
	},
	host: {
		touch({ id }, { hosts, introduced }) {
			hosts.add(id);
			introduced.add(id);
		},
		fold: (facts, rows) => rows.setHost(facts),
	},
	didDocument: {
		touch() {},
		fold: (facts, rows) => rows.setIdentity(facts),
	},
	localStatus: {
		touch({ key: did }, { dids }) {
			dids.add(did);
		},
		fold(facts, rows, record) {
			rows.setPolicy({ kind: "localStatus", ...facts });
			rows.tell({ type: "local", did: facts.key, status: facts.value?.status ?? null }, record);
		},
	},
	recount: {
		touch({ host }, { hosts, recounted }) {
			hosts.add(host);
			recounted.add(host);
		},
		fold: (facts, rows) => rows.recount(facts),
	},
	hostPolicy: policyPart("hostPolicy"),
	domainBan: policyPart("domainBan"),
	setting: policyPart("setting"),
	adminAction: {
		touch() {},
		fold: (facts, rows, record) => rows.addAction(facts, record),
	},
};

function partOf<K extends ControlKind>({ kind }: Control<K>): ControlPart<ControlFacts[K]> {
	return CONTROL_PARTS[kind];
}
