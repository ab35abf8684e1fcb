import { expect, test } from "bun:test";
import { PostgresServer } from "../sim/postgres.ts";
import { describeWithPostgres } from "../sim/postgres-programs.ts";
import { expectReceived } from "./expect-received.ts";
import { isIndexed, RelayRig, until } from "./rig.ts";

const FAILOVERS = 2;

/** What the index has, without an account that goes on and the cursors of hosts. */
const rowsBut = (did: string): string[] => [
	`SELECT did, id, host, host_seq, status_lsn, upstream_active, rev, commit_cid, data_cid FROM account WHERE did <> '${did}' ORDER BY did`,
	`SELECT did, signing_key, pds, tombstoned FROM identity WHERE did <> '${did}' ORDER BY did`,
	"SELECT id, hostname, account_count, gaps FROM host ORDER BY id",
];

describeWithPostgres("when a standby takes over that lacks the latest transactions", (programs) => {
	test("the relay, which runs on, applies them again: the index is as it was, and consumers notice nothing", async () => {
		const server = await PostgresServer.start(programs);
		const database = await server.newDatabase();
		const rig = await RelayRig.start({ seed: "failover", hosts: 2, accounts: 12 }, { DATABASE_URL: database.url });
		const { network, relay } = rig;
		const account = network.rng.pick(network.accounts);
		const settled = async (): Promise<void> => {
			await expectReceived(rig, network.accounts);
			await until(async () => isIndexed((await rig.stats()).log) && (await relay.fault()) === null);
		};
		try {
			await network.burst(60);
			await settled();
			for (let failover = 0; failover < FAILOVERS; failover++) {
				const takeOver = await server.copyData();
				await network.burst(60);
				await settled();
				const before = await server.sqlIn(database, ...rowsBut(account.did));
				await takeOver();
				const [lsn] = await server.sqlIn(database, "SELECT lsn FROM meta");
				expect(Number(lsn)).toBeLessThan((await rig.stats()).log.lastLsn);
				// The relay finds out by its next write.
				network.send(account, account.identity());
				await settled();
				expect(await server.sqlIn(database, ...rowsBut(account.did))).toEqual(before);
			}
			const lines = (await Bun.file(relay.logPath).text()).split("\n");
			expect(lines.filter((line) => line.includes("the index has gone back")).length).toBeGreaterThanOrEqual(FAILOVERS);
			expect(rig.consumer.closes).toEqual([]);
		} finally {
			await rig.stop();
			await server.stop();
		}
	}, 300_000);
});
