import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SimConsumer } from "../../src/sim/consumer.ts";
import type { RelayProcess } from "../../src/sim/relay-process.ts";
import { sharedPostgres } from "../sim/postgres.ts";
import { describeWithPostgres } from "../sim/postgres-programs.ts";
import { bulkyCommit } from "./bulky-commit.ts";
import { expectReceived } from "./expect-received.ts";
import { RELAY_COMMAND, RelayRig } from "./rig.ts";

const [program = "", ...rest] = RELAY_COMMAND;
const COMMAND = [program, ...rest.slice(0, -1)];
const MIB = 1024 * 1024;

let folder: string;
let folders = 0;
beforeAll(() => {
	folder = mkdtempSync(join(tmpdir(), "standpipe-backup-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const newFolder = (): string => join(folder, `${folders++}`);

interface Done {
	lastSeq: number;
	lastLsn: number;
	checkpoint: number;
	seqUsedMax: number;
}

interface Run {
	code: number;
	/** The last line, as JSON. */
	done: Done;
	err: string;
}

/** Runs a command with a relay's places. */
async function run(relay: RelayProcess, databaseUrl: string, ...args: string[]): Promise<Run> {
	const child = Bun.spawn([...COMMAND, ...args, "--json"], {
		stdout: "pipe",
		stderr: "pipe",
		env: { ...process.env, RELAY_PERSIST_DIR: relay.logDirectory, DATABASE_URL: databaseUrl },
	});
	const [out, err, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
	return { code, done: JSON.parse(out.trimEnd().split("\n").at(-1) || "{}"), err };
}

/** Messages of a consumer, each as its DID, type and rev. */
const messagesOf = ({ events }: SimConsumer): string[] =>
	events.map(({ did, type, rev }) => `${did} ${type} ${rev ?? ""}`);

/** Sends so many large commits. Ten fill a segment. */
async function load({ network }: RelayRig, count: number): Promise<void> {
	for (let left = count; left > 0; left--) {
		const account = network.rng.pick(network.accounts);
		network.send(account, await bulkyCommit(account));
		await Bun.sleep(1);
	}
}

/** A database for the relay's index, and an empty one to restore it to. */
interface Databases {
	/** Null for the relay's own file. */
	first: string | null;
	second: string | null;
}

function backupCases(open: () => Promise<Databases>): void {
	test("the log and the index that are lost are restored, and no consumer misses a message or sees a seq again", async () => {
		const { first, second } = await open();
		const rig = await RelayRig.start(
			{ seed: "backup", hosts: 2, accounts: 6 },
			{
				RELAY_SEGMENT_BYTES: String(MIB),
				RELAY_REPLAY_BYTES: String(12 * MIB),
				...(first !== null && { DATABASE_URL: first }),
			},
		);
		const { network, relay, consumer } = rig;
		const ownUrl = `sqlite://${relay.indexPath}`;
		// It reads up to a place within the backup, and then no more until the restore.
		const slow = new SimConsumer(relay.firehoseOrigin);
		try {
			await network.burst(60);
			while ((await rig.stats()).counters.of("segments_removed_total") === 0) await load(rig, 20);
			await expectReceived(rig, network.accounts);
			await slow.connect((consumer.cursor ?? 0) - 10);
			await slow.until(() => slow.received > 5);
			await slow.disconnect();
			const to = newFolder();
			// As many as the log keeps beside what the slow consumer has still to read.
			const [saved] = await Promise.all([run(relay, first ?? ownUrl, "backup", "--to", to), load(rig, 40)]);
			expect({ code: saved.code, err: saved.err }).toEqual({ code: 0, err: "" });
			const { lastSeq } = saved.done;
			expect(lastSeq).toBeGreaterThanOrEqual(slow.cursor ?? 0);
			expect(saved.done.checkpoint).toBeLessThanOrEqual(saved.done.lastLsn);
			const again = await run(relay, first ?? ownUrl, "backup", "--to", to);
			expect(again).toMatchObject({ code: 1, err: expect.stringContaining("is not empty") });

			await load(rig, 30);
			await expectReceived(rig, network.accounts);
			const seenBefore = consumer.cursor ?? 0;
			expect(seenBefore).toBeGreaterThan(lastSeq);
			const occupied = await run(relay, second ?? ownUrl, "restore", "--from", to);
			expect(occupied).toMatchObject({ code: 1, err: expect.stringContaining("is there already") });
			relay.kill();
			await relay.exited();
			await consumer.disconnect();
			rmSync(relay.logDirectory, { recursive: true });
			relay.removeIndex();

			const restored = await run(relay, second ?? ownUrl, "restore", "--from", to);
			expect({ code: restored.code, err: restored.err }).toEqual({ code: 0, err: "" });
			expect(restored.done.seqUsedMax).toBeGreaterThan(seenBefore);
			await relay.start(second === null ? {} : { DATABASE_URL: second });
			await consumer.connect(seenBefore);
			await slow.connect();
			await network.burst(60);
			// The last message of each account is one of a kind.
			for (const account of network.accounts) network.send(account, await account.commit());
			for (const { did } of network.accounts) {
				const expected = rig.expected(did).map((message) => `${did} ${message}`);
				await slow.until(() => messagesOf(slow).includes(expected.at(-1) ?? ""));
				await consumer.until(() => messagesOf(consumer).includes(expected.at(-1) ?? ""));
				const [seen, seenBySlow] = [messagesOf(consumer), messagesOf(slow)];
				expect(expected.filter((message) => !seen.includes(message))).toEqual([]);
				// Since it has seen nothing of what was lost, everything came to it once and in order.
				const its = seenBySlow.filter((message) => message.startsWith(`${did} `));
				expect(its).toEqual(expected.slice(-its.length));
			}
			expect([consumer.orderViolations, slow.orderViolations, slow.revViolations]).toEqual([0, 0, 0]);
			expect(consumer.events.find(({ seq }) => seq > seenBefore)?.seq).toBeGreaterThan(restored.done.seqUsedMax);
			expect([...consumer.errors, ...slow.errors, ...consumer.infos, ...slow.infos]).toEqual([]);
			const messages = new Map<number, string>();
			for (const { events } of [consumer, slow])
				for (const { seq, did, rev } of events) {
					expect(messages.get(seq) ?? `${did} ${rev}`).toBe(`${did} ${rev}`);
					messages.set(seq, `${did} ${rev}`);
				}
			expect(Object.values((await rig.stats()).rejected).filter((count) => count > 0)).toEqual([]);
		} finally {
			await slow.disconnect();
			await rig.stop();
		}
	}, 300_000);
}

describe("with the index in SQLite", () => backupCases(async () => ({ first: null, second: null })));
describeWithPostgres("with the index in PostgreSQL", () =>
	backupCases(async () => {
		const server = await sharedPostgres();
		return { first: (await server.newDatabase()).url, second: (await server.newDatabase()).url };
	}),
);

test("a folder that is no backup is not restored, and nothing is made", async () => {
	const at = newFolder();
	const places = { RELAY_PERSIST_DIR: join(at, "log"), DATABASE_URL: `sqlite://${join(at, "index.sqlite")}` };
	const child = Bun.spawn([...COMMAND, "restore", "--from", folder], {
		stdout: "pipe",
		stderr: "pipe",
		env: { ...process.env, ...places },
	});
	const [out, err, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
	expect({ out, code }).toEqual({ out: "", code: 1 });
	expect(err).toContain("holds no backup");
	expect(readdirSync(folder)).not.toContain(at);
});
