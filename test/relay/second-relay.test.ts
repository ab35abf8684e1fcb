import { expect, test } from "bun:test";
import { cp } from "node:fs/promises";
import { RelayProcess } from "../../src/sim/relay-process.ts";
import { PostgresServer } from "../sim/postgres.ts";
import { describeWithPostgres } from "../sim/postgres-programs.ts";
import { expectReceived } from "./expect-received.ts";
import { isIndexed, RELAY_COMMAND, RelayRig, until } from "./rig.ts";

const ROWS = [
	"SELECT did, id, host, host_seq, rev, commit_cid, data_cid FROM account ORDER BY did",
	"SELECT id, hostname, account_count, cursor FROM host ORDER BY id",
	"SELECT lsn, writer FROM meta",
];

describeWithPostgres("a relay that sleeps while another takes its index over, with a copy of its log,", (programs) => {
	test("writes nothing when it wakes, although the other has ended by then, and ends with a sentence", async () => {
		const server = await PostgresServer.start(programs);
		const database = await server.newDatabase();
		const rig = await RelayRig.start({ seed: "sleeper", hosts: 2, accounts: 8 }, { DATABASE_URL: database.url });
		const { network, relay: sleeper } = rig;
		const other = await RelayProcess.create({
			command: RELAY_COMMAND,
			plcUrl: network.plc.url,
			env: { DATABASE_URL: database.url },
		});
		try {
			await network.burst(40);
			await expectReceived(rig, network.accounts);
			await until(async () => isIndexed((await rig.stats()).log));
			process.kill(sleeper.pid, "SIGSTOP");
			await cp(sleeper.logDirectory, other.logDirectory, { recursive: true });
			// As the server does when the machine of a session is gone.
			await server.terminateSessions(database);
			await other.start();
			const { lastLsn } = (await other.stats()).log;
			await network.burst(40);
			await until(async () => {
				const { log } = await other.stats();
				return isIndexed(log) && log.lastLsn > lastLsn;
			});
			expect(await other.stop()).toBe(0);
			const before = await server.sqlIn(database, ...ROWS);
			process.kill(sleeper.pid, "SIGCONT");
			await network.burst(20);
			expect(await sleeper.exited()).toBe(1);
			expect(await server.sqlIn(database, ...ROWS)).toEqual(before);
			const log = await Bun.file(sleeper.logPath).text();
			expect(log).toContain("something else writes to it");
			expect(log).not.toContain(new URL(database.url).password);
		} finally {
			sleeper.kill();
			await other.stop();
			await rig.stop();
			await other.remove();
			await server.stop();
		}
	}, 300_000);
});
