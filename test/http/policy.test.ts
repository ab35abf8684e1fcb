import { beforeEach, describe, expect, test } from "bun:test";
import type { Control, Requester } from "../../src/control/api.ts";
import { Health } from "../../src/control/health.ts";
import { createAdminApp } from "../../src/http/admin.ts";
import { createXrpcApp } from "../../src/http/xrpc.ts";
import { Counters } from "../../src/observe/counters.ts";
import { INTEGER_MAX } from "../../src/protocol/limits.ts";
import { fakeControl } from "../control/fake-control.ts";

const DID = "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa";
const BY: Requester = { admin: true, ip: "192.0.2.1" };
const SUCCESS = { status: 200, json: { success: "true" } };
const OK = { ok: true } as const;
const QUOTA = { hostname: "pds.com", limit: 5, accounts: 5, waiting: 2 };
const SETTINGS = { disableRequestCrawl: true, newHostsPerDayMax: 9, accountLimit: 8 };

/** What was asked of the control thread. */
let calls: unknown[][];
let methods: Partial<Control>;
beforeEach(() => {
	calls = [];
	const noted =
		<Answer>(name: string, answer: Answer) =>
		async (...args: unknown[]): Promise<Answer> => {
			calls.push([name, ...args]);
			return answer;
		};
	methods = {
		setAccountStatus: noted("setAccountStatus", OK),
		accountStatuses: noted("accountStatuses", { ...OK, accounts: [] }),
		banDomain: noted("banDomain", OK),
		unbanDomain: noted("unbanDomain", OK),
		domainBans: noted("domainBans", { ...OK, domains: [{ domain: "bad.com", sinceMs: 1 }] }),
		changeHosts: noted("changeHosts", OK),
		hostPolicies: noted("hostPolicies", { ...OK, hosts: [] }),
		hostQuota: noted("hostQuota", { ...OK, quota: QUOTA }),
		recountAccounts: noted("recountAccounts", { ...OK, quota: QUOTA, before: 9 }),
		accountWait: noted("accountWait", { ...OK, wait: null }),
		dropHost: noted("dropHost", OK),
		connectedHosts: noted("connectedHosts", { ...OK, hostnames: [] }),
		settings: noted("settings", { ...OK, settings: SETTINGS }),
		changeSettings: noted("changeSettings", OK),
		actions: noted("actions", { ...OK, actions: [] }),
	};
});

/** @param body JSON, or a text that is sent as it is */
async function ask(path: string, body?: object | string): Promise<{ status: number; json: unknown }> {
	const control = fakeControl<Control>(methods);
	const counters = new Counters();
	const app = createXrpcApp({
		read: async () => new Response(null, { status: 500 }),
		health: new Health(),
		control,
		counters,
	}).route("/", createAdminApp({ passwords: ["s3cret"], control, counters }));
	const response = await app.request(
		`/admin/${path}`,
		{
			method: body === undefined ? "GET" : "POST",
			headers: { Authorization: `Basic ${btoa("admin:s3cret")}` },
			...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
		},
		{ ip: BY.ip },
	);
	return { status: response.status, json: await response.json() };
}

async function expectInvalid(path: string, body?: object | string): Promise<void> {
	expect(await ask(path, body)).toMatchObject({ status: 400, json: { error: "InvalidRequest" } });
	expect(calls).toEqual([]);
}

