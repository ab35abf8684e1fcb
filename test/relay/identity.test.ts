import { Database } from "bun:sqlite";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { FRESH_MS } from "../../src/identity/resolutions.ts";
import { SimAccount } from "../../src/sim/account.ts";
import type { SimMessage } from "../../src/sim/message.ts";
import { Rng } from "../../src/sim/rng.ts";
import { withOddParts } from "../sim/odd-document.ts";
import { RelayRig, until } from "./rig.ts";

let rig: RelayRig;

beforeAll(async () => {
	rig = await RelayRig.start({ seed: "identity", hosts: 2, accounts: 6 }, { RELAY_INGEST_WORKERS: "1" });
	for (const account of rig.network.accounts) await commitOf(account);
});

afterAll(async () => {
	expect(await rig.relay.stop()).toBe(0);
	await rig.stop();
});

function accountAt(index: number): SimAccount {
	const account = rig.network.accounts[index];
	if (account === undefined) throw new Error("not enough accounts");
	return account;
}

function arrived({ did, type, rev }: SimMessage): boolean {
	return rig.received(did).includes(`${type} ${rev ?? ""}`);
}

/** Sends a commit of the account and waits until it has gone out. */
async function commitOf(account: SimAccount): Promise<void> {
	const message = await account.commit();
	rig.network.send(account, message);
	await until(() => arrived(message));
}

async function parked(): Promise<number> {
	return (await rig.stats()).counters.of("parked_messages");
}

/** Stops the relay, ages all identities that it knows, and starts it again. */
async function restartWithOldIdentities(ageMs: number): Promise<void> {
	const { relay, network } = rig;
	await relay.stop();
	const index = new Database(relay.indexPath);
	index.run("UPDATE identity SET resolved_at_ms = resolved_at_ms - ?", [ageMs]);
	index.close();
	await relay.start();
	await rig.consumer.connect();
	await until(() => network.hosts.every((host) => host.connections > 0));
}

test("DID documents with odd values in the parts that a relay doesn't use all resolve", async () => {
	const { network } = rig;
	const rng = new Rng("odd documents of the relay");
	const before = (await rig.stats()).rejected;
	const commits: SimMessage[] = [];
	for (let i = 0; i < 60; i++) {
		const stranger = await network.addAccount();
		network.plc.setFault(stranger.did, { kind: "edit", edit: (document) => withOddParts(document, rng) });
		const message = await stranger.commit();
		network.send(stranger, message);
		commits.push(message);
	}
	await until(() => commits.every(arrived));
	expect((await rig.stats()).rejected).toEqual(before);
	network.plc.clearFaults();
}, 300_000);

describe("while the directory is down", () => {
	test("outdated identities are used on, unknown and changed ones wait, and nothing is lost", async () => {
		const { network } = rig;
		await restartWithOldIdentities(2 * FRESH_MS.resolved);
		const before = (await rig.stats()).rejected;
		network.plc.setFault(null, { kind: "status", status: 503 });
		const [known, rotated, moved] = [accountAt(0), accountAt(1), accountAt(2)];
		const stranger = await network.addAccount();

		// Known accounts go on, although others wait.
		const waiting: SimMessage[] = [await stranger.commit(), await stranger.commit()];
		for (const message of waiting) network.send(stranger, message);
		await commitOf(known);
		network.send(known, known.identity());
		await commitOf(known);

		// A commit with a new key can't be judged by a known document, with or without an #identity before it; nor can one of a new host.
		rotated.rotateKey();
		network.plc.register(rotated, network.hostOf(rotated).endpoint);
		waiting.push(await rotated.commit());
		network.send(rotated, waiting.at(-1) as SimMessage);
		const newHome = network.hosts.find((host) => host !== network.hostOf(moved));
		if (newHome === undefined) throw new Error("a move needs two hosts");
		await network.migrate(moved, newHome);
		await until(async () => (await parked()) >= waiting.length + 3);
		for (let i = 0; i < 3; i++) await commitOf(known);
		expect(waiting.some(arrived)).toBe(false);
		const { counters, rejected } = await rig.stats();
		expect(rejected).toEqual(before);
		expect(counters.of("identity_stale_uses_total")).toBeGreaterThan(0);
		expect(counters.of("identity_outages_total")).toBe(1);

		network.plc.clearFaults();
		await until(async () => (await parked()) === 0);
		await until(() => waiting.every(arrived));
		for (const account of [known, rotated, moved, stranger]) {
			await commitOf(account);
			expect(rig.received(account.did)).toEqual(rig.expected(account.did));
		}
		expect((await rig.stats()).rejected).toEqual(before);
	}, 600_000);

	test("identities that are too old are not used: their messages wait too", async () => {
		const { network } = rig;
		await restartWithOldIdentities(30 * FRESH_MS.resolved);
		await network.plc.stop();
		const message = await accountAt(3).commit();
		network.send(accountAt(3), message);
		await until(async () => (await rig.stats()).counters.of("identity_waits_total") > 0);
		expect([arrived(message), await parked()]).toEqual([false, 1]);
		network.plc.start();
		await until(() => arrived(message));
		expect((await rig.stats()).rejected["identity-unresolvable"]).toBe(0);
	}, 600_000);
});

