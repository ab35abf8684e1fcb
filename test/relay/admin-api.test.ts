import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Control } from "../../src/control/api.ts";
import { createAdminApp } from "../../src/http/admin.ts";
import { Counters } from "../../src/observe/counters.ts";
import type { SimAccount } from "../../src/sim/account.ts";
import type { SimHost } from "../../src/sim/host.ts";
import { ADMIN_PASSWORD, RelayProcess } from "../../src/sim/relay-process.ts";
import { fakeControl } from "../control/fake-control.ts";
import { isIndexed, RELAY_COMMAND, RelayRig, until } from "./rig.ts";

const CURL = Bun.which("curl");
if (CURL === null) console.log("the script of curl calls is not run: there is no curl");

const UNKNOWN_DID = "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa";
const UNKNOWN_HOST = "unknown.pds.com";

/** What a field may be, as the tables of the reference relay's API have it. */
const SHAPES = {
	number: expect.any(Number),
	text: expect.any(String),
	flag: expect.any(Boolean),
	time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/),
};
const RATE = { Max: SHAPES.number, Window: SHAPES.number };
const HOST_ROW = {
	ID: SHAPES.number,
	CreatedAt: SHAPES.time,
	Host: SHAPES.text,
	SSL: SHAPES.flag,
	Cursor: SHAPES.number,
	Registered: SHAPES.flag,
	Blocked: SHAPES.flag,
	CrawlRateLimit: 0,
	RepoCount: SHAPES.number,
	RepoLimit: SHAPES.number,
	HasActiveConnection: SHAPES.flag,
	EventsSeenSinceStartup: SHAPES.number,
	PerSecondEventRate: RATE,
	PerHourEventRate: RATE,
	PerDayEventRate: RATE,
	UserCount: SHAPES.number,
	AccountLimitAlertsSilenced: SHAPES.flag,
	AccountLimitAlertState: SHAPES.text,
};
const CONSUMER_ROW = {
	id: SHAPES.number,
	remote_addr: SHAPES.text,
	user_agent: SHAPES.text,
	events_consumed: SHAPES.number,
	connected_at: SHAPES.time,
};
const SUCCESS = { success: "true" };

/** A line of the operator's script, with the answer that the reference relay's API has for it. */
interface Line {
	script: string;
	status?: number;
	/** Matched as a part of the answer. */
	answer: unknown;
}

/**
 * Calls as an operator of the reference relay has them in scripts. `$RELAY`, `$PW`, `$HOST` and `$DID` are set by the shell.
 * Nothing in them is particular to this relay.
 */
