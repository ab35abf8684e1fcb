import { describe, expect, test } from "bun:test";
import type { SimAccount } from "../../src/sim/account.ts";
import { brokenCommit } from "../../src/sim/broken-commit.ts";
import { SimConsumer } from "../../src/sim/consumer.ts";
import type { SimHost } from "../../src/sim/host.ts";
import type { RelayProcess } from "../../src/sim/relay-process.ts";
import { STRICT_ONLY } from "../verify/strict-only.ts";
import { expectReceived } from "./expect-received.ts";
import { isIndexed, RelayRig, until } from "./rig.ts";

const SUCCESS = { status: 200, json: { success: "true" } };

/** Waits until the index has all that the log has. */
function indexed(relay: RelayProcess): Promise<void> {
	return until(async () => isIndexed((await relay.stats()).log));
}

/** The messages of an account that a new consumer gets from the beginning, each as its type. */
async function replayed(rig: RelayRig, did: string): Promise<string[]> {
	const end = rig.consumer.cursor ?? 0;
	const replayer = new SimConsumer(rig.relay.firehoseOrigin);
	await replayer.connect(0);
	await replayer.until(() => (replayer.cursor ?? 0) >= end);
	await replayer.disconnect();
	return replayer.events.filter((event) => event.did === did).map(({ type }) => type);
}

function statusesOf({ consumer }: RelayRig, did: string): (string | boolean)[] {
	const events = consumer.events.filter((event) => event.did === did && event.type === "account");
	return events.map(({ active, status }) => status ?? active ?? "unknown");
}

async function repoStatus({ firehoseOrigin }: RelayProcess, did: string): Promise<unknown> {
	const origin = firehoseOrigin.replace("ws", "http");
	const { rev: _rev, ...status } = (await (
		await fetch(`${origin}/xrpc/com.atproto.sync.getRepoStatus?did=${did}`)
	).json()) as { rev?: string };
	return status;
}

/** Sends a commit of an account that must not pass, and one of another that must. */
async function expectHeldBack(rig: RelayRig, held: SimAccount, other: SimAccount): Promise<void> {
	const commits = (): number => rig.received(held.did).filter((message) => message.startsWith("commit")).length;
	const before = commits();
	const { rejected } = await rig.stats();
	rig.network.send(held, await held.commit(), "account-inactive");
	rig.network.send(other, await other.commit());
	await until(async () => (await rig.stats()).rejected["account-inactive"] > rejected["account-inactive"]);
	await rig.consumer.until(() => rig.received(other.did).length >= rig.expected(other.did).length);
	expect(commits()).toBe(before);
}

async function expectPassing(rig: RelayRig, account: SimAccount): Promise<void> {
	const { rev } = await account.commit().then((commit) => {
		rig.network.send(account, commit);
		return commit as { rev: string };
	});
	await rig.consumer.until(() => rig.received(account.did).includes(`commit ${rev}`));
}

describe("an account that the operator takes down", () => {
	test("is told to consumers at once; its commits stay out, also of replay, over a crash and a lost index, until that is undone", async () => {
		const rig = await RelayRig.start(
			{ seed: "operator's takedown", hosts: 1, accounts: 2 },
			{ RELAY_INGEST_WORKERS: "2", RELAY_FANOUT_WORKERS: "2" },
		);
		const { network, relay, consumer } = rig;
		const [gone, other] = network.accounts;
		if (gone === undefined || other === undefined) throw new Error("the network has no two accounts");
		const withheld = async (): Promise<boolean> => !(await replayed(rig, gone.did)).includes("commit");
		try {
			for (const account of [gone, other]) network.send(account, await account.commit());
			await consumer.until(() =>
				[gone, other].every(({ did }) => rig.received(did).length >= rig.expected(did).length),
			);
			const told = statusesOf(rig, gone.did).length;
			expect(await relay.admin("repo/takeDown", { did: gone.did })).toEqual(SUCCESS);
			await consumer.until(() => statusesOf(rig, gone.did).length > told);
			expect(statusesOf(rig, gone.did).at(-1)).toBe("takendown");
			await expectHeldBack(rig, gone, other);
			await until(withheld);
			for (const loses of ["nothing", "index"] as const) {
				await rig.crash(loses);
				await expectHeldBack(rig, gone, other);
				expect(await withheld()).toBe(true);
				await indexed(relay);
				expect(await repoStatus(relay, gone.did)).toEqual({ did: gone.did, active: false, status: "takendown" });
				expect((await relay.admin("repo/takedowns")).json).toMatchObject({ dids: [gone.did] });
			}
			// The host's word on it does not matter, and is remembered.
			network.send(gone, gone.account(true));
			await consumer.until(() => statusesOf(rig, gone.did).length > told + 1);
			expect(await relay.admin("repo/reverseTakedown", { did: gone.did })).toEqual(SUCCESS);
			await consumer.until(() => statusesOf(rig, gone.did).length > told + 2);
			expect(statusesOf(rig, gone.did).slice(told)).toEqual(["takendown", "takendown", true]);
			await expectPassing(rig, gone);
			await until(async () => !(await withheld()));
			await indexed(relay);
			expect((await relay.admin("repo/takedowns")).json).toEqual({ dids: [], accounts: [] });
			expect(consumer.orderViolations + consumer.seqGaps).toBe(0);
		} finally {
			await rig.stop();
		}
	}, 300_000);

	test("need not be known: the takedown holds from its first message on, over a crash and a lost index", async () => {
		const rig = await RelayRig.start({ seed: "unknown account", hosts: 1, accounts: 1 });
		const { network, relay, consumer } = rig;
		const [other] = network.accounts;
		if (other === undefined) throw new Error("the network has no account");
		try {
			const unseen = [await network.addAccount(), await network.addAccount(), await network.addAccount()];
			for (const { did } of unseen) expect(await relay.admin("repo/suspend", { did })).toEqual(SUCCESS);
			for (const [at, loses] of (["nothing", "nothing", "index"] as const).entries()) {
				const account = unseen[at];
				if (account === undefined) throw new Error("there is no such account");
				if (at > 0) await rig.crash(loses);
				network.send(account, account.identity());
				network.send(account, account.account(true));
				await expectHeldBack(rig, account, other);
				await consumer.until(() => statusesOf(rig, account.did).length >= 2);
				expect(statusesOf(rig, account.did)).toEqual(["suspended", "suspended"]);
				await indexed(relay);
				expect(await repoStatus(relay, account.did)).toMatchObject({ active: false, status: "suspended" });
			}
			for (const { did } of unseen) expect(await relay.admin("repo/reverseTakedown", { did })).toEqual(SUCCESS);
			for (const account of unseen) await expectPassing(rig, account);
		} finally {
			await rig.stop();
		}
	}, 300_000);
});

