import { afterEach, expect, test } from "bun:test";
import { SimAccount } from "../../src/sim/account.ts";
import { SimClock } from "../../src/sim/clock.ts";
import { SimConsumer } from "../../src/sim/consumer.ts";
import { SimHost, type SimHostOptions } from "../../src/sim/host.ts";
import { Rng } from "../../src/sim/rng.ts";

const hosts: SimHost[] = [];
const consumers: SimConsumer[] = [];

afterEach(async () => {
	await Promise.all(consumers.splice(0).map((consumer) => consumer.disconnect()));
	await Promise.all(hosts.splice(0).map((host) => host.stop()));
});

function startHost(options?: SimHostOptions): SimHost {
	const host = new SimHost(options);
	host.start();
	hosts.push(host);
	return host;
}

function makeConsumer(host: SimHost): SimConsumer {
	const consumer = new SimConsumer(`ws://${host.hostname}`);
	consumers.push(consumer);
	return consumer;
}

async function emitMany(host: SimHost, count: number, paddingBytes = 0): Promise<void> {
	const rng = new Rng("host");
	const account = await SimAccount.create({ rng, clock: new SimClock(), curve: "k256" });
	const message = account.identity();
	message.body.padding = "x".repeat(paddingBytes);
	for (let i = 0; i < count; i++) host.emit(message);
}

function seqs(consumer: SimConsumer): number[] {
	return consumer.events.map((event) => event.seq);
}

test("replays what comes after the cursor, then goes on live", async () => {
	const host = startHost();
	await emitMany(host, 5);
	const consumer = makeConsumer(host);
	await consumer.connect(2);
	await consumer.until(() => consumer.received === 3);
	await emitMany(host, 2);
	await consumer.until(() => consumer.received === 5);
	expect(seqs(consumer)).toEqual([3, 4, 5, 6, 7]);
	expect(host.cursors).toEqual([2]);
});

test("without a cursor, sends only what is new", async () => {
	const host = startHost();
	await emitMany(host, 3);
	const consumer = makeConsumer(host);
	await consumer.connect();
	await emitMany(host, 1);
	await consumer.until(() => consumer.received === 1);
	expect(seqs(consumer)).toEqual([4]);
	expect(host.cursors).toEqual([null]);
});

test("answers a cursor of the future with an error and closes", async () => {
	const host = startHost();
	await emitMany(host, 3);
	const consumer = makeConsumer(host);
	await consumer.connect(4);
	await consumer.until(() => consumer.closes.length === 1);
	expect(consumer.errors).toEqual(["FutureCursor"]);
	expect(consumer.closes).toEqual([{ code: 1008, reason: "FutureCursor" }]);
});

test("reports an outdated cursor, then sends what it still has", async () => {
	const host = startHost();
	await emitMany(host, 10);
	host.forget(4);
	const consumer = makeConsumer(host);
	await consumer.connect(1);
	await consumer.until(() => consumer.received === 4);
	expect(consumer.infos).toEqual(["OutdatedCursor"]);
	expect(seqs(consumer)).toEqual([7, 8, 9, 10]);
});

test("loses nothing when the receiver pauses", async () => {
	const host = startHost();
	const consumer = makeConsumer(host);
	await consumer.connect();
	consumer.pause();
	await emitMany(host, 600, 100_000);
	consumer.resume();
	await consumer.until(() => consumer.received === 600);
	expect(seqs(consumer)).toEqual(Array.from({ length: 600 }, (_, i) => i + 1));
});

test("raw sends go to all connections, in order, and are not replayed", async () => {
	const host = startHost();
	const consumer = makeConsumer(host);
	await consumer.connect();
	await emitMany(host, 1);
	// An error frame, as an example of bytes that the host sends without checking them.
	host.sendRaw(Buffer.from("a1626f7020a1656572726f72615a", "hex"));
	await emitMany(host, 1);
	await consumer.until(() => consumer.received === 2);
	expect(consumer.errors).toEqual(["Z"]);
	await consumer.disconnect();
	const later = makeConsumer(host);
	await later.connect(0);
	await later.until(() => later.received === 2);
	expect(later.errors).toEqual([]);
});

test("closes, refuses and hangs when told to", async () => {
	const host = startHost();
	const consumer = makeConsumer(host);
	await consumer.connect();
	host.closeAll(1012, "restart");
	await consumer.until(() => consumer.closes.length === 1);
	expect(consumer.closes[0]).toEqual({ code: 1012, reason: "restart" });
	host.refuse(1);
	expect(consumer.connect()).rejects.toThrow();
	await consumer.until(() => consumer.closes.length === 2);
	host.hangHandshakes();
	const hanging = consumer.connect();
	expect(consumer.connected).toBe(false);
	host.releaseHandshakes();
	await hanging;
	expect(consumer.connected).toBe(true);
});

test("keeps its seq and backlog over a restart", async () => {
	const host = startHost();
	await emitMany(host, 2);
	const { hostname } = host;
	await host.stop();
	host.start();
	expect(host.hostname).toBe(hostname);
	await emitMany(host, 1);
	const consumer = makeConsumer(host);
	await consumer.connect(0);
	await consumer.until(() => consumer.received === 3);
	expect(seqs(consumer)).toEqual([1, 2, 3]);
});

test("gives bytes that are no frame their own seq, keeps them and replays them", async () => {
	const host = startHost();
	await emitMany(host, 1);
	expect(host.emitUnreadable("no frame")).toBe(2);
	expect(host.emitUnreadable(new Uint8Array(5_000_001))).toBe(3);
	await emitMany(host, 1);
	for (const cursor of [1, 2, 3]) {
		const sizes: number[] = [];
		const socket = new WebSocket(`ws://${host.hostname}/xrpc/com.atproto.sync.subscribeRepos?cursor=${cursor}`);
		socket.binaryType = "arraybuffer";
		socket.onmessage = ({ data }) => sizes.push(typeof data === "string" ? data.length : data.byteLength);
		const expected = [8, 5_000_001].slice(cursor - 1);
		while (sizes.length <= expected.length) await Bun.sleep(1);
		expect(sizes.slice(0, -1)).toEqual(expected);
		socket.close();
	}
});

test("restarts its numbering when it is wiped, and may treat the old cursor as the live end", async () => {
	const host = startHost();
	await emitMany(host, 5);
	const before = makeConsumer(host);
	await before.connect(5);
	host.wipe();
	await before.until(() => before.closes.length === 1);
	await emitMany(host, 2);
	const refused = makeConsumer(host);
	await refused.connect(5);
	await refused.until(() => refused.closes.length === 1);
	expect(refused.errors).toEqual(["FutureCursor"]);
	host.onFutureCursor = "live";
	const live = makeConsumer(host);
	await live.connect(5);
	await emitMany(host, 1);
	await live.until(() => live.received === 1);
	expect(seqs(live)).toEqual([3]);
});

test("includes the message at the cursor in a replay if it is told to", async () => {
	const host = startHost();
	await emitMany(host, 3);
	host.replaysInclusively = true;
	const consumer = makeConsumer(host);
	await consumer.connect(2);
	await consumer.until(() => consumer.received === 2);
	expect(seqs(consumer)).toEqual([2, 3]);
});

test("describes itself, with the Server header it was given", async () => {
	const host = startHost({ serverHeader: "atproto-relay" });
	const response = await fetch(`${host.endpoint}/xrpc/com.atproto.server.describeServer`);
	expect(response.headers.get("server")).toBe("atproto-relay");
	expect(await response.json()).toHaveProperty("did");
});
