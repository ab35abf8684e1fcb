import { beforeEach, describe, expect, test } from "bun:test";
import type { EventLimits } from "../../src/config/setting.ts";
import { HostManager, type HostManagerOptions } from "../../src/hosts/manager.ts";
import type { HostCommand, HostDelays } from "../../src/hosts/messages.ts";
import { ProbeError } from "../../src/hosts/probe.ts";
import type { Host, IndexReader } from "../../src/index/store.ts";
import type { CursorsFacts, HostFacts } from "../../src/log/record/control.ts";
import { NEVER_CONNECTED } from "../../src/log/record/host-connection.ts";
import { Counters } from "../../src/observe/counters.ts";
import type { HostStatus } from "../../src/protocol/host-status.ts";
import { workerOf } from "../../src/runtime/worker-of.ts";
import { counted } from "../observe/counted.ts";

const WORKERS = 3;
const ADMIN = { admin: true, ip: "192.0.2.1" };
const PUBLIC = { admin: false, ip: "192.0.2.2" };

/** A stranger with an address of its own. */
const stranger = (number: number) => ({ admin: false, ip: `198.51.100.${number}` });

function row(id: number, hostname: string, status: HostStatus = "active"): Host {
	return {
		id,
		hostname,
		insecure: false,
		status,
		cursor: id * 10,
		gaps: 0,
		lastGap: null,
		connection: NEVER_CONNECTED,
		accountCount: 0,
	};
}

/** A manager, with everything that it does to the outside recorded. */
class Bench {
	readonly rows: Host[] = [];
	readonly commands: { worker: number; command: HostCommand }[] = [];
	readonly appended: HostFacts[] = [];
	readonly appendedCursors: CursorsFacts["cursors"] = [];
	readonly probed: string[] = [];
	readonly counters = new Counters();
	probe: HostManagerOptions["probe"] = async () => {};
	/** What the workers say of delays. */
	delays: HostDelays[] = [];
	/** By hostname. */
	readonly limits = new Map<string, EventLimits>();
	nowMs = 1_000_000;
	/** The greatest id that the log has named. */
	hostIdMax = 0;
	/** Ends the pause that the manager waits for. */
	wake: (() => void) | null = null;

	manager(settings: Partial<HostManagerOptions> = {}): HostManager {
		const reader: Partial<IndexReader> = {
			hosts: async (afterId, limit) => this.rows.filter(({ id }) => id > afterId).slice(0, limit),
			hostByName: async (hostname) => this.rows.find((host) => host.hostname === hostname) ?? null,
			hostIdMax: async () => Math.max(this.hostIdMax, ...this.rows.map(({ id }) => id)),
		};
		return new HostManager({
			reader: reader as IndexReader,
			workers: WORKERS,
			command: (worker, command) => this.commands.push({ worker, command }),
			delays: async () => this.delays,
			limitsOf: (hostname) => this.limits.get(hostname) ?? null,
			append: async (facts) => {
				this.appended.push(facts);
			},
			appendCursors: async ({ cursors }) => {
				this.appendedCursors.push(...cursors);
			},
			isLogNew: false,
			probe: (host, allowInsecure) => {
				this.probed.push(host.hostname);
				return this.probe(host, allowInsecure);
			},
			clock: {
				nowMs: () => this.nowMs,
				date: () => new Date(1_700_000_000_000),
				sleep: () =>
					new Promise((resolve) => {
						this.wake = resolve;
					}),
			},
			counters: this.counters,
			allowInsecureHosts: false,
			disableRequestCrawl: false,
			newHostsPerDayMax: 50,
			...settings,
		});
	}

	connected(): number[] {
		return this.commands.flatMap(({ command }) => (command.type === "connect" ? [command.host.id] : []));
	}
}

/** Lets everything run that does not wait for the outside. */
async function settle(): Promise<void> {
	for (let turn = 0; turn < 50; turn++) await Promise.resolve();
}

let bench: Bench;
beforeEach(() => {
	bench = new Bench();
});

