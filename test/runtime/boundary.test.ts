import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { DiskFault } from "../../src/disk/fault.ts";
import { DatabaseFiles } from "../../src/index/sqlite/database-files.ts";
import { StoreBroken, StoreUnavailable } from "../../src/index/store-fault.ts";
import { contain, Damage, isFatal } from "../../src/runtime/boundary.ts";

function thrownBy(work: () => void): unknown {
	try {
		work();
	} catch (error) {
		return error;
	}
	throw new Error("nothing was thrown");
}

test("an unforeseen fault is contained, whatever was thrown", () => {
	for (const thrown of [new TypeError("no"), new RangeError("no"), "a text", null, undefined, { code: "EIO" }]) {
		const work = (): void => {
			throw thrown;
		};
		expect(contain("a test", work)).toBe(false);
	}
	expect(contain("a test", () => {})).toBe(true);
});

test("damage, a failing disk and a failing index are not contained", async () => {
	const query = (): unknown => new Database(":memory:").run("SELECT * FROM nothing");
	const sqlite = await DatabaseFiles.at("")
		.attempt(query)
		.catch((error: unknown) => error);
	expect(sqlite).toBeInstanceOf(StoreBroken);
	for (const fatal of [
		new Damage("ours"),
		new DiskFault("io-error", "the disk"),
		new StoreUnavailable("io-error", "its disk"),
		sqlite,
	]) {
		expect(isFatal(fatal)).toBe(true);
		const work = (): void => {
			throw fatal;
		};
		expect(thrownBy(() => contain("a test", work))).toBe(fatal);
	}
});
