import { expect, test } from "bun:test";
import { HostLog } from "../../src/hosts/host-log.ts";
import { Handover } from "../../src/log/handover.ts";
import { decodeCursorsFacts, decodeHostFacts, type HostFacts } from "../../src/log/record/control.ts";
import { type Entry, readEntry } from "../../src/log/record/entry.ts";
import { NEVER_CONNECTED } from "../../src/log/record/host-connection.ts";
import { RecordKind } from "../../src/log/record/record.ts";
import { Counters } from "../../src/observe/counters.ts";
import type { HostStatus } from "../../src/protocol/host-status.ts";
import { Doorbell } from "../../src/runtime/doorbell.ts";
import { createRingBuffer, RingReader, RingWriter } from "../../src/runtime/ring.ts";
import { FakeTiming } from "../sim/fake-timing.ts";

/** Writes host records to a ring. The test reads its other end. */
class Bench {
	readonly timing = new FakeTiming();
	readonly log: HostLog;
	readonly durable: number[] = [];
	readonly #reader: RingReader;
	readonly #handover: Handover;

	constructor(ringBytes: number) {
		const ring = createRingBuffer(ringBytes);
		this.#reader = new RingReader(ring);
		this.#handover = new Handover(0, new RingWriter(ring), new Doorbell(), new Counters());
		this.log = new HostLog(this.#handover, this.timing);
	}

	append(id: number, status: HostStatus = "active"): void {
		const row = {
			hostname: `host${id}.example.com`,
			insecure: false,
			gaps: 0,
			lastGap: null,
			connection: NEVER_CONNECTED,
		};
		const facts: HostFacts = { ...row, id, status };
		void this.log.append(facts).then(() => this.durable.push(id));
	}

	/** Takes the records of hosts that are in the ring. */
	take(): [id: number, status: string][] {
		return this.takeEntries().map(({ facts }) => {
			const { id, status } = decodeHostFacts(facts);
			return [id, status];
		});
	}

	/** Takes what is in the ring. */
	takeEntries(): Entry[] {
		const taken: Entry[] = [];
		this.#handover.flush();
		for (let bytes = this.#reader.next(); bytes !== null; bytes = this.#reader.next()) {
			const entry = readEntry(bytes);
			taken.push({ ...entry, facts: Buffer.from(entry.facts) });
		}
		this.#reader.release();
		return taken;
	}

	acknowledge(): void {
		this.#reader.acknowledge(this.#reader.position);
	}

	async poll(): Promise<void> {
		this.timing.pass(5);
		for (let turn = 0; turn < 5; turn++) await Promise.resolve();
	}
}

test("a record is durable when the ring says so, and one poll serves all", async () => {
	const bench = new Bench(64 * 1024);
	for (let id = 1; id <= 100; id++) bench.append(id);
	expect(bench.timing.waiting).toBe(1);
	await bench.poll();
	expect(bench.durable).toEqual([]);
	expect(bench.take()).toHaveLength(100);
	bench.acknowledge();
	await bench.poll();
	expect(bench.durable).toEqual(Array.from({ length: 100 }, (_, at) => at + 1));
	// No record waits, so there is no poll.
	expect(bench.timing.waiting).toBe(0);
	bench.append(101);
	expect(bench.timing.waiting).toBe(1);
});

test("while the ring is full, only the last record of a host is kept", async () => {
	const bench = new Bench(1024);
	for (let round = 0; round < 20; round++) {
		for (let id = 1; id <= 10; id++) bench.append(id, round % 2 === 0 ? "offline" : "idle");
	}
	for (let id = 1; id <= 10; id++) bench.append(id, "active");
	const last = new Map<number, string>();
	let count = 0;
	while (bench.durable.length < 210) {
		for (const [id, status] of bench.take()) {
			last.set(id, status);
			count++;
		}
		bench.acknowledge();
		await bench.poll();
	}
	expect([...last.values()]).toEqual(Array.from({ length: 10 }, () => "active"));
	expect(count).toBeLessThan(60);
});

test("cursors come after the records of hosts that were appended before, also while the ring is full", async () => {
	const bench = new Bench(1024);
	const kinds: number[] = [];
	let isDurable = false;
	for (let id = 1; id <= 10; id++) bench.append(id);
	const cursors = Array.from({ length: 20 }, (_, at) => ({ host: at + 1, seq: at }));
	void bench.log.appendCursors({ cursors }).then(() => {
		isDurable = true;
	});
	while (!isDurable) {
		for (const entry of bench.takeEntries()) {
			kinds.push(entry.kind);
			if (entry.kind === RecordKind.cursors) expect(decodeCursorsFacts(entry.facts)).toEqual({ cursors });
		}
		bench.acknowledge();
		await bench.poll();
	}
	expect(kinds).toEqual([...Array.from({ length: 10 }, () => RecordKind.host), RecordKind.cursors]);
	expect(bench.durable).toHaveLength(10);
	expect(bench.timing.waiting).toBe(0);
});
