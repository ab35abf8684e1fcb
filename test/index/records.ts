import type { RowSource } from "../../src/index/store.ts";
import {
	encodeCursorsFacts,
	encodeDidDocumentFacts,
	encodeHostFacts,
	encodeRecountFacts,
	type HostFacts,
} from "../../src/log/record/control.ts";
import { encodeAccountFacts, encodeIdentityFacts, encodeRepoFacts } from "../../src/log/record/facts.ts";
import { NEVER_CONNECTED } from "../../src/log/record/host-connection.ts";
import {
	type AdminAction,
	encodeAdminAction,
	type HostPolicy,
	type PolicyKind,
	type PolicyValues,
	policyCodec,
} from "../../src/log/record/policy-facts.ts";
import { isMessageKind, RecordFlag, RecordKind } from "../../src/log/record/record.ts";
import type { StoredRecord } from "../../src/log/record/stored-record.ts";

/** Where a message came from: a host's id, and its seq there. */
type From = [host: number, upstreamSeq: number];

/** A record that has no lsn and seq yet. */
export type Unsequenced = Omit<StoredRecord, "lsn" | "seq">;

const CONTROL: From = [0, 0];

function record(kind: RecordKind, [host, upstreamSeq]: From, facts: Uint8Array): Unsequenced {
	return { timeUs: 1_700_000_000_000_000, host, upstreamSeq, kind, flags: 0, ops: 0, facts, frame: new Uint8Array() };
}

/** A CID of the right length. Different tags give different CIDs. */
export function cid(tag: number): Uint8Array {
	const bytes = new Uint8Array(36).fill(tag & 0xff, 4);
	bytes.set([1, 0x71, 0x12, 32]);
	return bytes;
}

/** A rev that sorts by `number`. */
export function rev(number: number): string {
	return `3${number.toString().padStart(12, "2")}`;
}

export function commit(from: From, did: string, number: number): Unsequenced {
	const facts = { did, rev: rev(number), commit: cid(number), data: cid(number + 1), touched: null };
	return record(RecordKind.commit, from, encodeRepoFacts(facts));
}

export function sync(from: From, did: string, number: number): Unsequenced {
	return { ...commit(from, did, number), kind: RecordKind.sync };
}

/** @param status null for an active account */
export function account(from: From, did: string, status: string | null, timeMs = 0): Unsequenced {
	return record(RecordKind.account, from, encodeAccountFacts({ did, active: status === null, status, timeMs }));
}

/** @param flags such as `RecordFlag.home` */
export function identity(from: From, did: string, flags = 0, timeMs = 0): Unsequenced {
	return { ...record(RecordKind.identity, from, encodeIdentityFacts({ did, timeMs })), flags };
}

export function didDocument(did: string, signingKey: string | null, tombstoned = false): Unsequenced {
	const facts = { did, signingKey, pds: "https://pds.example.com", tombstoned, resolvedAtMs: 1_700_000_000_000 };
	return record(RecordKind.didDocument, CONTROL, encodeDidDocumentFacts(facts));
}

export function host(id: number, more: Partial<HostFacts> = {}): Unsequenced {
	const facts: HostFacts = {
		id,
		hostname: `pds${id}.example.com`,
		insecure: false,
		status: "active",
		gaps: 0,
		lastGap: null,
		connection: NEVER_CONNECTED,
		...more,
	};
	return { ...record(RecordKind.host, CONTROL, encodeHostFacts(facts)), flags: RecordFlag.state };
}

export function cursors(...pairs: [host: number, seq: number | null][]): Unsequenced {
	const facts = { cursors: pairs.map(([id, seq]) => ({ host: id, seq })) };
	return record(RecordKind.cursors, CONTROL, encodeCursorsFacts(facts));
}

/** @param value null takes the key's value away */
export function policy<K extends PolicyKind>(kind: K, key: string, value: PolicyValues[K] | null): Unsequenced {
	const facts = policyCodec(kind).encode({ key, value });
	return { ...record(RecordKind[kind], CONTROL, facts), flags: RecordFlag.state };
}

/** @param status null: the operator undoes it */
export function localStatus(did: string, status: string | null): Unsequenced {
	return policy("localStatus", did, status === null ? null : { status });
}

export function hostPolicy(values: Partial<HostPolicy> = {}): HostPolicy {
	return { isBanned: false, accountLimit: null, eventLimits: null, strictness: null, cleanSinceMs: null, ...values };
}

export function adminAction(values: Partial<AdminAction> = {}): Unsequenced {
	const action = { atMs: 1_700_000_000_000, by: "192.0.2.1", action: "takeDown", subject: "did:plc:a" };
	return record(RecordKind.adminAction, CONTROL, encodeAdminAction({ ...action, before: "", after: "", ...values }));
}

export function recount(host: number): Unsequenced {
	return record(RecordKind.recount, CONTROL, encodeRecountFacts({ host }));
}

/** An `#account` of the relay's own, from which on the account waits for a place at its host, or waits no more. */
export function waiting(from: From, did: string, waits: boolean, timeUs = 1_700_000_000_000_000): Unsequenced {
	return { ...account(from, did, null), flags: waits ? RecordFlag.waits : RecordFlag.admitted, timeUs };
}

/** Gives records consecutive lsns, and seqs that count the messages among them. */
export function sequence(records: readonly Unsequenced[], firstLsn = 1): StoredRecord[] {
	let seq = 0;
	return records.map((one, at) => {
		if (isMessageKind(one.kind)) seq++;
		return { ...one, lsn: firstLsn + at, seq };
	});
}

/** The rows of an index that holds nothing. */
export const NO_ROWS: RowSource = { account: () => null, host: () => null, hostIdMax: () => 0, countAccounts: () => 0 };