const SCRIPT: readonly Line[] = [
	{ script: 'curl -s -u "admin:$PW" "$RELAY/admin/subs/getUpstreamConns"', answer: [SHAPES.text] },
	{ script: 'curl -s -u "admin:$PW" "$RELAY/admin/subs/getEnabled"', answer: { enabled: true } },
	{ script: 'curl -s -u "admin:$PW" -X POST "$RELAY/admin/subs/setEnabled?enabled=false"', answer: SUCCESS },
	{ script: 'curl -s -u "admin:$PW" "$RELAY/admin/subs/getEnabled"', answer: { enabled: false } },
	{ script: 'curl -s -u "admin:$PW" -X POST "$RELAY/admin/subs/setEnabled?enabled=true"', answer: SUCCESS },
	{ script: 'curl -s -u "admin:$PW" "$RELAY/admin/subs/perDayLimit"', answer: { limit: 50 } },
	{ script: 'curl -s -u "admin:$PW" -X POST "$RELAY/admin/subs/setPerDayLimit?limit=7"', answer: SUCCESS },
	{ script: 'curl -s -u "admin:$PW" "$RELAY/admin/subs/perDayLimit"', answer: { limit: 7 } },
	{
		script: `curl -s -u "admin:$PW" -H "Content-Type: application/json" -d '{"Domain":"spam.example"}' "$RELAY/admin/subs/banDomain"`,
		answer: SUCCESS,
	},
	{ script: 'curl -s -u "admin:$PW" "$RELAY/admin/subs/listDomainBans"', answer: { banned_domains: ["spam.example"] } },
	{
		script: `curl -s -u "admin:$PW" -H "Content-Type: application/json" -d '{"domain":"spam.example"}' "$RELAY/admin/subs/unbanDomain"`,
		answer: SUCCESS,
	},
	{ script: 'curl -s -u "admin:$PW" "$RELAY/admin/subs/listDomainBans"', answer: { banned_domains: [] } },
	{
		script: `curl -s -u "admin:$PW" -H "Content-Type: application/json" -d "{\\"did\\":\\"$DID\\"}" "$RELAY/admin/repo/takeDown"`,
		answer: SUCCESS,
	},
	{
		script: `curl -s -u "admin:$PW" -H "Content-Type: application/json" -d "{\\"did\\":\\"$DID\\"}" "$RELAY/admin/repo/reverseTakedown"`,
		answer: SUCCESS,
	},
	{ script: 'curl -s -u "admin:$PW" "$RELAY/admin/repo/takedowns?cursor="', answer: { dids: expect.any(Array) } },
	{ script: 'curl -s -u "admin:$PW" "$RELAY/admin/pds/list"', answer: [HOST_ROW] },
	{
		script: `curl -s -u "admin:$PW" -H "Content-Type: application/json" -d "{\\"hostname\\":\\"$HOST\\"}" "$RELAY/admin/pds/requestCrawl"`,
		answer: SUCCESS,
	},
	{
		script: `curl -s -u "admin:$PW" -H "Content-Type: application/json" -d "{\\"host\\":\\"$HOST\\",\\"repo_limit\\":12345}" "$RELAY/admin/pds/changeLimits"`,
		answer: SUCCESS,
	},
	{ script: 'curl -s -u "admin:$PW" "$RELAY/admin/pds/list"', answer: [{ ...HOST_ROW, RepoLimit: 12_345 }] },
	{ script: 'curl -s -u "admin:$PW" -X POST "$RELAY/admin/subs/killUpstream?host=$HOST"', answer: SUCCESS },
	{ script: 'curl -s -u "admin:$PW" -X POST "$RELAY/admin/pds/block?host=$HOST"', answer: SUCCESS },
	{
		script: 'curl -s -u "admin:$PW" "$RELAY/admin/pds/list"',
		answer: [{ ...HOST_ROW, Blocked: true, Registered: false, HasActiveConnection: false }],
	},
	{ script: 'curl -s -u "admin:$PW" -X POST "$RELAY/admin/pds/unblock?host=$HOST"', answer: SUCCESS },
	{ script: 'curl -s -u "admin:$PW" "$RELAY/admin/consumers/list"', answer: [CONSUMER_ROW] },
	{ script: 'curl -s -u "admin:wrong" "$RELAY/admin/pds/list"', status: 401, answer: { error: SHAPES.text } },
	{ script: 'curl -s "$RELAY/admin/pds/list"', status: 401, answer: { error: SHAPES.text } },
	{ script: 'curl -s -u "admin:$PW" "$RELAY/admin/nothing"', status: 404, answer: { error: SHAPES.text } },
];

/** A request that names a host, an account or a consumer that is not known, and what the answer is. */
interface UnknownSubject {
	query?: string;
	body?: object;
	status: number;
}

