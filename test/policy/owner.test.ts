import { beforeEach, describe, expect, test } from "bun:test";
import type { HostPolicyChange } from "../../src/control/policy.ts";
import { foldRecords } from "../../src/index/fold.ts";
import type { Policy, StoredAction } from "../../src/index/store.ts";
import { type Control, decodeControl } from "../../src/log/record/control.ts";
import type { Entry } from "../../src/log/record/entry.ts";
import type { PolicyKind, Strictness } from "../../src/log/record/policy-facts.ts";
import type { LocalStatusChange } from "../../src/policy/messages.ts";
import { PolicyOwner } from "../../src/policy/owner.ts";
import { Policies } from "../../src/policy/policies.ts";
import { runtimeSettings } from "../../src/policy/settings.ts";
import { Rng } from "../../src/sim/rng.ts";
import { NO_ROWS } from "../index/records.ts";

const ADMIN = { admin: true, ip: "192.0.2.9" };
const NOW_MS = 1_700_000_000_000;
const CONFIGURED = { disableRequestCrawl: false, newHostsPerDayMax: 50, accountLimit: 100 };
const INVALID = { ok: false, status: 400, error: "InvalidRequest" };
const OK = { ok: true } as const;

/** The rows of an index that has folded these entries. */
function rowsOf(entries: readonly Entry[]): Policy[] {
	const records = entries.map((entry, at) => ({ ...entry, lsn: at + 1, seq: 0, timeUs: 0 }));
	const { policies } = foldRecords(records, NO_ROWS);
	return policies.flatMap(({ kind, key, value }) => (value === null ? [] : [{ kind, key, value } as Policy]));
}

function readerOf(rows: readonly Policy[], actions: StoredAction[] = []) {
	return {
		policies: async <K extends PolicyKind>(kind: K, afterKey: string, limit: number): Promise<Policy<K>[]> =>
			rows
				.filter((row): row is Policy<K> => row.kind === kind && row.key > afterKey)
				.sort((a, b) => (a.key < b.key ? -1 : 1))
				.slice(0, limit),
		actions: async () => actions,
	};
}

/** An owner, what it appended to the log, and what it told the rest of the relay. */
class Bench {
	readonly entries: Entry[] = [];
	readonly changes: LocalStatusChange[] = [];
	readonly strictness: [string, Strictness | null][] = [];
	readonly known = new Set(["pds.com", "a.bad.com", "b.bad.com"]);
	/** The bans at each time that the hosts were to be looked at. */
	readonly applied: (string | null)[][] = [];
	durable = Promise.resolve();
	isAnswered = true;

	async owner(rows: readonly Policy[] = []): Promise<{ owner: PolicyOwner; policies: Policies }> {
		const append = (...entries: Entry[]): Promise<void> => {
			this.entries.push(...entries);
			return this.durable;
		};
		const policies = await Policies.load(readerOf(rows), { append });
		const owner = new PolicyOwner({
			policies,
			settings: runtimeSettings(policies, CONFIGURED),
			reader: readerOf(rows),
			setLocalStatus: async (change) => {
				this.changes.push(change);
				return this.isAnswered;
			},
			hosts: {
				isKnown: (hostname) => this.known.has(hostname),
				applyPolicies: () => {
					this.applied.push([...this.known].map((hostname) => policies.banOf(hostname)?.by ?? null));
				},
			},
			setStrictness: async (hostname, strictness) => {
				this.strictness.push([hostname, strictness]);
			},
			nowMs: () => NOW_MS,
			allowLocalhost: false,
		});
		return { owner, policies };
	}

	said(): Control[] {
		return this.entries.splice(0).flatMap((entry) => decodeControl(entry) ?? []);
	}
}

let bench: Bench;
beforeEach(() => {
	bench = new Bench();
});

function line(action: string, subject: string, before: string, after: string): Control {
	return { kind: "adminAction", facts: { atMs: NOW_MS, by: ADMIN.ip, action, subject, before, after } };
}

