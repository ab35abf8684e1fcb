import { beforeEach, describe, expect, test } from "bun:test";
import type { EventLimits } from "../../src/config/setting.ts";
import type { HostFault } from "../../src/hosts/fault.ts";
import { DIALS_MAX, type HostManager, RECORD_DELAY_MS, START_GRACE_MS } from "../../src/hosts/manager.ts";
import type { HostEndedEvent } from "../../src/hosts/messages.ts";
import { ProbeError } from "../../src/hosts/probe.ts";
import type { Host } from "../../src/index/store.ts";
import type { CursorsFacts } from "../../src/log/record/control.ts";
import { NEVER_CONNECTED } from "../../src/log/record/host-connection.ts";
import type { Ban } from "../../src/policy/policies.ts";
import { workerOf } from "../../src/runtime/worker-of.ts";
import { counted } from "../observe/counted.ts";
import { ADMIN, Bench, PUBLIC, row, SETTINGS, START_MS, stranger, WORKERS } from "./manager-bench.ts";

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
		expect(bench.dialled()).toEqual([1, 2, 3, 5]);
		expect(bench.commands[0]).toEqual({
			worker: workerOf("a.com", WORKERS),
			command: {
				type: "dial",
				host: { id: 1, hostname: "a.com", insecure: false, cursor: 10, limits: null },
				attempt: 1,
			},
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
		expect(bench.dialled()).toEqual([]);
		const rows = bench.rows.map(({ cursor, accountCount, ...facts }) => facts);
		expect(bench.appended).toEqual(rows);
		expect(bench.appendedCursors).toEqual(bench.rows.map(({ id, cursor }) => ({ host: id, seq: cursor })));
		resolve();
		await start;
		await settle();
		expect(bench.dialled()).toEqual(Array.from({ length: DIALS_MAX }, (_, at) => 1 + 2 * at));
	});

	test("dials so many hosts at once, and others as attempts end, whether they succeed or not", async () => {
		for (let id = 1; id <= 2 * DIALS_MAX; id++) bench.rows.push(row(id, `host${id}.com`));
		const manager = bench.manager();
		await manager.start();
		expect(bench.dialled()).toHaveLength(DIALS_MAX);
		expect(counted(bench.counters).of("hosts_dialling")).toBe(DIALS_MAX);
		expect(counted(bench.counters).of("hosts_queued")).toBe(DIALS_MAX);
		manager.onEvent({ type: "opened", ...bench.attempt(1) });
		expect(bench.dialled()).toHaveLength(DIALS_MAX + 1);
		manager.onEvent(ended(2));
		expect(bench.dialled()).toHaveLength(DIALS_MAX + 2);
		// The end of a connection frees no slot: it had none any more.
		manager.onEvent(ended(1));
		expect(bench.dialled()).toHaveLength(DIALS_MAX + 2);
		manager.stop();
		manager.onEvent({ type: "opened", ...bench.attempt(3) });
		expect(bench.dialled()).toHaveLength(DIALS_MAX + 2);
		expect(bench.timing.waiting).toBeLessThanOrEqual(2);
	});

	test("begins with the hosts that were active last, and leaves those that have failed to the end", async () => {
		const failed = {
			failures: 3,
			lastError: { fault: "dns", text: "no such name", atMs: START_MS },
			lastEventMs: START_MS,
		};
		bench.rows.push(
			row(1, "never.com"),
			row(2, "old.com", "active", { connected: true, connectedAtMs: START_MS - 9e9 }),
		);
		bench.rows.push(row(3, "failed.com", "offline", failed));
		bench.rows.push(row(4, "busy.com", "active", { connected: true, connectedAtMs: 1, lastEventMs: START_MS - 1 }));
		bench.rows.push(row(5, "new.com", "active", { connected: true, connectedAtMs: START_MS - 5 }));
		await bench.manager().start();
		expect(bench.dialled()).toEqual([4, 5, 2, 1, 3]);
	});

	test("waits for the attempts that were planned, whenever they were to be", async () => {
		const lastError = { fault: "refused", text: "no", atMs: START_MS - 5 };
		const planned = (id: number, inMs: number): Host =>
			row(id, `host${id}.com`, "offline", { failures: 9, nextAttemptMs: START_MS + inMs, lastError });
		bench.rows.push(planned(1, 60_000), planned(2, 9e9), planned(3, -1));
		const manager = bench.manager();
		await manager.start();
		expect(bench.dialled()).toEqual([3]);
		bench.timing.pass(59_999);
		expect(bench.dialled()).toEqual([3]);
		bench.timing.pass(1);
		expect(bench.dialled()).toEqual([3, 1]);
		bench.timing.pass(3_600_000);
		expect(bench.dialled()).toEqual([3, 1, 2]);
	});

	test("tells the log of hosts that were connected, and are not reached soon", async () => {
		const known = { connected: true, connectedAtMs: START_MS - 10 };
		bench.rows.push(row(1, "a.com", "active", known), row(2, "b.com", "active", known));
		const manager = bench.manager();
		await manager.start();
		manager.onEvent({ type: "opened", ...bench.attempt(1) });
		bench.timing.pass(START_GRACE_MS + RECORD_DELAY_MS);
		expect(bench.appended.map(({ id, status }) => [id, status])).toEqual([
			[1, "active"],
			[2, "idle"],
		]);
	});

	test("a host that is asked for meanwhile is dialled before the others, and once", async () => {
		for (let id = 1; id <= DIALS_MAX + 2; id++) bench.rows.push(row(id, `host${id}.com`));
		const manager = bench.manager();
		await manager.start();
		expect(await manager.requestCrawl(`host${DIALS_MAX + 2}.com`, PUBLIC)).toEqual({ ok: true });
		expect(bench.dialled()).toHaveLength(DIALS_MAX);
		for (const id of [1, 2, 3]) manager.onEvent({ type: "opened", ...bench.attempt(id) });
		expect(bench.dialled().slice(DIALS_MAX)).toEqual([DIALS_MAX + 2, DIALS_MAX + 1]);
	});

	test("no host is asked for before all are known, so that none gets a second id", async () => {
		bench.rows.push(row(1, "a.com"));
		const manager = bench.manager();
		const starts = manager.start();
		expect(await manager.requestCrawl("a.com", ADMIN)).toMatchObject({ status: 503 });
		expect(manager.resetCursor("a.com", 1)).toMatchObject({ status: 503 });
		await starts;
		expect(await manager.requestCrawl("a.com", ADMIN)).toEqual({ ok: true });
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
				status: "idle",
				gaps: 0,
				lastGap: null,
				connection: { ...NEVER_CONNECTED, firstSeenMs: 1_700_000_000_000 },
			},
		]);
		expect(bench.commands).toEqual([]);
		finishAppend();
		expect(await crawl).toEqual({ ok: true });
		expect(bench.commands).toEqual([
			{
				worker: workerOf("new.com", WORKERS),
				command: {
					type: "dial",
					host: { id: 42, hostname: "new.com", insecure: false, cursor: null, limits: null },
					attempt: 1,
				},
			},
		]);
	});

	test("is refused if the probe fails, with the reason, and uses up no quota", async () => {
		const manager = bench.manager({ settings: { ...SETTINGS, newHostsPerDayMax: 1 } });
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
		expect(bench.dialled()).toEqual([1]);
	});

	test("is limited per day, but not for admins", async () => {
		const manager = bench.manager({ settings: { ...SETTINGS, newHostsPerDayMax: 2 } });
		await manager.start();
		for (const name of ["a.com", "b.com"]) expect((await manager.requestCrawl(name, PUBLIC)).ok).toBe(true);
		expect(await manager.requestCrawl("c.com", PUBLIC)).toMatchObject({ status: 429, error: "RateLimitExceeded" });
		expect(await manager.requestCrawl("c.com", ADMIN)).toEqual({ ok: true });
		bench.timing.pass(24 * 3_600_000);
		expect(await manager.requestCrawl("d.com", PUBLIC)).toEqual({ ok: true });
	});

	test("says when to ask again", async () => {
		const manager = bench.manager({ settings: { ...SETTINGS, newHostsPerDayMax: 1 } });
		await manager.start();
		await manager.requestCrawl("a.com", PUBLIC);
		bench.timing.pass(3_600_000);
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
		bench.timing.pass(360_000);
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
		const manager = bench.manager({ settings: { ...SETTINGS, disableRequestCrawl: true } });
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

	test("that is a relay is refused, but an admin may have it tried again", async () => {
		bench.rows.push(row(1, "a.com", "banned"));
		const manager = bench.manager();
		await manager.start();
		expect(await manager.requestCrawl("a.com", PUBLIC)).toMatchObject({ status: 403, error: "HostBanned" });
		expect(bench.dialled()).toEqual([]);
		expect(await manager.requestCrawl("a.com", ADMIN)).toEqual({ ok: true });
		expect(bench.dialled()).toEqual([1]);
	});

	test("that is banned is refused, to admins too, and hung up on", async () => {
		bench.rows.push(row(1, "a.com"));
		const manager = bench.manager();
		await manager.start();
		manager.hosts()[0]?.driver.tell({ type: "banned", why: "spam" });
		expect(bench.commands.at(-1)?.command).toEqual({ type: "disconnect", hostId: 1 });
		for (const by of [PUBLIC, ADMIN])
			expect(await manager.requestCrawl("a.com", by)).toMatchObject({ status: 403, error: "HostBanned" });
		// What its worker still reports of the attempt does not count.
		manager.onEvent({ type: "opened", hostId: 1, attempt: 1 });
		bench.flush();
		expect(bench.appended.map(({ status }) => status)).toEqual(["banned"]);
		manager.hosts()[0]?.driver.tell({ type: "allowed" });
		expect(bench.dialled()).toEqual([1, 1]);
		manager.onEvent({ ...ended(1, "relay-loop"), ...{ hostId: 1, attempt: 1 } });
		expect(manager.hosts()[0]?.driver.state.phase).toBe("dialling");
	});

	test("that is offline dials now, for strangers once a minute", async () => {
		bench.rows.push(row(1, "a.com", "offline"));
		const manager = bench.manager();
		await manager.start();
		const fail = (): void => manager.onEvent(ended(1));
		fail();
		for (let time = 0; time < 3; time++) {
			await manager.requestCrawl("a.com", PUBLIC);
			if (bench.dialled().length === 2 && time === 0) fail();
		}
		expect(bench.dialled()).toHaveLength(2);
		await manager.requestCrawl("a.com", ADMIN);
		expect(bench.dialled()).toHaveLength(3);
	});
});

