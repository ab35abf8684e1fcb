import { describe, expect, test } from "bun:test";
import type { AccountState } from "../../../src/account/state.ts";
import { effectiveStatus } from "../../../src/account/status.ts";
import { foldRecords } from "../../../src/index/fold.ts";
import type { Account } from "../../../src/index/store.ts";
import { AccountCache } from "../../../src/ingest/did/accounts.ts";
import { Operator } from "../../../src/ingest/did/operator.ts";
import { Handover } from "../../../src/log/handover.ts";
import { decodeControl } from "../../../src/log/record/control.ts";
import { type Entry, readEntry } from "../../../src/log/record/entry.ts";
import { RecordKind } from "../../../src/log/record/record.ts";
import { Counters } from "../../../src/observe/counters.ts";
import { scanFrame } from "../../../src/protocol/frame.ts";
import { Doorbell } from "../../../src/runtime/doorbell.ts";
import { createRingBuffer, RingReader, RingWriter } from "../../../src/runtime/ring.ts";
import { NO_ROWS } from "../../index/records.ts";

const DID = "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa";
const NOW_MS = Date.parse("2026-01-01T00:00:00Z");
const ACTION = { atMs: NOW_MS, by: "192.0.2.1", action: "takeDown" };

/** An operator of accounts, the ring that it writes to, and the index's row. */
class Bench {
	readonly operator: Operator;
	readonly cache: AccountCache;
	readonly #reader: RingReader;
	readonly #handover: Handover;

	constructor(row: Account | null) {
		const ring = createRingBuffer(1024);
		const counters = new Counters();
		this.#reader = new RingReader(ring);
		this.#handover = new Handover(0, new RingWriter(ring), new Doorbell(), counters);
		this.cache = new AccountCache({ account: async () => row }, 10, counters);
		this.operator = new Operator({
			accounts: this.cache,
			handover: this.#handover,
			places: { note: () => false },
			clock: () => NOW_MS,
		});
	}

	/** Takes what is in the ring, and makes it durable. */
	async drain(): Promise<Entry[]> {
		for (let turn = 0; turn < 10; turn++) await Promise.resolve();
		this.#handover.flush();
		const entries: Entry[] = [];
		for (let bytes = this.#reader.next(); bytes !== null; bytes = this.#reader.next())
			entries.push(readEntry(Buffer.from(bytes)));
		this.#reader.release();
		this.#reader.acknowledge(this.#reader.position);
		this.operator.noteProgress();
		for (let turn = 0; turn < 10; turn++) await Promise.resolve();
		return entries;
	}

	/** Fills the ring. */
	fill(): void {
		const entry = { ...EMPTY_ENTRY, frame: new Uint8Array(300) };
		while (this.#handover.push(entry) !== null);
	}
}

const EMPTY_ENTRY: Entry = {
	...{ kind: RecordKind.commit, flags: 0, host: 1, upstreamSeq: 1, ops: 0, seqStart: 0, seqEnd: 0 },
	...{ facts: new Uint8Array(), frame: new Uint8Array() },
};

function rowOf(localStatus: string | null, upstreamStatus: string | null): Account {
	return {
		...{ id: 1, did: DID, host: 3, hostSeq: 77, lastTimeMs: 5, waitingSinceUs: null, statusLsn: 9 },
		...{ upstreamActive: upstreamStatus === null, upstreamStatus, localStatus },
		...{ rev: null, commit: null, data: null },
	};
}

/** Sets a status, and gives back the entries and the answer. */
async function set(row: Account | null, status: string | null) {
	const bench = new Bench(row);
	const answer = bench.operator.setLocalStatus({ did: DID, status, action: ACTION });
	const entries = await bench.drain();
	return { entries, answer: await answer, state: bench.cache.peek(DID) };
}

/** What an entry says, in a short form. */
function describeEntry(entry: Entry): unknown {
	if (entry.kind !== RecordKind.account) return decodeControl(entry);
	const scanned = scanFrame(entry.frame);
	if (scanned.kind !== "message" || scanned.message.type !== "account") throw new Error("no #account");
	const { did, active, status, time } = scanned.message;
	return { did, active, status, time, host: entry.host, upstreamSeq: entry.upstreamSeq };
}

/** The account's state after these entries, as the index computes it. */
function indexed(row: Account | null, entries: readonly Entry[]): AccountState | null {
	const records = entries.map((entry, at) => ({ ...entry, lsn: 100 + at, seq: 1, timeUs: NOW_MS * 1000 }));
	const { accounts } = foldRecords(records, { ...NO_ROWS, account: () => row });
	return accounts[0] ?? row;
}

const STATUSES = [null, "deactivated", "deleted", "takendown", "suspended"];
const LOCAL = [null, "takendown", "suspended"];

describe("what the operator sets", () => {
	const cases = [...STATUSES.flatMap((upstream) => LOCAL.map((local) => rowOf(local, upstream))), null].flatMap((row) =>
		LOCAL.map((status) => ({ row, status })),
	);

	test("is told to consumers and is in the audit log, whatever was before", async () => {
		for (const { row, status } of cases) {
			const { entries, answer, state } = await set(row, status);
			const before = row?.localStatus ?? null;
			expect(answer).toEqual({ before });
			const upstream = { upstreamActive: row?.upstreamActive ?? true, upstreamStatus: row?.upstreamStatus ?? null };
			const effective = (localStatus: string | null) =>
				effectiveStatus({ ...upstream, localStatus, waitingSinceUs: null });
			const { active, status: shown = null } = effective(status);
			const told = { did: DID, active, status: shown, time: new Date(NOW_MS).toISOString() };
			const from = { host: row?.host ?? 0, upstreamSeq: row?.hostSeq ?? 0 };
			const line = { ...ACTION, subject: DID, before: before ?? "", after: status ?? "" };
			const value = status === null ? null : { status };
			expect(entries.map(describeEntry)).toEqual([
				...(row === null && status === null ? [] : [{ ...told, ...from }]),
				{ kind: "adminAction", facts: line },
				...(before === status ? [] : [{ kind: "localStatus", facts: { key: DID, value } }]),
			]);
			const stateOf = (one: object | null) => one && { ...one, id: 0, did: DID, position: 0, statusLsn: 0 };
			expect(stateOf(state)).toEqual(stateOf(indexed(row, entries)));
		}
	});

	test("is done again as a whole if the process ended before the operator had an answer", async () => {
		for (const { row, status } of cases) {
			const { entries } = await set(row, status);
			for (let durable = 0; durable < entries.length; durable++) {
				const left = indexed(row, entries.slice(0, durable));
				const again = await set(left === null ? null : { ...rowOf(null, null), ...left }, status);
				const kinds = (list: readonly Entry[]) => list.map(({ kind }) => kind);
				expect(kinds(again.entries)).toEqual(kinds(entries));
			}
		}
	});

	test("waits for room in the ring, and until it is durable", async () => {
		const bench = new Bench(rowOf(null, null));
		bench.fill();
		let isDone = false;
		const answer = bench.operator.setLocalStatus({ did: DID, status: "takendown", action: ACTION });
		void answer.then(() => {
			isDone = true;
		});
		await bench.drain();
		expect([isDone, bench.cache.peek(DID)?.localStatus ?? null]).toEqual([false, "takendown"]);
		const entries = await bench.drain();
		expect(entries.map(({ kind }) => kind)).toEqual([
			RecordKind.account,
			RecordKind.adminAction,
			RecordKind.localStatus,
		]);
		expect(await answer).toEqual({ before: null });
	});
});