/** What each route does with a subject that it does not know. A route that names none is null. */
const UNKNOWN: Record<string, UnknownSubject | null> = {
	"POST /admin/pds/requestCrawl": { body: { hostname: UNKNOWN_HOST }, status: 400 },
	"POST /admin/pds/resetCursor": { body: { hostname: UNKNOWN_HOST }, status: 404 },
	// An operator may name accounts before the relay has seen them.
	"POST /admin/repo/takeDown": { body: { did: UNKNOWN_DID }, status: 200 },
	"POST /admin/repo/suspend": { body: { did: UNKNOWN_DID }, status: 200 },
	"POST /admin/repo/reverseTakedown": { body: { did: UNKNOWN_DID }, status: 200 },
	"GET /admin/repo/takedowns": null,
	"GET /admin/subs/listDomainBans": null,
	"POST /admin/subs/banDomain": { body: { Domain: "other.pds.com" }, status: 200 },
	"POST /admin/subs/unbanDomain": { body: { Domain: "never.pds.com" }, status: 404 },
	// And ban hosts before they are known.
	"POST /admin/pds/block": { query: `host=${UNKNOWN_HOST}`, status: 200 },
	"POST /admin/pds/unblock": { query: `host=${UNKNOWN_HOST}`, status: 200 },
	"POST /admin/pds/changeLimits": { body: { host: `x.${UNKNOWN_HOST}`, repo_limit: 1 }, status: 404 },
	"GET /admin/pds/failures": { query: `host=x.${UNKNOWN_HOST}`, status: 404 },
	"GET /admin/pds/policies": null,
	"GET /admin/pds/quota": { query: `host=x.${UNKNOWN_HOST}`, status: 404 },
	"POST /admin/pds/recount": { query: `host=x.${UNKNOWN_HOST}`, status: 404 },
	// Nothing holds an account of which nothing is known.
	"GET /admin/repo/wait": { query: `did=${UNKNOWN_DID}`, status: 200 },
	"POST /admin/subs/killUpstream": { query: `host=${UNKNOWN_HOST}`, status: 400 },
	"GET /admin/subs/getUpstreamConns": null,
	"GET /admin/subs/getEnabled": null,
	"POST /admin/subs/setEnabled": null,
	"GET /admin/subs/perDayLimit": null,
	"POST /admin/subs/setPerDayLimit": null,
	"GET /admin/settings": null,
	"POST /admin/settings": null,
	"GET /admin/actions": null,
	// A host of a list that is refused is told among the others.
	"POST /admin/pds/addHosts": { body: { hosts: [UNKNOWN_HOST] }, status: 200 },
	"GET /admin/pds/list": null,
	"GET /admin/pds/host": { query: `host=x.${UNKNOWN_HOST}`, status: 404 },
	"GET /admin/consumers/list": null,
	"POST /admin/consumers/drop": { query: "id=9007199254740991", status: 404 },
	"POST /admin/alerts/accountLimitSent": null,
};

const ROUTES = createAdminApp({
	passwords: ["any"],
	control: fakeControl<Control>({}),
	counters: new Counters(),
})
	.routes.filter(({ method }) => method !== "ALL")
	.map(({ method, path }) => `${method} ${path}`);

const PASSWORD_FILE = join(tmpdir(), `standpipe-passwords-${process.pid}`);
const OTHER_PASSWORD = "another, from a file";

let rig: RelayRig;
let host: SimHost;
let account: SimAccount;

beforeAll(async () => {
	writeFileSync(PASSWORD_FILE, `${ADMIN_PASSWORD}\n${OTHER_PASSWORD}\n`);
	rig = await RelayRig.start(
		{ seed: "admin api", hosts: 1, accounts: 2 },
		{
			RELAY_FANOUT_WORKERS: "2",
			RELAY_HOST_EVENT_LIMITS: "50/s,2500/h,20000/d",
			RELAY_ADMIN_PASSWORD: "",
			RELAY_ADMIN_PASSWORD_FILE: PASSWORD_FILE,
			RELAY_TRUST_PROXY: "true",
		},
	);
	const [firstHost] = rig.network.hosts;
	const [firstAccount] = rig.network.accounts;
	if (firstHost === undefined || firstAccount === undefined) throw new Error("the network is empty");
	host = firstHost;
	account = firstAccount;
	rig.network.send(account, await account.commit());
	await rig.consumer.until(() => rig.received(account.did).length >= rig.expected(account.did).length);
	await until(async () => isIndexed((await rig.relay.stats()).log));
}, 300_000);

afterAll(async () => {
	await rig?.stop();
	rmSync(PASSWORD_FILE, { force: true });
}, 300_000);

