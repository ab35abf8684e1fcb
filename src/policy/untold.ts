// policy/: what the operator sets while the relay runs. What each policy leads to is in the rooms that ask for it.

import { untoldPolicyPages } from "../index/pages.ts";
import type { IndexReader } from "../index/store.ts";
import type { Appender } from "../log/appender.ts";
import { policyEntry } from "../log/record/entry.ts";
import { POLICY_KINDS } from "../log/record/policy-facts.ts";
import { logOf } from "../observe/log.ts";

const log = logOf("policy");

/**
 * Appends what the operator has set and no record of the log says, since the index is from an older release or was another log's. To be
 * called at the start, before other threads append: a record of the same key must not come before. Resolves when all is durable. If
 * the process ends before that, the next start goes on.
 */
export async function tellUntold(
	reader: Pick<IndexReader, "untoldPolicies">,
	appender: Pick<Appender, "append">,
): Promise<void> {
	let told = 0;
	for (const kind of POLICY_KINDS)
		for await (const page of untoldPolicyPages(reader, kind)) {
			await appender.append(...page.map(({ key, value }) => policyEntry(kind, key, value)));
			told += page.length;
		}
	if (told > 0) log.info("the log was told {count} policies that only the index had", { count: told });
}
