import { expect, test } from "bun:test";
import { decodeControl } from "../../src/log/record/control.ts";
import type { Entry } from "../../src/log/record/entry.ts";
import { Policies } from "../../src/policy/policies.ts";
import { CLEAN_MS, Ratchet } from "../../src/policy/ratchet.ts";
import { hostPolicy } from "../index/records.ts";
import { FakeTiming } from "../sim/fake-timing.ts";

const HOUR_MS = 3_600_000;
const START_MS = 1_700_000_000_000;

/** A ratchet with a host that it watches from the start, and one that only observes. */
async function bench() {
	const timing = new FakeTiming();
	const entries: Entry[] = [];
	const enforced: string[] = [];
	const append = async (...more: Entry[]): Promise<void> => void entries.push(...more);
	const policies = await Policies.load({ policies: async () => [] }, { append });
	const nowMs = (): number => START_MS + timing.nowMs();
	const startMs = nowMs();
	const observed = hostPolicy({ strictness: "observe" });
	await policies.change("hostPolicy", "a.com", { ...observed, cleanSinceMs: startMs, accountLimit: 3 }, null);
	await policies.change("hostPolicy", "b.com", observed, null);
	const ratchet = new Ratchet({
		policies,
		timing,
		nowMs,
		setStrictness: async (hostname) => void enforced.push(hostname),
	});
	/** Passes so much time, in steps that let each timer run. */
	const pass = (ms: number): void => {
		for (let left = ms; left > 0; left -= 60_000) timing.pass(Math.min(left, 60_000));
	};
	const said = () => entries.splice(0).flatMap((entry) => decodeControl(entry) ?? []);
	said();
	return { policies, ratchet, enforced, pass, said, startMs };
}

test("a host whose messages keep all rules for a week is enforced, and no other; nothing else of its policy changes", async () => {
	const { policies, enforced, pass, said } = await bench();
	pass(CLEAN_MS - 60_000);
	expect(enforced).toEqual([]);
	pass(60_000);
	expect(enforced).toEqual(["a.com"]);
	expect(policies.hostPolicy("a.com")).toEqual(hostPolicy({ strictness: "enforce", accountLimit: 3 }));
	expect(policies.hostPolicy("b.com").strictness).toBe("observe");
	expect(said()).toMatchObject([
		{ kind: "adminAction", facts: { by: "the relay", action: "ratchet", subject: "a.com" } },
		{ kind: "hostPolicy", facts: { key: "a.com", value: { strictness: "enforce", cleanSinceMs: null } } },
	]);
	pass(2 * CLEAN_MS);
	expect(enforced).toEqual(["a.com"]);
});

test("each broken rule begins the week anew, and the log is told once an hour at most, with no line of the audit log", async () => {
	const { ratchet, enforced, pass, said, startMs } = await bench();
	for (let minute = 0; minute < 600; minute++) {
		pass(60_000);
		ratchet.noteLenient(["a.com", "b.com", "unknown.com"]);
	}
	const told = said().map((control) => control.kind === "hostPolicy" && control.facts.value?.cleanSinceMs);
	expect(told).toEqual(Array.from({ length: 10 }, (_, at) => startMs + (at + 1) * HOUR_MS));
	pass(30 * 60_000);
	ratchet.noteLenient(["a.com"]);
	pass(CLEAN_MS - 60_000);
	expect(enforced).toEqual([]);
	pass(60_000);
	expect(enforced).toEqual(["a.com"]);
});
