import { describe, expect, test } from "bun:test";
import { foldRecords } from "../../src/index/fold.ts";
import type { AccountRow, Host, RowChanges, RowSource } from "../../src/index/store.ts";
import { NEVER_CONNECTED } from "../../src/log/record/host-connection.ts";
import { RecordFlag } from "../../src/log/record/record.ts";
import { FIRST_LATER_KIND, LATER_STATE_KINDS, laterRecord, laterState } from "../log/state-history.ts";
import * as records from "./records.ts";

const ALICE = "did:plc:aliceaaaaaaaaaaaaaaaaaaaa";
const BOB = "did:plc:bobbbbbbbbbbbbbbbbbbbbbb";

function fold(list: records.Unsequenced[], rows: RowSource = records.NO_ROWS): RowChanges {
	return foldRecords(records.sequence(list), rows);
}

/** The rows after an earlier batch. */
function after(changes: RowChanges): RowSource {
	const accounts = new Map(changes.accounts.map((row) => [row.did, row]));
	const hosts = new Map(changes.hosts.map((row) => [row.id, row]));
	const copy = <Row>(row: Row | undefined): Row | null => (row === undefined ? null : { ...row });
	return {
		account: (did) => copy(accounts.get(did)),
		host: (id) => copy(hosts.get(id)),
		hostIdMax: () => changes.hostIdMax,
		countAccounts: (host) =>
			changes.accounts.filter((row) => row.host === host && row.upstreamStatus !== "deleted").length,
	};
}

function accountOf(changes: RowChanges, did: string): AccountRow | undefined {
	return changes.accounts.find((row) => row.did === did);
}

function hostOf(changes: RowChanges, id: number): Host | undefined {
	return changes.hosts.find((row) => row.id === id);
}

describe("statuses", () => {
	test("name the accounts whose status was told, with the lsn, and no others", () => {
		const before = fold([records.commit([1, 1], BOB, 1), records.account([1, 2], ALICE, "takendown")]);
		expect(before.takedowns).toEqual([{ did: ALICE, takenDownSinceLsn: 2 }]);
		expect(accountOf(before, ALICE)?.statusLsn).toBe(2);
		const again = fold([records.host(1), records.host(1), records.account([1, 9], ALICE, null)], after(before));
		expect(again.takedowns).toEqual([{ did: ALICE, takenDownSinceLsn: null }]);
		expect(accountOf(again, ALICE)).toMatchObject({ statusLsn: 3, upstreamActive: true });
	});

	test("of the operator that a new segment restates change no row, and tell of no takedown", () => {
		const before = fold([records.commit([1, 1], ALICE, 1), records.localStatus(ALICE, "takendown")]);
		expect(before.takedowns).toEqual([{ did: ALICE, takenDownSinceLsn: 2 }]);
		const again = fold([records.localStatus(ALICE, "takendown"), records.localStatus(BOB, null)], after(before));
		expect([again.accounts, again.takedowns]).toEqual([[], []]);
		const undone = fold([records.localStatus(ALICE, null)], after(before));
		expect(undone.takedowns).toEqual([{ did: ALICE, takenDownSinceLsn: null }]);
		expect(accountOf(undone, ALICE)).toMatchObject({ localStatus: null, statusLsn: 1 });
	});

	test("an account that moves is active again from that record on", () => {
		const before = fold([records.account([1, 2], ALICE, "deactivated")]);
		const moved = fold([records.host(2), records.commit([2, 1], ALICE, 5)], after(before));
		expect(moved.takedowns).toEqual([{ did: ALICE, takenDownSinceLsn: null }]);
		expect(accountOf(moved, ALICE)).toMatchObject({ statusLsn: 2, upstreamActive: true });
	});
});

