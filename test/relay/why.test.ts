import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { SimAccount } from "../../src/sim/account.ts";
import { brokenCommit } from "../../src/sim/broken-commit.ts";
import type { SimHost } from "../../src/sim/host.ts";
import type { Explanation, Gate } from "../../src/why/explain.ts";
import { PostgresServer } from "../sim/postgres.ts";
import { describeWithPostgres } from "../sim/postgres-programs.ts";
import { PostgresProxy } from "../sim/postgres-proxy.ts";
import { ALL_PASS } from "../why/facts.ts";
import { isIndexed, RELAY_COMMAND, RelayRig, until } from "./rig.ts";

interface Answer extends Explanation {
	detail: string | null;
	action: string | null;
}

const ENV = { RELAY_INGEST_WORKERS: "2", RELAY_FANOUT_WORKERS: "2", RELAY_MAX_READS_PER_IP: "10000" };

async function why({ relay }: RelayRig, query: Record<string, string>): Promise<Answer> {
	const response = await fetch(`http://127.0.0.1:${relay.apiPort}/api/why?${new URLSearchParams(query)}`);
	expect(response.status).toBe(200);
	return (await response.json()) as Answer;
}

function gateOf({ gates }: Answer, name: string): Gate | undefined {
	return gates.find(({ gate }) => gate === name);
}

/** Waits until the account or host is held by this gate, with this answer. */
async function held(rig: RelayRig, query: Record<string, string>, gate: string, answer: string): Promise<Answer> {
	let last: Answer | undefined;
	await until(async () => {
		last = await why(rig, query);
		return last.heldBy === gate && gateOf(last, gate)?.answer === answer;
	});
	expect(last?.action?.length ?? 0).toBeGreaterThan(5);
	return last as Answer;
}

async function passes(rig: RelayRig, query: Record<string, string>): Promise<void> {
	await until(async () => (await why(rig, query)).verdict === "passes");
}

const [program = "", ...rest] = RELAY_COMMAND;

/** Runs `standpipe why` on what it is given. */
async function command(...args: string[]): Promise<{ code: number | null; out: string; err: string }> {
	const child = Bun.spawn([program, ...rest.slice(0, -1), "why", ...args], { stdout: "pipe", stderr: "pipe" });
	const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
	return { code: child.exitCode, out, err };
}