describe("accounts", () => {
	test("are asked for whether they wait for a place", async () => {
		expect(await ask("repo/wait?did=did:plc:a")).toEqual({ status: 200, json: { wait: null } });
		expect(calls).toEqual([["accountWait", "did:plc:a", BY]]);
		calls = [];
		await expectInvalid("repo/wait");
	});

	test.each([
		["takeDown", "takendown"],
		["suspend", "suspended"],
		["reverseTakedown", null],
	])("%s sets %p", async (path, status) => {
		expect(await ask(`repo/${path}`, { did: DID })).toEqual(SUCCESS);
		expect(calls).toEqual([["setAccountStatus", DID, status, BY]]);
	});

	test("that are taken down are listed in pages", async () => {
		expect(await ask("repo/takedowns")).toEqual({ status: 200, json: { dids: [], accounts: [] } });
		const accounts = Array.from({ length: 500 }, (_, at) => ({ did: `did:plc:${at}`, status: "takendown" }));
		methods.accountStatuses = async () => ({ ...OK, accounts });
		const { json } = await ask(`repo/takedowns?cursor=${DID}`);
		expect(json).toMatchObject({ dids: accounts.map(({ did }) => did), accounts, cursor: "did:plc:499" });
		expect(calls).toEqual([["accountStatuses", "", 500, BY]]);
	});

	test("a refusal keeps its status and its words", async () => {
		methods.setAccountStatus = async () => ({ ok: false, status: 504, error: "Timeout", message: "not durable" });
		const json = { error: "Timeout", message: "not durable" };
		expect(await ask("repo/takeDown", { did: DID })).toEqual({ status: 504, json });
	});

	test("a body without a DID is refused", async () => {
		for (const body of [{}, { did: 1 }, "", "[]", "null"]) await expectInvalid("repo/takeDown", body);
	});
});

describe("domains", () => {
	test("are banned and unbanned by `Domain`, in the reference relay's spelling or in lower case", async () => {
		for (const body of [{ Domain: "bad.com" }, { domain: "bad.com" }]) {
			expect(await ask("subs/banDomain", body)).toEqual(SUCCESS);
			expect(await ask("subs/unbanDomain", body)).toEqual(SUCCESS);
			expect(calls.splice(0)).toEqual([
				["banDomain", "bad.com", BY],
				["unbanDomain", "bad.com", BY],
			]);
		}
		expect((await ask("subs/listDomainBans")).json).toEqual({ banned_domains: ["bad.com"] });
	});

	test("a body without a domain is refused", async () => {
		for (const body of [{}, { Domain: 1 }, { Domain: "a".repeat(300) }, "x"])
			await expectInvalid("subs/banDomain", body);
	});
});

describe("hosts", () => {
	test("are blocked and unblocked by the query", async () => {
		expect(await ask("pds/block?host=pds.com", {})).toEqual(SUCCESS);
		expect(await ask("pds/unblock?host=pds.com", {})).toEqual(SUCCESS);
		expect(calls).toEqual([
			["changeHosts", ["pds.com"], { isBanned: true }, BY],
			["changeHosts", ["pds.com"], { isBanned: false }, BY],
		]);
	});

	test("are dropped, and banned then if that is asked for", async () => {
		expect(await ask("subs/killUpstream?host=pds.com", {})).toEqual(SUCCESS);
		expect(await ask("subs/killUpstream?host=pds.com&block=true", {})).toEqual(SUCCESS);
		expect(calls.map(([name]) => name)).toEqual(["dropHost", "dropHost", "changeHosts"]);
		methods.dropHost = async () => ({ ok: false, status: 400, error: "InvalidRequest", message: "not connected" });
		calls = [];
		await expectInvalid("subs/killUpstream?host=pds.com&block=true", {});
		expect((await ask("subs/getUpstreamConns")).json).toEqual([]);
	});

	test("are asked for how many accounts they have and may have, and have them counted anew", async () => {
		expect(await ask("pds/quota?host=pds.com")).toEqual({ status: 200, json: QUOTA });
		expect(await ask("pds/recount?host=pds.com", {})).toEqual({ status: 200, json: { ...QUOTA, before: 9 } });
		expect(calls).toEqual([
			["hostQuota", "pds.com", BY],
			["recountAccounts", "pds.com", BY],
		]);
		calls = [];
		await expectInvalid("pds/quota");
		await expectInvalid("pds/recount", {});
	});

	test("get the limits that a change names, one or many at once", async () => {
		const limits = { repo_limit: 5, event_limits: { per_second: 1, per_hour: 2, per_day: 3 }, strictness: "observe" };
		expect(await ask("pds/changeLimits", { host: "pds.com", ...limits })).toEqual(SUCCESS);
		expect(await ask("pds/changeLimits", { hosts: ["a.com", "b.com"], repo_limit: 0 })).toEqual(SUCCESS);
		const general = { repo_limit: null, event_limits: null, strictness: null };
		expect(await ask("pds/changeLimits", { host: "pds.com", ...general })).toEqual(SUCCESS);
		const eventLimits = { perS: 1, perHour: 2, perDay: 3 };
		expect(calls).toEqual([
			["changeHosts", ["pds.com"], { accountLimit: 5, eventLimits, strictness: "observe" }, BY],
			["changeHosts", ["a.com", "b.com"], { accountLimit: 0 }, BY],
			["changeHosts", ["pds.com"], { accountLimit: null, eventLimits: null, strictness: null }, BY],
		]);
	});

	test("a change that says too little or something wrong is refused", async () => {
		const host = "pds.com";
		for (const body of [
			{ repo_limit: 5 },
			{ host },
			{ host, account_limit_alerts_silenced: true },
			...[-1, 1.5, "5", 2 ** 53].map((repo_limit) => ({ host, repo_limit })),
			...[{}, 5, { per_second: 1 }, { per_second: 0, per_hour: 1, per_day: 1 }].map((event_limits) => ({
				host,
				event_limits,
			})),
			{ host, strictness: "lax" },
			{ hosts: Array(1_001).fill(host), repo_limit: 1 },
		])
			await expectInvalid("pds/changeLimits", body);
		for (const path of ["pds/block", "pds/block?host=", "subs/killUpstream?host=a.com&block=yes"])
			await expectInvalid(path, {});
	});
});