describe("accounts", () => {
	test("a commit adds one, active, with its repo", () => {
		const { accounts } = fold([records.host(1), records.commit([1, 7], ALICE, 5)]);
		expect(accounts).toEqual([
			{
				did: ALICE,
				host: 1,
				hostSeq: 7,
				lastTimeMs: 0,
				upstreamActive: true,
				upstreamStatus: null,
				localStatus: null,
				waitingSinceUs: null,
				statusLsn: 0,
				rev: records.rev(5),
				commit: expect.anything(),
				data: expect.anything(),
			},
		]);
		expect([...(accounts[0]?.commit ?? [])]).toEqual([...records.cid(5)]);
		expect([...(accounts[0]?.data ?? [])]).toEqual([...records.cid(6)]);
	});

	test("an account message adds one too, without a repo", () => {
		const { accounts } = fold([records.account([1, 7], ALICE, "deactivated")]);
		expect(accounts).toMatchObject([{ did: ALICE, upstreamActive: false, upstreamStatus: "deactivated", rev: null }]);
	});

	test("a sync does not change the status, nor a status the repo", () => {
		const changes = fold([
			records.sync([1, 1], ALICE, 1),
			records.account([1, 2], ALICE, "suspended"),
			records.commit([1, 3], ALICE, 2),
		]);
		expect(changes.accounts).toMatchObject([{ upstreamStatus: "suspended", rev: records.rev(2), hostSeq: 3 }]);
	});

	test("an identity message from home adds one, so that a repeat is recognised, or moves one", () => {
		const first = fold([records.identity([1, 4], ALICE, RecordFlag.home)]);
		expect(first.accounts).toMatchObject([{ host: 1, hostSeq: 4, upstreamActive: true, rev: null }]);
		const left = fold([records.commit([1, 5], ALICE, 1), records.account([1, 6], ALICE, "deactivated")], after(first));
		const moved = fold([records.identity([2, 3], ALICE, RecordFlag.home)], after(left));
		expect(accountOf(moved, ALICE)).toMatchObject({ host: 2, hostSeq: 3, upstreamActive: true, rev: records.rev(1) });
		const stays = fold([records.identity([1, 7], ALICE, RecordFlag.home)], after(left));
		expect(accountOf(stays, ALICE)).toMatchObject({ hostSeq: 7, upstreamStatus: "deactivated" });
	});

	test("an identity message from elsewhere adds none, and counts only from the account's own host", () => {
		expect(fold([records.identity([1, 1], ALICE)]).accounts).toEqual([]);
		const first = fold([records.commit([1, 1], ALICE, 1)]);
		expect(accountOf(fold([records.identity([1, 9], ALICE)], after(first)), ALICE)).toMatchObject({ hostSeq: 9 });
		expect(fold([records.identity([2, 9], ALICE)], after(first)).accounts).toEqual([]);
	});

	test("the last time of an #identity or #account is the greatest that its present host gave", () => {
		const first = fold([
			records.account([1, 1], ALICE, null, 500),
			records.identity([1, 2], ALICE, RecordFlag.home, 300),
			records.commit([1, 3], ALICE, 1),
		]);
		expect(accountOf(first, ALICE)).toMatchObject({ hostSeq: 3, lastTimeMs: 500 });
		const moved = fold([records.identity([2, 9], ALICE, RecordFlag.home, 200)], after(first));
		expect(accountOf(moved, ALICE)).toMatchObject({ host: 2, hostSeq: 9, lastTimeMs: 200 });
	});

	test("a message from another host moves one, and keeps its repo", () => {
		const changes = fold([records.commit([1, 500], ALICE, 1), records.account([2, 3], ALICE, null)]);
		expect(changes.accounts).toMatchObject([{ host: 2, hostSeq: 3, rev: records.rev(1) }]);
	});

	test("a commit from a new host ends the status that the old host gave", () => {
		const moved = fold([
			records.commit([1, 1], ALICE, 1),
			records.account([1, 2], ALICE, "deactivated"),
			records.commit([2, 1], ALICE, 2),
		]);
		expect(moved.accounts).toMatchObject([{ host: 2, upstreamActive: true, upstreamStatus: null }]);
	});

	test("new ones are in the order in which they were first seen", () => {
		const list = [records.identity([1, 1], BOB), records.commit([1, 2], ALICE, 1), records.commit([1, 3], BOB, 1)];
		expect(fold(list).accounts.map(({ did }) => did)).toEqual([ALICE, BOB]);
	});

	test("5,000 commits of 500 accounts are 500 rows, with the last state", () => {
		const list = Array.from({ length: 5000 }, (_, at) => records.commit([1, at + 1], `did:plc:${at % 500}`, at));
		let lookups = 0;
		const account = (): null => {
			lookups++;
			return null;
		};
		const changes = fold([records.host(1), ...list], { ...records.NO_ROWS, account });
		expect(changes.accounts).toHaveLength(500);
		expect(lookups).toBe(500);
		expect(changes.hosts).toMatchObject([{ id: 1, accountCount: 500 }]);
		expect(accountOf(changes, "did:plc:499")).toMatchObject({ rev: records.rev(4999), hostSeq: 5000 });
	});
});

test("control records of unknown kinds are ignored", () => {
	const known = [records.host(1), records.cursors([1, 4]), records.commit([1, 5], ALICE, 1)];
	const later = Array.from({ length: LATER_STATE_KINDS }, (_, at) =>
		laterState(FIRST_LATER_KIND + at, Buffer.from([at]), Buffer.from([0xa0])),
	);
	const passing = [laterRecord(FIRST_LATER_KIND, 0, Buffer.from("anything")), laterRecord(255, 0, Buffer.alloc(0))];
	expect(fold([...known, ...later, ...passing])).toEqual(fold(known));
});

