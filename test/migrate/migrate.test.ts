import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ClaimingLog } from "../../src/index/claim.ts";
import { openCopyTarget } from "../../src/index/open.ts";
import type { IndexWriter } from "../../src/index/writer.ts";
import { logIdOf, stageLog } from "../../src/log/access.ts";
import { systemLogFs } from "../../src/log/local/log-fs.ts";
import { Batch } from "../../src/log/record/batch.ts";
import { controlEntry } from "../../src/log/record/entry.ts";
import type { HostPolicy } from "../../src/log/record/policy-facts.ts";
import { openIndigo } from "../../src/migrate/indigo/source.ts";
import { LogFilling } from "../../src/migrate/log-filling.ts";
import { type MigrateStep, migrateIndigo, SEQS_LEFT_OUT } from "../../src/migrate/migrate.ts";
import { Rng } from "../../src/sim/rng.ts";
import { SchemaPlace } from "../index/postgres/place.ts";
import { FilePlace } from "../index/sqlite/place.ts";
import type { Dump } from "../index/store-cases.ts";
import { TestLog } from "../log/harness.ts";
import { sharedPostgres } from "../sim/postgres.ts";
import { describeWithPostgres } from "../sim/postgres-programs.ts";
import { anyIndigo, type ExpectedState, GENERAL_LIMIT } from "./any-indigo.ts";
import { type IndigoState, writeIndigoPostgres, writeIndigoSqlite } from "./indigo-database.ts";

const NOW_MS = Date.UTC(2026, 3, 5);
/** Segments are so small that the state takes many. */
const LOG_SETTINGS = { syncMode: "write", replayWindowMs: 1, initialSeq: 1, segmentBytes: 64 * 1024 } as const;