describe("start", () => {
	test("connects to all hosts but banned ones, with their cursors", async () => {
		bench.rows.push(row(1, "a.com"), row(2, "b.com", "offline"), row(3, "c.com", "idle"));
		bench.rows.push(row(4, "d.com", "banned"), row(5, "e.com", "throttled"));
		await bench.manager().start();
		await settle();
		expect(bench.connected()).toEqual([1, 2, 3, 5]);
		expect(bench.commands[0]).toEqual({
			worker: workerOf("a.com", WORKERS),
			command: { type: "connect", host: { id: 1, hostname: "a.com", insecure: false, cursor: 10, limits: null } },
		});
		expect(counted(bench.counters).of("hosts_known")).toBe(5);
		expect(bench.appended).toEqual([]);
	});

	test("tells a new log of all hosts that the index has, with their cursors, before it connects to any", async () => {
		for (let id = 1; id <= 2_345; id++) bench.rows.push(row(id, `host${id}.com`, id % 2 === 0 ? "banned" : "active"));
		const { promise: isDurable, resolve } = Promise.withResolvers<void>();
		const appendCursors = async ({ cursors }: CursorsFacts): Promise<void> => {
			bench.appendedCursors.push(...cursors);
			if (bench.appendedCursors.length === bench.rows.length) await isDurable;
		};
		const start = bench.manager({ isLogNew: true, appendCursors }).start();
		for (let turn = 0; turn < 10; turn++) await settle();
		expect(bench.connected()).toEqual([]);
		const rows = bench.rows.map(({ cursor, accountCount, ...facts }) => facts);
		expect(bench.appended).toEqual(rows);
		expect(bench.appendedCursors).toEqual(bench.rows.map(({ id, cursor }) => ({ host: id, seq: cursor })));
		resolve();
		await start;
		await settle();
		expect(bench.connected()).toEqual([1, 3, 5, 7, 9]);
	});

	test("is slow, and ends when the manager is stopped", async () => {
		for (let id = 1; id <= 12; id++) bench.rows.push(row(id, `host${id}.com`));
		const manager = bench.manager();
		await manager.start();
		await settle();
		expect(bench.connected()).toEqual([1, 2, 3, 4, 5]);
		bench.wake?.();
		await settle();
		expect(bench.connected()).toHaveLength(10);
		manager.stop();
		bench.wake?.();
		await settle();
		expect(bench.connected()).toHaveLength(10);
	});

	test("a host that is asked for meanwhile is connected to at once, and once", async () => {
		for (let id = 1; id <= 7; id++) bench.rows.push(row(id, `host${id}.com`));
		const manager = bench.manager();
		await manager.start();
		await settle();
		expect(await manager.requestCrawl("host7.com", PUBLIC)).toEqual({ ok: true });
		expect(bench.connected()).toEqual([1, 2, 3, 4, 5, 7]);
		bench.wake?.();
		await settle();
		expect(bench.connected()).toEqual([1, 2, 3, 4, 5, 7, 6]);
	});

	test("gives a new host no id of a host whose row was lost", async () => {
		bench.rows.push(row(2, "kept.com"));
		bench.hostIdMax = 41;
		const manager = bench.manager();
		await manager.start();
		expect(await manager.requestCrawl("new.com", PUBLIC)).toEqual({ ok: true });
		expect(bench.appended).toMatchObject([{ id: 42, hostname: "new.com" }]);
	});

	test("loads more hosts than one page", async () => {
		for (let id = 1; id <= 2500; id++) bench.rows.push(row(id, `host${id}.com`, "idle"));
		const manager = bench.manager();
		await manager.start();
		expect(manager.hosts()).toHaveLength(2500);
	});
});

