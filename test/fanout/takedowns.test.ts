import { beforeEach, describe, expect, test } from "bun:test";
import { Takedowns } from "../../src/fanout/takedowns.ts";
import type { RecordBatch } from "../../src/log/log.ts";
import { RecordKind } from "../../src/log/record/record.ts";
import { Counters } from "../../src/observe/counters.ts";
import { counted } from "../observe/counted.ts";

const ALICE = "did:plc:alice";
const BOB = "did:plc:bob";
const ENTRIES_MAX = 3;

let counters: Counters;
let takedowns: Takedowns;
/** How often the DID of a record was asked for. */
let lookups = 0;

beforeEach(() => {
	counters = new Counters();
	takedowns = new Takedowns(counters, ENTRIES_MAX);
	lookups = 0;
});

/** Records with lsns from `firstLsn` on. Their seqs are far lower. */
function batchOf(firstLsn: number, records: [kind: number, did: string][]): RecordBatch {
	return {
		count: records.length,
		indexAfter: (cursor) => Math.max(0, cursor + 1 - firstLsn),
		lsn: (index) => firstLsn + index,
		seq: () => 1,
		kind: (index) => records[index]?.[0] ?? 0,
		frame: () => new Uint8Array(1),
		did(index) {
			lookups++;
			return records[index]?.[1] ?? "";
		},
	};
}

const { commit, sync, identity, account, cursors } = RecordKind;
const leftOutOf = (batch: RecordBatch): number[] => Array.from(takedowns.leftOut(batch) ?? []);

describe("of an account that is taken down", () => {
	const batch = batchOf(10, [
		[commit, ALICE],
		[commit, BOB],
		[sync, ALICE],
		[identity, ALICE],
		[cursors, ""],
		[account, ALICE],
		[commit, ALICE],
	]);

	test("commits and syncs before the record that told of it are left out, and nothing else", () => {
		expect(takedowns.leftOut(batch)).toBeNull();
		takedowns.update([{ did: ALICE, takenDownSinceLsn: 15 }], 1);
		expect(leftOutOf(batch)).toEqual([1, 0, 1, 0, 0, 0, 0]);
	});

	test("commits and syncs are sent again when it is back", () => {
		takedowns.update([{ did: ALICE, takenDownSinceLsn: 15 }], 1);
		expect(leftOutOf(batch)).toContain(1);
		takedowns.update([{ did: ALICE, takenDownSinceLsn: null }], 1);
		expect(takedowns.leftOut(batch)).toBeNull();
	});

	test("the last takedown counts", () => {
		takedowns.update([{ did: ALICE, takenDownSinceLsn: 11 }], 1);
		takedowns.update([{ did: ALICE, takenDownSinceLsn: null }], 1);
		takedowns.update([{ did: ALICE, takenDownSinceLsn: 20 }], 1);
		expect(leftOutOf(batch)).toEqual([1, 0, 1, 0, 0, 0, 1]);
	});
});

describe("finding what is left out", () => {
	test("is done once for all who read a batch, until the accounts change", () => {
		const batch = batchOf(1, [
			[commit, ALICE],
			[commit, BOB],
		]);
		takedowns.update([{ did: ALICE, takenDownSinceLsn: 5 }], 1);
		for (let consumer = 0; consumer < 100; consumer++) expect(leftOutOf(batch)).toEqual([1, 0]);
		expect(lookups).toBe(2);
		takedowns.update([{ did: "did:plc:other", takenDownSinceLsn: null }], 1);
		expect(leftOutOf(batch)).toEqual([1, 0]);
		expect(lookups).toBe(2);
		takedowns.update([{ did: BOB, takenDownSinceLsn: 6 }], 1);
		expect(leftOutOf(batch)).toEqual([1, 1]);
		expect(lookups).toBe(4);
	});

	test("looks at no record after the last change", () => {
		takedowns.update([{ did: ALICE, takenDownSinceLsn: 5 }], 1);
		expect(takedowns.leftOut(batchOf(6, [[commit, ALICE]]))).toBeNull();
		expect(lookups).toBe(0);
	});
});

describe("the list", () => {
	const old = batchOf(1, [[commit, ALICE]]);

	test("forgets an account when the log has no record from before its change", () => {
		takedowns.update([{ did: ALICE, takenDownSinceLsn: 5 }], 4);
		expect(leftOutOf(old)).toEqual([1]);
		takedowns.update([{ did: BOB, takenDownSinceLsn: 9 }], 5);
		expect(takedowns.leftOut(old)).toBeNull();
		expect(counted(counters).of("takedown_evictions_total")).toBe(0);
	});

	test("has a limit, forgets the oldest beyond it, and counts them", () => {
		const more = Array.from({ length: ENTRIES_MAX }, (_, index) => ({
			did: `did:plc:${index}`,
			takenDownSinceLsn: 10 + index,
		}));
		takedowns.update([{ did: ALICE, takenDownSinceLsn: 5 }, ...more.slice(1)], 1);
		expect(leftOutOf(old)).toEqual([1]);
		takedowns.update(more, 1);
		expect(takedowns.leftOut(old)).toBeNull();
		expect(counted(counters).of("takedown_evictions_total")).toBe(1);
		expect(leftOutOf(batchOf(2, [[commit, "did:plc:0"]]))).toEqual([1]);
	});
});
