import { beforeEach, describe, expect, test } from "bun:test";
import { isDeletedAtHost } from "../../src/account/status.ts";
import { type ClaimingLog, ForeignIndexError } from "../../src/index/claim.ts";
import {
	ACTIONS_MAX,
	type Account,
	type Host,
	type IndexReader,
	type Policy,
	type RowChanges,
	type StoredAction,
	type StoredIdentity,
} from "../../src/index/store.ts";
import { StoreBroken, StoreUnavailable } from "../../src/index/store-fault.ts";
import type { IndexWriter } from "../../src/index/writer.ts";
import { decodeHostFacts } from "../../src/log/record/control.ts";
import { NEVER_CONNECTED } from "../../src/log/record/host-connection.ts";
import { POLICY_KINDS } from "../../src/log/record/policy-facts.ts";
import { RecordKind } from "../../src/log/record/record.ts";
import type { StoredRecord } from "../../src/log/record/stored-record.ts";
import { isStorable } from "../../src/protocol/text.ts";
import { Rng } from "../../src/sim/rng.ts";
import { aConnection } from "../log/state-history.ts";
import { anyUtf8Text } from "../sim/any-text.ts";
import * as records from "./records.ts";

/** Every row of an index, by id or DID. */
export interface Dump {
	hosts: Host[];
	accounts: Account[];
	identities: StoredIdentity[];
	policies: (Policy & { told: boolean })[];
	actions: StoredAction[];
	checkpoint: number;
	hostIdMax: number;
}

/** A place for one index, in the store under test. */
export interface Place {
	/** Opens it for writing, for the log `LOG_ID` unless another is named. */
	writer(log?: ClaimingLog): Promise<IndexWriter>;
	reader(): Promise<IndexReader>;
	/** Reads its rows without the store. */
	dump(): Promise<Dump>;
	/** Removes its log's id, as in an index of a release whose logs had no ids. */
	forgetLog(): Promise<void>;
}

/** The log whose index the tests write, unless they name another. */
export const LOG_ID = "0b8f5c0e-5a3f-4d3c-9f0e-2b1d8c7a6e55";
const OTHER_LOG_ID = "7d0c2a4e-1f6b-4c8d-8e3a-9b5f7a1c3e20";

/** A log that has given out no lsn. */
export const NEW_LOG: ClaimingLog = { id: LOG_ID, lsnUsedMax: 0, initialSeq: 1 };

/**
 * A history with records of every kind. The same arguments give the same history.
 *
 * @param withPlaces whether accounts wait for places at their hosts, and hosts are recounted
 */
export function history(length: number, seed = 1, accounts = 20, withPlaces = false): StoredRecord[] {
	let state = seed;
	const below = (limit: number): number => {
		state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
		return Math.floor((state / 0x80000000) * limit);
	};
	const list = [records.host(1), records.host(2), records.host(3, { insecure: true })];
	for (let at = list.length; at < length; at++) {
		const from: [number, number] = [1 + below(3), at];
		const did = `did:plc:account${below(accounts)}`;
		const statuses = [null, null, "deleted", "deactivated", "takendown"];
		const makers = [
			() => records.commit(from, did, at),
			() => records.commit(from, did, at),
			() => records.sync(from, did, at),
			() => records.identity(from, did, 0, below(1000)),
			() => records.account(from, did, statuses[below(5)] ?? null, below(1000)),
			() => records.didDocument(did, `did:key:${at}`, below(9) === 0),
			() => records.cursors([from[0], below(9) === 0 ? null : at]),
			() => records.host(from[0], { status: below(2) === 0 ? "offline" : "active" }),
			() => records.localStatus(did, [null, null, "takendown", "suspended"][below(4)] ?? null),
			() => records.policy("domainBan", `d${below(5)}.example`, below(2) === 0 ? null : { sinceMs: at }),
			() => records.adminAction({ atMs: at, subject: did }),
		];
		const placed = [
			() => records.waiting(from, did, below(3) > 0, 1_700_000_000_000_000 + at),
			() => records.recount(from[0]),
		];
		if (withPlaces) makers.push(...placed);
		list.push(makers[below(makers.length)]?.() ?? records.identity(from, did));
	}
	return records.sequence(list);
}