describe("requestCrawl of a new host", () => {
	test("probes it, writes its record, and only then connects", async () => {
		bench.rows.push(row(41, "old.com", "banned"));
		let finishAppend = (): void => {};
		const manager = bench.manager({
			append: (facts) => {
				bench.appended.push(facts);
				return new Promise((resolve) => {
					finishAppend = resolve;
				});
			},
		});
		await manager.start();
		const crawl = manager.requestCrawl("https://New.Com", PUBLIC);
		await settle();
		expect(bench.probed).toEqual(["new.com"]);
		expect(bench.appended).toEqual([
			{
				id: 42,
				hostname: "new.com",
				insecure: false,
				status: "active",
				gaps: 0,
				lastGap: null,
				connection: NEVER_CONNECTED,
			},
		]);
		expect(bench.commands).toEqual([]);
		finishAppend();
		expect(await crawl).toEqual({ ok: true });
		expect(bench.commands).toEqual([
			{
				worker: workerOf("new.com", WORKERS),
				command: {
					type: "connect",
					host: { id: 42, hostname: "new.com", insecure: false, cursor: null, limits: null },
				},
			},
		]);
	});

	test("is refused if the probe fails, with the reason, and uses up no quota", async () => {
		const manager = bench.manager({ newHostsPerDayMax: 1 });
		await manager.start();
		bench.probe = async () => {
			throw new ProbeError("answered describeServer with HTTP 404");
		};
		expect(await manager.requestCrawl("new.com", PUBLIC)).toEqual({
			ok: false,
			status: 400,
			error: "HostNotFound",
			message: "host new.com answered describeServer with HTTP 404",
		});
		bench.probe = async () => {};
		expect(await manager.requestCrawl("new.com", PUBLIC)).toEqual({ ok: true });
	});

	test("requests that run at once share one probe and one id, even an admin's and a stranger's", async () => {
		const manager = bench.manager();
		await manager.start();
		const crawls = [PUBLIC, PUBLIC, ADMIN, PUBLIC].map((by) => manager.requestCrawl("new.com", by));
		expect(await Promise.all(crawls)).toEqual([{ ok: true }, { ok: true }, { ok: true }, { ok: true }]);
		expect(bench.probed).toHaveLength(2);
		expect(bench.appended).toHaveLength(1);
		expect(bench.connected()).toEqual([1]);
	});

	test("is limited per day, but not for admins", async () => {
		const manager = bench.manager({ newHostsPerDayMax: 2 });
		await manager.start();
		for (const name of ["a.com", "b.com"]) expect((await manager.requestCrawl(name, PUBLIC)).ok).toBe(true);
		expect(await manager.requestCrawl("c.com", PUBLIC)).toMatchObject({ status: 429, error: "RateLimitExceeded" });
		expect(await manager.requestCrawl("c.com", ADMIN)).toEqual({ ok: true });
		bench.nowMs += 24 * 3_600_000;
		expect(await manager.requestCrawl("d.com", PUBLIC)).toEqual({ ok: true });
	});

	test("says when to ask again", async () => {
		const manager = bench.manager({ newHostsPerDayMax: 1 });
		await manager.start();
		await manager.requestCrawl("a.com", PUBLIC);
		bench.nowMs += 3_600_000;
		expect(await manager.requestCrawl("b.com", PUBLIC)).toMatchObject({ status: 429, retryAfterS: 23 * 3600 });
	});

	test("waits while its address has its share of probes, and delays no other address", async () => {
		const manager = bench.manager();
		await manager.start();
		const open: (() => void)[] = [];
		bench.probe = () => new Promise((resolve) => open.push(resolve));
		const slow = ["a.com", "b.com", "c.com", "d.com"].map((name) => manager.requestCrawl(name, stranger(1)));
		const other = manager.requestCrawl("other.com", stranger(2));
		await settle();
		expect(bench.probed).toEqual(["a.com", "b.com", "other.com"]);
		for (let at = 0; at < 5; at++) {
			open[at]?.();
			await settle();
		}
		for (const result of await Promise.all([...slow, other])) expect(result).toEqual({ ok: true });
	});

	test("that fails its check counts against its address: after ten, nothing is looked up any more", async () => {
		const manager = bench.manager();
		await manager.start();
		bench.probe = () => Promise.reject(new ProbeError("is unreachable"));
		const statuses: number[] = [];
		for (let at = 0; at < 80; at++) {
			const result = await manager.requestCrawl(`made-up-${at}.com`, stranger(1));
			if (!result.ok) statuses.push(result.status);
		}
		expect(statuses).toEqual([...Array<number>(10).fill(400), ...Array<number>(70).fill(429)]);
		expect(bench.probed).toHaveLength(10);
		expect(counted(bench.counters).of("crawls_limited_total")).toBe(70);
		// Other addresses and admins may still ask, and so may this address if no check is needed.
		expect(await manager.requestCrawl("made-up.com", stranger(2))).toMatchObject({ status: 400 });
		expect(await manager.requestCrawl("made-up.com", ADMIN)).toMatchObject({ status: 400 });
		expect(await manager.requestCrawl("not a name", stranger(1))).toMatchObject({ status: 400 });
		bench.probe = async () => {};
		expect(await manager.requestCrawl("good.com", stranger(2))).toEqual({ ok: true });
		expect(await manager.requestCrawl("good.com", stranger(1))).toEqual({ ok: true });
		const refused = await manager.requestCrawl("new.com", stranger(1));
		expect(refused).toMatchObject({ status: 429, retryAfterS: 360 });
		bench.nowMs += 360_000;
		expect(await manager.requestCrawl("new.com", stranger(1))).toEqual({ ok: true });
	});

	test("by many addresses at once is one probe, and one address's limit is not another's", async () => {
		const manager = bench.manager();
		await manager.start();
		bench.probe = () => Promise.reject(new ProbeError("is unreachable"));
		for (let at = 0; at < 10; at++) await manager.requestCrawl(`made-up-${at}.com`, stranger(1));
		bench.probe = async () => {};
		const results = await Promise.all([1, 2, 3].map((number) => manager.requestCrawl("new.com", stranger(number))));
		expect(results.map((result) => (result.ok ? 200 : result.status))).toEqual([429, 200, 200]);
		expect(bench.probed.filter((name) => name === "new.com")).toHaveLength(1);
	});

	test("is refused if it is switched off, but not for admins", async () => {
		const manager = bench.manager({ disableRequestCrawl: true });
		await manager.start();
		expect(await manager.requestCrawl("new.com", PUBLIC)).toMatchObject({ status: 403, error: "Forbidden" });
		expect(await manager.requestCrawl("new.com", ADMIN)).toEqual({ ok: true });
	});

	test("is refused once the relay shuts down", async () => {
		const manager = bench.manager();
		await manager.start();
		manager.stop();
		expect(await manager.requestCrawl("new.com", ADMIN)).toMatchObject({ status: 503 });
	});

	test.each([
		["localhost:2583", "a stranger", true, 400],
		["localhost:2583", "an admin", false, 400],
		["localhost:2583", "an admin", true, null],
		["http://pds.com", "a stranger", true, 400],
		["http://pds.com", "an admin", true, null],
		["127.0.0.1", "an admin", true, 400],
		["pds.com:443", "a stranger", false, 400],
		["pds", "a stranger", false, 400],
	])("%s by %s, insecure hosts allowed: %p, gives %p", async (hostname, by, allowInsecureHosts, status) => {
		const manager = bench.manager({ allowInsecureHosts });
		await manager.start();
		const result = await manager.requestCrawl(hostname, by === "an admin" ? ADMIN : PUBLIC);
		expect(result.ok ? null : result.status).toBe(status);
		if (!result.ok) expect(result.error).toBe("InvalidRequest");
		expect(bench.probed).toHaveLength(status === null ? 1 : 0);
	});
});

