import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { RelayProcess } from "../../src/sim/relay-process.ts";
import { PostgresServer } from "../sim/postgres.ts";
import { describeWithPostgres, type PostgresPrograms } from "../sim/postgres-programs.ts";
import { bulkyCommit } from "./bulky-commit.ts";
import { expectReceived } from "./expect-received.ts";
import { isIndexed, RelayRig, until } from "./rig.ts";

const MIB = 1024 * 1024;

/** A database for an index that can be copied while a relay writes to it, and put back while none does. */
interface CopiedIndex {
	/** Null for the relay's own file. */
	url: string | null;
	copy(relay: RelayProcess): Promise<void>;
	putBack(relay: RelayProcess): Promise<void>;
	close(): Promise<void>;
}

async function sqlite(): Promise<CopiedIndex> {
	const folder = mkdtempSync(join(tmpdir(), "standpipe-copy-"));
	const copied = join(folder, "copy.sqlite");
	return {
		url: null,
		copy: async ({ indexPath }) => {
			const database = new Database(indexPath);
			database.run("VACUUM INTO ?", [copied]);
			database.close();
		},
		putBack: async (relay) => {
			relay.removeIndex();
			copyFileSync(copied, relay.indexPath);
		},
		close: async () => rmSync(folder, { recursive: true }),
	};
}

async function postgres(programs: PostgresPrograms): Promise<CopiedIndex> {
	const server = await PostgresServer.start(programs);
	const { url } = await server.newDatabase();
	const copied = join(server.folder, "copy");
	const run = async (program: string, ...args: string[]): Promise<void> => {
		const child = Bun.spawn([join(programs.bin, program), ...args], { stderr: "pipe" });
		const [said, code] = await Promise.all([child.stderr.text(), child.exited]);
		if (code !== 0) throw new Error(said);
	};
	return {
		url,
		copy: () => run("pg_dump", "--format=custom", "--file", copied, url),
		putBack: () => run("pg_restore", "--clean", "--dbname", url, copied),
		close: () => server.stop(),
	};
}

async function repos(relay: RelayProcess): Promise<unknown> {
	const response = await fetch(`http://127.0.0.1:${relay.apiPort}/xrpc/com.atproto.sync.listRepos?limit=100`);
	return response.json();
}

async function errorsOf(relay: RelayProcess): Promise<string[]> {
	const lines = (await Bun.file(relay.logPath).text()).trim().split("\n");
	return lines.filter((line) => line.includes('"level":"error"'));
}

function restoredIndexCases(open: () => Promise<CopiedIndex>): void {
	async function withCopy(body: (rig: RelayRig, index: CopiedIndex) => Promise<void>): Promise<void> {
		const index = await open();
		const rig = await RelayRig.start(
			{ seed: "restored", hosts: 2, accounts: 6 },
			{
				RELAY_SEGMENT_BYTES: String(MIB),
				RELAY_REPLAY_BYTES: String(3 * MIB),
				...(index.url !== null && { DATABASE_URL: index.url }),
			},
		);
		try {
			await rig.network.burst(60);
			await expectReceived(rig, rig.network.accounts);
			await until(async () => isIndexed((await rig.stats()).log));
			await index.copy(rig.relay);
			await body(rig, index);
		} finally {
			await rig.stop();
			await index.close();
		}
	}

	/** Stops the relay, puts the copy back, starts the relay, and sends what must go through as if nothing had been. */
	async function restore({ relay, network, consumer }: RelayRig, index: CopiedIndex): Promise<void> {
		await consumer.disconnect();
		expect(await relay.stop()).toBe(0);
		await index.putBack(relay);
		await relay.start();
		await consumer.connect();
		await network.burst(60);
	}

	test(
		"a copy to which the log reaches back: the start applies what came since",
		() =>
			withCopy(async (rig, index) => {
				const { network, relay } = rig;
				await network.burst(60);
				await expectReceived(rig, network.accounts);
				await until(async () => isIndexed((await rig.stats()).log));
				const before = await repos(relay);
				await rig.consumer.disconnect();
				expect(await relay.stop()).toBe(0);
				await index.putBack(relay);
				await relay.start();
				expect(await repos(relay)).toEqual(before);
				expect(await errorsOf(relay)).toEqual([]);
				await rig.consumer.connect();
				await restore(rig, index);
				await expectReceived(rig, network.accounts);
				expect((await rig.stats()).counters.of("messages_replayed_total")).toBe(0);
			}),
		300_000,
	);

	test(
		"an older copy: the start says which records are missing, knows all hosts, and goes on at their cursors",
		() =>
			withCopy(async (rig, index) => {
				const { network, relay } = rig;
				const { appliedLsn } = (await rig.stats()).log;
				const reachesBack = async (): Promise<boolean> => (await rig.stats()).log.firstSeq <= appliedLsn;
				while (await reachesBack()) {
					for (const account of network.accounts) network.send(account, await bulkyCommit(account));
					await expectReceived(rig, network.accounts);
					await until(async () => isIndexed((await rig.stats()).log));
				}
				await restore(rig, index);
				await expectReceived(rig, network.accounts);
				const [said, ...others] = await errorsOf(relay);
				expect(others).toEqual([]);
				expect(said).toContain(`the records with lsn ${appliedLsn + 1} to `);
				// Nothing is asked again, and nothing is left out.
				expect((await rig.stats()).counters.of("messages_replayed_total")).toBe(0);
				expect((await rig.stats()).counters.of("host_gaps_total")).toBe(0);
			}),
		300_000,
	);
}

describe("an index in SQLite that is put back from", () => restoredIndexCases(sqlite));
describeWithPostgres("an index in PostgreSQL that is put back from", (programs) =>
	restoredIndexCases(() => postgres(programs)),
);