/** A worker reports that a host can't be reached. */
function ended(id: number, fault: HostFault = "refused"): HostEndedEvent {
	const text = "connection refused";
	return { type: "ended", ...bench.attempt(id), fault, text, progress: false, heard: false };
}

describe("events", () => {
	test("write a record of what is new, once for all that happens in a moment", async () => {
		bench.rows.push(row(1, "a.com"), row(2, "b.com"));
		const manager = bench.manager();
		await manager.start();
		manager.onEvent({ type: "opened", ...bench.attempt(1) });
		manager.onEvent(ended(1));
		expect(bench.appended).toEqual([]);
		bench.flush();
		expect(bench.appended).toMatchObject([
			{
				id: 1,
				status: "offline",
				connection: {
					connected: false,
					connectedAtMs: START_MS,
					disconnectedAtMs: START_MS,
					failures: 1,
					lastError: { fault: "refused", text: "connection refused", atMs: START_MS },
				},
			},
		]);
		expect(manager.hosts()[0]?.detail).toContain("connection refused; the host's operator should");
		bench.timing.pass(RECORD_DELAY_MS);
		manager.onEvent({ type: "opened", ...bench.attempt(1) });
		bench.flush();
		expect(bench.appended.map(({ status }) => status)).toEqual(["offline", "active"]);
	});

	test("of messages are written to the hour", async () => {
		bench.rows.push(row(1, "a.com"));
		const manager = bench.manager();
		await manager.start();
		manager.onEvent({ type: "opened", ...bench.attempt(1) });
		bench.flush();
		for (let minute = 0; minute < 180; minute++) {
			manager.onEvent({ type: "heard", hostIds: [1] });
			bench.timing.pass(60_000);
		}
		expect(bench.appended).toHaveLength(1 + 4);
		expect(manager.hosts()[0]?.connection.lastEventMs).toBe(START_MS + RECORD_DELAY_MS + 179 * 60_000);
	});

	test("of messages that are held back make a host throttled, until they no longer are", async () => {
		bench.rows.push(row(1, "a.com"));
		const manager = bench.manager();
		await manager.start();
		manager.onEvent({ type: "opened", ...bench.attempt(1) });
		manager.onEvent({ type: "throttled", ...bench.attempt(1), why: "too many wait" });
		bench.flush();
		expect(bench.appended).toMatchObject([
			{ status: "throttled", connection: { throttled: { sinceMs: START_MS, why: "too many wait" } } },
		]);
		manager.onEvent({ type: "throttled", ...bench.attempt(1), why: null });
		bench.flush();
		expect(bench.appended.at(-1)).toMatchObject({ status: "active", connection: { throttled: null } });
	});

	test("of gaps are kept with the host, over a restart too, and recorded once a minute at most", async () => {
		bench.rows.push({ ...row(1, "a.com"), gaps: 3, lastGap: "before" });
		const manager = bench.manager();
		await manager.start();
		const gap = { type: "hostGap", hostId: 1, reason: "frame-malformed" } as const;
		manager.onEvent({ ...gap, count: 2, afterSeq: 17 });
		expect(manager.hosts()).toMatchObject([
			{ gaps: 5, lastGap: "2023-11-14T22:13:20.000Z after seq 17: frame-malformed" },
		]);
		bench.flush();
		expect(bench.appended).toMatchObject([{ id: 1, gaps: 5 }]);
		for (let more = 0; more < 100; more++) manager.onEvent({ ...gap, count: 1, afterSeq: null });
		bench.flush();
		expect(bench.appended).toHaveLength(1);
		expect(manager.hosts()).toMatchObject([{ gaps: 105 }]);
		bench.timing.pass(60_000);
		bench.appended.length = 0;
		manager.onEvent({ ...gap, count: 1, afterSeq: 18 });
		bench.flush();
		expect(bench.appended.map(({ gaps }) => gaps)).toEqual([106]);
	});

	test("that are not in the log yet when the relay stops are written then, and a stop is no news of a host", async () => {
		bench.rows.push(row(1, "a.com"), row(2, "b.com"));
		const manager = bench.manager();
		await manager.start();
		manager.onEvent({ type: "opened", ...bench.attempt(1) });
		manager.onEvent(ended(2));
		const dialled = bench.commands.length;
		manager.stop();
		expect(bench.appended).toMatchObject([
			{ id: 1, status: "active", connection: { connected: true } },
			{ id: 2, status: "offline" },
		]);
		manager.onEvent(ended(1, "dropped"));
		bench.timing.pass(3_600_000);
		expect(bench.appended).toHaveLength(2);
		// The workers close their connections themselves, and say why.
		expect(bench.commands).toHaveLength(dialled);
	});

	test("of an unknown host are a bug of the relay", async () => {
		const manager = bench.manager();
		await manager.start();
		expect(() => manager.onEvent({ type: "opened", hostId: 9, attempt: 1 })).toThrow("host 9");
	});
});

