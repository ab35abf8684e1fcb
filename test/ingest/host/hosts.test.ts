import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { HostCounts } from "../../../src/hosts/messages.ts";
import { createTalliesBuffer, HostTallies } from "../../../src/hosts/tallies.ts";
import { Budget } from "../../../src/ingest/host/budget.ts";
import { Hosts } from "../../../src/ingest/host/hosts.ts";
import { HostFailures } from "../../../src/ingest/host-failures.ts";
import { type Outcome, REJECTED } from "../../../src/ingest/outcome.ts";
import { Handover } from "../../../src/log/handover.ts";
import { decodeCursorsFacts } from "../../../src/log/record/control.ts";
import { readEntry } from "../../../src/log/record/entry.ts";
import { RecordKind } from "../../../src/log/record/record.ts";
import { Counters } from "../../../src/observe/counters.ts";
import { Doorbell } from "../../../src/runtime/doorbell.ts";
import { createRingBuffer, RingReader, RingWriter } from "../../../src/runtime/ring.ts";
import { SimAccount } from "../../../src/sim/account.ts";
import { SimClock } from "../../../src/sim/clock.ts";
import { SimHost } from "../../../src/sim/host.ts";
import { encodeFrame, type SimMessage } from "../../../src/sim/message.ts";
import { Rng } from "../../../src/sim/rng.ts";

const HOST_ID = 7;
const RING_BYTES = 1024;
const BUDGET_BYTES = 1024 * 1024;

let host: SimHost;
let message: SimMessage;
let reader: RingReader;
let handover: Handover;
let hosts: Hosts;
/** The messages that were delivered, in order, with the functions that settle them. */
let arrivals: { seq: number; settle: (outcome: Outcome) => void }[];
/** The position up to which the ring is durable. */
let durable: number;
let storedWithFirst: unknown[] | null;
let dial: () => void;
let heard: number[];
let counts: HostCounts[];

beforeEach(async () => {
	host = new SimHost();
	host.start();
	const account = await SimAccount.create({ rng: new Rng("hosts"), clock: new SimClock(), curve: "k256" });
	message = account.identity();
	const buffer = createRingBuffer(RING_BYTES);
	reader = new RingReader(buffer);
	const counters = new Counters();
	handover = new Handover(0, new RingWriter(buffer), new Doorbell(), counters);
	arrivals = [];
	durable = 0;
	storedWithFirst = null;
	dial = () => undefined;
	heard = [];
	counts = [];
	hosts = new Hosts({
		budget: new Budget(BUDGET_BYTES),
		hostBufferBytes: BUDGET_BYTES,
		userAgent: "a test",
		counters,
		failures: new HostFailures(counters),
		worker: 0,
		tallies: new HostTallies(createTalliesBuffer()),
		deliver: ({ message, settle }) => {
			storedWithFirst ??= storedCursors();
			arrivals.push({ seq: message.seq, settle });
		},
		emit: (event) => {
			// As if the host manager had no delays.
			if (event.type === "ended") setImmediate(() => dial());
			if (event.type === "heard") heard.push(...event.hostIds);
			if (event.type === "counts") counts.push(...event.counts);
		},
		acknowledged: () => durable,
		handover,
	});
});
afterEach(async () => {
	hosts.stopAll();
	await host.stop();
});

/** Follows the host, and waits until it is connected. */
async function follow(cursor: number | null): Promise<void> {
	const { hostname } = host;
	dial = () =>
		hosts.command({ type: "dial", host: { id: HOST_ID, hostname, insecure: true, cursor, limits: null }, attempt: 1 });
	dial();
	await until(() => host.connections === 1);
}