describe("accounts", () => {
	test("are set by the worker of the DID, which is told who did it", async () => {
		const { owner } = await bench.owner();
		const did = "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa";
		for (const status of ["takendown", "suspended", null] as const)
			expect(await owner.setAccountStatus(did, status, ADMIN)).toEqual(OK);
		expect(bench.changes.map(({ status, action }) => [status, action.action])).toEqual([
			["takendown", "takeDown"],
			["suspended", "suspend"],
			[null, "reverseTakedown"],
		]);
		expect(bench.changes[0]).toMatchObject({ did, action: { by: ADMIN.ip, atMs: NOW_MS } });
		expect(await owner.setAccountStatus("alice.com", "takendown", ADMIN)).toMatchObject(INVALID);
		bench.isAnswered = false;
		expect(await owner.setAccountStatus(did, null, ADMIN)).toMatchObject({ ok: false, status: 504 });
	});

	test("that have a status are listed by DID", async () => {
		const rows = ["b", "a", "c"].map((key): Policy => ({ kind: "localStatus", key, value: { status: "takendown" } }));
		const { owner } = await bench.owner(rows);
		expect(await owner.accountStatuses("a", 1)).toEqual({ ...OK, accounts: [{ did: "b", status: "takendown" }] });
	});
});

describe("bans of domains", () => {
	test("hold at once, are logged after their line, and are answered when they are durable", async () => {
		const { owner } = await bench.owner();
		const { promise, resolve } = Promise.withResolvers<void>();
		bench.durable = promise;
		let answer: unknown = null;
		void owner.banDomain("*.Bad.com", ADMIN).then((result) => {
			answer = result;
		});
		expect(bench.applied).toEqual([[null, "domain", "domain"]]);
		expect(bench.said()).toEqual([
			line("banDomain", "bad.com", "", `{"sinceMs":${NOW_MS}}`),
			{ kind: "domainBan", facts: { key: "bad.com", value: { sinceMs: NOW_MS } } },
		]);
		for (let turn = 0; turn < 10; turn++) await Promise.resolve();
		expect(answer).toBeNull();
		resolve();
		for (let turn = 0; turn < 10; turn++) await Promise.resolve();
		expect(answer).toEqual(OK);
	});

	test("can be repeated, and lifted once", async () => {
		const { owner } = await bench.owner([{ kind: "domainBan", key: "bad.com", value: { sinceMs: 7 } }]);
		expect(await owner.banDomain("bad.com", ADMIN)).toEqual(OK);
		expect(bench.said()).toEqual([line("banDomain", "bad.com", '{"sinceMs":7}', '{"sinceMs":7}')]);
		expect(await owner.domainBans()).toEqual({ ...OK, domains: [{ domain: "bad.com", sinceMs: 7 }] });
		expect(await owner.unbanDomain("bad.com", ADMIN)).toEqual(OK);
		expect(bench.applied.at(-1)).toEqual([null, null, null]);
		expect(await owner.unbanDomain("bad.com", ADMIN)).toMatchObject({ status: 404 });
		for (const wrong of ["", "a b", "x".repeat(300)])
			expect(await owner.banDomain(wrong, ADMIN)).toMatchObject(INVALID);
	});
});