describe("settings", () => {
	test("have the reference relay's paths, and one for all", async () => {
		expect((await ask("subs/getEnabled")).json).toEqual({ enabled: false });
		expect((await ask("subs/perDayLimit")).json).toEqual({ limit: 9 });
		expect((await ask("settings")).json).toEqual(SETTINGS);
		calls = [];
		for (const enabled of [true, false]) expect(await ask(`subs/setEnabled?enabled=${enabled}`, {})).toEqual(SUCCESS);
		expect(await ask("subs/setPerDayLimit?limit=12", {})).toEqual(SUCCESS);
		expect(await ask("settings", { newHostsPerDayMax: null })).toEqual(SUCCESS);
		expect(calls).toEqual([
			["changeSettings", { disableRequestCrawl: false }, BY],
			["changeSettings", { disableRequestCrawl: true }, BY],
			["changeSettings", { newHostsPerDayMax: 12 }, BY],
			["changeSettings", { newHostsPerDayMax: null }, BY],
		]);
	});

	test("wrong values are refused", async () => {
		for (const query of ["", "?enabled=1", "?enabled="]) await expectInvalid(`subs/setEnabled${query}`, {});
		for (const query of ["", "?limit=-1", "?limit=x", "?limit=12345678"])
			await expectInvalid(`subs/setPerDayLimit${query}`, {});
		for (const body of [{ disableRequestCrawl: 1 }, { newHostsPerDayMax: "5" }, "x"])
			await expectInvalid("settings", body);
	});
});

test("the audit log is given from its end, in pages", async () => {
	const line = { atMs: 1, by: "192.0.2.1", action: "takeDown", subject: DID, before: "", after: "takendown" };
	const actions = [9, 8].map((lsn) => ({ lsn, ...line }));
	methods.actions = async (...args) => {
		calls.push(args);
		return { ...OK, actions };
	};
	expect((await ask("actions?limit=2")).json).toEqual({ actions, cursor: "8" });
	expect((await ask("actions?limit=3&cursor=8")).json).toEqual({ actions });
	expect(calls).toEqual([
		[INTEGER_MAX, 2, BY],
		[8, 3, BY],
	]);
	calls = [];
	for (const query of ["limit=0", "limit=1001", "cursor=x"]) await expectInvalid(`actions?${query}`);
});