describe("bans", () => {
	test("of a host and of a domain end connections and refuse requests, over a restart, until they are lifted", async () => {
		const rig = await RelayRig.start({ seed: "bans", hosts: 2, accounts: 2 });
		const { network, relay } = rig;
		const [blocked, free] = network.hosts;
		if (blocked === undefined || free === undefined) throw new Error("the network has no two hosts");
		const crawl = (hostname: string) => relay.admin("pds/requestCrawl", { hostname });
		const connected = async (): Promise<unknown> => (await relay.admin("subs/getUpstreamConns")).json;
		try {
			expect(await relay.admin(`pds/block?host=${blocked.hostname}`, {})).toEqual(SUCCESS);
			await until(() => blocked.connections === 0);
			expect(await crawl(blocked.hostname)).toMatchObject({ status: 403, json: { error: "HostBanned" } });
			expect(await relay.stop()).toBe(0);
			await relay.start();
			await until(async () => Bun.deepEquals(await connected(), [free.hostname]));
			expect(blocked.connections).toBe(0);

			expect(await relay.admin("subs/banDomain", { Domain: "*.LOCALHOST." })).toEqual(SUCCESS);
			await until(() => free.connections === 0);
			expect(await relay.admin("subs/banDomain", { Domain: "localhost" })).toEqual(SUCCESS);
			expect((await relay.admin("subs/listDomainBans")).json).toEqual({ banned_domains: ["localhost"] });
			expect(await crawl(free.hostname)).toMatchObject({ status: 403, json: { error: "HostBanned" } });
			expect(await relay.admin(`pds/unblock?host=${blocked.hostname}`, {})).toEqual(SUCCESS);
			expect(await connected()).toEqual([]);

			// The domain's ban still covers both.
			expect(await relay.admin("subs/unbanDomain", { domain: "localhost" })).toEqual(SUCCESS);
			await until(() => network.hosts.every((host) => host.connections > 0));
			await until(async () =>
				Bun.deepEquals(
					await connected(),
					network.hosts.map(({ hostname }) => hostname),
				),
			);
			expect(await relay.admin("subs/unbanDomain", { Domain: "localhost" })).toMatchObject({ status: 404 });
		} finally {
			await rig.stop();
		}
	}, 300_000);
});

test("a host's strictness is its own, whichever worker has the DID, and survives a restart", async () => {
	const rig = await RelayRig.start(
		{ seed: "strictness", hosts: 2, accounts: 8, recordsMax: 20 },
		{ RELAY_INGEST_WORKERS: "2" },
	);
	const { network, relay } = rig;
	const [observed, strict] = network.hosts;
	if (observed === undefined || strict === undefined) throw new Error("the network has no two hosts");
	const [reason] = STRICT_ONLY;
	if (reason === undefined) throw new Error("no rule is a strict one");
	const expectPassedFrom = async (hosts: SimHost[]): Promise<void> => {
		for (const account of network.accounts) {
			network.send(account, await account.commit());
			const isPassed = hosts.includes(network.hostOf(account));
			network.send(account, await brokenCommit(reason, account), isPassed ? "pass" : reason);
			network.send(account, await account.commit());
		}
		await expectReceived(rig, network.accounts);
	};
	const setStrictness = (host: SimHost, strictness: string | null) =>
		relay.admin("pds/changeLimits", { host: host.hostname, strictness });
	try {
		await expectPassedFrom([]);
		expect(await setStrictness(observed, "observe")).toEqual(SUCCESS);
		await expectPassedFrom([observed]);
		expect(await relay.stop()).toBe(0);
		await relay.start({ RELAY_LENIENT_SYNC_VALIDATION: "true" });
		await rig.consumer.connect();
		expect(await setStrictness(strict, "enforce")).toEqual(SUCCESS);
		await expectPassedFrom([observed]);
		for (const host of [observed, strict]) expect(await setStrictness(host, null)).toEqual(SUCCESS);
		await expectPassedFrom([observed, strict]);
	} finally {
		await rig.stop();
	}
}, 300_000);