describe("the relay says why", () => {
	let rig: RelayRig;
	let host: SimHost;
	let other: SimHost;
	let account: SimAccount;

	beforeAll(async () => {
		rig = await RelayRig.start({ seed: "why", hosts: 2, accounts: 4 }, ENV);
		[host, other] = rig.network.hosts as [SimHost, SimHost];
		[account] = rig.network.accounts as [SimAccount];
		for (const one of rig.network.accounts) rig.network.send(one, await one.commit());
		for (const { did } of rig.network.accounts) await passes(rig, { did });
	}, 300_000);
	afterAll(() => rig.stop(), 300_000);

	test("an account passes, with what was accepted last and what its DID resolved to", async () => {
		const answer = await why(rig, { did: account.did });
		expect(answer.gates.map((gate) => gate.answer)).toEqual(ALL_PASS);
		expect(gateOf(answer, "identity")?.facts).toMatchObject({ pds: host.endpoint, signingKey: account.key.didKey });
		expect(gateOf(answer, "repo")?.facts).toMatchObject({ acceptedRev: expect.any(String), acceptedSeqOfPds: 1 });
		await passes(rig, { host: host.hostname });
	});

	test("it does not know a host or an account", async () => {
		const unknown = await why(rig, { host: "pds.nowhere.test" });
		expect(unknown).toMatchObject({ verdict: "not-known", heldBy: "host-known" });
		expect(unknown.action).toContain("requestCrawl");
		const unseen = await why(rig, { did: "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa" });
		expect(unseen).toMatchObject({ verdict: "not-known", heldBy: "host-known" });
		expect(gateOf(unseen, "host-known")?.answer).toBe("account-unseen");
	});

	test("the operator has taken an account down, suspended it, and banned its host or domain, until that is undone", async () => {
		const { did } = account;
		const { relay } = rig;
		await relay.admin("repo/takeDown", { did });
		await held(rig, { did }, "status", "taken-down-here");
		await relay.admin("repo/suspend", { did });
		await held(rig, { did }, "status", "suspended-here");
		await relay.admin(`pds/block?host=${host.hostname}`, {});
		for (const query of [{ did }, { host: host.hostname }]) await held(rig, query, "host-allowed", "host-banned");
		await relay.admin("subs/banDomain", { Domain: "localhost" });
		await held(rig, { host: other.hostname }, "host-allowed", "domain-banned");
		await relay.admin("subs/unbanDomain", { Domain: "localhost" });
		await relay.admin(`pds/unblock?host=${host.hostname}`, {});
		await held(rig, { did }, "status", "suspended-here");
		await relay.admin("repo/reverseTakedown", { did });
		for (const query of [{ did }, { host: host.hostname }, { host: other.hostname }]) await passes(rig, query);
	}, 300_000);

	test("its PDS has deactivated an account", async () => {
		rig.network.send(account, account.account(false, "deactivated"));
		const answer = await held(rig, { did: account.did }, "status", "inactive-at-pds");
		expect(answer.detail).toBe("deactivated");
		rig.network.send(account, account.account(true));
		await passes(rig, { did: account.did });
	});

	test("a commit was rejected, and none has passed since", async () => {
		rig.network.send(account, await brokenCommit("signature-invalid", account), "signature-invalid");
		const answer = await held(rig, { did: account.did }, "repo", "rejected");
		expect(gateOf(answer, "repo")?.facts).toMatchObject({
			rejectedReason: "signature-invalid",
			rejectedFrom: host.hostname,
			advice: expect.stringContaining("key"),
		});
		expect(gateOf(await why(rig, { host: host.hostname }), "repo")).toMatchObject({ answer: "some-rejected" });
		rig.network.send(account, await account.commit());
		await passes(rig, { did: account.did });
		expect(gateOf(await why(rig, { did: account.did }), "repo")?.answer).toBe("accepted-since");
	});

	test("another host sends an account's messages than the PDS that its DID document names", async () => {
		const moved = await rig.network.addAccount();
		const [old, named] = [rig.network.hostOf(moved), rig.network.hostOf(moved) === host ? other : host];
		rig.network.moveAccount(moved, named);
		rig.network.send(moved, await moved.commit(), "host-mismatch", old);
		const answer = await held(rig, { did: moved.did }, "pds", "other-host-sends");
		expect(answer.detail).toContain(named.hostname);
		expect(answer.detail).toContain(old.hostname);
		rig.network.send(moved, await moved.commit());
		await passes(rig, { did: moved.did });
	});

	test("a DID is not registered, or is a tombstone", async () => {
		const lost = await rig.network.addAccount();
		rig.network.plc.unregister(lost.did);
		rig.network.send(lost, await lost.commit(), "identity-not-found");
		await held(rig, { did: lost.did }, "identity", "did-not-found");
	});

	test("at the command line, with an exit code", async () => {
		const relay = `http://127.0.0.1:${rig.relay.apiPort}`;
		const passed = await command(account.did, "--relay", relay);
		expect(passed).toMatchObject({ code: 0, err: "" });
		expect(passed.out).toStartWith(`${account.did}: messages pass\n`);
		await rig.relay.admin("repo/takeDown", { did: account.did });
		await held(rig, { did: account.did }, "status", "taken-down-here");
		const json = await command(account.did, "--relay", relay, "--json");
		expect(json.code).toBe(1);
		expect(JSON.parse(json.out)).toMatchObject({ heldBy: "status" });
		await rig.relay.admin("repo/reverseTakedown", { did: account.did });
		await passes(rig, { did: account.did });
		expect((await command("localhost:1", "--relay", relay)).code).toBe(2);
		expect(await command("did:", "--relay", relay)).toMatchObject({
			code: 2,
			out: "",
			err: expect.stringContaining("`did`"),
		});
		expect(await command()).toMatchObject({
			code: 2,
			out: "",
			err: expect.stringContaining("missing required argument"),
		});
	});

	test("a PDS is down, with what went wrong and the next attempt", async () => {
		await host.stop();
		for (const query of [{ did: account.did }, { host: host.hostname }]) {
			const answer = await held(rig, query, "host-connected", "down");
			expect(answer.detail).not.toBeNull();
		}
		await until(async () => {
			const { lastError, nextAttemptAt, failures } =
				gateOf(await why(rig, { host: host.hostname }), "host-connected")?.facts ?? {};
			return typeof lastError === "string" && typeof nextAttemptAt === "string" && Number(failures) > 1;
		});
		host.start();
		await rig.relay.requestCrawl(host.hostname);
		await passes(rig, { did: account.did });
	});
});

describeWithPostgres("the relay says why while its index in PostgreSQL is away", (programs) => {
	test("what it has in memory, and that the rest can't be said", async () => {
		const server = await PostgresServer.start(programs);
		const { url } = await server.newDatabase();
		const proxy = await PostgresProxy.start(url);
		const rig = await RelayRig.start({ seed: "why away", hosts: 1, accounts: 1 }, { ...ENV, DATABASE_URL: proxy.url });
		try {
			const [account] = rig.network.accounts as [SimAccount];
			rig.network.send(account, await account.commit());
			await passes(rig, { did: account.did });
			await until(async () => isIndexed((await rig.stats()).log));
			await proxy.tcp.refuse();
			proxy.tcp.disturb("reset");
			const unseen = "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa";
			await until(async () => (await why(rig, { did: unseen })).verdict === "unknown");
			const answer = await why(rig, { did: unseen });
			expect(gateOf(answer, "host-known")).toMatchObject({
				state: "unknown",
				detail: expect.stringContaining("index"),
			});
			expect(answer.gates.filter(({ state }) => state === "hold")).toEqual([]);
			expect(JSON.stringify(answer)).not.toContain("127.0.0.1");
			await passes(rig, { did: account.did });
			await rig.relay.admin(`pds/block?host=${rig.network.hosts[0]?.hostname}`, {});
			await held(rig, { did: account.did }, "host-allowed", "host-banned");
			await proxy.tcp.accept();
			await until(async () => (await why(rig, { did: unseen })).verdict === "not-known");
		} finally {
			await proxy.tcp.accept();
			await rig.stop();
			await proxy.tcp.stop();
			await server.stop();
		}
	}, 300_000);
});