describe("policies of hosts", () => {
	test("keep what a change does not name, and go when all is as general as before", async () => {
		const { owner, policies } = await bench.owner();
		const eventLimits = { perS: 1, perHour: 2, perDay: 3 };
		expect(await owner.changeHosts(["PDS.com"], { accountLimit: 5, eventLimits }, ADMIN)).toEqual(OK);
		expect(await owner.changeHosts(["pds.com"], { isBanned: true }, ADMIN)).toEqual(OK);
		expect(policies.hostPolicy("pds.com")).toMatchObject({ isBanned: true, accountLimit: 5, eventLimits });
		expect(await owner.hostPolicies("", 10)).toMatchObject({ hosts: [{ hostname: "pds.com" }] });
		const back = { isBanned: false, accountLimit: null, eventLimits: null };
		expect(await owner.changeHosts(["pds.com"], back, ADMIN)).toEqual(OK);
		expect(await owner.hostPolicies("", 10)).toEqual({ ...OK, hosts: [] });
		expect(bench.said().flatMap(({ kind, facts }) => (kind === "hostPolicy" ? [facts.value] : []))).toEqual([
			expect.objectContaining({ accountLimit: 5 }),
			expect.objectContaining({ isBanned: true, accountLimit: 5 }),
			null,
		]);
	});

	test("of several hosts change together, or not at all", async () => {
		const { owner } = await bench.owner();
		const change = { strictness: "observe" } as const;
		expect(await owner.changeHosts(["pds.com", "unknown.com"], change, ADMIN)).toMatchObject({ status: 404 });
		expect(await owner.changeHosts(["pds.com", "not a host"], change, ADMIN)).toMatchObject(INVALID);
		expect(await owner.changeHosts(Array(1_001).fill("pds.com"), change, ADMIN)).toMatchObject(INVALID);
		expect([bench.said(), bench.strictness]).toEqual([[], []]);
		expect(await owner.changeHosts(["pds.com", "a.bad.com"], change, ADMIN)).toEqual(OK);
		expect(bench.strictness).toEqual([
			["pds.com", "observe"],
			["a.bad.com", "observe"],
		]);
	});

	test("a host that is not known can be banned, and nothing else", async () => {
		const { owner, policies } = await bench.owner();
		expect(await owner.changeHosts(["later.com"], { accountLimit: 1 }, ADMIN)).toMatchObject({
			error: "HostNotFound",
		});
		expect(await owner.changeHosts(["later.com"], { isBanned: true }, ADMIN)).toEqual(OK);
		expect(policies.banOf("later.com")).toEqual({ by: "host" });
	});
});

describe("settings", () => {
	test("hold at once, in place of the configured ones, until they are taken back", async () => {
		const { owner } = await bench.owner();
		expect(await owner.changeSettings({ newHostsPerDayMax: 3, disableRequestCrawl: true }, ADMIN)).toEqual(OK);
		const settings = { newHostsPerDayMax: 3, disableRequestCrawl: true, accountLimit: 100 };
		expect(await owner.settings()).toEqual({ ...OK, settings });
		expect(structuredClone(await owner.settings())).toEqual({ ...OK, settings });
		expect(await owner.changeSettings({ newHostsPerDayMax: null }, ADMIN)).toEqual(OK);
		expect(await owner.settings()).toMatchObject({ settings: { newHostsPerDayMax: 50, disableRequestCrawl: true } });
	});

	test("with a wrong value change nothing, and a value of another release does not count", async () => {
		const { owner } = await bench.owner([{ kind: "setting", key: "newHostsPerDayMax", value: { value: true } }]);
		for (const wrong of [-1, 1.5, 1e7, Number.NaN])
			expect(await owner.changeSettings({ disableRequestCrawl: true, newHostsPerDayMax: wrong }, ADMIN)).toMatchObject(
				INVALID,
			);
		expect(bench.said()).toEqual([]);
		expect(await owner.settings()).toEqual({ ...OK, settings: CONFIGURED });
	});
});

test("after any history of changes, a start finds in the index what held", async () => {
	for (let seed = 0; seed < 100; seed++) {
		const rng = new Rng(`policies/${seed}`);
		bench = new Bench();
		let { owner, policies } = await bench.owner();
		const all: Entry[] = [];
		const holds = (of: Policies) => [...of.hostPolicies()].sort().concat([...of.domainBans()].sort() as never);
		for (let step = 0; step < 40; step++) {
			const host = rng.pick([...bench.known]);
			const changes: HostPolicyChange[] = [
				{ isBanned: rng.int(2) === 0 },
				{ accountLimit: rng.pick([null, 1, 2]) },
				{ strictness: rng.pick([null, "observe", "enforce"]) },
			];
			const domain = rng.pick(["bad.com", "com", "a.bad.com"]);
			const kind = rng.int(4);
			if (kind < 2) await owner.changeHosts([host], rng.pick(changes), ADMIN);
			else if (kind === 2) await owner.banDomain(domain, ADMIN);
			else await owner.unbanDomain(domain, ADMIN);
			all.push(...bench.entries.splice(0));
			if (rng.int(10) > 0) continue;
			const before = holds(policies);
			({ owner, policies } = await bench.owner(rowsOf(all)));
			expect(holds(policies)).toEqual(before);
		}
	}
});