/** Runs a line of the script by a shell. */
async function run(script: string): Promise<{ status: number; answer: unknown }> {
	const { relay } = rig;
	const [, password = ""] = atob(relay.adminAuthorization.replace("Basic ", "")).split(":");
	const child = Bun.spawn(["sh", "-c", `${script} -w '\\n%{http_code}'`], {
		env: {
			PATH: process.env["PATH"] ?? "",
			RELAY: `http://127.0.0.1:${relay.apiPort}`,
			PW: password,
			HOST: host.hostname,
			DID: account.did,
		},
		stdout: "pipe",
	});
	const lines = (await new Response(child.stdout).text()).split("\n");
	return { status: Number(lines.at(-1)), answer: JSON.parse(lines.slice(0, -1).join("\n")) };
}

describe("the admin API, for tools of the reference relay", () => {
	test.skipIf(CURL === null)(
		"answers a script of curl calls line by line",
		async () => {
			for (const { script, status = 200, answer } of SCRIPT) {
				expect({ script, ...(await run(script)) }).toMatchObject({ script, status, answer });
			}
		},
		300_000,
	);

	test("has a case of an unknown subject for each route", () => {
		expect(Object.keys(UNKNOWN).sort()).toEqual([...ROUTES].sort());
	});

	test("answers requests for what is not known with an error that says so, and all others", async () => {
		for (const [route, unknown] of Object.entries(UNKNOWN)) {
			if (unknown === null) continue;
			const [method = "", path = ""] = route.split(" ");
			const response = await fetch(`http://127.0.0.1:${rig.relay.apiPort}${path}?${unknown.query ?? ""}`, {
				method,
				headers: { authorization: rig.relay.adminAuthorization },
				...(unknown.body === undefined ? {} : { body: JSON.stringify(unknown.body) }),
			});
			expect([route, response.status]).toEqual([route, unknown.status]);
			const json = await response.json();
			if (unknown.status !== 200) expect(json).toEqual({ error: expect.any(String), message: expect.any(String) });
		}
	}, 300_000);
});

type Row = Record<string, unknown>;

async function hostRow(): Promise<Row> {
	const { json } = await rig.relay.admin("pds/list");
	const row = (json as Row[]).find(({ Host }) => Host === host.hostname);
	if (row === undefined) throw new Error("the host is not listed");
	return row;
}

describe("a host in the listing", () => {
	test("has what has come of it, what it may send, and whether it is connected, truthfully", async () => {
		await until(async () => (await hostRow())["HasActiveConnection"] === true);
		const before = Number((await hostRow())["EventsSeenSinceStartup"]);
		rig.network.send(account, await account.commit());
		await until(async () => Number((await hostRow())["EventsSeenSinceStartup"]) > before);
		await until(async () => Number((await hostRow())["RepoCount"]) >= 1);
		await until(async () => Number((await hostRow())["Cursor"]) > 0);
		expect(await hostRow()).toMatchObject({
			PerHourEventRate: { Window: 3_600, WindowSeconds: 3_600, Max: expect.any(Number) },
			Status: "active",
			StatusDetail: "connected",
			NextAttemptAt: null,
		});
		expect(Number(((await hostRow())["PerDayEventRate"] as Row)["Count"])).toBeGreaterThan(0);
		const { json } = await rig.relay.admin(`pds/host?host=${encodeURIComponent(host.hostname)}`);
		expect(json).toMatchObject({
			hostname: host.hostname,
			status: "active",
			phase: "connected",
			connection: { connected: true, firstSeenMs: expect.any(Number) },
			limits: { perS: expect.any(Number) },
			bannedBy: null,
			delays: null,
		});
		const seen = String((await hostRow())["CreatedAt"]);
		expect(Math.abs(Date.now() - Date.parse(seen))).toBeLessThan(3_600_000);
	}, 300_000);
});