let folder: string;
let places = 0;
beforeAll(() => {
	folder = mkdtempSync(join(tmpdir(), "standpipe-migrate-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const newPath = (): string => join(folder, String(places++));

/** A place for the index, by its URL too. */
type Target = { url: string; place: FilePlace | SchemaPlace };

async function sqliteSource(state: IndigoState): Promise<string> {
	const path = newPath();
	await writeIndigoSqlite(path, state);
	return `sqlite://${path}`;
}

async function sqliteTarget(): Promise<Target> {
	const path = join(newPath(), "index.sqlite");
	return { url: `sqlite://${path}`, place: new FilePlace(path) };
}

interface Changes {
	seqAfter?: number | null;
	allowInsecureHosts?: boolean;
	onStep?: (step: MigrateStep) => void;
}

async function migrate(from: string, to: string, directory: string, changes: Changes = {}) {
	const source = await openIndigo(from);
	const log = stageLog(directory);
	const target = await openCopyTarget(to);
	try {
		return await migrateIndigo(source, target, log, {
			...{
				allowInsecureHosts: changes.allowInsecureHosts ?? false,
				accountLimit: GENERAL_LIMIT,
				seqAfter: changes.seqAfter ?? null,
			},
			log: {
				...{ syncMode: "write", replayWindowMs: 1, initialSeq: 1 },
				segmentBytes: 64 * 1024,
			},
			nowMs: () => NOW_MS,
			onStep: changes.onStep ?? (() => {}),
		});
	} finally {
		await target.close();
		log.close();
		await source.close();
	}
}

/** Applies the log to the index, as the first start does. */
async function applyLog(directory: string, place: Target["place"]): Promise<{ nextSeq: number }> {
	const log = new TestLog(directory, systemLogFs);
	const { nextLsn, nextSeq } = log.writer;
	const claiming: ClaimingLog = { id: logIdOf(directory), lsnUsedMax: nextLsn - 1, initialSeq: 1 };
	const writer: IndexWriter = await place.writer(claiming);
	const reader = log.reader();
	for (let at = await writer.store.checkpoint(); ; ) {
		const part = reader.read(at);
		if (part === null) break;
		if (!(part instanceof Batch)) {
			// An index that was lost begins with the log's first record.
			if (at > 0) throw new Error(`the log has a gap after ${at}`);
			at = part.lastLsn;
			continue;
		}
		const first = part.indexAfter(at);
		await writer.apply(Array.from({ length: part.count - first }, (_, i) => part.record(first + i)));
		at = part.lastLsn;
	}
	await writer.store.close();
	log.stop();
	return { nextSeq };
}

/** What of an index the source decides, in the form of what is expected. */
function decided({ hosts, accounts, policies }: Dump): Omit<ExpectedState, "skipped"> {
	const parts = policies.map(({ kind, key, value, told }): [string, string] => {
		expect(told).toBe(true);
		const set = typeof value === "string" ? JSON.parse(value) : value;
		if (kind === "hostPolicy") {
			const { isBanned, accountLimit } = set as HostPolicy;
			return [`${kind} ${key}`, JSON.stringify([isBanned, accountLimit])];
		}
		return [`${kind} ${key}`, JSON.stringify(kind === "domainBan" ? set.sinceMs : set.status)];
	});
	return {
		hosts: hosts.map(({ id, hostname, insecure, status, cursor, accountCount }) => {
			return { id, hostname, insecure, status, cursor, accountCount };
		}),
		accounts: accounts
			.filter(({ host }) => host !== 0)
			.map(({ statusLsn: _, waitingSinceUs, ...account }) => ({ ...account, waits: waitingSinceUs !== null })),
		policies: new Map(parts.sort()),
	};
}

async function check(
	seed: string,
	sizes: { hosts: number; accounts: number },
	from: (state: IndigoState) => Promise<string>,
	target: Target,
) {
	const rng = new Rng(seed);
	const allowInsecureHosts = rng.int(2) === 0;
	const { state, expected } = await anyIndigo(rng, { ...sizes, allowInsecureHosts });
	const directory = newPath();
	const steps: MigrateStep[] = [];
	const migrated = await migrate(await from(state), target.url, directory, {
		allowInsecureHosts,
		onStep: (step) => steps.push(step),
	});
	const lastFile = state.files.at(-1) ?? 0;
	expect(migrated).toMatchObject({
		...{ hosts: expected.hosts.length, accounts: expected.accounts.length, domainBans: 3 },
		waiting: expected.accounts.filter(({ waits }) => waits).length,
		firstSeq: lastFile + SEQS_LEFT_OUT + 1,
	});
	const skipped = migrated.skipped.map(({ reason, count }): [string, number] => [reason, count]);
	expect(Object.fromEntries(skipped)).toEqual(Object.fromEntries(expected.skipped));
	for (const { first, count } of migrated.skipped) expect(first.length).toBe(Math.min(count, 5));
	expect(steps.at(-1)).toEqual({ rows: state.accounts.length, rowsTotal: state.accounts.length });
	expect(readdirSync(directory)).not.toContain("staging");

	const { nextSeq } = await applyLog(directory, target.place);
	expect(nextSeq).toBe(migrated.firstSeq);
	const dump = await target.place.dump();
	const found = decided(dump);
	expect(found.hosts).toEqual(expected.hosts);
	expect(found.accounts).toEqual(expected.accounts);
	expect([...found.policies]).toEqual([...expected.policies].sort());
	const waits = dump.accounts.flatMap(({ waitingSinceUs }) => waitingSinceUs ?? []);
	expect(new Set(waits).size).toBe(waits.length);
	expect(waits).toEqual(waits.toSorted((a, b) => a - b));
	expect(dump.actions.map(({ action }) => action)).toEqual(["migrateIndigo"]);
	return { dump, directory };
}

test("hosts, cursors, limits, bans, takedowns and accounts arrive; what is not valid is left out, counted and named", async () => {
	for (let at = 1; at < 7; at++)
		await check(`any ${at}`, { hosts: 1 + 12 * at, accounts: 90 * at }, sqliteSource, await sqliteTarget());
}, 60_000);

test("many pages, and a log of many segments, arrive as a whole", async () => {
	await check("pages", { hosts: 2_200, accounts: 2_100 }, sqliteSource, await sqliteTarget());
}, 60_000);

test("if the index is lost, hosts, cursors and all that the operator has set come back from the log", async () => {
	const { dump, directory } = await check("lost", { hosts: 60, accounts: 400 }, sqliteSource, await sqliteTarget());
	const again = await sqliteTarget();
	await applyLog(directory, again.place);
	const restored = await again.place.dump();
	expect(restored.policies).toEqual(dump.policies);
	const hostsOf = ({ hosts }: Dump) => hosts.map(({ accountCount: _, ...host }) => host);
	expect(hostsOf(restored)).toEqual(hostsOf(dump));
	const takenDown = ({ accounts }: Dump) =>
		accounts.flatMap(({ did, localStatus }) => (localStatus === null ? [] : [`${did} ${localStatus}`])).sort();
	expect(takenDown(restored)).toEqual(takenDown(dump));
});

const EMPTY: IndigoState = { hosts: [], accounts: [], domainBans: [], files: [0, 700] };

describe("the seq of the first message", () => {
	test("is above the one that is given, or above all that the database allows", async () => {
		const from = await sqliteSource(EMPTY);
		for (const [seqAfter, firstSeq] of [
			[null, 700 + SEQS_LEFT_OUT + 1],
			[700, 701],
			[9_000, 9_001],
		] as const) {
			const directory = newPath();
			const target = await sqliteTarget();
			expect(await migrate(from, target.url, directory, { seqAfter })).toMatchObject({ firstSeq });
			expect(await applyLog(directory, target.place)).toEqual({ nextSeq: firstSeq });
		}
	});

	test("is asked for if the database does not tell, and never one that is in use", async () => {
		for (const files of [[], [0]]) {
			const { url } = await sqliteTarget();
			const directory = newPath();
			const from = await sqliteSource({ ...EMPTY, files });
			await expect(migrate(from, url, directory)).rejects.toThrow("--seq-after");
			expect(readdirSync(directory)).toEqual(["lock"]);
			expect(await migrate(from, url, directory, { seqAfter: 3 })).toMatchObject({ firstSeq: 4 });
		}
		const [from, to] = [await sqliteSource(EMPTY), await sqliteTarget()];
		await expect(migrate(from, to.url, newPath(), { seqAfter: 699 })).rejects.toThrow("too low");
		await expect(migrate(from, to.url, newPath(), { seqAfter: 2 ** 52 })).rejects.toThrow("too high");
	});
});

test("a place that holds anything is refused, and left as it is", async () => {
	const from = await sqliteSource(EMPTY);
	const [directory, target] = [newPath(), await sqliteTarget()];
	await migrate(from, target.url, directory);
	const before = readdirSync(directory).sort();
	await expect(migrate(from, (await sqliteTarget()).url, directory)).rejects.toThrow("is not empty");
	expect(readdirSync(directory).sort()).toEqual(before);
	const other = newPath();
	await expect(migrate(from, target.url, other)).rejects.toThrow("holds an index already");
	expect(readdirSync(other)).toEqual(["lock"]);
});

/** The files of a folder, without its folders. */
function contentOf(directory: string): Map<string, Buffer> {
	const files = readdirSync(directory, { withFileTypes: true }).filter((entry) => entry.isFile());
	return new Map(files.map(({ name }) => [name, readFileSync(join(directory, name))]));
}

test("an attempt that is killed while the log is made can be repeated", async () => {
	const { state } = await anyIndigo(new Rng("killed"), { hosts: 5, accounts: 20, allowInsecureHosts: true });
	const [from, directory, target] = [await sqliteSource(state), newPath(), await sqliteTarget()];
	const source = await openIndigo(from);
	const killed = stageLog(directory);
	const filling = new LogFilling(killed.directory, { ...LOG_SETTINGS, initialSeq: 900 });
	filling.append(controlEntry("recount", { host: 1 }));
	await source.close();
	// What a killed process leaves: its files without its locks.
	const left = readdirSync(killed.directory);
	const locks = contentOf(directory);
	expect([...locks.keys()].sort()).toEqual(["lock", "lock-journal"]);
	filling.close();
	killed.close();
	mkdirSync(killed.directory);
	for (const name of left) await Bun.write(join(killed.directory, name), "left");
	for (const [name, content] of locks) await Bun.write(join(directory, name), content);
	const { firstSeq } = await migrate(from, target.url, directory);
	expect(await applyLog(directory, target.place)).toEqual({ nextSeq: firstSeq });
	expect(existsSync(killed.directory)).toBe(false);
});

describeWithPostgres("with PostgreSQL", () => {
	let database: string;
	beforeAll(async () => {
		database = (await (await sharedPostgres()).newDatabase()).url;
	}, 300_000);

	const postgresSource = async (state: IndigoState): Promise<string> => {
		const { url } = await SchemaPlace.make(database, `indigo_${places++}`);
		await writeIndigoPostgres(url, state);
		return url;
	};
	const postgresTarget = async (): Promise<Target> => {
		const place = await SchemaPlace.make(database, `index_${places++}`);
		return { url: place.url, place };
	};

	test("it is the same from PostgreSQL and into it", async () => {
		const sizes = { hosts: 40, accounts: 300 };
		await check("to postgres", sizes, sqliteSource, await postgresTarget());
		await check("from postgres", sizes, postgresSource, await sqliteTarget());
		await check("in postgres", sizes, postgresSource, await postgresTarget());
	}, 120_000);

	test("a database that is not indigo's is refused in one sentence", async () => {
		const { url } = await SchemaPlace.make(database, "nothing");
		await expect(migrate(url, (await sqliteTarget()).url, newPath())).rejects.toThrow('"log_file_refs" does not exist');
	});
});