const NO_CHANGES: RowChanges = {
	accounts: [],
	identities: [],
	outdated: [],
	hosts: [],
	policies: [],
	actions: [],
	hostIdMax: 3,
	unknownHostRecords: 0,
	takedowns: [],
	recounts: [],
};

/** The hosts whose rows have a wrong `accountCount`. */
function miscounted({ hosts, accounts }: Dump): Host[] {
	return hosts.filter(({ id, accountCount }) => {
		const own = accounts.filter((account) => account.host === id && !isDeletedAtHost(account));
		return own.length !== accountCount;
	});
}

/**
 * What every store of the index must do.
 *
 * @param makePlace gives an empty place of its own each time, which is gone after the test
 */
export function storeCases(name: string, makePlace: () => Promise<Place>): void {
	let place: Place;
	beforeEach(async () => {
		place = await makePlace();
	});

	/** Every row of an index that was given all of these records at once. */
	async function filled(all: readonly StoredRecord[]): Promise<Dump> {
		const whole = await makePlace();
		const writer = await whole.writer();
		await writer.apply(all);
		await writer.store.close();
		return await whole.dump();
	}

	describe(`${name}: reading`, () => {
		test("gives back what was written", async () => {
			const writer = await place.writer();
			const did = "did:web:example.com";
			const seq = Number.MAX_SAFE_INTEGER;
			await writer.apply(
				records.sequence([
					records.host(1, { hostname: "localhost:2583", insecure: true, status: "throttled" }),
					records.commit([1, seq], did, 1),
					records.account([1, seq], did, "suspended", 1_700_000_000_123),
					records.didDocument(did, null, true),
					records.cursors([1, seq - 1]),
				]),
			);
			const host = {
				id: 1,
				hostname: "localhost:2583",
				insecure: true,
				status: "throttled" as const,
				cursor: seq - 1,
				gaps: 0,
				lastGap: null,
				connection: NEVER_CONNECTED,
				accountCount: 1,
			};
			expect(await writer.store.hostByName("localhost:2583")).toEqual(host);
			expect(await writer.store.hosts(0, 10)).toEqual([host]);
			expect(await writer.store.account(did)).toEqual({
				id: 1,
				did,
				host: 1,
				hostSeq: seq,
				lastTimeMs: 1_700_000_000_123,
				upstreamActive: false,
				upstreamStatus: "suspended",
				waitingSinceUs: null,
				statusLsn: 3,
				localStatus: null,
				rev: records.rev(1),
				commit: records.cid(1),
				data: records.cid(2),
			});
			expect(await writer.store.identity(did)).toEqual({
				did,
				signingKey: null,
				pds: "https://pds.example.com",
				tombstoned: true,
				resolvedAtMs: 1_700_000_000_000,
			});
			expect(await writer.store.checkpoint()).toBe(5);
			await writer.store.close();
		});

		test("gives back what is known of a host's connection, whatever it is, and NEVER_CONNECTED if that is nothing", async () => {
			const writer = await place.writer();
			const rng = new Rng("connections");
			const told = Array.from({ length: 50 }, () => aConnection(rng));
			await writer.apply(records.sequence(told.map((connection, at) => records.host(at + 1, { connection }))));
			expect((await writer.store.hosts(0, 100)).map(({ connection }) => connection)).toEqual(told);
			// Cursors and counts leave it as it is; a record replaces all of it.
			await writer.apply(records.sequence([records.cursors([1, 5], [2, 6]), records.host(2)], 51));
			const [first, second] = await writer.store.hosts(0, 2);
			expect([first?.connection, second?.connection]).toEqual([told[0], NEVER_CONNECTED]);
			await writer.store.close();
		});

		test("forgets what a DID resolved to when an #identity comes, unless it was resolved since", async () => {
			const writer = await place.writer();
			const did = "did:plc:a";
			const later = { ...records.identity([1, 2], did), timeUs: (1_700_000_000_000 + 3_600_000) * 1000 };
			await writer.apply(records.sequence([records.didDocument(did, "did:key:one"), records.identity([1, 1], did)]));
			expect(await writer.store.identity(did)).not.toBeNull();
			await writer.apply(records.sequence([later], 3));
			expect(await writer.store.identity(did)).toBeNull();
			await writer.store.close();
		});

		test("gives null for absent rows", async () => {
			const writer = await place.writer();
			const nothing = [
				writer.store.account("did:plc:x"),
				writer.store.identity("did:plc:x"),
				writer.store.hostByName("x.com"),
			];
			expect(await Promise.all(nothing)).toEqual([null, null, null]);
			expect(await writer.store.checkpoint()).toBe(0);
			await writer.store.close();
		});

		test("pages hosts and repos by id; accounts without a repo are not among the latter", async () => {
			const writer = await place.writer();
			const list = [1, 2, 3].map((id) => records.host(id));
			for (const at of [1, 2, 3, 4, 5]) {
				const did = `did:plc:${at}`;
				list.push(at === 3 ? records.account([1, at], did, null) : records.commit([1, at], did, at));
			}
			await writer.apply(records.sequence(list));
			expect((await writer.store.hosts(1, 1)).map(({ id }) => id)).toEqual([2]);
			expect((await writer.store.hosts(3, 10)).length).toBe(0);
			expect((await writer.store.repos(0, 3)).map(({ did }) => did)).toEqual(["did:plc:1", "did:plc:2", "did:plc:4"]);
			expect((await writer.store.repos(4, 3)).map(({ did }) => did)).toEqual(["did:plc:5"]);
			await writer.store.close();
		});

		test("another handle sees each batch as soon as it is applied", async () => {
			const writer = await place.writer();
			const reader = await place.reader();
			for (let seq = 1; seq <= 50; seq++) {
				await writer.apply(records.sequence([records.commit([1, seq], "did:plc:a", seq)], seq));
				expect(await reader.checkpoint()).toBe(seq);
				expect((await reader.account("did:plc:a"))?.hostSeq).toBe(seq);
			}
			await reader.close();
			await writer.store.close();
		});
	});

	describe(`${name}: account limits of hosts`, () => {
		test("those that wait are named by host, in the order in which they came", async () => {
			const all = history(2_000, 5, 120, true);
			const writer = await place.writer();
			await writer.apply(all);
			const { accounts } = await place.dump();
			const counts = new Map<number, number>();
			for (const host of [1, 2, 3]) {
				const waiting = accounts
					.flatMap(({ host: at, did, waitingSinceUs: sinceUs }) =>
						at === host && sinceUs !== null ? [{ did, sinceUs }] : [],
					)
					.sort((a, b) => a.sinceUs - b.sinceUs);
				expect(waiting.length).toBeGreaterThan(2);
				counts.set(host, waiting.length);
				expect(await writer.store.waiting(host, 0, 100)).toEqual(waiting);
				for (const [at, { sinceUs }] of waiting.entries()) {
					expect(await writer.store.waitingBefore(host, sinceUs)).toBe(at);
					expect(await writer.store.waiting(host, sinceUs, 1)).toEqual(waiting.slice(at + 1, at + 2));
				}
			}
			expect(await writer.store.waiting(4, 0, 100)).toEqual([]);
			expect(new Map((await writer.store.waitingCounts()).map(({ host, count }) => [host, count]))).toEqual(counts);
			await writer.store.close();
		});

		test("a count that is wrong is right after a recount, with what the same batch changes", async () => {
			const all = history(600, 6, 20, true);
			const writer = await place.writer();
			await writer.apply(all);
			const right = await place.dump();
			const wrong = right.hosts.map((host) => ({ ...host, accountCount: host.accountCount + 7 * host.id }));
			await writer.store.write({ ...NO_CHANGES, hosts: wrong }, { after: 600, last: 600 }, LOG_ID);
			const { recounts } = await writer.apply(
				records.sequence(
					[records.commit([2, 1], "did:plc:new", 1), records.recount(2), records.commit([2, 2], "did:plc:newer", 1)],
					601,
				),
			);
			const count = right.hosts.find(({ id }) => id === 2)?.accountCount ?? 0;
			expect(recounts).toEqual([{ host: 2, before: count + 14, counted: count }]);
			const after = await place.dump();
			expect(after.hosts.map(({ id, accountCount }) => [id, accountCount])).toEqual(
				right.hosts.map(({ id, accountCount }) => [id, accountCount + (id === 2 ? 2 : 7 * id)]),
			);
			await writer.store.close();
		});
	});

	describe(`${name}: applying`, () => {
		test("no records change nothing", async () => {
			const writer = await place.writer();
			await writer.apply([]);
			expect(await writer.store.checkpoint()).toBe(0);
			await writer.store.close();
		});

		test.each([1, 7, 100, 1000])("in batches of %d leads to the same rows, with correct counts", async (size) => {
			const all = history(1000, 1, 20, true);
			const writer = await place.writer();
			for (let at = 0; at < all.length; at += size) await writer.apply(all.slice(at, at + size));
			await writer.store.close();
			const whole = await filled(all);
			expect(await place.dump()).toEqual(whole);
			expect(miscounted(whole)).toEqual([]);
		});

		test("from any later record on, as after a loss of the index, adds no false host and miscounts none", async () => {
			const all = history(1000, 4, 20, true);
			for (const start of [1, 2, 3, 50, 400, 900, 990]) {
				const rest = all.slice(start);
				const named = new Set(
					rest.flatMap(({ kind, facts }) => (kind === RecordKind.host ? decodeHostFacts(facts).id : [])),
				);
				const dumps = [1, 7, 1000].map(async (size) => {
					const lost = await makePlace();
					const writer = await lost.writer();
					for (let at = 0; at < rest.length; at += size) await writer.apply(rest.slice(at, at + size));
					expect((await writer.store.hosts(0, 10)).map(({ id }) => id)).toEqual([...named].sort());
					expect(await writer.store.hostIdMax()).toBe(3);
					await writer.store.close();
					const found = await lost.dump();
					expect(miscounted(found)).toEqual([]);
					return found;
				});
				const whole = await filled(rest);
				for (const found of await Promise.all(dumps)) expect(found).toEqual(whole);
			}
		});

		test("again from an earlier checkpoint leads to the same rows", async () => {
			const all = history(1000, 2);
			const writer = await place.writer();
			await writer.apply(all);
			const before = await place.dump();
			for (const start of [999, 700, 3, 0]) {
				await writer.apply(all.slice(start));
				expect(await place.dump()).toEqual(before);
			}
			await writer.store.close();
		});

		test("keeps every text that the admission lets pass as it is", async () => {
			const rng = new Rng("texts in rows");
			const writer = await place.writer();
			const list = [records.host(1)];
			const texts = new Map<string, string>();
			for (let at = 0; at < 500; at++) {
				const text = anyUtf8Text(rng);
				if (!isStorable(text)) continue;
				texts.set(`did:plc:${at}`, text);
				list.push(records.account([1, at + 1], `did:plc:${at}`, text), records.host(1, { lastGap: text }));
			}
			await writer.apply(records.sequence(list));
			for (const [did, text] of texts) expect((await writer.store.account(did))?.upstreamStatus).toBe(text);
			expect((await writer.store.hosts(0, 1))[0]?.lastGap).toBe([...texts.values()].at(-1) ?? "");
			expect(texts.size).toBeGreaterThan(100);
			await writer.store.close();
			expect((await place.dump()).accounts.map(({ upstreamStatus }) => upstreamStatus)).toEqual([...texts.values()]);
		});

		test("of records that were written before texts were checked goes on, with a replacement for each NUL", async () => {
			const writer = await place.writer();
			const did = "did:plc:a";
			const list = [
				records.host(1, { hostname: "pds\0.example.com", lastGap: "then\0" }),
				records.account([1, 1], did, "take\0down"),
				records.account([1, 2], "did:plc:b\0", "\0"),
				records.commit([1, 3], "did:plc:b\0", 3),
				records.didDocument("did:plc:c\0", "did:key:\0"),
				records.identity([1, 4], did),
			];
			await writer.apply(records.sequence(list));
			// An account whose row is there already is found under the same name.
			await writer.apply(records.sequence([records.commit([1, 5], "did:plc:b\0", 5)], 7));
			await writer.store.close();
			const { hosts, accounts, identities, checkpoint } = await place.dump();
			expect(checkpoint).toBe(7);
			expect(hosts).toMatchObject([{ hostname: "pds\ufffd.example.com", lastGap: "then\ufffd", accountCount: 2 }]);
			expect(accounts).toMatchObject([
				{ did, upstreamStatus: "take\ufffddown", hostSeq: 4 },
				{ did: "did:plc:b\ufffd", upstreamStatus: "\ufffd", hostSeq: 5 },
			]);
			expect(identities).toMatchObject([{ did: "did:plc:c\ufffd", signingKey: "did:key:\ufffd" }]);
		});

		test("fails as a whole: neither rows nor checkpoint of a bad batch are kept", async () => {
			const writer = await place.writer();
			await writer.apply(records.sequence([records.host(1)]));
			const before = await place.dump();
			const clash = [records.commit([1, 1], "did:plc:a", 1), records.host(2, { hostname: "pds1.example.com" })];
			await expect(writer.apply(records.sequence(clash, 2))).rejects.toThrow(StoreBroken);
			expect(await place.dump()).toEqual(before);
			await writer.store.close();
		});

		for (const next of ["the same records", "the first half of them"])
			test(`a batch whose answer was lost counts as applied once ${next} come, and its takedowns are told`, async () => {
				const all = history(400, 5);
				const writer = await place.writer();
				await writer.apply(all.slice(0, 200));
				const { store } = writer;
				const write = store.write.bind(store);
				let writes = 0;
				store.write = async (...args) => {
					await write(...args);
					if (++writes === 1) throw new StoreUnavailable("database-unreachable", "by the test");
				};
				await expect(writer.apply(all.slice(200, 300))).rejects.toBeInstanceOf(StoreUnavailable);
				expect(await store.checkpoint()).toBe(300);
				const again = all.slice(200, next === "the same records" ? 300 : 250);
				const { checkpoint, takedowns } = await writer.apply(again);
				expect([writes, checkpoint]).toEqual([1, 300]);
				expect(takedowns.length).toBeGreaterThan(0);
				await writer.apply(all.slice(300));
				expect(writes).toBe(2);
				await store.close();
				const whole = await filled(all);
				expect(await place.dump()).toEqual(whole);
				const told = await makePlace();
				const other = await told.writer();
				await other.apply(all.slice(0, 200));
				expect((await other.apply(all.slice(200, 300))).takedowns).toEqual(takedowns);
				await other.store.close();
			});

		test("20,000 records of a random history, in batches of random sizes, lead to the rows of one batch", async () => {
			const rng = new Rng("slices");
			const all = history(20_000, 7);
			const writer = await place.writer();
			for (let at = 0, end = 0; at < all.length; at = end) {
				end = at + 1 + rng.int(rng.int(4) === 0 ? 3_000 : 60);
				await writer.apply(all.slice(at, end));
			}
			await writer.store.close();
			const whole = await filled(all);
			expect(whole.accounts.length).toBeGreaterThan(10);
			expect(await place.dump()).toEqual(whole);
		});

		test("loads the hosts that accounts are at, besides those that are asked for", async () => {
			const writer = await place.writer();
			const { store } = writer;
			const list = [records.host(1), records.host(2), records.commit([1, 1], "did:plc:a", 1)];
			await writer.apply(records.sequence(list));
			const none = new Set<number>();
			const keys = {
				dids: new Set(["did:plc:a", "did:plc:b"]),
				hosts: new Set([2, 3]),
				introduced: none,
				recounted: none,
			};
			const { rows, checkpoint } = await store.load(keys);
			expect(checkpoint).toBe(3);
			expect(rows.account("did:plc:a")).toMatchObject({ host: 1, rev: records.rev(1) });
			expect(rows.account("did:plc:b")).toBeNull();
			expect([1, 2, 3].map((id) => rows.host(id)?.hostname)).toEqual([
				"pds1.example.com",
				"pds2.example.com",
				undefined,
			]);
			expect(rows.hostIdMax()).toBe(2);
			// A row that was not asked for must not be taken for an absent one.
			expect(() => rows.account("did:plc:c")).toThrow(RangeError);
			await store.close();
		});
	});

	describe(`${name}: opening`, () => {
		test("keeps what an earlier start wrote", async () => {
			const first = await place.writer();
			await first.apply(history(100));
			await first.store.close();
			const second = await place.writer();
			expect(await second.store.checkpoint()).toBe(100);
			await second.store.close();
		});

		test("claims an index that has no log yet, and accepts it at the next start", async () => {
			const first = await place.writer();
			expect(await first.store.logId()).toBe(LOG_ID);
			await first.apply(history(10));
			await first.store.close();
			const second = await place.writer({ id: LOG_ID, lsnUsedMax: 10, initialSeq: 1 });
			expect(await second.store.checkpoint()).toBe(10);
			await second.store.close();
		});

		test("an index that no log has claimed is claimed by the next log, unless it is ahead of that log", async () => {
			const first = await place.writer();
			await first.apply(history(100));
			await first.store.close();
			await place.forgetLog();
			for (const [lsnUsedMax, expected] of [
				[0, null],
				[99, null],
				[100, OTHER_LOG_ID],
			] as const) {
				const next = await place.writer({ id: OTHER_LOG_ID, lsnUsedMax, initialSeq: 1 });
				expect(await next.store.logId()).toBe(expected);
				await next.store.close();
			}
		});

		test("another log's index is refused with both ids, and left as it is", async () => {
			const first = await place.writer();
			await first.apply(history(100));
			await first.store.close();
			const before = await place.dump();
			for (const [lsnUsedMax, initialSeq] of [
				[0, 2],
				[50, 1],
				[100, 1],
				[5_000, 1],
				[5_000, 5_000],
				[5_000, 9_000],
			] as const) {
				const opening = place.writer({ id: OTHER_LOG_ID, lsnUsedMax, initialSeq });
				await expect(opening).rejects.toBeInstanceOf(ForeignIndexError);
				await expect(opening).rejects.toThrow(`of another log, ${LOG_ID}, and not of this one, ${OTHER_LOG_ID}`);
			}
			expect(await place.dump()).toEqual(before);
			const again = await place.writer();
			expect(await again.store.logId()).toBe(LOG_ID);
			await again.store.close();
		});

		test("a log that begins after all that another log's index has applied takes the index over, and no other log does", async () => {
			const first = await place.writer();
			await first.apply(history(100));
			await first.store.close();
			// The index is ahead of this log.
			const behind = await place.writer({ id: OTHER_LOG_ID, lsnUsedMax: 99, initialSeq: 100 });
			expect(await behind.store.logId()).toBe(LOG_ID);
			await behind.store.close();
			const after = await place.writer({ id: OTHER_LOG_ID, lsnUsedMax: 100, initialSeq: 101 });
			expect(await after.store.logId()).toBe(OTHER_LOG_ID);
			await after.apply(records.sequence([records.commit([1, 1], "did:plc:new", 1)], 101));
			expect(await after.store.checkpoint()).toBe(101);
			await after.store.close();
		});

		test("a write that goes on from an earlier checkpoint, or for another log, changes nothing and fails", async () => {
			const writer = await place.writer();
			const { store } = writer;
			await writer.apply(history(40));
			const before = await place.dump();
			const spans = [
				[{ after: 20, last: 60 }, LOG_ID],
				[{ after: 41, last: 60 }, LOG_ID],
				[{ after: 40, last: 60 }, OTHER_LOG_ID],
			] as const;
			for (const [span, log] of spans) {
				const writing = store.write(NO_CHANGES, span, log);
				await expect(writing).rejects.toBeInstanceOf(StoreBroken);
				await expect(writing).rejects.toThrow("something else writes");
			}
			expect(await place.dump()).toEqual(before);
			await store.write(NO_CHANGES, { after: 40, last: 60 }, LOG_ID);
			expect(await store.checkpoint()).toBe(60);
			await store.close();
		});
	});

	describe(`${name}: takedowns`, () => {
		const statuses = [null, "takendown", "deactivated", "suspended", "deleted", "desynchronized"];

		test("are the statuses that withhold an account's content, and survive a restart", async () => {
			const writer = await place.writer();
			const told = await writer.apply(
				records.sequence(statuses.map((status, at) => records.account([1, at + 1], `did:plc:${at}`, status))),
			);
			expect(told.takedowns.map(({ takenDownSinceLsn }) => takenDownSinceLsn)).toEqual([null, 2, null, 4, 5, null]);
			await writer.store.close();
			const reader = await place.reader();
			const taken = [5, 4, 2].map((seq) => ({ did: `did:plc:${seq - 1}`, takenDownSinceLsn: seq }));
			expect(await reader.takenDownSince(1, 10)).toEqual(taken);
			expect(await reader.takenDownSince(3, 10)).toEqual(taken.slice(0, 2));
			expect(await reader.takenDownSince(1, 1)).toEqual(taken.slice(0, 1));
			await reader.close();
		});

		test("of the operator hold whatever the host says", async () => {
			const writer = await place.writer();
			const did = "did:plc:a";
			const of = (takenDownSinceLsn: number | null) => ({ takedowns: [{ did, takenDownSinceLsn }] });
			const apply = (lsn: number, one: records.Unsequenced) => writer.apply(records.sequence([one], lsn));
			await apply(1, records.account([1, 1], did, null));
			expect(await apply(2, records.localStatus(did, "takendown"))).toMatchObject(of(2));
			expect(await apply(3, records.account([1, 2], did, null))).toMatchObject(of(3));
			expect(await apply(4, records.account([1, 3], did, "deactivated"))).toMatchObject(of(4));
			expect(await writer.store.account(did)).toMatchObject({
				localStatus: "takendown",
				upstreamStatus: "deactivated",
			});
			expect(await apply(5, records.localStatus(did, null))).toMatchObject(of(null));
			expect(await writer.store.account(did)).toMatchObject({ localStatus: null, upstreamStatus: "deactivated" });
			await writer.store.close();
		});

		test("of an account that was not seen yet hold from its first message on", async () => {
			const writer = await place.writer();
			const did = "did:plc:unseen";
			const told = await writer.apply(records.sequence([records.host(1), records.localStatus(did, "suspended")]));
			expect(told).toEqual({
				checkpoint: 2,
				takedowns: [{ did, takenDownSinceLsn: 2 }],
				recounts: [],
				unknownHostRecords: 0,
			});
			expect(await writer.store.account(did)).toMatchObject({ host: 0, localStatus: "suspended", commit: null });
			await writer.apply(records.sequence([records.account([1, 1], did, null)], 3));
			expect(await writer.store.account(did)).toMatchObject({ host: 1, localStatus: "suspended" });
			expect(await writer.store.takenDownSince(1, 10)).toEqual([{ did, takenDownSinceLsn: 3 }]);
			expect((await writer.store.hosts(0, 10)).map(({ accountCount }) => accountCount)).toEqual([1]);
			await writer.store.close();
		});
	});

	describe(`${name}: policies`, () => {
		const POLICY = records.hostPolicy({
			isBanned: true,
			accountLimit: 5,
			eventLimits: { perS: 1, perHour: 2, perDay: 3 },
			strictness: "observe",
			cleanSinceMs: 1_700_000_000_000,
		});

		test("are given back by kind, and paged by the bytes of their keys", async () => {
			const writer = await place.writer();
			const keys = ["a.example", "Z.example", "é.example", "b.example", "_", "\u{1f6d1}"];
			const byBytes = [...keys].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
			await writer.apply(
				records.sequence([
					...keys.map((key, at) => records.policy("domainBan", key, { sinceMs: at })),
					records.policy("hostPolicy", "pds.example", POLICY),
					records.policy("setting", "newHostsPerDayMax", { value: 7 }),
					records.policy("setting", "disableRequestCrawl", { value: false }),
				]),
			);
			await writer.store.close();
			const reader = await place.reader();
			expect((await reader.policies("domainBan", "", 100)).map(({ key }) => key)).toEqual(byBytes);
			const found: string[] = [];
			for (let after = ""; ; after = found.at(-1) ?? "") {
				const page = await reader.policies("domainBan", after, 2);
				if (page.length === 0) break;
				found.push(...page.map(({ key }) => key));
			}
			expect(found).toEqual(byBytes);
			expect(await reader.policies("hostPolicy", "", 10)).toEqual([
				{ kind: "hostPolicy", key: "pds.example", value: POLICY },
			]);
			expect((await reader.policies("setting", "", 10)).map(({ key, value }) => [key, value.value])).toEqual([
				["disableRequestCrawl", false],
				["newHostsPerDayMax", 7],
			]);
			expect(await reader.policies("localStatus", "", 10)).toEqual([]);
			for (const kind of POLICY_KINDS) expect(await reader.untoldPolicies(kind, "", 10)).toEqual([]);
			await reader.close();
		});

		test("are the last ones, and gone when they are taken back", async () => {
			const writer = await place.writer();
			const set = (value: number | null) =>
				records.policy("setting", "newHostsPerDayMax", value === null ? null : { value });
			const list = [set(1), set(2), records.policy("hostPolicy", "pds.example", POLICY), set(null), set(4)];
			await writer.apply(records.sequence([...list, records.policy("hostPolicy", "pds.example", null)]));
			expect(await writer.store.policies("setting", "", 10)).toMatchObject([{ value: { value: 4 } }]);
			expect(await writer.store.policies("hostPolicy", "", 10)).toEqual([]);
			await writer.apply(records.sequence([set(null)], 7));
			expect(await writer.store.policies("setting", "", 10)).toEqual([]);
			await writer.store.close();
		});

		test("are untold once another log takes the index over, until that log's records say them", async () => {
			const first = await place.writer();
			const did = "did:plc:a";
			await first.apply(
				records.sequence([
					records.localStatus(did, "takendown"),
					records.localStatus("did:plc:b", "suspended"),
					records.policy("domainBan", "bad.example", { sinceMs: 1 }),
				]),
			);
			await first.store.close();
			const second = await place.writer({ id: OTHER_LOG_ID, lsnUsedMax: 100, initialSeq: 101 });
			const untold = async (writer: IndexWriter) =>
				(await Promise.all(POLICY_KINDS.map((kind) => writer.store.untoldPolicies(kind, "", 10)))).flatMap((page) =>
					page.map(({ key }) => key),
				);
			expect(await untold(second)).toEqual([did, "did:plc:b", "bad.example"]);
			expect(await second.store.untoldPolicies("localStatus", "", 1)).toEqual([
				{ kind: "localStatus", key: did, value: { status: "takendown" } },
			]);
			expect((await second.store.untoldPolicies("localStatus", did, 9)).map(({ key }) => key)).toEqual(["did:plc:b"]);
			await second.apply(records.sequence([records.localStatus(did, "takendown")], 101));
			expect(await untold(second)).toEqual(["did:plc:b", "bad.example"]);
			await second.store.close();
			// A start under the same log changes nothing.
			const third = await place.writer({ id: OTHER_LOG_ID, lsnUsedMax: 101, initialSeq: 101 });
			expect(await untold(third)).toEqual(["did:plc:b", "bad.example"]);
			await third.store.close();
		});

		test("of every kind can be stored", async () => {
			const writer = await place.writer();
			const values = {
				localStatus: { status: "suspended" },
				hostPolicy: POLICY,
				domainBan: { sinceMs: 3 },
				setting: { value: true },
			};
			await writer.apply(records.sequence(POLICY_KINDS.map((kind) => records.policy(kind, "key", values[kind]))));
			for (const kind of POLICY_KINDS)
				expect(await writer.store.policies(kind, "", 2)).toEqual([{ kind, key: "key", value: values[kind] }]);
			await writer.store.close();
		});
	});

	describe(`${name}: the audit log`, () => {
		test("is paged from the latest line to the oldest", async () => {
			const writer = await place.writer();
			const lines = [1, 2, 3].map((at) => records.adminAction({ atMs: at, before: "a", after: `b${at} é'"` }));
			await writer.apply(records.sequence(lines));
			const page = await writer.store.actions(Number.MAX_SAFE_INTEGER, 2);
			const line = { by: "192.0.2.1", action: "takeDown", subject: "did:plc:a", before: "a" };
			expect(page).toEqual([3, 2].map((at) => ({ lsn: at, atMs: at, ...line, after: `b${at} é'"` })));
			expect((await writer.store.actions(2, 10)).map(({ lsn }) => lsn)).toEqual([1]);
			await writer.store.close();
		});

		test("keeps the latest lines only, however they came", async () => {
			const writer = await place.writer();
			const lines = Array.from({ length: ACTIONS_MAX + 50 }, (_, at) => records.adminAction({ atMs: at }));
			const all = records.sequence(lines);
			for (let at = 0; at < all.length; at += 25_000) await writer.apply(all.slice(at, at + 25_000));
			expect((await writer.store.actions(53, 10)).map(({ lsn }) => lsn)).toEqual([52, 51]);
			// The records come again after an older copy of the database was put back.
			await writer.apply(all.slice(0, 60));
			await writer.apply(all.slice(60));
			expect((await writer.store.actions(53, 10)).map(({ lsn }) => lsn)).toEqual([52, 51]);
			await writer.store.close();
		}, 120_000);
	});
}
