import { findPostgres } from "./postgres-programs.ts";

/** The kinds of store that a relay under test can have. */
export const STORES = ["sqlite", "postgres"] as const;
export type StoreUnderTest = (typeof STORES)[number];

/** What `STANDPIPE_TEST_STORE` says: the store of relays in the tests that can use either. */
export function storeUnderTest(env: Readonly<Record<string, string | undefined>> = process.env): StoreUnderTest {
	return storeNamed(env["STANDPIPE_TEST_STORE"] ?? "sqlite");
}

/** @throws RangeError for a name that is no store's, or for PostgreSQL if there is none on this machine */
export function storeNamed(name: string): StoreUnderTest {
	const store = STORES.find((known) => known === name);
	if (store === undefined) throw new RangeError(`${name} is no store: ${STORES.join(", ")}`);
	const programs = store === "postgres" ? findPostgres() : null;
	if (typeof programs === "string") throw new RangeError(programs);
	return store;
}