test("a directory that asks to be left alone is asked for nothing until then", async () => {
	const { network } = rig;
	const retryAfterMs = 2_000;
	const headers = { "Retry-After": String(retryAfterMs / 1000) };
	network.plc.setFault(null, { kind: "status", status: 429, headers });
	const { answersMs } = network.plc;
	answersMs.length = 0;
	const messages: SimMessage[] = [];
	for (let i = 0; i < 12; i++) {
		const stranger = await network.addAccount();
		messages.push(await stranger.commit());
		network.send(stranger, messages.at(-1) as SimMessage);
		await until(() => answersMs.length > 0);
	}
	await until(() => answersMs.length >= 3);
	const pauses = answersMs.slice(1).map((atMs, at) => atMs - (answersMs[at] ?? 0));
	expect(Math.min(...pauses)).toBeGreaterThanOrEqual(retryAfterMs);
	network.plc.clearFaults();
	await until(() => messages.every(arrived));
}, 300_000);

test("a host that names more than a thousand made-up DIDs delays no new account of another host", async () => {
	const { network } = rig;
	const rng = new Rng("made up");
	const [victim, busy] = [await network.addAccount(), network.hosts[0]];
	const home = network.hosts[1];
	if (busy === undefined || home === undefined) throw new Error("two hosts");
	network.moveAccount(victim, home);
	const neighbour = network.accounts.find((account) => network.hostOf(account) === busy);
	if (neighbour === undefined) throw new Error("no account on the busy host");
	await commitOf(neighbour);
	const before = (await rig.stats()).rejected["identity-not-found"];
	const made = await SimAccount.create({ rng, clock: network.clock, curve: "k256" });
	// As many messages as the host's budget takes, so that it is not paused.
	for (let i = 0; i < 1_500; i++) {
		const did = `did:plc:${rng.text(24, "abcdefghijklmnopqrstuvwxyz234567")}`;
		const message = made.account(true);
		busy.emit({ ...message, did, body: { ...message.body, did } });
	}
	await until(async () => (await rig.stats()).rejected["identity-not-found"] > before);
	await commitOf(victim);
	// By then the host had used up its quota, so further lookups wait.
	const { counters } = await rig.stats();
	expect(counters.of("parked_messages")).toBeGreaterThan(0);
	await until(async () => (await rig.stats()).counters.of("identity_lookups_limited_total") > 0);
	// The known accounts of that host go on as well.
	await commitOf(neighbour);
}, 300_000);

test("300 #identity messages of one account cost one request in a second at most", async () => {
	const { network } = rig;
	const account = await network.addAccount();
	network.moveAccount(account, network.hosts[1] ?? network.hostOf(account));
	await commitOf(account);
	const asked = (): number => network.plc.gets.get(account.did) ?? 0;
	const before = asked();
	const beganMs = performance.now();
	for (let i = 0; i < 300; i++) network.send(account, account.identity());
	await commitOf(account);
	expect(rig.received(account.did)).toEqual(rig.expected(account.did));
	expect(asked() - before).toBeLessThanOrEqual(2 + (performance.now() - beganMs) / 1000);
}, 300_000);

test("a did:web whose host fails delays its own account only", async () => {
	const { network } = rig;
	const account = await network.webAccount();
	const home = network.hosts[1];
	if (home === undefined) throw new Error("two hosts");
	network.moveAccount(account, home);
	await commitOf(account);
	network.plc.setFault(account.did, { kind: "status", status: 503 });
	const rotated = account.key;
	account.rotateKey();
	expect(account.key).not.toBe(rotated);
	const message = await account.commit();
	network.send(account, message);
	await until(async () => (await rig.stats()).counters.of("identity_waits_total") > 0);
	const neighbour = network.accounts.find((other) => network.hostOf(other) === home && other !== account);
	if (neighbour === undefined) throw new Error("no neighbour");
	await commitOf(neighbour);
	expect(arrived(message)).toBe(false);
	network.plc.clearFaults();
	network.moveAccount(account, home);
	await until(() => arrived(message));
}, 300_000);

test("hosts that fill the worker's buffer with messages that wait stop no other host", async () => {
	const small = await RelayRig.start(
		{ seed: "full of waiting", hosts: 4, accounts: 4 },
		{ RELAY_INGEST_WORKERS: "1", RELAY_HOST_BUFFER_BYTES: "6000000", RELAY_INGEST_BUFFER_BYTES: "6000000" },
	);
	try {
		const { network } = small;
		const rng = new Rng("waiting");
		const made = await SimAccount.create({ rng, clock: network.clock, curve: "k256" });
		const message = made.identity();
		const [other] = network.accounts;
		if (other === undefined) throw new Error("no account");
		const busy = network.hosts.filter((host) => host !== network.hostOf(other));
		for (let i = 0; i < 6_000; i++) {
			const did = `did:plc:${rng.text(24, "abcdefghijklmnopqrstuvwxyz234567")}`;
			rng.pick(busy).emit({ ...message, did, body: { ...message.body, did, padding: "x".repeat(4_000) } });
		}
		await until(async () => (await small.stats()).counters.of("host_pauses_total") >= busy.length);
		for (let i = 0; i < 50; i++) {
			const commit = await other.commit();
			network.send(other, commit);
			await until(() => small.received(other.did).includes(`commit ${commit.rev}`));
		}
		expect((await small.stats()).counters.of("inflight_bytes")).toBeGreaterThan(2_000_000);
	} finally {
		await small.stop();
	}
}, 300_000);

test("the directory and did:web hosts are asked under the relay's name", () => {
	expect([...rig.network.plc.userAgents]).toEqual([expect.stringMatching(/^standpipe\//)]);
});
