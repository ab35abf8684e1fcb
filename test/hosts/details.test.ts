import { describe, expect, test } from "bun:test";
import type { DelayedHost } from "../../src/control/delays.ts";
import type { HostUsage } from "../../src/control/host-details.ts";
import { HostDetails } from "../../src/hosts/details.ts";
import type { HostDriver } from "../../src/hosts/host-driver.ts";
import { ManagedHost } from "../../src/hosts/managed-host.ts";
import { initialState } from "../../src/hosts/state.ts";
import type { Host } from "../../src/index/store.ts";
import { NEVER_CONNECTED } from "../../src/log/record/host-connection.ts";
import { DEFAULT_HOST_POLICY } from "../../src/policy/policies.ts";
import { Rng } from "../../src/sim/rng.ts";

function managed(id: number): ManagedHost {
	const connection = { ...NEVER_CONNECTED, firstSeenMs: id };
	const facts = { id, hostname: `h${id}.pds.com`, insecure: false, status: "idle" as const, gaps: 0, lastGap: null };
	const driver = { state: initialState(connection, 1) } as unknown as HostDriver;
	return new ManagedHost({ ...facts, connection }, null, driver);
}

function rowOf({ facts }: ManagedHost): Host {
	return { ...facts, cursor: 10 * facts.id, accountCount: 2 * facts.id };
}

function detailsOf(hosts: ManagedHost[], rows: Host[], counted: HostUsage[], delayed: DelayedHost[] = []): HostDetails {
	return new HostDetails({
		manager: {
			hosts: () => hosts,
			find: (hostname) => hosts.find((host) => host.hostname === hostname),
			delayedHosts: async (hostname) => ({ ok: true, hosts: delayed.filter((one) => one.hostname === hostname) }),
		},
		reader: {
			hosts: async (afterId, limit) => rows.filter(({ id }) => id > afterId).slice(0, limit),
		},
		usage: async (afterId, lastId) => counted.filter(({ hostId }) => hostId > afterId && hostId <= lastId),
		policyOf: () => DEFAULT_HOST_POLICY,
		banOf: (hostname) => (hostname === "h3.pds.com" ? { by: "domain", domain: "pds.com" } : null),
		accountLimitOf: () => 100,
		limitsOf: () => null,
	});
}

describe("the details of hosts", () => {
	test("come in pages by id, each with its own row and its own counts, whatever the index and the workers know", async () => {
		const rng = new Rng("details");
		for (let round = 0; round < 100; round++) {
			const ids = [...new Set(Array.from({ length: rng.int(12) }, () => 1 + rng.int(40)))];
			const hosts = ids.map(managed);
			const rows = hosts
				.filter(() => rng.int(4) > 0)
				.map(rowOf)
				.sort((a, b) => a.id - b.id);
			const used = { second: 1, hour: 2, day: 3 };
			const counted = hosts.filter(() => rng.int(2) > 0).map(({ id }) => ({ hostId: id, messages: id, used }));
			const details = detailsOf(hosts, rows, counted);
			const limit = 1 + rng.int(5);
			const seen: number[] = [];
			for (let page = await details.list(0, limit); page.hosts.length > 0; ) {
				for (const { id, cursor, accountCount, usage, connection } of page.hosts) {
					const isRow = rows.some((row) => row.id === id);
					expect([cursor, accountCount]).toEqual(isRow ? [10 * id, 2 * id] : [null, 0]);
					expect(usage.messages).toBe(counted.some(({ hostId }) => hostId === id) ? id : 0);
					expect(connection.firstSeenMs).toBe(id);
					seen.push(id);
				}
				page = await details.list(seen.at(-1) ?? 0, limit);
			}
			expect(seen).toEqual(ids.sort((a, b) => a - b));
		}
	});

	test("say of one host by which name it is banned, and what of it waits; of others that they are not known", async () => {
		const [one, three] = [managed(1), managed(3)];
		const waits = { hostname: "h1.pds.com", forMs: 1, messages: 1, bytes: 1, accounts: 1, leftOut: 0, top: [] };
		const details = detailsOf([one, three], [rowOf(one), rowOf(three)], [], [waits]);
		expect(await details.one("H1.Pds.Com")).toMatchObject({
			ok: true,
			host: { id: 1, bannedBy: null },
			delays: waits,
		});
		expect(await details.one("h3.pds.com")).toMatchObject({ host: { bannedBy: "pds.com" }, delays: null });
		expect(await details.one("h2.pds.com")).toMatchObject({ ok: false, status: 404, error: "HostNotFound" });
		for (const name of ["", "a", "a b", "127.0.0.1", "https://"])
			expect(await details.one(name)).toMatchObject({ ok: false, status: 400, error: "InvalidRequest" });
	});
});
