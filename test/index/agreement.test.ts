import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { StoredRecord } from "../../src/log/record/stored-record.ts";
import { Rng } from "../../src/sim/rng.ts";
import { sharedPostgres } from "../sim/postgres.ts";
import { describeWithPostgres } from "../sim/postgres-programs.ts";
import { SchemaPlace } from "./postgres/place.ts";
import { FilePlace } from "./sqlite/place.ts";
import { type Dump, history, type Place } from "./store-cases.ts";

const RECORDS = 100_000;
const ACCOUNTS = 2_000;

/** Applies records in slices that are mostly short. With every so many slices the writer is opened anew. */
async function applied(place: Place, all: readonly StoredRecord[], rng: Rng): Promise<Dump> {
	let writer = await place.writer();
	for (let at = 0, end = 0; at < all.length; at = end) {
		end = at + 1 + rng.int(rng.int(3) === 0 ? 5_000 : 200);
		await writer.apply(all.slice(at, end));
		if (rng.int(20) > 0) continue;
		await writer.store.close();
		writer = await place.writer();
	}
	await writer.store.close();
	return await place.dump();
}

describeWithPostgres("stores of the index", () => {
	test("one history in random slices leads to equal rows in SQLite and PostgreSQL", async () => {
		const folder = mkdtempSync(join(tmpdir(), "standpipe-agreement-"));
		const all = history(RECORDS, 11, ACCOUNTS);
		const { url } = await (await sharedPostgres()).newDatabase();
		const inFile = await applied(new FilePlace(join(folder, "index.sqlite")), all, new Rng("slices in SQLite"));
		const inServer = await applied(await SchemaPlace.make(url, "agreement"), all, new Rng("slices in PostgreSQL"));
		expect(inFile.accounts.length).toBeGreaterThan(ACCOUNTS / 2);
		expect(inFile.identities.length).toBeGreaterThan(100);
		expect(inFile.policies.length).toBeGreaterThan(100);
		expect(inFile.actions.length).toBeGreaterThan(1_000);
		for (const table of ["hosts", "accounts", "identities", "policies", "actions"] as const)
			expect(inServer[table]).toEqual(inFile[table] as never);
		expect(inServer).toEqual(inFile);
		rmSync(folder, { recursive: true });
	}, 300_000);
});
