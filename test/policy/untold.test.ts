import { expect, test } from "bun:test";
import type { Policy } from "../../src/index/store.ts";
import { type Control, decodeControl } from "../../src/log/record/control.ts";
import type { Entry } from "../../src/log/record/entry.ts";
import { POLICY_KINDS, type PolicyKind } from "../../src/log/record/policy-facts.ts";
import { tellUntold } from "../../src/policy/untold.ts";
import { hostPolicy } from "../index/records.ts";

/** An index that has these policies, untold, and no more than `rows` a page. */
function indexOf(untold: readonly Policy[]) {
	return {
		untoldPolicies: async <K extends PolicyKind>(kind: K, afterKey: string, limit: number): Promise<Policy<K>[]> =>
			untold
				.filter((policy): policy is Policy<K> => policy.kind === kind && policy.key > afterKey)
				.sort((a, b) => (a.key < b.key ? -1 : 1))
				.slice(0, limit),
	};
}

test("tells each untold policy once, more than fit a page too, and each page is durable before the next is read", async () => {
	const untold: Policy[] = [
		...Array.from({ length: 2_500 }, (_, at): Policy => {
			return { kind: "localStatus", key: `did:plc:${at}`, value: { status: "takendown" } };
		}),
		{ kind: "hostPolicy", key: "pds.example", value: hostPolicy({ isBanned: true }) },
		{ kind: "domainBan", key: "bad.example", value: { sinceMs: 5 } },
		{ kind: "setting", key: "newHostsPerDayMax", value: { value: 3 } },
	];
	const told: Control[] = [];
	let pending = 0;
	const append = async (...entries: Entry[]): Promise<void> => {
		expect(pending++).toBe(0);
		for (const entry of entries) {
			const control = decodeControl(entry);
			if (control !== null) told.push(control);
		}
		await Promise.resolve();
		pending--;
	};
	await tellUntold(indexOf(untold), { append });
	const keysOf = (list: readonly { kind: string; key: string }[]) =>
		list.map(({ kind, key }) => `${kind} ${key}`).sort();
	const facts = told.map(({ kind, facts }) => ({ kind, key: "key" in facts ? facts.key : "" }));
	expect(keysOf(facts)).toEqual(keysOf(untold));
	expect(new Set(untold.map(({ kind }) => kind)).size).toBe(POLICY_KINDS.length);
});