test("only a host that an operator has named as local, or without TLS, may be at a private address", async () => {
	const manager = bench.manager({ allowInsecureHosts: true });
	await manager.start();
	const guarded: [string, boolean][] = [];
	bench.probe = async ({ hostname }, allowInsecure) => {
		guarded.push([hostname, allowInsecure]);
	};
	for (const hostname of ["localhost:1", "https://localhost:2", "http://a.test", "https://b.test", "c.com"])
		expect(await manager.requestCrawl(hostname, ADMIN)).toEqual({ ok: true });
	expect(await manager.requestCrawl("d.com", PUBLIC)).toEqual({ ok: true });
	expect(guarded).toEqual([
		["localhost:1", true],
		["localhost:2", true],
		["a.test", true],
		["b.test", false],
		["c.com", false],
		["d.com", false],
	]);
});

describe("requestCrawl of a known host", () => {
	test("that is connected does nothing", async () => {
		bench.rows.push(row(1, "a.com"));
		const manager = bench.manager();
		await manager.start();
		await settle();
		bench.commands.length = 0;
		expect(await manager.requestCrawl("a.com", PUBLIC)).toEqual({ ok: true });
		expect([bench.probed, bench.commands]).toEqual([[], []]);
	});

	test("that is banned is refused, to admins too", async () => {
		bench.rows.push(row(1, "a.com", "banned"));
		const manager = bench.manager();
		await manager.start();
		for (const by of [PUBLIC, ADMIN])
			expect(await manager.requestCrawl("a.com", by)).toMatchObject({ status: 403, error: "HostBanned" });
	});

	test("that is not connected yet connects with the cursor that the index has now", async () => {
		for (let id = 1; id <= 6; id++) bench.rows.push(row(id, `host${id}.com`, "idle"));
		const manager = bench.manager();
		await manager.start();
		bench.rows[5] = { ...row(6, "host6.com", "idle"), cursor: 99 };
		expect(await manager.requestCrawl("host6.com", PUBLIC)).toEqual({ ok: true });
		const connect = bench.commands.find(({ command }) => command.type === "connect" && command.host.id === 6);
		expect(connect?.command).toMatchObject({ host: { cursor: 99 } });
		expect(bench.probed).toEqual([]);
	});

	test("that is offline dials now, for strangers once a minute", async () => {
		bench.rows.push(row(1, "a.com", "offline"));
		const manager = bench.manager();
		await manager.start();
		await settle();
		const dials = (): number => bench.commands.filter(({ command }) => command.type === "dialNow").length;
		for (let time = 0; time < 3; time++) await manager.requestCrawl("a.com", PUBLIC);
		expect(dials()).toBe(1);
		await manager.requestCrawl("a.com", ADMIN);
		expect(dials()).toBe(2);
		bench.nowMs += 60_000;
		await manager.requestCrawl("a.com", PUBLIC);
		expect(dials()).toBe(3);
	});
});

