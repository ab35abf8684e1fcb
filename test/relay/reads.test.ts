import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { getPriority } from "node:os";
import { FAILED_PROBES_PER_HOUR } from "../../src/hosts/crawl-gate.ts";
import { Rng } from "../../src/sim/rng.ts";
import { RelayRig, until } from "./rig.ts";

/** So low that any machine asks faster. */
const READS_PER_S = 1;
const BURST = 5 * READS_PER_S;
/** Niceness of the reads thread. */
const READS_NICENESS = 10;

let rig: RelayRig;
let origin: string;

beforeAll(async () => {
	rig = await RelayRig.start(
		{ seed: "reads", hosts: 2, accounts: 4 },
		{ RELAY_FANOUT_WORKERS: "2", RELAY_TRUST_PROXY: "true", RELAY_MAX_READS_PER_IP: String(READS_PER_S) },
	);
	origin = `http://127.0.0.1:${rig.relay.apiPort}`;
});
afterAll(() => rig.stop());

/** A read as a proxy passes it on, for a client with this address. */
const read = (method: string, ip: string): Promise<Response> =>
	fetch(`${origin}/xrpc/com.atproto.sync.${method}`, { headers: { "X-Forwarded-For": ip }, redirect: "manual" });

const crawl = (body: string, ip: string): Promise<Response> =>
	fetch(`${origin}/xrpc/com.atproto.sync.requestCrawl`, {
		method: "POST",
		headers: { "Content-Type": "application/json", "X-Forwarded-For": ip },
		body,
	});

describe("reads", () => {
	test("are answered on every fan-out thread, by a thread of their own", async () => {
		const [account] = rig.network.accounts;
		if (account === undefined) throw new Error("there is no account");
		const message = await account.commit();
		rig.network.send(account, message);
		let asked = 0;
		const latest = async (): Promise<unknown> => {
			const ip = `2001:db8:1:${(asked++).toString(16)}::1`;
			return (await read(`getLatestCommit?did=${account.did}`, ip)).json();
		};
		await until(async () => ((await latest()) as { rev?: string }).rev === message.rev);
		// Each request has a connection of its own, and the kernel chooses its thread.
		for (let at = 0; at < 20; at++) {
			const url = `${origin}/xrpc/com.atproto.sync.getLatestCommit?did=${account.did}`;
			const response = await fetch(url, { keepalive: false, headers: { "X-Forwarded-For": `198.51.100.${at}` } });
			expect(await response.json()).toMatchObject({ rev: message.rev });
		}
		const repo = await read(`getRepo?did=${account.did}&since=3jzfcijpj2z2a`, "192.0.2.1");
		expect(repo.status).toBe(302);
		expect(repo.headers.get("location")).toEndWith(
			`/xrpc/com.atproto.sync.getRepo?did=${account.did}&since=3jzfcijpj2z2a`,
		);
		expect((await read("getRepoStatus?did=x", "192.0.2.1")).status).toBe(400);
	}, 300_000);

	test("in a loop get 429 with Retry-After, over all threads together, and cost other addresses nothing", async () => {
		const statuses: number[] = [];
		const startMs = performance.now();
		let refused: Response | undefined;
		while (refused === undefined) {
			const response = await read("listRepos?limit=1000", `2001:db8:0:1::${statuses.length.toString(16)}`);
			statuses.push(response.status);
			if (response.status === 429) refused = response;
			else expect(response.status).toBe(200);
		}
		const elapsedS = (performance.now() - startMs) / 1000;
		expect(statuses.length - 1).toBeGreaterThanOrEqual(BURST);
		expect(statuses.length - 1).toBeLessThanOrEqual(BURST + READS_PER_S * elapsedS + 1);
		expect(refused.headers.get("retry-after")).toBe("1");
		expect(refused.headers.get("access-control-allow-origin")).toBe("*");
		expect(await refused.json()).toMatchObject({ error: "RateLimitExceeded" });
		expect((await read("listRepos?limit=1000", "2001:db8:0:2::1")).status).toBe(200);
		expect((await read("_health", "2001:db8:0:1::1").then(() => fetch(`${origin}/_health`))).status).toBe(200);
		expect((await rig.stats()).counters.of("http_rate_limited_total")).toBeGreaterThanOrEqual(1);
	}, 300_000);
});