describe("a consumer in the listing", () => {
	test("is told apart by its id over all threads, and can be dropped, which is in the audit log", async () => {
		const sockets: WebSocket[] = [];
		const closed: Promise<number>[] = [];
		// As many that the kernel gives some to each of the two threads, most likely; the test holds if it does not.
		for (let at = 0; at < 12; at++) {
			const socket = new WebSocket(`${rig.relay.firehoseOrigin}/xrpc/com.atproto.sync.subscribeRepos`, {
				headers: { "User-Agent": `agent/${at}` },
			});
			sockets.push(socket);
			closed.push(new Promise((resolve) => socket.addEventListener("close", ({ code }) => resolve(code))));
			await new Promise((resolve) => socket.addEventListener("open", resolve, { once: true }));
		}
		const list = async (query = ""): Promise<Row[]> => {
			return (await rig.relay.admin(`consumers/list${query}`)).json as Row[];
		};
		try {
			await until(async () => (await list()).length >= 13);
			const all = await list();
			expect(new Set(all.map(({ id }) => id)).size).toBe(all.length);
			const [first] = await list("?limit=1");
			expect(first).toEqual(all[0] as Row);
			expect(await list(`?cursor=${first?.["id"]}`)).toHaveLength(all.length - 1);
			for (const at of [3, 8]) {
				const row = all.find(({ user_agent }) => user_agent === `agent/${at}`);
				const response = await rig.relay.admin(`consumers/drop?id=${row?.["id"]}`, {});
				expect(response).toEqual({ status: 200, json: SUCCESS });
				expect(await closed[at]).toBe(1008);
			}
			await until(async () => (await list()).length === all.length - 2);
			await until(async () => {
				const { json } = await rig.relay.admin("actions");
				const actions = (json as { actions: Row[] }).actions;
				return actions.some(({ action, after }) => action === "dropConsumer" && String(after).includes("agent/8"));
			});
		} finally {
			for (const socket of sockets) socket.close();
		}
	}, 300_000);
});

describe("who may call the admin API", () => {
	/** The status of a call with these headers, and with a password. */
	async function statusOf(password: string, headers: Record<string, string> = {}): Promise<number> {
		const authorization = `Basic ${btoa(`admin:${password}`)}`;
		const url = `http://127.0.0.1:${rig.relay.apiPort}/admin/subs/getEnabled`;
		return (await fetch(url, { headers: { authorization, ...headers } })).status;
	}

	test("whoever has a password of the file, and no page of another origin", async () => {
		expect(await statusOf(OTHER_PASSWORD)).toBe(200);
		const own = { origin: `http://127.0.0.1:${rig.relay.apiPort}` };
		expect(await statusOf(OTHER_PASSWORD, own)).toBe(200);
		expect(await statusOf(OTHER_PASSWORD, { origin: "https://evil.example" })).toBe(403);
		expect(await statusOf(OTHER_PASSWORD, { ...own, "sec-fetch-site": "cross-site" })).toBe(403);
	}, 300_000);

	test("not who guesses, by the address that the proxy names; others meanwhile", async () => {
		const guesser = { "x-forwarded-for": "198.51.100.1, 203.0.113.7" };
		const guess = (): Promise<number[]> =>
			Promise.all(Array.from({ length: 25 }, (_, at) => statusOf(`guess ${at}`, guesser)));
		// Each thread counts by itself, and the kernel chooses which of them gets a connection.
		await until(async () => (await guess()).every((status) => status === 429));
		expect(await statusOf(OTHER_PASSWORD, { "x-forwarded-for": "203.0.113.8" })).toBe(200);
	}, 300_000);
});

test("without a password the admin API is off, and says so", async () => {
	const relay = await RelayProcess.create({ command: RELAY_COMMAND, plcUrl: "http://127.0.0.1:1" });
	try {
		await relay.start({ RELAY_ADMIN_PASSWORD: "" });
		expect(await relay.admin("pds/list")).toEqual({
			status: 403,
			json: { error: "AdminDisabled", message: expect.stringContaining("RELAY_ADMIN_PASSWORD") },
		});
		expect(readFileSync(relay.logPath, "utf8")).toContain("the admin API is off");
	} finally {
		await relay.stop();
		await relay.remove();
	}
}, 300_000);
