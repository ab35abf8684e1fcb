import { expect, onTestFinished, test } from "bun:test";
import { closeSync, mkdtempSync, openSync, rmdirSync, unlinkSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SimConsumer } from "../sim/consumer.ts";
import { bulkyCommit } from "./bulky-commit.ts";
import { expectReceived } from "./expect-received.ts";
import { RelayRig, until } from "./rig.ts";

const MIB = 1024 * 1024;
const DISK_BYTES = 112 * MIB;
const BALLAST_BYTES = 88 * MIB;
/** More than the free space on the disk, the rings and the hosts' budgets hold together. */
const COMMITS = 640;

/** A disk of its own, small enough to fill; null if this machine does not allow to mount one. */
function mountDisk(bytes: number): string | null {
	const path = mkdtempSync(join(tmpdir(), "standpipe-disk-"));
	const { success } = Bun.spawnSync(["mount", "-t", "tmpfs", "-o", `size=${bytes}`, "tmpfs", path]);
	if (success) return path;
	rmdirSync(path);
	return null;
}

function unmountDisk(path: string): void {
	const { success } = Bun.spawnSync(["umount", path]);
	if (!success) throw new Error(`${path} could not be unmounted`);
	rmdirSync(path);
}

/** Writes a file of `bytes`, or as much as the disk takes. */
function writeBallast(path: string, bytes: number): void {
	const file = openSync(path, "w");
	const piece = Buffer.alloc(64 * 1024, 1);
	try {
		for (let written = 0; written < bytes; ) written += writeSync(file, piece);
	} catch (error) {
		if (!(error instanceof Error) || !("code" in error) || error.code !== "ENOSPC") throw error;
	} finally {
		closeSync(file);
	}
}

const probe = mountDisk(MIB);
if (probe === null) console.warn("full-disk.test.ts is skipped: this machine lets nobody mount a file system");
else unmountDisk(probe);

test.skipIf(probe === null)(
	"a full disk: hosts are paused, health says why, consumers replay; when there is space again, all messages come, once",
	async () => {
		const disk = mountDisk(DISK_BYTES);
		if (disk === null) throw new Error("a disk could be mounted a moment ago");
		onTestFinished(() => unmountDisk(disk));
		const ballast = join(disk, "ballast");
		writeBallast(ballast, BALLAST_BYTES);
		const rig = await RelayRig.start(
			{ seed: "full disk", hosts: 2, accounts: 4 },
			{
				RELAY_PERSIST_DIR: join(disk, "log"),
				DATABASE_URL: `sqlite://${join(disk, "index.sqlite")}`,
				RELAY_SEGMENT_BYTES: "1MiB",
				RELAY_DISK_RESERVE: "0",
				RELAY_INGEST_WORKERS: "1",
				RELAY_HOST_BUFFER_BYTES: "5000000",
			},
		);
		try {
			const { network, relay, consumer } = rig;
			for (let i = 0; i < COMMITS; i++) {
				const account = network.accounts[i % network.accounts.length];
				if (account !== undefined) network.send(account, await bulkyCommit(account));
			}
			await until(async () => (await relay.fault())?.includes("the log can't be written (disk-full)") === true);
			await until(async () => (await rig.stats()).counters.of("host_pauses_total") > 0);
			const { counters, log } = await rig.stats();
			expect(counters.of("log_stalled")).toBe(1);
			expect(consumer.received).toBeLessThan(COMMITS);

			const replayer = new SimConsumer(relay.firehoseOrigin);
			await replayer.connect(0);
			await replayer.until(() => (replayer.cursor ?? 0) >= (consumer.cursor ?? Number.POSITIVE_INFINITY));
			expect(replayer.events.map(({ seq, rev }) => [seq, rev])).toEqual(
				consumer.events.map(({ seq, rev }) => [seq, rev]),
			);
			await replayer.disconnect();
			expect((await rig.stats()).log.lastSeq).toBe(log.lastSeq);

			unlinkSync(ballast);
			await until(async () => (await relay.fault()) === null);
			await expectReceived(rig, network.accounts);
			const after = await rig.stats();
			expect(after.counters.of("log_stalled")).toBe(0);
			expect(after.counters.of("index_stalled")).toBe(0);
			expect(after.counters.of("messages_replayed_total")).toBe(0);

			// The relay stops while the disk is full. What was acknowledged is kept; the rest is sent again.
			writeBallast(ballast, Number.POSITIVE_INFINITY);
			for (const account of network.accounts)
				for (let i = 0; i < 20; i++) network.send(account, await bulkyCommit(account));
			await until(async () => (await relay.fault())?.includes("the log can't be written (disk-full)") === true);
			expect(await relay.stop()).toBe(0);
			unlinkSync(ballast);
			await relay.start();
			await consumer.connect();
			await expectReceived(rig, network.accounts);
		} finally {
			await rig.stop();
		}
	},
	300_000,
);