test("after an outage of the network all hosts that it took come back, bounded, without waiting for planned attempts", async () => {
	const count = 2 * DIALS_MAX;
	for (let id = 1; id <= count; id++) bench.rows.push(row(id, `host${id}.com`));
	const manager = bench.manager();
	await manager.start();
	for (let id = 1; id <= count; id++) manager.onEvent({ type: "opened", ...bench.attempt(id) });
	bench.timing.pass(120_000);
	for (let id = 1; id <= count; id++) manager.onEvent(ended(id, "silent"));
	// No attempt succeeds for two hours.
	let answered = bench.dialled().length;
	const failAll = (): void => {
		for (; answered < bench.commands.length; answered++) {
			const { command } = bench.commands[answered] ?? {};
			if (command?.type === "dial")
				manager.onEvent({ ...ended(command.host.id, "unreachable"), attempt: command.attempt });
		}
	};
	for (let second = 0; second < 2 * 3_600; second += 10) {
		bench.timing.pass(10_000);
		failAll();
	}
	const before = bench.dialled().length;
	for (let tries = 0; tries < 3_600 && bench.dialled().length < before + 3; tries++) bench.timing.pass(1_000);
	const [first = 0, second = 0, third = 0] = bench.dialled().slice(before);
	for (const id of [first, second, third]) manager.onEvent({ type: "opened", ...bench.attempt(id) });
	// The slots are taken at once, by hosts that were connected before.
	expect(bench.dialled().length).toBeGreaterThanOrEqual(before + 3 + DIALS_MAX - 1);
	expect(counted(bench.counters).of("hosts_dialling")).toBe(DIALS_MAX);
	for (let at = before + 3; at < bench.dialled().length; at++)
		manager.onEvent({ type: "opened", ...bench.attempt(bench.dialled()[at] ?? 0) });
	expect(manager.hosts().every(({ status }) => status === "active")).toBe(true);
});

