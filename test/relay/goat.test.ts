import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { tmpdir } from "node:os";
import type { SimAccount } from "../../src/sim/account.ts";
import type { SimHost } from "../../src/sim/host.ts";
import { isIndexed, RelayRig, until } from "./rig.ts";

/** Path of `goat`, the command line of the protocol's authors. */
const GOAT = process.env["GOAT"] ?? "";
if (GOAT === "") console.log("the commands of goat are not run: GOAT does not name its program");

let rig: RelayRig;
let host: SimHost;
let account: SimAccount;

beforeAll(async () => {
	if (GOAT === "") return;
	rig = await RelayRig.start({ seed: "goat", hosts: 1, accounts: 2 });
	const [firstHost] = rig.network.hosts;
	const [firstAccount] = rig.network.accounts;
	if (firstHost === undefined || firstAccount === undefined) throw new Error("the network is empty");
	host = firstHost;
	account = firstAccount;
	for (const one of rig.network.accounts) rig.network.send(one, await one.commit());
	await rig.consumer.until(() => rig.consumer.events.length >= 2);
	await until(async () => isIndexed((await rig.relay.stats()).log));
}, 300_000);

afterAll(() => rig?.stop(), 300_000);

/** Runs a command of goat, and resolves with its lines. */
async function goat(...args: string[]): Promise<{ code: number; lines: string[]; errors: string }> {
	const { relay, network } = rig;
	const [, password = ""] = atob(relay.adminAuthorization.replace("Basic ", "")).split(":");
	const child = Bun.spawn([GOAT, "relay", ...args], {
		cwd: tmpdir(),
		env: {
			PATH: process.env["PATH"] ?? "",
			HOME: tmpdir(),
			ATP_RELAY_HOST: `http://127.0.0.1:${relay.apiPort}`,
			ATP_PLC_HOST: network.plc.url,
			RELAY_ADMIN_PASSWORD: password,
		},
		stdout: "pipe",
		stderr: "pipe",
	});
	const [output, errors] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
	return { code: await child.exited, lines: output.split("\n").filter((line) => line !== ""), errors };
}

/** The lines of a command that must succeed. */
async function linesOf(...args: string[]): Promise<string[]> {
	const { code, lines, errors } = await goat(...args);
	expect({ args, code, errors }).toEqual({ args, code: 0, errors: expect.any(String) });
	return lines;
}

const indexed = (): Promise<void> => until(async () => isIndexed((await rig.relay.stats()).log));

describe.skipIf(GOAT === "")("goat relay", () => {
	test("account list, status", async () => {
		const accounts = await linesOf("account", "list");
		expect(accounts).toHaveLength(2);
		expect(accounts.join()).toContain(`${account.did}\tactive\t`);
		const [json = ""] = await linesOf("account", "list", "--json");
		expect(JSON.parse(json)).toMatchObject({ active: true, head: expect.any(String) });
		expect(await linesOf("account", "status", account.did)).toEqual([expect.stringContaining("\tactive\t")]);
	}, 120_000);

	test("host list, status, diff", async () => {
		// The host's status is recorded a moment after it is connected.
		await until(async () => (await linesOf("host", "list")).join().startsWith(`${host.hostname}\tactive\t2\t`));
		expect(await linesOf("host", "list")).toHaveLength(1);
		const [json = ""] = await linesOf("host", "status", "--json", host.hostname);
		expect(JSON.parse(json)).toMatchObject({ hostname: host.hostname, status: "active", accountCount: 2 });
		const origin = `http://127.0.0.1:${rig.relay.apiPort}`;
		expect(await linesOf("host", "diff", "--verbose", origin, origin)).toEqual([expect.stringContaining("sync")]);
	}, 120_000);

	test("host request-crawl tells the rule that the relay names", async () => {
		const { code, lines, errors } = await goat("host", "request-crawl", "127.0.0.1");
		expect(code).not.toBe(0);
		expect(`${lines.join()} ${errors}`).toContain("InvalidRequest");
	}, 120_000);
});

describe.skipIf(GOAT === "")("goat relay admin", () => {
	test("account takedown, and its undoing, list", async () => {
		await linesOf("admin", "account", "takedown", account.did);
		await indexed();
		expect(await linesOf("admin", "account", "list")).toEqual([account.did]);
		expect(await linesOf("account", "status", account.did)).toEqual([expect.stringContaining("\ttakendown\t")]);
		await linesOf("admin", "account", "takedown", "--reverse", account.did);
		await indexed();
		expect(await linesOf("admin", "account", "list")).toEqual([]);
	}, 120_000);

	test("host add, list, config, block, and its undoing", async () => {
		await linesOf("admin", "host", "add", host.hostname);
		await linesOf("admin", "host", "config", "--account-limit", "4321", host.hostname);
		const row = async (): Promise<unknown> => {
			const [json = "", ...others] = await linesOf("admin", "host", "list");
			expect(others).toEqual([]);
			return JSON.parse(json);
		};
		expect(await row()).toMatchObject({ Host: host.hostname, RepoLimit: 4321, Blocked: false });
		await linesOf("admin", "host", "block", host.hostname);
		expect(await row()).toMatchObject({ Blocked: true, HasActiveConnection: false });
		await linesOf("admin", "host", "block", "--reverse", host.hostname);
		expect(await row()).toMatchObject({ Blocked: false });
	}, 120_000);

	test("domain ban, and its undoing, list", async () => {
		await linesOf("admin", "domain", "ban", "spam.pds.com");
		expect(await linesOf("admin", "domain", "list")).toEqual(["spam.pds.com"]);
		await linesOf("admin", "domain", "ban", "--reverse", "spam.pds.com");
		expect(await linesOf("admin", "domain", "list")).toEqual([]);
	}, 120_000);

	test("consumer list", async () => {
		const [json = "", ...others] = await linesOf("admin", "consumer", "list");
		expect(others).toEqual([]);
		expect(JSON.parse(json)).toMatchObject({ remote_addr: "127.0.0.1", events_consumed: expect.any(Number) });
	}, 120_000);
});