/** If the test itself has a low priority, the reads thread can't have a lower one. */
const hasNicerLevels = process.platform === "linux" && getPriority() < READS_NICENESS;

test.if(hasNicerLevels)("only the reads thread has a lower priority", () => {
	const tasks = `/proc/${rig.relay.pid}/task`;
	// The 19th field is the niceness. The second field may contain spaces.
	const nicenesses = readdirSync(tasks).map((task) => {
		const [, fields = ""] = readFileSync(`${tasks}/${task}/stat`, "utf8").split(") ");
		return Number(fields.split(" ")[16]);
	});
	const own = Math.min(...nicenesses);
	expect(nicenesses.filter((niceness) => niceness > own)).toHaveLength(1);
});

describe("crawl requests", () => {
	/** Draws a name that no host can have. None may be valid by chance. */
	function drawName(rng: Rng): string {
		const any = (length: number): string =>
			String.fromCodePoint(
				...Array.from({ length }, () => rng.pick([rng.int(32), rng.int(256), rng.int(0xd800), 0x1f600])),
			);
		const label = rng.pick(["xn--a", "xn--0", "xn--", "pds", "a_b", "-a", "ü", "a".repeat(64), any(1 + rng.int(5))]);
		return rng.pick([
			any(rng.int(40)),
			`${label}.invalid`,
			`${label}.xn--${rng.text(3, "abc019-")}`,
			`https://${label}.localhost/`,
			`${any(3)}.com`,
			"a.".repeat(rng.int(400)),
			`${"x".repeat(rng.int(9_000))}.com`,
			`1.${rng.int(300)}.${rng.int(300)}.1`,
			`[::${rng.int(9)}]:${rng.int(70_000)}`,
		]);
	}

	test("of any impossible name are refused in XRPC form, and the relay goes on", async () => {
		const rng = new Rng("crawl names");
		for (let round = 0; round < 300; round++) {
			const hostname = drawName(rng);
			const text = JSON.stringify({ hostname });
			const body = rng.int(5) === 0 ? text.slice(0, rng.int(text.length)) : text;
			const response = await crawl(body, `10.${round >> 8}.${round & 255}.1`);
			if (response.status !== 400 && response.status !== 413) throw new Error(`${response.status} for ${body}`);
			expect(await response.json()).toEqual({ error: expect.any(String), message: expect.any(String) });
		}
		const { counters } = await rig.stats();
		expect(counters.of("http_failures_total")).toBe(0);
		expect(await Bun.file(rig.relay.logPath).text()).not.toContain('"level":"error"');
	}, 300_000);

	test.each(["localhost.localdomain", "nas.lan", "a.home", "xn--a.com"])(
		"of %s is refused by a rule",
		async (hostname) => {
			const response = await crawl(JSON.stringify({ hostname }), "192.0.2.70");
			expect(response.status).toBe(400);
			expect(await response.json()).toMatchObject({
				error: "InvalidRequest",
				message: expect.stringContaining("hostname: "),
			});
		},
	);

	test("of made-up names end at the quota of their address, which is no other address's", async () => {
		const ask = (at: number, ip: string): Promise<Response> =>
			crawl(JSON.stringify({ hostname: `made-up-${at}.standpipe.zz` }), ip);
		for (let at = 0; at < FAILED_PROBES_PER_HOUR; at++) expect((await ask(at, "192.0.2.80")).status).toBe(400);
		for (let at = 0; at < 20; at++) {
			const response = await ask(100 + at, "192.0.2.80");
			expect(response.status).toBe(429);
			expect(Number(response.headers.get("retry-after"))).toBeGreaterThan(0);
			expect(((await response.json()) as { message: string }).message).toContain(`${FAILED_PROBES_PER_HOUR} hosts`);
		}
		expect((await ask(1, "192.0.2.81")).status).toBe(400);
		// Failed requests of an admin are not limited.
		for (let at = 0; at < 2 * FAILED_PROBES_PER_HOUR; at++)
			await expect(rig.relay.requestCrawl(`made-up-${at}.standpipe.zz`)).rejects.toThrow("answered 400");
		expect((await rig.stats()).counters.of("crawls_limited_total")).toBe(20);
	}, 300_000);
});
