import { expect, onTestFinished, test } from "bun:test";
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { segmentName } from "../../src/log/local/segment/segment.ts";
import { SimConsumer } from "../../src/sim/consumer.ts";
import { SimPlc } from "../../src/sim/plc.ts";
import { RelayProcess } from "../../src/sim/relay-process.ts";
import { expectReceived } from "./expect-received.ts";
import { isIndexed, RELAY_COMMAND, RelayRig, until } from "./rig.ts";
import { identityEntry, SEGMENT_BYTES, writeLog } from "./written-log.ts";

const HOUR_MS = 3_600_000;
const MESSAGES = 12;

async function relayWith(env: Record<string, string>): Promise<RelayProcess> {
	const plc = new SimPlc();
	plc.start();
	const relay = await RelayProcess.create({ command: RELAY_COMMAND, plcUrl: plc.url, env });
	onTestFinished(async () => {
		await relay.stop();
		await relay.remove();
		await plc.stop();
	});
	return relay;
}

/** Writes messages so long that each segment holds two. */
function writeSegments(relay: RelayProcess, wallMs: (message: number) => number): void {
	const padding = "x".repeat(SEGMENT_BYTES / 2);
	const messages = Array.from({ length: MESSAGES }, (_, i) => [identityEntry(`did:plc:${i}`, 1, i + 1, padding)]);
	writeLog(relay.logDirectory, messages, wallMs);
}

/** The DIDs that a consumer gets from the log's beginning. */
async function replay(relay: RelayProcess, until: (consumer: SimConsumer) => boolean): Promise<SimConsumer> {
	const consumer = new SimConsumer(relay.firehoseOrigin);
	await consumer.connect(0);
	await consumer.until(() => until(consumer));
	return consumer;
}

test("a wall clock that is far ahead at a start removes nothing of the log", async () => {
	const relay = await relayWith({ RELAY_REPLAY_WINDOW: "1h", RELAY_SEGMENT_BYTES: String(SEGMENT_BYTES) });
	// The relay can't know whether it was down for so long or the clock was set.
	const thenMs = Date.now() - 1_000 * HOUR_MS;
	writeSegments(relay, (message) => thenMs + message * 60_000);
	const before = readdirSync(relay.logDirectory).filter((name) => name.endsWith(".seg"));
	await relay.start();
	await until(async () => (await relay.stats()).log.appliedLsn >= MESSAGES);
	const consumer = await replay(relay, ({ received }) => received === MESSAGES);
	expect(consumer.events.map(({ did }) => did)).toEqual(Array.from({ length: MESSAGES }, (_, i) => `did:plc:${i}`));
	await consumer.disconnect();
	expect(await relay.stop()).toBe(0);
	expect(readdirSync(relay.logDirectory)).toEqual(expect.arrayContaining(before));
	await relay.start();
	await (await replay(relay, ({ received }) => received === MESSAGES)).disconnect();
}, 300_000);

test("a segment that vanishes while the relay runs costs those consumers the connection that read it, and no others", async () => {
	const relay = await relayWith({ RELAY_SEGMENT_BYTES: String(SEGMENT_BYTES) });
	writeSegments(relay, () => Date.now());
	await relay.start();
	const lost = join(relay.logDirectory, segmentName({ firstLsn: 1, firstSeq: 1 }));
	rmSync(lost);
	const live = new SimConsumer(relay.firehoseOrigin);
	await live.connect();
	for (let tries = 0; tries < 3; tries++) {
		const consumer = await replay(relay, ({ closes }) => closes.length > 0);
		expect(consumer.closes).toEqual([{ code: 1011, reason: "the log could not be read" }]);
		expect(consumer.received).toBe(0);
	}
	const later = new SimConsumer(relay.firehoseOrigin);
	await later.connect(2);
	await later.until(() => later.received === MESSAGES - 2);
	expect(live.closes).toEqual([]);
	expect((await relay.stats()).counters.of("log_read_failures_total")).toBe(3);
	await Promise.all([live.disconnect(), later.disconnect()]);
	const lines = (await Bun.file(relay.logPath).text())
		.split("\n")
		.filter((line) => /the log can't be (read|searched)/.test(line));
	expect(lines.length).toBe(1);
	expect(await relay.stop()).toBe(0);
}, 300_000);

test("mode write: hosts' cursors follow what is synced, and a kill loses and repeats nothing", async () => {
	const rig = await RelayRig.start({ seed: "mode write", hosts: 2, accounts: 4 }, { RELAY_SYNC_MODE: "write" });
	const { network, relay, consumer } = rig;
	const storedCursors = async (): Promise<number[]> => {
		const response = await fetch(`${relay.firehoseOrigin.replace("ws", "http")}/xrpc/com.atproto.sync.listHosts`);
		return ((await response.json()) as { hosts: { seq: number }[] }).hosts.map(({ seq }) => seq);
	};
	try {
		for (let round = 0; round < 3; round++) {
			await network.burst(50);
			await expectReceived(rig, network.accounts);
			await until(async () => {
				return (
					isIndexed((await rig.stats()).log) &&
					Bun.deepEquals(
						await storedCursors(),
						network.hosts.map((host) => host.lastSeq),
					)
				);
			});
			relay.kill();
			await relay.exited();
			await relay.start();
			await until(() => network.hosts.every((host) => host.connections > 0));
			await consumer.connect();
		}
		expect(consumer.orderViolations).toBe(0);
	} finally {
		await rig.stop();
	}
}, 300_000);