test("a host that is down for a week is dialled every hour, and is back by itself", async () => {
	bench.rows.push(row(1, "a.com", "active", { connected: true, connectedAtMs: START_MS - 1 }));
	const manager = bench.manager();
	await manager.start();
	manager.onEvent({ type: "opened", ...bench.attempt(1) });
	bench.timing.pass(60_000);
	manager.onEvent(ended(1, "dropped"));
	let sinceDialMs = 0;
	let dials = bench.dialled().length;
	for (let minute = 0; minute < 7 * 24 * 60; minute++) {
		bench.timing.pass(60_000);
		sinceDialMs += 60_000;
		expect(sinceDialMs).toBeLessThanOrEqual(3_600_000 + 60_000);
		if (bench.dialled().length === dials) continue;
		dials = bench.dialled().length;
		sinceDialMs = 0;
		manager.onEvent(ended(1));
		expect(manager.hosts()[0]?.status).toBe("offline");
	}
	expect(dials).toBeGreaterThan(7 * 24);
	expect(dials).toBeLessThan(7 * 24 * 2 + 20);
	bench.timing.pass(3_600_000);
	manager.onEvent({ type: "opened", ...bench.attempt(1) });
	bench.flush();
	expect(bench.appended.at(-1)).toMatchObject({ status: "active" });
});

