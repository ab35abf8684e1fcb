import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import type { HostDetail } from "../../src/control/host-details.ts";
import { openSqliteReader } from "../../src/index/sqlite/store.ts";
import type { SimAccount } from "../../src/sim/account.ts";
import { isIndexed, RelayRig, until } from "./rig.ts";

const SUCCESS = { status: 200, json: { success: "true" } };

interface Quota {
	limit: number | null;
	accounts: number;
	waiting: number;
}

function hostnameOf({ network }: RelayRig): string {
	const [host] = network.hosts;
	if (host === undefined) throw new Error("the network has no host");
	return host.hostname;
}

async function quotaOf(rig: RelayRig): Promise<Quota> {
	const { json } = await rig.relay.admin(`pds/quota?host=${hostnameOf(rig)}`);
	const { limit, accounts, waiting } = json as Quota;
	return { limit, accounts, waiting };
}

/** What consumers were told of an account, in order: `throttled`, true for active, or that a commit came. */
function toldOf({ consumer }: RelayRig, { did }: SimAccount): (string | boolean | null)[] {
	return consumer.events
		.filter((event) => event.did === did)
		.map(({ type, active, status }) => (type === "account" ? (status ?? active ?? null) : type));
}

async function statusOf({ relay }: RelayRig, { did }: SimAccount): Promise<unknown> {
	const origin = relay.firehoseOrigin.replace("ws", "http");
	const response = await fetch(`${origin}/xrpc/com.atproto.sync.getRepoStatus?did=${did}`);
	const { active, status } = (await response.json()) as { active: boolean; status?: string };
	return [active, status];
}

/** Sends a commit of an account that waits. It must not pass. */
async function expectThrottled(rig: RelayRig, account: SimAccount): Promise<void> {
	const before = (await rig.stats()).rejected["account-throttled"];
	rig.network.send(account, await account.commit(), "account-throttled");
	await until(async () => (await rig.stats()).rejected["account-throttled"] > before);
	await rig.consumer.until(() => toldOf(rig, account).length > 0);
	expect(toldOf(rig, account)).toEqual(["throttled"]);
}

async function expectPassing(rig: RelayRig, account: SimAccount): Promise<void> {
	const before = toldOf(rig, account).length;
	rig.network.send(account, await account.commit());
	await rig.consumer.until(() => toldOf(rig, account).slice(before).includes("commit"));
}

test("accounts beyond a host's limit wait, over a crash and a lost index, and are admitted in order when there is room", async () => {
	const env = { RELAY_DEFAULT_ACCOUNT_LIMIT: "2", RELAY_INGEST_WORKERS: "2" };
	const rig = await RelayRig.start({ seed: "account limit", hosts: 1, accounts: 5 }, env);
	const { network, relay, consumer } = rig;
	const [first, second, third, fourth, fifth] = network.accounts;
	if (!first || !second || !third || !fourth || !fifth) throw new Error("the network has no five accounts");
	try {
		for (const account of [first, second]) await expectPassing(rig, account);
		for (const account of [third, fourth, fifth]) await expectThrottled(rig, account);
		for (const loses of ["nothing", "index"] as const) {
			await rig.crash(loses);
			await expectThrottled(rig, third);
			await expectPassing(rig, second);
			await until(async () => isIndexed((await rig.stats()).log));
			expect(await quotaOf(rig)).toEqual({ limit: 2, accounts: 2, waiting: 3 });
			expect(await statusOf(rig, fourth)).toEqual([false, "throttled"]);
			const wait = (await relay.admin(`repo/wait?did=${fourth.did}`)).json;
			expect(wait).toMatchObject({
				wait: { hostname: hostnameOf(rig), limit: 2, accounts: 2, waiting: 3, position: 2 },
			});
		}
		network.send(first, first.account(false, "deleted"));
		await consumer.until(() => toldOf(rig, third).at(-1) === true);
		await expectPassing(rig, third);
		await expectThrottled(rig, fourth);
		const host = hostnameOf(rig);
		expect(await relay.admin("pds/changeLimits", { host, repo_limit: 9 })).toEqual(SUCCESS);
		await consumer.until(() => [fourth, fifth].every((account) => toldOf(rig, account).at(-1) === true));
		for (const account of [second, third, fourth, fifth]) await expectPassing(rig, account);
		const recount = { hostname: host, limit: 9, accounts: 4, waiting: 0, before: 4 };
		expect(await relay.admin(`pds/recount?host=${host}`, {})).toEqual({ status: 200, json: recount });
		expect(await statusOf(rig, fourth)).toEqual([true, undefined]);
		await rig.crash("nothing");
		expect(await quotaOf(rig)).toEqual({ limit: 9, accounts: 4, waiting: 0 });
	} finally {
		await rig.stop();
	}
}, 300_000);

