import { beforeEach, describe, expect, test } from "bun:test";
import { ForeignIndexError } from "../../../src/index/claim.ts";
import { CopyError, type CopyStep, copyIndex } from "../../../src/index/copy/copy.ts";
import { type CopyRows, type CopySide, ROWS_PER_PAGE } from "../../../src/index/copy/side.ts";
import { COPIED_TABLES, type Row } from "../../../src/index/copy/tables.ts";
import { openCopySource, openCopyTarget, openIndexWriter } from "../../../src/index/open.ts";
import type { StoredRecord } from "../../../src/log/record/stored-record.ts";
import * as records from "../records.ts";
import { type Dump, history, LOG_ID, NEW_LOG, type Place } from "../store-cases.ts";

/** A place for an index that has a URL. */
export interface UrlPlace extends Place {
	readonly url: string;
	/** Makes sure that nothing of this process has the index open any more, after all was closed. */
	release(): void;
}

/** Copies an index. Returns the steps that were reported. */
export async function copyBetween(from: string, to: string): Promise<CopyStep[]> {
	const steps: CopyStep[] = [];
	await withSides(from, to, (source, target) => copyIndex(source, target, (step) => steps.push(step)));
	return steps;
}

async function withSides<Result>(
	from: string,
	to: string,
	work: (source: CopySide, target: CopySide) => Promise<Result>,
): Promise<Result> {
	const source = await openCopySource(from);
	try {
		const target = await openCopyTarget(to);
		try {
			return await work(source, target);
		} finally {
			await target.close();
		}
	} finally {
		await source.close();
	}
}

/** The error of what must fail. (`expect().rejects` lets connections wait for long.) */
async function failureOf(failing: Promise<unknown>): Promise<Error> {
	try {
		await failing;
	} catch (error) {
		if (error instanceof Error) return error;
	}
	throw new Error("nothing has failed");
}

/** Writes an index with this history. */
async function fill(place: UrlPlace, all: readonly StoredRecord[]): Promise<Dump> {
	const writer = await place.writer();
	await writer.apply(all);
	await writer.store.close();
	place.release();
	return await place.dump();
}

/** More accounts than a page has rows, some of which have no id between them. */
function manyAccounts(count: number): StoredRecord[] {
	const list = [records.host(1)];
	for (let at = 0; at < count; at++) list.push(records.commit([1, at + 1], `did:plc:${(at * 7_919) % count}`, at));
	return records.sequence(list);
}

/** A side whose rows go through `change` when they are inserted. */
function tampered(side: CopySide, change: (rows: readonly Row[]) => readonly Row[]): CopySide {
	return {
		place: side.place,
		close: () => side.close(),
		transaction: (work) =>
			side.transaction((rows) => {
				const changed: CopyRows = {
					progress: () => rows.progress(),
					setProgress: (progress) => rows.setProgress(progress),
					count: (table) => rows.count(table),
					page: (table, after, limit) => rows.page(table, after, limit),
					insert: (table, page) => rows.insert(table, table.name === "account" ? change(page) : page),
				};
				return work(changed);
			}),
	};
}

/**
 * What a copy must do, from one kind of store to another or the same.
 *
 * @param makeFrom and `makeTo` give an empty place of their own each time
 */
