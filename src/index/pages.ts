import type { PolicyKind } from "../log/record/policy-facts.ts";
import type { Host, IndexReader, Policy } from "./store.ts";

/** Rows that are read at once. */
const ROWS_PER_PAGE = 1_000;

/** Reads pages until one is empty. @param read reads the rows that come after this one, or the first ones (null) */
export async function* pages<Row>(read: (after: Row | null) => Promise<Row[]>): AsyncGenerator<Row[]> {
	for (let page = await read(null); page.length > 0; page = await read(page.at(-1) ?? null)) yield page;
}

/** All hosts, by id. */
export function hostPages(reader: Pick<IndexReader, "hosts">): AsyncGenerator<Host[]> {
	return pages((after: Host | null) => reader.hosts(after?.id ?? 0, ROWS_PER_PAGE));
}

/** All that the operator has set of a kind, by key. */
export function policyPages<K extends PolicyKind>(
	reader: Pick<IndexReader, "policies">,
	kind: K,
): AsyncGenerator<Policy<K>[]> {
	return pages((after: Policy<K> | null) => reader.policies(kind, after?.key ?? "", ROWS_PER_PAGE));
}

/** The same, but only what no record of the log has told. */
export function untoldPolicyPages<K extends PolicyKind>(
	reader: Pick<IndexReader, "untoldPolicies">,
	kind: K,
): AsyncGenerator<Policy<K>[]> {
	return pages((after: Policy<K> | null) => reader.untoldPolicies(kind, after?.key ?? "", ROWS_PER_PAGE));
}