/** Gives the only host of a stopped relay's index so many good days. */
function setGoodDays({ relay }: RelayRig, goodDays: number): void {
	const index = new Database(relay.indexPath);
	index.run("UPDATE host SET connection = json_set(connection, '$.goodDays', ?, '$.lastGoodDay', 20000)", [goodDays]);
	index.close();
}

test("good days raise a host's limits, over a crash and a lost index, but not a limit that an admin has set", async () => {
	const env = {
		...{ RELAY_DEFAULT_ACCOUNT_LIMIT: "1", RELAY_ACCOUNT_LIMIT_GROWTH: "1/d,3", RELAY_INGEST_WORKERS: "2" },
		RELAY_HOST_EVENT_LIMITS: "50/s,2500/h,20000/d",
	};
	const rig = await RelayRig.start({ seed: "account limit grows", hosts: 1, accounts: 4 }, env);
	const { network, relay, consumer } = rig;
	const [first, second, third, fourth] = network.accounts;
	if (!first || !second || !third || !fourth) throw new Error("the network has no four accounts");
	const host = hostnameOf(rig);
	const detail = async () => (await relay.admin(`pds/host?host=${host}`)).json as HostDetail;
	try {
		await expectPassing(rig, first);
		for (const account of [second, third, fourth]) await expectThrottled(rig, account);
		expect((await detail()).limits?.perHour).toBe(2_501);
		await until(async () => isIndexed((await rig.stats()).log));
		const { connectedAtMs } = (await detail()).connection;
		expect(await relay.stop()).toBe(0);
		setGoodDays(rig, 9);
		await relay.start();
		await consumer.connect();
		for (const account of [second, third]) await consumer.until(() => toldOf(rig, account).at(-1) === true);
		await until(async () => Bun.deepEquals(await quotaOf(rig), { limit: 3, accounts: 3, waiting: 1 }));
		expect(await detail()).toMatchObject({ accountLimit: 3, limits: { perHour: 2_503 }, connection: { goodDays: 9 } });
		// The log has it from the first record of the host on.
		const reader = openSqliteReader(relay.indexPath);
		await until(async () => {
			const row = await reader.hostByName(host);
			return row !== null && (row.connection.connectedAtMs ?? 0) > (connectedAtMs ?? 0);
		});
		await reader.close();
		await rig.crash("index");
		expect(await quotaOf(rig)).toEqual({ limit: 3, accounts: 3, waiting: 1 });
		expect(await relay.admin("pds/changeLimits", { host, repo_limit: 2 })).toEqual(SUCCESS);
		expect(await quotaOf(rig)).toEqual({ limit: 2, accounts: 3, waiting: 1 });
	} finally {
		await rig.stop();
	}
}, 300_000);

test("a host has never more accounts than its limit, however often the relay is killed while they come", async () => {
	const env = { RELAY_DEFAULT_ACCOUNT_LIMIT: "5", RELAY_INGEST_WORKERS: "3" };
	const rig = await RelayRig.start({ seed: "account limit killed", hosts: 1, accounts: 24 }, env);
	const { network, consumer } = rig;
	const committed = (): number => network.accounts.filter((account) => toldOf(rig, account).includes("commit")).length;
	try {
		for (let round = 0; round < 4; round++) {
			for (const account of network.accounts.slice(6 * round, 6 * round + 6))
				network.send(account, await account.commit());
			const events = consumer.events.length;
			await consumer.until(() => consumer.events.length > events);
			await rig.crash("nothing");
		}
		await until(async () => Bun.deepEquals(await quotaOf(rig), { limit: 5, accounts: 5, waiting: 19 }));
		expect(committed()).toBe(5);
		// Each that waits is told so.
		await consumer.until(
			() => network.accounts.filter((account) => toldOf(rig, account).at(-1) === "throttled").length === 19,
		);
	} finally {
		await rig.stop();
	}
}, 300_000);