export function copyCases(
	name: string,
	makeFrom: () => Promise<UrlPlace>,
	makeTo: () => Promise<UrlPlace>,
	makeColumns: (place: UrlPlace) => Promise<Record<string, string[]>>,
): void {
	let from: UrlPlace;
	let to: UrlPlace;
	beforeEach(async () => {
		[from, to] = [await makeFrom(), await makeTo()];
	});

	describe(`a copy from ${name}`, () => {
		test.each([1, 2, 3])("has the same rows, and so has a copy back (history %d)", async (seed) => {
			const before = await fill(from, history(2_000, seed));
			const steps = await copyBetween(from.url, to.url);
			expect(await to.dump()).toEqual(before);
			expect(steps.at(-1)).toEqual({ phase: "check", rows: steps[0]?.rowsTotal ?? 0, rowsTotal: expect.any(Number) });
			const back = await makeFrom();
			await copyBetween(to.url, back.url);
			expect(await back.dump()).toEqual(before);
			expect(await from.dump()).toEqual(before);
		});

		test("knows all tables and columns of both", async () => {
			const expected = COPIED_TABLES.map(({ name: table, columns }) => [table, Object.keys(columns).sort()]);
			for (const place of [from, to]) {
				await fill(place, history(10));
				expect(await makeColumns(place)).toEqual(Object.fromEntries(expected));
			}
		});

		test("keeps ids and their order over several pages, so that listings go on where they were", async () => {
			const before = await fill(from, manyAccounts(3 * ROWS_PER_PAGE + 17));
			await copyBetween(from.url, to.url);
			expect(await to.dump()).toEqual(before);
			const [old, reader] = [await from.reader(), await to.reader()];
			for (const after of [0, 1, 999, 1_000, 1_001, 2_999, 3_016, 3_017])
				expect(await reader.repos(after, 500)).toEqual(await old.repos(after, 500));
			for (const one of [old, reader]) await one.close();
		});

		test("goes on from the checkpoint as the source would have, new accounts with later ids", async () => {
			const all = history(3_000, 9);
			await fill(from, all.slice(0, 1_777));
			await copyBetween(from.url, to.url);
			for (const place of [from, to]) {
				const writer = await place.writer({ ...NEW_LOG, lsnUsedMax: 3_000 });
				expect(await writer.store.checkpoint()).toBe(1_777);
				await writer.apply(all.slice(1_777));
				await writer.apply(records.sequence([records.commit([1, 1], "did:plc:new", 1)], 3_001));
				await writer.store.close();
			}
			expect(await to.dump()).toEqual(await from.dump());
		});

		test("is of the same log, and no other may use it", async () => {
			await fill(from, history(100));
			await copyBetween(from.url, to.url);
			const other = { id: "7d0c2a4e-1f6b-4c8d-8e3a-9b5f7a1c3e20", lsnUsedMax: 100, initialSeq: 1 };
			expect(await failureOf(openIndexWriter(to.url, other))).toBeInstanceOf(ForeignIndexError);
			const { store } = await to.writer();
			expect(await store.logId()).toBe(LOG_ID);
			await store.close();
		});

		test("of an index without rows, or that no log has claimed, is one too", async () => {
			await (await from.writer()).store.close();
			await from.forgetLog();
			from.release();
			await copyBetween(from.url, to.url);
			expect(await to.dump()).toEqual(await from.dump());
			const { store } = await to.writer();
			expect(await store.logId()).toBe(LOG_ID);
			await store.close();
		});

		test("goes to an index that is there already if it is empty", async () => {
			const before = await fill(from, history(50));
			await (await to.writer()).store.close();
			to.release();
			await copyBetween(from.url, to.url);
			expect(await to.dump()).toEqual(before);
		});

		test("does not go to an index that has something, which stays as it is", async () => {
			await fill(from, history(50));
			for (const list of [history(3), [...records.sequence([records.cursors([1, 1])])]]) {
				const full = await makeTo();
				const before = await fill(full, list);
				const copying = copyBetween(from.url, full.url);
				const error = await failureOf(copying);
				expect(error).toBeInstanceOf(CopyError);
				expect(error.message).toContain("holds an index already");
				expect(await full.dump()).toEqual(before);
			}
		});

		test("is not made of what is no index, and nothing is made at the target", async () => {
			await failureOf(copyBetween(from.url, to.url));
			await failureOf(to.reader());
		});

		test("is not made while either is in use, and nobody can use them during the copy", async () => {
			await fill(from, history(50));
			for (const used of [from, to]) {
				const { store } = await used.writer();
				await store.checkpoint();
				expect((await failureOf(copyBetween(from.url, to.url))).message).toContain("stop the relay first");
				await store.close();
				used.release();
			}
			await withSides(from.url, to.url, async () => {
				await failureOf(openCopySource(from.url));
				await failureOf(openCopyTarget(to.url));
			});
			await copyBetween(from.url, to.url);
			expect(await to.dump()).toEqual(await from.dump());
		});

		test("does not go to the source itself", async () => {
			const before = await fill(from, history(50));
			expect((await failureOf(copyBetween(from.url, from.url))).message).toContain("is both the source and the target");
			expect(await from.dump()).toEqual(before);
		});

		test("is given up as a whole if a row arrives changed, twice or not at all", async () => {
			await fill(from, manyAccounts(1_500));
			const changes: ((rows: readonly Row[]) => readonly Row[])[] = [
				(rows) => rows.slice(1),
				(rows) => rows.map((row, at) => (at === 7 ? row.with(3, Number(row[3]) + 1) : row)),
				(rows) => rows.map((row, at) => (at === 7 ? row.with(12, new Uint8Array(36)) : row)),
				(rows) => rows.map((row, at) => (at === 7 ? row.with(6, "") : row)),
			];
			for (const change of changes) {
				const copying = withSides(from.url, to.url, (source, target) =>
					copyIndex(source, tampered(target, change), () => {}),
				);
				expect((await failureOf(copying)).message).toContain("nothing was kept of the copy");
				expect((await to.dump()).accounts).toEqual([]);
			}
			await copyBetween(from.url, to.url);
			expect(await to.dump()).toEqual(await from.dump());
		});

		test("that fails at any page leaves the target empty", async () => {
			await fill(from, manyAccounts(2_500));
			for (const failAt of [0, 1, 2, 4, 6]) {
				let steps = 0;
				const copying = withSides(from.url, to.url, (source, target) =>
					copyIndex(source, target, () => {
						if (steps++ === failAt) throw new Error("given up");
					}),
				);
				expect((await failureOf(copying)).message).toContain("given up");
				const { hosts, accounts, checkpoint } = await to.dump();
				expect({ hosts, accounts, checkpoint }).toEqual({ hosts: [], accounts: [], checkpoint: 0 });
			}
			await copyBetween(from.url, to.url);
			expect(await to.dump()).toEqual(await from.dump());
		});
	});
}
