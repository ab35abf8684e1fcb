import { beforeAll, expect, test } from "bun:test";
import { openIndexWriter } from "../../../src/index/open.ts";
import { StoreBroken, StoreUnavailable, storeFaultReason } from "../../../src/index/store-fault.ts";
import { openPostgresMirror, openPostgresMirrorReader } from "../../../src/plc/postgres/store.ts";
import { SchemaPlace } from "../../index/postgres/place.ts";
import { NEW_LOG } from "../../index/store-cases.ts";
import { type PostgresServer, sharedPostgres } from "../../sim/postgres.ts";
import { describeWithPostgres } from "../../sim/postgres-programs.ts";
import { describeMirrorStore } from "../store-cases.ts";

describeWithPostgres("the mirror in PostgreSQL", () => {
	let server: PostgresServer;
	let database: string;
	let places = 0;
	beforeAll(async () => {
		server = await sharedPostgres();
		database = (await server.newDatabase()).url;
	}, 300_000);

	const makePlace = (): Promise<SchemaPlace> => SchemaPlace.make(database, `mirror_${++places}`);

	describeMirrorStore("the tables", async () => {
		const { url } = await makePlace();
		return {
			store: () => openPostgresMirror(url),
			async reader() {
				// As in the relay, the writer makes the tables first.
				await (await openPostgresMirror(url)).close();
				return openPostgresMirrorReader(url);
			},
		};
	});

	test("they are beside those of the index, which is opened before and after as if they were not there", async () => {
		const { url } = await makePlace();
		await (await openIndexWriter(url, NEW_LOG)).store.close();
		const mirror = await openPostgresMirror(url);
		expect(await mirror.progress()).toBeNull();
		const progress = { directory: "https://plc.test", after: "5", readUntilMs: 1, completeUntilMs: 2 };
		await mirror.write([], progress);
		await mirror.close();
		await (await openIndexWriter(url, NEW_LOG)).store.close();
		expect(await (await openPostgresMirror(url)).progress()).toEqual(progress);
	});

	test("a database without a mirror, or with one of another release, is refused with a sentence that says what to do", async () => {
		const place = await makePlace();
		const refused = await openPostgresMirrorReader(place.url).catch((error: unknown) => error);
		expect(refused).toBeInstanceOf(StoreBroken);
		await (await openPostgresMirror(place.url)).close();
		await place.sql((sql) => sql`UPDATE plc_progress SET schema_version = 99`);
		for (const open of [openPostgresMirror, openPostgresMirrorReader])
			expect(String(await open(place.url).catch((error: unknown) => error))).toContain("drop its tables");
	});

	test("a write whose connection is lost may be repeated, whether it was done or not", async () => {
		const place = await makePlace();
		const store = await openPostgresMirror(place.url);
		await store.progress();
		const progress = { directory: "https://plc.test", after: "1", readUntilMs: 1, completeUntilMs: 2 };
		for (let round = 0; round < 5; round++) {
			const write = store.write([], progress).catch((error: unknown) => error);
			await place.sql(
				(sql) => sql`SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity
					WHERE application_name = 'standpipe mirror' AND datname = current_database()`,
			);
			const outcome = await write;
			if (outcome !== undefined) expect(outcome).toBeInstanceOf(StoreUnavailable);
			for (;;) {
				const again = await store.write([], { ...progress, after: String(round) }).catch((error: unknown) => error);
				if (again === undefined) break;
				expect(again).toBeInstanceOf(StoreUnavailable);
				await store.progress().catch((error: unknown) => expect(error).toBeInstanceOf(StoreUnavailable));
			}
			expect((await store.progress())?.after).toBe(String(round));
		}
		await store.close();
	});

	test.each([0, 1, 2])("a write after a crash has undone others changes nothing: %d of 3 are left", async (left) => {
		const place = await makePlace();
		const at = (number: number) => ({
			directory: "https://plc.test",
			after: String(number),
			readUntilMs: number,
			completeUntilMs: 7,
		});
		const earlier = await openPostgresMirror(place.url);
		await earlier.progress();
		await earlier.write([], at(10));
		await earlier.close();
		const store = await openPostgresMirror(place.url);
		await store.progress();
		const rows = [await place.sql((sql) => sql`SELECT * FROM plc_progress`)];
		for (const number of [11, 12, 13]) {
			await store.write([], at(number));
			rows.push(await place.sql((sql) => sql`SELECT * FROM plc_progress`));
		}
		const [row] = rows[left] ?? [];
		await place.sql(
			(sql) =>
				sql`UPDATE plc_progress SET writer = ${row?.["writer"]}, after = ${row?.["after"]}, read_until_ms = ${row?.["read_until_ms"]}`,
		);
		const refused = await store.write([], at(14)).catch((error: unknown) => error);
		expect(storeFaultReason(refused)).toBe("database-behind");
		expect(await store.progress()).toEqual(at(10 + left));
		await store.write([], at(11 + left));
		expect(await store.progress()).toEqual(at(11 + left));
		await store.close();
	});
});