test("messages that wait for a host's limits pass when the operator raises them, for that host or for all", async () => {
	const env = { RELAY_HOST_EVENT_LIMITS: "50/s,9/h,100000/d", RELAY_DEFAULT_ACCOUNT_LIMIT: "1" };
	const rig = await RelayRig.start({ seed: "raised limits", hosts: 2, accounts: 2 }, env);
	const { network, relay } = rig;
	const [first, second] = network.accounts;
	if (first === undefined || second === undefined) throw new Error("the network has no two accounts");
	const waiting = async (): Promise<unknown[]> =>
		(await rig.stats()).delayedHosts.map(({ hostname }) => hostname).sort();
	try {
		for (const account of [first, second])
			for (let sent = 0; sent < 20; sent++) network.send(account, await account.commit());
		const names = network.hosts.map(({ hostname }) => hostname);
		await until(async () => Bun.deepEquals(await waiting(), [...names].sort()));
		const host = network.hostOf(first).hostname;
		const event_limits = { per_second: 50, per_hour: 1_000, per_day: 1_000 };
		expect(await relay.admin("pds/changeLimits", { host, event_limits })).toEqual(SUCCESS);
		await expectReceived(rig, [first]);
		expect(await waiting()).toEqual([network.hostOf(second).hostname]);
		expect(await relay.admin("settings", { accountLimit: 1_000 })).toEqual(SUCCESS);
		await expectReceived(rig, [second]);
		await until(async () => (await waiting()).length === 0);
	} finally {
		await rig.stop();
	}
}, 300_000);

test("settings survive a restart and a lost index, and each action is a line of the audit log", async () => {
	const rig = await RelayRig.start({ seed: "settings", hosts: 1, accounts: 1 });
	const { relay, network } = rig;
	const [host] = network.hosts;
	if (host === undefined) throw new Error("the network has no host");
	const crawl = () =>
		fetch(`${relay.firehoseOrigin.replace("ws", "http")}/xrpc/com.atproto.sync.requestCrawl`, {
			method: "POST",
			body: JSON.stringify({ hostname: "pds.standpipe.test" }),
		});
	try {
		expect((await relay.admin("subs/getEnabled")).json).toEqual({ enabled: true });
		expect(await relay.admin("subs/setEnabled?enabled=false", {})).toEqual(SUCCESS);
		expect(await relay.admin("subs/setPerDayLimit?limit=7", {})).toEqual(SUCCESS);
		const limits = { host: host.hostname, repo_limit: 12, event_limits: { per_second: 1, per_hour: 2, per_day: 3 } };
		expect(await relay.admin("pds/changeLimits", limits)).toEqual(SUCCESS);
		const policy = {
			...{ hostname: host.hostname, isBanned: false, accountLimit: 12, strictness: null, cleanSinceMs: null },
			eventLimits: { perS: 1, perHour: 2, perDay: 3 },
		};
		for (const loses of ["nothing", "nothing", "index"] as const) {
			expect((await relay.admin("subs/getEnabled")).json).toEqual({ enabled: false });
			expect((await relay.admin("subs/perDayLimit")).json).toEqual({ limit: 7 });
			expect((await relay.admin("pds/policies")).json).toEqual({ hosts: [policy] });
			expect(((await (await crawl()).json()) as { error: string }).error).toBe("Forbidden");
			await rig.crash(loses);
		}
		expect(await relay.admin("settings", { disableRequestCrawl: null })).toEqual(SUCCESS);
		expect((await relay.admin("settings")).json).toEqual({
			disableRequestCrawl: false,
			newHostsPerDayMax: 7,
			accountLimit: 1_000_000,
		});
		await indexed(relay);
		const { actions } = (await relay.admin("actions")).json as { actions: Record<string, unknown>[] };
		expect(actions.map(({ action, subject, after }) => [action, subject, after])).toEqual([
			["changeSetting", "disableRequestCrawl", ""],
			["changeHost", host.hostname, expect.stringContaining('"accountLimit":12')],
			["changeSetting", "newHostsPerDayMax", '{"value":7}'],
			["changeSetting", "disableRequestCrawl", '{"value":true}'],
			["requestCrawl", host.hostname, "asked for"],
		]);
		for (const line of actions) expect(line).toMatchObject({ by: "127.0.0.1", atMs: expect.any(Number) });
	} finally {
		await rig.stop();
	}
}, 300_000);
