import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import type { SimAccount } from "../../src/sim/account.ts";
import { SimConsumer } from "../../src/sim/consumer.ts";
import { type PostgresDatabase, PostgresServer } from "../sim/postgres.ts";
import { describeWithPostgres } from "../sim/postgres-programs.ts";
import { PostgresProxy } from "../sim/postgres-proxy.ts";
import { SmallDisk } from "../sim/small-disk.ts";
import { bulkyCommit } from "./bulky-commit.ts";
import { expectReceived } from "./expect-received.ts";
import { isIndexed, RelayRig, until } from "./rig.ts";

const MIB = 1024 * 1024;
/** For a new database and its tables, and little more. */
const DISK_BYTES = 24 * MIB;
const KNOWN_ACCOUNTS = 8;
/** So many new rows do not fit in the free space of the tables' pages. */
const FRESH_ACCOUNTS = 60;
/** More than one host's buffer holds. */
const BULKY_COMMITS = 80;

/** Something that happens to the database while the relay runs. */
interface Fault {
	name: string;
	reason: string;
	/** Whether the database can't be read meanwhile either. */
	failsReads: boolean;
	begin(): Promise<void>;
	end(): Promise<void>;
}

describeWithPostgres("a relay with its index in PostgreSQL", (programs) => {
	const hasDisk = SmallDisk.isAllowed();
	let server: PostgresServer;
	let database: PostgresDatabase;
	let proxy: PostgresProxy;
	let rig: RelayRig;

	beforeAll(async () => {
		server = await PostgresServer.start(programs);
		database = await server.newDatabase(hasDisk ? DISK_BYTES : null);
		proxy = await PostgresProxy.start(database.url);
		rig = await RelayRig.start(
			{ seed: "postgres", hosts: 2, accounts: KNOWN_ACCOUNTS },
			{
				DATABASE_URL: proxy.url,
				RELAY_INGEST_WORKERS: "2",
				RELAY_HOST_BUFFER_BYTES: "5000000",
				RELAY_MAX_READS_PER_IP: "10000",
			},
		);
	}, 300_000);

	/** A test that fails must not fail those after it. */
	afterEach(async () => {
		await server.heal();
		await proxy.tcp.accept();
	}, 300_000);

	afterAll(async () => {
		await rig?.stop();
		await proxy?.tcp.stop();
		await server?.stop();
	}, 300_000);

	const faults: Fault[] = [
		{
			name: "that is killed, and starts again",
			reason: "database-unreachable",
			failsReads: true,
			begin: () => server.kill(),
			end: () => server.start(),
		},
		{
			name: "that is frozen",
			reason: "database-unreachable",
			failsReads: true,
			begin: () => server.freeze(),
			end: async () => server.thaw(),
		},
		{
			name: "that no connection leads to",
			reason: "database-unreachable",
			failsReads: true,
			async begin() {
				await proxy.tcp.refuse();
				proxy.tcp.disturb("reset");
			},
			end: () => proxy.tcp.accept(),
		},
		{
			name: "that takes no writes",
			reason: "database-read-only",
			failsReads: false,
			begin: () => server.setReadOnly(true),
			end: () => server.setReadOnly(false),
		},
	];
	if (hasDisk)
		faults.push({
			name: "whose disk is full",
			reason: "database-full",
			failsReads: false,
			begin: async () => database.disk?.fill(),
			end: async () => database.disk?.free(),
		});
	else test.skip("a database whose disk is full (skipped: this machine lets nobody mount one)", () => undefined);

	test.each(faults.map((fault) => [fault.name, fault] as const))(
		"a database %s: consumers notice nothing, what needs its rows waits, and nothing is lost or comes twice",
		async (_, fault) => {
			const { network, relay } = rig;
			const known = await knownAccounts();
			const fresh = await freshAccounts(FRESH_ACCOUNTS);
			const stallsBefore = (await rig.stats()).counters.of("index_stalls_total");

			await fault.begin();
			for (const account of known) network.send(account, await account.commit());
			for (const account of fresh) network.send(account, await account.commit());
			await expectReceived(rig, known);
			await untilUnhealthy(`the index can't be written (${fault.reason})`);
			if (fault.failsReads) {
				await untilUnhealthy("the index can't be read");
				expect(fresh.flatMap(({ did }) => rig.received(did))).toEqual([]);
				await expectNoAnswer(known);
			} else await expectReceived(rig, fresh);
			await expectReplay();
			const during = (await rig.stats()).counters;
			expect(during.of("index_stalled")).toBe(1);
			expect(during.of("index_reads_stalled") > 0).toBe(fault.failsReads);
			expect(during.of("parked_messages")).toBe(fault.failsReads ? FRESH_ACCOUNTS : 0);
			expect(during.of("index_stalls_total")).toBe(stallsBefore + 1);

			await fault.end();
			await expectReceived(rig, network.accounts);
			await until(async () => (await relay.fault()) === null);
			await untilIndexed();
			const { counters, rejected } = await rig.stats();
			expect(counters.of("index_stalled")).toBe(0);
			expect(counters.of("index_reads_stalled")).toBe(0);
			expect(counters.of("parked_messages")).toBe(0);
			expect(counters.of("messages_replayed_total")).toBe(0);
			expect(Object.values(rejected).every((count) => count === 0)).toBe(true);
			expect(logText()).toContain(`"reason":"${fault.reason}"`);
			await expectAnswers(network.accounts);
		},
		300_000,
	);

	test("a host is paused when too many of its messages wait for rows, and others are not", async () => {
		const { network } = rig;
		const going = (await knownAccounts())[1];
		const waiting = await network.addAccount();
		if (going === undefined || network.hostOf(waiting) === network.hostOf(going)) throw new Error("not two hosts");
		const pausesBefore = (await rig.stats()).counters.of("host_pauses_total");
		await server.kill();
		for (let i = 0; i < BULKY_COMMITS; i++) network.send(waiting, await bulkyCommit(waiting));
		await until(async () => (await rig.stats()).counters.of("host_pauses_total") > pausesBefore);
		network.send(going, await going.commit());
		await expectReceived(rig, [going]);
		expect(rig.received(waiting.did)).toEqual([]);
		await server.start();
		await expectReceived(rig, network.accounts);
	}, 300_000);

	test.each([
		["killed", () => server.kill(), () => server.start()],
		["frozen", () => server.freeze(), async () => server.thaw()],
	])(
		"SIGTERM while the database is %s: the relay drains, and the next start goes on",
		async (_, begin, end) => {
			const { network, relay, consumer } = rig;
			const known = await knownAccounts();
			const fresh = await freshAccounts(2);
			await begin();
			for (const account of [...known, ...fresh]) network.send(account, await account.commit());
			await expectReceived(rig, known);
			await untilUnhealthy("the index can't be written (database-unreachable)");
			expect(await relay.stop()).toBe(0);
			await end();
			await relay.start();
			await consumer.connect();
			await expectReceived(rig, network.accounts);
			await untilIndexed();
		},
		300_000,
	);

	test("a start waits for a database that is away, says so, and goes on when it is there", async () => {
		const { network, relay, consumer } = rig;
		expect(await relay.stop()).toBe(0);
		for (const account of network.accounts) network.send(account, await account.commit());
		await proxy.tcp.refuse();
		const started = relay.start();
		await untilUnhealthy("the index can't be written (database-unreachable): the start waits for it");
		await proxy.tcp.accept();
		await started;
		await consumer.connect();
		await expectReceived(rig, network.accounts);
	}, 300_000);

	test("SIGTERM ends a start that waits for the database", async () => {
		const { relay } = rig;
		expect(await relay.stop()).toBe(0);
		await proxy.tcp.refuse();
		const started = relay.start();
		const ended = started.catch((error: Error) => error.message);
		await untilUnhealthy("the start waits for it");
		expect(await relay.stop()).toBe(0);
		expect(await ended).toBe("the relay ended with code 0 at its start");
		await proxy.tcp.accept();
		await relay.start();
		await rig.consumer.connect();
	}, 300_000);

	test("SIGTERM ends a start whose index is open, and whose other threads wait for a connection", async () => {
		const { relay } = rig;
		expect(await relay.stop()).toBe(0);
		// The writer and one reader get in.
		const limit = (connections: number): Promise<string[]> =>
			server.sql(`ALTER DATABASE ${database.name} CONNECTION LIMIT ${connections}`);
		await limit(2);
		const ended = relay.start().catch((error: Error) => error.message);
		const stalled = async (): Promise<number> => (await rig.stats()).counters.of("index_reads_stalled");
		await until(async () => (await stalled().catch(() => 0)) > 0);
		expect(await relay.stop()).toBe(0);
		expect(await ended).toBe("the relay ended with code 0 at its start");
		await limit(-1);
		await relay.start();
		await rig.consumer.connect();
	}, 300_000);

	/** Accounts that the relay has in memory, and the index all messages of. */
	async function knownAccounts(): Promise<SimAccount[]> {
		const { network } = rig;
		const known = network.accounts.slice(0, KNOWN_ACCOUNTS);
		for (const account of known) network.send(account, await account.commit());
		await expectReceived(rig, known);
		await untilIndexed();
		return known;
	}

	async function freshAccounts(count: number): Promise<SimAccount[]> {
		const made: SimAccount[] = [];
		while (made.length < count) made.push(await rig.network.addAccount());
		return made;
	}

	function untilIndexed(): Promise<void> {
		return until(async () => isIndexed((await rig.stats()).log));
	}

	/** Waits until the health answer says this. There may be no answer yet. */
	function untilUnhealthy(text: string): Promise<void> {
		return until(async () => (await rig.relay.fault().catch(() => null))?.includes(text) === true);
	}

	/** A consumer that comes meanwhile gets the whole log. */
	async function expectReplay(): Promise<void> {
		const { relay, consumer } = rig;
		const replayer = new SimConsumer(relay.firehoseOrigin);
		await replayer.connect(0);
		await replayer.until(() => (replayer.cursor ?? 0) >= (consumer.cursor ?? Number.POSITIVE_INFINITY));
		const upTo = consumer.cursor ?? 0;
		expect(replayer.events.filter(({ seq }) => seq <= upTo).map(({ seq, rev }) => [seq, rev])).toEqual(
			consumer.events.filter(({ seq }) => seq <= upTo).map(({ seq, rev }) => [seq, rev]),
		);
		await replayer.disconnect();
	}

	async function expectNoAnswer(accounts: readonly SimAccount[]): Promise<void> {
		const paths = [`getLatestCommit?did=${accounts[0]?.did}`, "listRepos?limit=10", "listHosts"];
		const answers = await Promise.all(paths.map(read));
		for (const answer of answers) {
			expect(answer.status).toBe(503);
			expect(await answer.json()).toMatchObject({ error: "ServiceUnavailable" });
			expect(answer.headers.get("retry-after")).not.toBeNull();
		}
	}

	async function expectAnswers(accounts: readonly SimAccount[]): Promise<void> {
		for (const { did } of accounts) {
			const answer = await read(`getLatestCommit?did=${did}`);
			expect(answer.status).toBe(200);
			expect(`commit ${((await answer.json()) as { rev: string }).rev}`).toBe(rig.expected(did).at(-1) ?? "");
		}
	}

	function read(path: string): Promise<Response> {
		return fetch(`http://127.0.0.1:${rig.relay.apiPort}/xrpc/com.atproto.sync.${path}`);
	}

	function logText(): string {
		return readFileSync(rig.relay.logPath, "utf8");
	}
});
