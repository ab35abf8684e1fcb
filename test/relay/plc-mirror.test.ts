import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { SimAccount } from "../../src/sim/account.ts";
import type { SimMessage } from "../../src/sim/message.ts";
import { SimNetwork } from "../../src/sim/network.ts";
import type { PlcLog } from "../../src/sim/plc-log.ts";
import { RelayProcess } from "../../src/sim/relay-process.ts";
import { sharedPostgres } from "../sim/postgres.ts";
import { describeWithPostgres } from "../sim/postgres-programs.ts";
import { RELAY_COMMAND, RelayRig, until } from "./rig.ts";

describe("a mirror beside an index in SQLite", () => mirrors(async () => ({})));
describeWithPostgres("a mirror and an index in PostgreSQL", () => {
	mirrors(async () => ({ DATABASE_URL: (await (await sharedPostgres()).newDatabase()).url }));
});

describeWithPostgres("a start with a mirror in PostgreSQL", () => {
	test("waits for a connection that the server does not give, and goes on with it", async () => {
		const server = await sharedPostgres();
		const database = await server.newDatabase();
		// One for the index's writer, two for the control thread's reader.
		await server.sql(`ALTER ROLE ${database.name} CONNECTION LIMIT 3`);
		const network = new SimNetwork({ seed: "few connections", hosts: 1, accounts: 1, hasPlcLog: true });
		await network.start();
		const env = { DATABASE_URL: database.url, RELAY_PLC_MIRROR: "true" };
		const relay = await RelayProcess.create({ command: RELAY_COMMAND, plcUrl: network.plc.url, env });
		try {
			const started = relay.start();
			const waits = until(async () => (await Bun.file(relay.logPath).text()).includes("the index can't be read"));
			await Promise.race([waits, started]);
			await server.sql(`ALTER ROLE ${database.name} CONNECTION LIMIT -1`);
			await started;
			await waits;
			expect((await relay.stats()).threads).toContainKey("plc mirror");
			expect(await relay.stop()).toBe(0);
		} finally {
			await relay.stop();
			await network.stop();
			await relay.remove();
		}
	}, 300_000);
});

/** @param newStore gives the environment of a relay with an index that is new */
function mirrors(newStore: () => Promise<Record<string, string>>): void {
	let rig: RelayRig;
	let log: PlcLog;

	beforeAll(async () => {
		const env = { ...(await newStore()), RELAY_INGEST_WORKERS: "2", RELAY_PLC_MIRROR: "true" };
		rig = await RelayRig.start({ seed: "plc mirror", hosts: 2, accounts: 4, hasPlcLog: true }, env);
		if (rig.network.plc.log === null) throw new Error("the directory has no log");
		log = rig.network.plc.log;
	}, 300_000);

	afterAll(async () => {
		expect(await rig.relay.stop()).toBe(0);
		await rig.stop();
	});

	async function mirrored(): Promise<number> {
		return (await rig.stats()).counters.of("plc_mirror_operations_total");
	}

	/** Sends a commit of the account and waits until it has gone out. */
	async function commitOf(account: SimAccount): Promise<void> {
		const message: SimMessage = await account.commit();
		rig.network.send(account, message);
		await until(() => rig.received(message.did).includes(`${message.type} ${message.rev ?? ""}`));
	}

	test("DIDs resolve by the mirror, and the directory is asked for none of them", async () => {
		await until(async () => (await mirrored()) === log.length);
		for (const account of rig.network.accounts) await commitOf(account);
		expect(rig.network.plc.getsTotal).toBe(0);
		const { counters, threads } = await rig.stats();
		const known = rig.network.accounts.length;
		expect<unknown>(counters.of("plc_mirror_lookups_total")).toEqual({ known, unknown: 0, failed: 0 });
		expect(threads).toContainKey("plc mirror");
	});

	test("new operations come by the stream, and are there for the next lookup", async () => {
		await until(() => log.streams === 1);
		const account = await rig.network.addAccount();
		await until(async () => (await mirrored()) === log.length);
		await commitOf(account);
		expect(rig.network.plc.getsTotal).toBe(0);
	});

	test("a DID that the mirror does not know is asked for at the directory", async () => {
		const account = await rig.network.addAccount(0, `did:plc:${"a".repeat(24)}`);
		await commitOf(account);
		expect(rig.network.plc.gets.get(account.did)).toBe(1);
	});

	test("after an #identity the directory is asked, since the mirror may lag", async () => {
		const [account] = rig.network.accounts;
		if (account === undefined) throw new Error("no account");
		await rig.network.rotateKey(account);
		await commitOf(account);
		expect(rig.network.plc.gets.get(account.did)).toBe(1);
	});

	test("with the directory gone, also after a restart, accounts that the relay never saw pass", async () => {
		const strangers = [await rig.network.addAccount(), await rig.network.addAccount()];
		await until(async () => (await mirrored()) === log.length);
		const before = rig.network.plc.getsTotal;
		await rig.network.plc.stop();
		const [first, second] = strangers;
		if (first === undefined || second === undefined) throw new Error("no accounts");
		await commitOf(first);
		await rig.relay.stop();
		await rig.relay.start();
		await rig.consumer.connect();
		await until(() => rig.network.hosts.every((host) => host.connections > 0));
		await commitOf(second);
		for (const account of rig.network.accounts) await commitOf(account);
		expect(rig.network.plc.getsTotal).toBe(before);
		await until(async () => (await rig.stats()).counters.of("plc_mirror_failures_total") > 0);
		rig.network.plc.start();
	});

	test("a restart goes on where the mirror was", async () => {
		await until(() => log.streams === 1);
		const pages = log.asked.length;
		await rig.relay.stop();
		await rig.relay.start();
		await rig.consumer.connect();
		await until(() => log.streams === 1);
		expect(log.asked.slice(pages)).not.toContain("0");
		expect(await mirrored()).toBe(0);
		const account = await rig.network.addAccount();
		await until(async () => (await mirrored()) === 2);
		await until(() => rig.network.hosts.every((host) => host.connections > 0));
		await commitOf(account);
	});
}
