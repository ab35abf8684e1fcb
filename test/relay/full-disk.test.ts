import { expect, onTestFinished, test } from "bun:test";
import { join } from "node:path";
import { SimConsumer } from "../../src/sim/consumer.ts";
import { SmallDisk } from "../sim/small-disk.ts";
import { bulkyCommit } from "./bulky-commit.ts";
import { expectReceived } from "./expect-received.ts";
import { RelayRig, until } from "./rig.ts";

const MIB = 1024 * 1024;
const DISK_BYTES = 112 * MIB;
const BALLAST_BYTES = 88 * MIB;
/** More than the free space on the disk, the rings and the hosts' budgets hold together. */
const COMMITS = 640;

const isAllowed = SmallDisk.isAllowed();
if (!isAllowed) console.warn("full-disk.test.ts is skipped: this machine lets nobody mount a file system");

test.skipIf(!isAllowed)(
	"a full disk: hosts are paused, health says why, consumers replay; when there is space again, all messages come, once",
	async () => {
		const disk = SmallDisk.mount(DISK_BYTES);
		if (disk === null) throw new Error("a disk could be mounted a moment ago");
		onTestFinished(() => disk.unmount());
		disk.fill(BALLAST_BYTES);
		const rig = await RelayRig.start(
			{ seed: "full disk", hosts: 2, accounts: 4 },
			{
				RELAY_PERSIST_DIR: join(disk.path, "log"),
				DATABASE_URL: `sqlite://${join(disk.path, "index.sqlite")}`,
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

			disk.free();
			await until(async () => (await relay.fault()) === null);
			await expectReceived(rig, network.accounts);
			const after = await rig.stats();
			expect(after.counters.of("log_stalled")).toBe(0);
			expect(after.counters.of("index_stalled")).toBe(0);
			expect(after.counters.of("messages_replayed_total")).toBe(0);

			// The relay stops while the disk is full. What was acknowledged is kept; the rest is sent again.
			disk.fill();
			for (const account of network.accounts)
				for (let i = 0; i < 20; i++) network.send(account, await bulkyCommit(account));
			await until(async () => (await relay.fault())?.includes("the log can't be written (disk-full)") === true);
			expect(await relay.stop()).toBe(0);
			disk.free();
			await relay.start();
			await consumer.connect();
			await expectReceived(rig, network.accounts);
		} finally {
			await rig.stop();
		}
	},
	300_000,
);