describe("events", () => {
	test("write a record if the status changes, and only then", async () => {
		bench.rows.push(row(1, "a.com"));
		const manager = bench.manager();
		await manager.start();
		manager.onEvent({ type: "hostStatus", hostId: 1, status: "active", detail: "connected" });
		expect(bench.appended).toEqual([]);
		manager.onEvent({ type: "hostStatus", hostId: 1, status: "offline", detail: "connection refused" });
		manager.onEvent({ type: "hostStatus", hostId: 1, status: "offline", detail: "timeout" });
		expect(bench.appended).toEqual([
			{
				id: 1,
				hostname: "a.com",
				insecure: false,
				status: "offline",
				gaps: 0,
				lastGap: null,
				connection: NEVER_CONNECTED,
			},
		]);
		expect(manager.hosts()).toMatchObject([{ hostname: "a.com", status: "offline", detail: "timeout" }]);
	});

	test("of a host that became idle: its worker still has it, and the next request has it dial now", async () => {
		bench.rows.push(row(1, "a.com"));
		const manager = bench.manager();
		await manager.start();
		await settle();
		manager.onEvent({ type: "hostStatus", hostId: 1, status: "idle", detail: "FutureCursor" });
		await manager.requestCrawl("a.com", PUBLIC);
		expect(bench.connected()).toEqual([1]);
		expect(bench.commands.at(-1)?.command).toEqual({ type: "dialNow", hostId: 1 });
	});

	test("of gaps are kept with the host, over a restart too, and recorded once a minute at most", async () => {
		bench.rows.push({ ...row(1, "a.com"), gaps: 3, lastGap: "before" });
		const manager = bench.manager();
		await manager.start();
		const gap = { type: "hostGap", hostId: 1, reason: "frame-malformed" } as const;
		manager.onEvent({ ...gap, count: 2, afterSeq: 17 });
		expect(manager.hosts()).toMatchObject([
			{ gaps: 5, lastGap: "2023-11-14T22:13:20.000Z after seq 17: frame-malformed", status: "active" },
		]);
		expect(bench.appended).toMatchObject([{ id: 1, gaps: 5, status: "active" }]);
		for (let more = 0; more < 100; more++) manager.onEvent({ ...gap, count: 1, afterSeq: null });
		expect(bench.appended).toHaveLength(1);
		expect(manager.hosts()).toMatchObject([{ gaps: 105 }]);
		bench.nowMs += 60_000;
		manager.onEvent({ ...gap, count: 1, afterSeq: 18 });
		expect(bench.appended.map(({ gaps }) => gaps)).toEqual([5, 106]);
	});

	test("do not lift a ban", async () => {
		bench.rows.push(row(1, "a.com"));
		const manager = bench.manager();
		await manager.start();
		manager.onEvent({ type: "hostStatus", hostId: 1, status: "banned", detail: "is a relay itself" });
		manager.onEvent({ type: "hostStatus", hostId: 1, status: "active", detail: "connected" });
		expect(manager.hosts()).toMatchObject([{ status: "banned", detail: "is a relay itself" }]);
		expect(bench.appended.map(({ status }) => status)).toEqual(["banned"]);
	});

	test("of an unknown host are a bug of the relay", async () => {
		const manager = bench.manager();
		await manager.start();
		expect(() => manager.onEvent({ type: "hostStatus", hostId: 9, status: "active", detail: "" })).toThrow("host 9");
	});
});