describe("hosts", () => {
	test("a host record sets the row, but not its cursor and count", () => {
		const first = fold([records.host(1), records.commit([1, 8], ALICE, 1), records.cursors([1, 8])]);
		const second = fold([records.host(1, { status: "offline", insecure: true })], after(first));
		expect(second.hosts).toEqual([
			{
				id: 1,
				hostname: "pds1.example.com",
				insecure: true,
				status: "offline",
				cursor: 8,
				gaps: 0,
				lastGap: null,
				connection: NEVER_CONNECTED,
				accountCount: 1,
			},
		]);
	});

	test("a cursor goes down if a host counts anew, and is removed if the host's live end is to be followed", () => {
		const down = fold([records.host(1), records.cursors([1, 800]), records.cursors([1, 3])]);
		expect(down.hosts).toMatchObject([{ cursor: 3 }]);
		expect(fold([records.cursors([1, null])], after(down)).hosts).toMatchObject([{ cursor: null }]);
	});

	test("cursors are per host", () => {
		const changes = fold([
			records.host(1),
			records.host(2),
			records.cursors([1, 10], [2, 20]),
			records.cursors([1, 11]),
		]);
		expect([hostOf(changes, 1)?.cursor, hostOf(changes, 2)?.cursor]).toEqual([11, 20]);
	});

	test("one whose record was lost gets no row, and no other host gets its id", () => {
		const lost = fold([records.commit([7, 5], ALICE, 1), records.cursors([7, 5], [9, 1])]);
		expect(lost).toMatchObject({ hosts: [], hostIdMax: 9, unknownHostRecords: 3 });
		expect(accountOf(lost, ALICE)).toMatchObject({ host: 7 });
		expect(fold([records.account([8, 1], ALICE, null)], after(lost))).toMatchObject({ hosts: [], hostIdMax: 9 });
	});

	test("one whose record comes later gets its row then, with the accounts that it has", () => {
		const lost = fold([records.commit([7, 5], ALICE, 1), records.account([7, 6], BOB, "deleted")]);
		const found = fold([records.account([7, 7], BOB, null), records.host(7), records.cursors([7, 7])], after(lost));
		expect(found.hosts).toMatchObject([{ id: 7, hostname: "pds7.example.com", cursor: 7, accountCount: 2 }]);
		expect(found.unknownHostRecords).toBe(1);
	});

	test("a new one causes no scan of all accounts", () => {
		const countAccounts = (): never => {
			throw new Error("all accounts were looked at");
		};
		const before = fold([records.host(1), records.commit([1, 1], ALICE, 1)]);
		const changes = fold([records.host(2), records.commit([2, 1], BOB, 1)], { ...after(before), countAccounts });
		expect(hostOf(changes, 2)?.accountCount).toBe(1);
	});

	test("count their accounts that are not deleted, however records are split into batches", () => {
		const list = [
			records.host(1),
			records.host(2),
			records.commit([1, 1], ALICE, 1),
			records.account([1, 2], BOB, "deleted"),
			records.account([1, 3], ALICE, "deactivated"),
			records.account([2, 1], ALICE, null),
			records.account([1, 4], BOB, null),
			records.account([2, 2], ALICE, "deleted"),
			records.commit([2, 3], ALICE, 2),
			records.account([2, 4], ALICE, null),
			records.account([2, 5], BOB, null),
		];
		const counts = [
			[0, 0],
			[0, 0],
			[1, 0],
			[1, 0],
			[1, 0],
			[0, 1],
			[1, 1],
			[1, 0],
			[1, 0],
			[1, 1],
			[0, 2],
		];
		for (let end = 1; end <= list.length; end++) {
			for (let split = 0; split <= end; split++) {
				const whole = fold([]);
				for (const part of [list.slice(0, split), list.slice(split, end)]) {
					const changes = fold(part, after(whole));
					whole.accounts = [...changes.accounts, ...whole.accounts.filter(({ did }) => !accountOf(changes, did))];
					whole.hostIdMax = changes.hostIdMax;
					whole.hosts = [...changes.hosts, ...whole.hosts.filter(({ id }) => !hostOf(changes, id))];
				}
				const found = [hostOf(whole, 1)?.accountCount ?? 0, hostOf(whole, 2)?.accountCount ?? 0];
				expect(found).toEqual(counts[end - 1] ?? []);
			}
		}
	});
});

test("an identity message outdates what its DID resolved to well before it", () => {
	const message = records.identity([1, 1], ALICE);
	const [outdated] = fold([message]).outdated;
	expect(outdated?.did).toBe(ALICE);
	expect(outdated?.beforeMs).toBeLessThan(message.timeUs / 1000 - 60_000);
	expect(outdated?.beforeMs).toBeGreaterThan(message.timeUs / 1000 - 600_000);
});

test("identities: the last document counts", () => {
	const changes = fold([
		records.didDocument(ALICE, "did:key:one"),
		records.didDocument(BOB, null, true),
		records.didDocument(ALICE, "did:key:two"),
	]);
	expect(changes.identities).toEqual([
		{
			did: ALICE,
			signingKey: "did:key:two",
			pds: "https://pds.example.com",
			tombstoned: false,
			resolvedAtMs: 1_700_000_000_000,
		},
		{
			did: BOB,
			signingKey: null,
			pds: "https://pds.example.com",
			tombstoned: true,
			resolvedAtMs: 1_700_000_000_000,
		},
	]);
});
