import { describe, expect, test } from "bun:test";
import type { ConsumerReport } from "../../src/control/consumers.ts";
import { CONSUMER_SORTS, HOST_SORTS, type HostQuery, type HostRow } from "../../src/control/dashboard.ts";
import type { HostUsage } from "../../src/control/host-details.ts";
import { HOSTS_KEPT_MS } from "../../src/dashboard/host-table.ts";
import { HOST_STATUSES } from "../../src/dashboard/query.ts";
import { pageOf } from "../../src/dashboard/table.ts";
import { createTables } from "../../src/dashboard/tables.ts";
import { Rng } from "../../src/sim/rng.ts";

const OPERATOR = { admin: true, ip: "127.0.0.1" };
const STRANGER = { admin: false, ip: "192.0.2.1" };
const ALL: HostQuery = { search: "", status: null, sort: "name", descending: false, offset: 0, limit: 50 };

test("pages of a table together have each row once, in order, and rows without a value last", () => {
	const rng = new Rng("pages");
	for (let round = 0; round < 300; round++) {
		const rows = Array.from({ length: rng.int(40) }, (_, id) => ({ id, value: rng.int(4) === 0 ? null : rng.int(6) }));
		const descending = rng.int(2) === 0;
		const limit = 1 + rng.int(9);
		const seen: typeof rows = [];
		for (let offset = 0; offset < rows.length; offset += limit) {
			const query = { sort: "value" as const, descending, offset, limit };
			const page = pageOf(
				rows,
				99,
				query,
				({ value }) => value,
				({ id }) => id,
			);
			expect(page).toMatchObject({ matching: rows.length, known: 99 });
			seen.push(...page.rows);
		}
		expect([...seen].sort((a, b) => a.id - b.id)).toEqual(rows);
		const sign = descending ? -1 : 1;
		for (const [at, row] of seen.entries()) {
			const next = seen[at + 1];
			if (next === undefined || next.value === null) continue;
			expect(row.value).not.toBeNull();
			const order = sign * ((row.value ?? 0) - next.value);
			expect(order < 0 || (order === 0 && row.id < next.id)).toBe(true);
		}
	}
});

function rig(hosts: number) {
	let nowMs = 5_000;
	let asked = 0;
	const rng = new Rng("host table");
	const messages = new Map<number, number>();
	const listed = Array.from({ length: hosts }, (_, at) => ({
		id: at + 1,
		hostname: `h${at}.${rng.pick(["one", "two"])}.example`,
		status: rng.pick(HOST_STATUSES),
		nextAttemptMs: rng.int(2) === 0 ? null : rng.int(1_000),
		reason: (forOperator: boolean) => (forOperator ? "its address is 10.1.2.3" : "its address is not public"),
	}));
	const consumers: ConsumerReport[] = Array.from({ length: 7 }, (_, at) => ({
		...{ id: at + 1, ip: `203.0.113.${at}`, userAgent: `agent ${at}`, stream: "subscribeRepos" },
		...{ connectedAtMs: at, framesSent: 0, bytesSent: rng.int(9), lag: rng.int(9), framesPerS: null, bufferedBytes: 0 },
	}));
	const tables = createTables({
		hosts: {
			hosts: () => listed,
			usage: async () => {
				asked++;
				return [...messages].map(([hostId, count]): HostUsage => ({ hostId, messages: count, used: null }));
			},
			delayed: async () => [
				{ hostname: listed[0]?.hostname ?? "", forMs: 7, messages: 1, bytes: 1, accounts: 1, leftOut: 0, top: [] },
			],
			quotaOf: (hostname) => ({ accounts: hostname.length, waiting: 0, limit: null }),
		},
		consumers: { list: async (limit) => consumers.slice(0, limit) },
		rejections: async () => [],
		nowMs: () => nowMs,
	});
	return {
		listed,
		messages,
		asked: () => asked,
		pass: (ms: number) => {
			nowMs += ms;
		},
		hosts: async (query: Partial<HostQuery>, by = OPERATOR) => {
			const result = await tables.hostTable({ ...ALL, ...query }, by);
			if (!result.ok) throw new Error(result.message);
			return result.page;
		},
		consumers: async (by = OPERATOR) => {
			const query = { sort: "lag" as const, descending: true, offset: 0, limit: 50 };
			const result = await tables.consumerTable(query, by);
			if (!result.ok) throw new Error(result.message);
			return result.page;
		},
	};
}

describe("the table of hosts", () => {
	test("finds by a part of the name, in any case, and by state", async () => {
		const { hosts, listed } = rig(60);
		const names = (rows: readonly HostRow[]): string[] => rows.map(({ hostname }) => hostname);
		const found = await hosts({ search: "ONE.ex" });
		expect(names(found.rows).sort()).toEqual(
			listed
				.map(({ hostname }) => hostname)
				.filter((name) => name.includes("one.ex"))
				.sort(),
		);
		for (const status of HOST_STATUSES) {
			const { rows, matching, known } = await hosts({ status });
			expect(rows.every((row) => row.status === status)).toBe(true);
			expect([matching, known]).toEqual([listed.filter((host) => host.status === status).length, 60]);
		}
		expect(await hosts({ search: "nobody" })).toEqual({ rows: [], matching: 0, known: 60 });
	});

	test("takes every order", async () => {
		const { hosts } = rig(20);
		for (const sort of HOST_SORTS)
			for (const descending of [false, true]) expect((await hosts({ sort, descending })).rows).toHaveLength(20);
		expect((await hosts({ sort: "delay", descending: true })).rows[0]?.delayedMs).toBe(7);
	});

	test("counts messages between two looks, and asks the workers once in a while, however many look", async () => {
		const { hosts, messages, pass, asked } = rig(3);
		messages.set(1, 100);
		expect((await hosts({ search: "h0." })).rows[0]?.perS).toBeNull();
		for (let look = 0; look < 20; look++) await hosts({ sort: "rate" });
		expect(asked()).toBe(1);
		messages.set(1, 140);
		pass(HOSTS_KEPT_MS + 2_000);
		await Promise.all(Array.from({ length: 20 }, () => hosts({})));
		expect(asked()).toBe(2);
		expect((await hosts({ search: "h0." })).rows[0]?.perS).toBe(10);
	});

	test("tells strangers no reason that only the operator may know", async () => {
		const { hosts } = rig(1);
		expect((await hosts({})).rows[0]?.reason).toContain("10.1.2.3");
		expect(JSON.stringify(await hosts({}, STRANGER))).not.toContain("10.1.2.3");
	});
});

test("the table of consumers tells strangers neither an address nor a program", async () => {
	const { consumers } = rig(0);
	const own = await consumers();
	expect(own.rows.map(({ ip }) => ip).sort()).toEqual([0, 1, 2, 3, 4, 5, 6].map((at) => `203.0.113.${at}`));
	const told = await consumers(STRANGER);
	expect(told.rows.map(({ lag }) => lag)).toEqual(own.rows.map(({ lag }) => lag));
	expect(JSON.stringify(told)).not.toMatch(/203\.0\.113|agent \d/);
	expect(CONSUMER_SORTS.length).toBeGreaterThan(2);
});