async function until(condition: () => boolean): Promise<void> {
	while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

/** Lets the host send this many messages, and waits until all are delivered. */
async function send(count: number): Promise<void> {
	const delivered = arrivals.length + count;
	for (let i = 0; i < count; i++) host.emit(message);
	await until(() => arrivals.length >= delivered);
}

/** The cursors handed to the log since the last call. Other entries are ignored. */
function storedCursors(): unknown[] {
	const cursors: unknown[] = [];
	handover.flush();
	for (let bytes = reader.next(); bytes !== null; bytes = reader.next()) {
		const { kind, facts } = readEntry(bytes);
		if (kind === RecordKind.cursors) cursors.push(...decodeCursorsFacts(facts).cursors);
	}
	reader.release();
	return cursors;
}

describe("a host's cursor", () => {
	test("is stored before the host's very first message is delivered, so that a crash does not lose the place", async () => {
		await follow(null);
		await send(1);
		expect(storedWithFirst).toEqual([{ host: HOST_ID, seq: 0 }]);
	});

	test("is stored when the messages up to it are durable, and not when they are handed over", async () => {
		await follow(0);
		await send(3);
		for (const [i, { settle }] of arrivals.entries()) settle({ rejected: false, ring: 0, position: 100 * (i + 1) });
		hosts.storeCursors();
		expect(storedCursors()).toEqual([]);
		durable = 250;
		hosts.storeCursors();
		expect(storedCursors()).toEqual([{ host: HOST_ID, seq: 2 }]);
		// A cursor that has not moved is not stored again.
		hosts.storeCursors();
		expect(storedCursors()).toEqual([]);
	});

	test("goes down if the host restarts its numbering, and is in the log before its first message", async () => {
		await follow(0);
		await send(3);
		for (const { settle } of arrivals) settle(REJECTED);
		hosts.storeCursors();
		expect(storedCursors()).toEqual([{ host: HOST_ID, seq: 3 }]);
		host.onFutureCursor = "live";
		host.wipe();
		await until(() => host.connections === 1);
		storedWithFirst = null;
		await send(1);
		expect(storedWithFirst as unknown).toEqual([{ host: HOST_ID, seq: 0 }]);
		arrivals[3]?.settle(REJECTED);
		hosts.storeCursors();
		expect(storedCursors()).toEqual([{ host: HOST_ID, seq: 1 }]);
	});

	test("is reset or replaced by an operator, whether the host was followed before or not", async () => {
		await follow(0);
		await send(2);
		for (const { settle } of arrivals) settle(REJECTED);
		const { hostname } = host;
		const connection = { id: HOST_ID, hostname, insecure: true, limits: null };
		hosts.command({ type: "resetCursor", host: { ...connection, cursor: null } });
		expect(storedCursors()).toEqual([{ host: HOST_ID, seq: null }]);
		hosts.command({ type: "resetCursor", host: { ...connection, cursor: 1 } });
		expect(storedCursors()).toEqual([{ host: HOST_ID, seq: 1 }]);
		hosts.command({ type: "resetCursor", host: { ...connection, id: 8, cursor: null } });
		expect(storedCursors()).toEqual([{ host: 8, seq: null }]);
		await until(() => host.cursors.includes(1) && host.connections === 1);
	});

	test("that finds the ring full is stored the next time", async () => {
		await follow(0);
		await send(1);
		arrivals[0]?.settle(REJECTED);
		const filling = { kind: RecordKind.host, flags: 0, host: 0, upstreamSeq: 0, ops: 0, seqStart: 0, seqEnd: 0 };
		const entry = { ...filling, facts: new Uint8Array(0), frame: new Uint8Array(0) };
		while (handover.push(entry) !== null);
		hosts.storeCursors();
		expect(storedCursors()).toEqual([]);
		hosts.storeCursors();
		expect(storedCursors()).toEqual([{ host: HOST_ID, seq: 1 }]);
	});
});

test("a host is reported as heard once after messages have come, and not while none come", async () => {
	await follow(0);
	expect(heard).toEqual([]);
	await send(2);
	hosts.reportHeard();
	hosts.reportHeard();
	expect(heard).toEqual([HOST_ID]);
	await send(1);
	hosts.reportHeard();
	expect(heard).toEqual([HOST_ID, HOST_ID]);
});

test("what has come of hosts is reported once, with what failed of hosts that other workers follow", async () => {
	await follow(0);
	hosts.reportCounts(new Map());
	expect(counts).toEqual([]);
	await send(2);
	hosts.reportCounts(new Map());
	hosts.reportCounts(new Map());
	expect(counts).toEqual([{ hostId: HOST_ID, messages: 2, failed: 0 }]);
	await send(1);
	hosts.reportCounts(new Map([[99, 3]]));
	expect(counts.slice(1)).toEqual([
		{ hostId: HOST_ID, messages: 1, failed: 0 },
		{ hostId: 99, messages: 0, failed: 3 },
	]);
});

test("a host that comes back is asked for messages after the last one received, durable or not", async () => {
	await follow(0);
	await send(3);
	host.closeAll(1001);
	await until(() => host.cursors.length === 2 && host.connections === 1);
	await send(2);
	expect(host.cursors).toEqual([0, 3]);
	expect(arrivals.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5]);
});

test("a seq that a host sends again is not delivered", async () => {
	await follow(0);
	await send(1);
	host.sendRaw(encodeFrame(message, 1));
	await send(1);
	expect(arrivals.map(({ seq }) => seq)).toEqual([1, 2]);
});

test("limits hold by host, follow the last command, and what waits is told by host", async () => {
	const { hostname } = host;
	const limits = { perS: 4, perHour: 100, perDay: 100 };
	hosts.command({ type: "dial", host: { id: HOST_ID, hostname, insecure: true, cursor: 0, limits }, attempt: 1 });
	for (let count = 0; count < 10; count++) host.emit(message);
	await until(() => (hosts.delays(HOST_ID)[0]?.messages ?? 0) + arrivals.length === 10);
	expect(arrivals.length).toBeLessThanOrEqual(4);
	expect(hosts.delays(null)).toMatchObject([{ hostId: HOST_ID, accounts: 1, top: [{ did: message.did }] }]);
	expect(hosts.delays(HOST_ID + 1)).toEqual([]);
	hosts.command({ type: "setLimits", hostId: HOST_ID + 1, limits: null });
	expect(hosts.delays(null)).toHaveLength(1);
	hosts.command({ type: "setLimits", hostId: HOST_ID, limits: null });
	expect(arrivals).toHaveLength(10);
	expect(hosts.delays(null)).toEqual([]);
});

test("a drain does not wait for messages that are delayed, and leaves the cursor before them", async () => {
	const { hostname } = host;
	const limits = { perS: 4, perHour: 100, perDay: 100 };
	hosts.command({ type: "dial", host: { id: HOST_ID, hostname, insecure: true, cursor: 0, limits }, attempt: 1 });
	for (let count = 0; count < 10; count++) host.emit(message);
	await until(() => (hosts.delays(HOST_ID)[0]?.messages ?? 0) + arrivals.length === 10);
	for (const { settle } of arrivals) settle(REJECTED);
	hosts.stopAll();
	expect(hosts.settled).toBe(true);
	hosts.storeCursors();
	expect(storedCursors()).toEqual([{ host: HOST_ID, seq: arrivals.length }]);
});