describe("bans of the operator", () => {
	const BY_HOST = { by: "host" } as const;

	test("keep hosts from being dialled at the start, and end connections when they are set", async () => {
		let banned = new Set(["b.com"]);
		bench.rows.push(row(1, "a.com"), row(2, "b.com"));
		const manager = bench.manager({ banOf: (hostname) => (banned.has(hostname) ? BY_HOST : null) });
		await manager.start();
		expect(bench.dialled()).toEqual([1]);
		manager.onEvent({ type: "opened", ...bench.attempt(1) });
		expect(manager.connected()).toEqual(["a.com"]);
		banned = new Set(["a.com"]);
		manager.applyPolicies();
		expect(manager.connected()).toEqual([]);
		expect(bench.commands.at(-2)?.command).toEqual({ type: "disconnect", hostId: 1 });
		expect(bench.dialled()).toEqual([1, 2]);
		expect(manager.hosts().map(({ status }) => status)).toEqual(["banned", "idle"]);
		bench.flush();
		expect(bench.appended.find(({ id }) => id === 1)?.status).toBe("banned");
		const before = bench.commands.length;
		manager.applyPolicies();
		expect(bench.commands.length).toBe(before);
	});

	test("refuse requests by the name of their rule, for new and known hosts, strangers and admins", async () => {
		bench.rows.push(row(1, "a.com"), row(2, "b.bad.com"));
		const bans = new Map<string, Ban>([
			["a.com", BY_HOST],
			["new.com", BY_HOST],
			["b.bad.com", { by: "domain", domain: "bad.com" }],
			["new.bad.com", { by: "domain", domain: "bad.com" }],
		]);
		const manager = bench.manager({ banOf: (hostname) => bans.get(hostname) ?? null });
		await manager.start();
		for (const by of [PUBLIC, ADMIN])
			for (const [hostname, { by: rule }] of bans) {
				const message = expect.stringContaining(rule === "host" ? "banned this host" : "banned the domain bad.com");
				expect(await manager.requestCrawl(hostname, by)).toMatchObject({ status: 403, error: "HostBanned", message });
				expect(manager.resetCursor(hostname, 5).ok).toBe(false);
			}
		expect([bench.probed, bench.dialled()]).toEqual([[], []]);
	});

	test("that are set while a new host is probed refuse it too", async () => {
		let ban: Ban | null = null;
		const manager = bench.manager({ banOf: () => ban });
		await manager.start();
		bench.probe = async () => {
			ban = BY_HOST;
		};
		expect(await manager.requestCrawl("new.com", ADMIN)).toMatchObject({ error: "HostBanned" });
		expect(bench.dialled()).toEqual([]);
	});
});