describe("resetCursor", () => {
	test("of a known host tells its worker, whether it is followed yet or not", async () => {
		bench.rows.push(row(1, "a.com"), row(2, "b.com", "idle"));
		const manager = bench.manager();
		await manager.start();
		await settle();
		bench.commands.length = 0;
		expect(manager.resetCursor("https://A.com/", 7)).toEqual({ ok: true });
		expect(manager.resetCursor("b.com", null)).toEqual({ ok: true });
		expect(bench.commands).toEqual([
			{
				worker: workerOf("a.com", WORKERS),
				command: { type: "resetCursor", host: { id: 1, hostname: "a.com", insecure: false, cursor: 7, limits: null } },
			},
			{
				worker: workerOf("b.com", WORKERS),
				command: {
					type: "resetCursor",
					host: { id: 2, hostname: "b.com", insecure: false, cursor: null, limits: null },
				},
			},
		]);
	});

	test("of a host that is unknown, banned or none is refused", async () => {
		bench.rows.push(row(1, "a.com", "banned"));
		const manager = bench.manager();
		await manager.start();
		expect(manager.resetCursor("a.com", 7)).toMatchObject({ status: 403, error: "HostBanned" });
		expect(manager.resetCursor("b.com", 7)).toMatchObject({ status: 404, error: "HostNotFound" });
		expect(manager.resetCursor("localhost:1", 7)).toMatchObject({ status: 400, error: "InvalidRequest" });
		manager.stop();
		expect(manager.resetCursor("a.com", 7)).toMatchObject({ status: 503 });
		expect(bench.commands).toEqual([]);
	});
});

test("a host stays with its worker, and hosts spread over workers", () => {
	const counts = [0, 0, 0];
	for (let at = 0; at < 300; at++) {
		const worker = workerOf(`pds${at}.example.com`, 3);
		expect(workerOf(`pds${at}.example.com`, 3)).toBe(worker);
		counts[worker] = (counts[worker] ?? 0) + 1;
	}
	expect(Math.min(...counts)).toBeGreaterThan(60);
});