test("a good day of a host is in the log, and its new limits are told to its worker", async () => {
	bench.rows.push(row(1, "a.com", "active", { goodDays: 4 }), row(2, "b.com"));
	const limitsOf = (hostname: string): EventLimits => ({
		perS: 1,
		perHour: 1,
		perDay: 1 + manager.goodDaysOf(hostname),
	});
	const manager: HostManager = bench.manager({ limitsOf });
	await manager.start();
	expect(["a.com", "b.com", "c.com"].map((hostname) => manager.goodDaysOf(hostname))).toEqual([4, 0, 0]);
	const [a, b] = [1, 2].map((hostId) => ({ hostId, messages: 10, failed: 0 }));
	if (a === undefined || b === undefined) throw new Error("there are two hosts");
	manager.onEvent({ type: "counts", counts: [a, b] });
	// Counted by another worker.
	manager.onEvent({ type: "counts", counts: [{ hostId: 2, messages: 0, failed: 9 }] });
	manager.onEvent({ type: "opened", ...bench.attempt(1) });
	bench.timing.pass(25 * 3_600_000);
	expect(["a.com", "b.com"].map((hostname) => manager.goodDaysOf(hostname))).toEqual([5, 0]);
	const limits = { perS: 1, perHour: 1, perDay: 6 };
	expect(bench.commands).toContainEqual({
		...{ worker: workerOf("a.com", WORKERS), command: { type: "setLimits", hostId: 1, limits } },
	});
	expect(bench.appended.findLast(({ id }) => id === 1)?.connection).toMatchObject({ goodDays: 5 });
});

test("new limits are told to the workers of the hosts that they concern, once", async () => {
	bench.rows.push(row(1, "a.com"), row(2, "b.com"), row(3, "c.com"));
	const limits = new Map<string, EventLimits | null>([["c.com", { perS: 9, perHour: 9, perDay: 9 }]]);
	const manager = bench.manager({ limitsOf: (hostname) => limits.get(hostname) ?? null });
	await manager.start();
	const told = () =>
		bench.commands
			.splice(0)
			.flatMap(({ worker, command }) => (command.type === "setLimits" ? [{ worker, command }] : []));
	told();
	manager.applyPolicies();
	expect(told()).toEqual([]);
	const narrow = { perS: 1, perHour: 2, perDay: 3 };
	limits.set("a.com", narrow).set("c.com", null);
	manager.applyPolicies();
	expect(told()).toEqual([
		{ worker: workerOf("a.com", WORKERS), command: { type: "setLimits", hostId: 1, limits: narrow } },
		{ worker: workerOf("c.com", WORKERS), command: { type: "setLimits", hostId: 3, limits: null } },
	]);
	manager.applyPolicies();
	expect(told()).toEqual([]);
});

test("a connection that an admin ends is made anew, and one that is not there is refused", async () => {
	bench.rows.push(row(1, "a.com"));
	const manager = bench.manager();
	await manager.start();
	for (const name of ["a.com", "b.com", "not a name"]) expect(manager.drop(name)).toMatchObject({ status: 400 });
	manager.onEvent({ type: "opened", ...bench.attempt(1) });
	expect(manager.drop("A.com")).toEqual({ ok: true });
	expect(bench.commands.slice(-2).map(({ command }) => command.type)).toEqual(["disconnect", "dial"]);
	expect(manager.hosts().map(({ status }) => status)).not.toContain("banned");
});

test("settings that are changed while the relay runs hold from then on", async () => {
	const settings = { ...SETTINGS };
	const manager = bench.manager({ settings });
	await manager.start();
	settings.newHostsPerDayMax = 0;
	expect(await manager.requestCrawl("a.com", PUBLIC)).toMatchObject({ error: "RateLimitExceeded" });
	settings.newHostsPerDayMax = 1;
	expect(await manager.requestCrawl("a.com", PUBLIC)).toEqual({ ok: true });
	settings.disableRequestCrawl = true;
	expect(await manager.requestCrawl("a.com", PUBLIC)).toMatchObject({ error: "Forbidden" });
});

describe("resetCursor", () => {
	test("of a known host tells its worker, and dials it when the worker has done so", async () => {
		bench.rows.push(row(1, "a.com"));
		const manager = bench.manager();
		await manager.start();
		bench.commands.length = 0;
		expect(manager.resetCursor("https://A.com/", 7)).toEqual({ ok: true });
		const target = { id: 1, hostname: "a.com", insecure: false, limits: null };
		const reset = { type: "resetCursor", host: { ...target, cursor: 7 } } as const;
		expect(bench.commands).toEqual([{ worker: workerOf("a.com", WORKERS), command: reset }]);
		// The host has answered FutureCursor before the worker knew of the reset, so there is no connection to end.
		const attempt = { hostId: 1, attempt: 1 };
		manager.onEvent({ ...ended(1, "future-cursor"), ...attempt });
		manager.onEvent({ type: "moved", ...attempt });
		// The worker knows better than the cursor of this command, which is that of the start.
		expect(bench.commands.slice(1)).toEqual([
			{
				worker: workerOf("a.com", WORKERS),
				command: { type: "dial", host: { ...target, cursor: 10 }, attempt: 2 },
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
