import { expect, test } from "bun:test";
import { Appender } from "../../src/log/appender.ts";
import { Handover } from "../../src/log/handover.ts";
import { decodeControl } from "../../src/log/record/control.ts";
import { controlEntry, type Entry, readEntry } from "../../src/log/record/entry.ts";
import { Counters } from "../../src/observe/counters.ts";
import { Doorbell } from "../../src/runtime/doorbell.ts";
import { createRingBuffer, RingReader, RingWriter } from "../../src/runtime/ring.ts";
import { Rng } from "../../src/sim/rng.ts";
import { FakeTiming } from "../sim/fake-timing.ts";

/** A ring with room for a few records, and its reader. */
class Bench {
	readonly timing = new FakeTiming();
	readonly appender: Appender;
	readonly durable: number[] = [];
	readonly taken: number[] = [];
	readonly #reader: RingReader;
	readonly #handover: Handover;

	constructor() {
		const ring = createRingBuffer(1024);
		this.#reader = new RingReader(ring);
		this.#handover = new Handover(0, new RingWriter(ring), new Doorbell(), new Counters());
		this.appender = new Appender(this.#handover, this.timing);
	}

	append(name: number, entries: number[]): void {
		void this.appender.append(...entries.map(entryOf)).then(() => this.durable.push(name));
	}

	/** Takes up to so many records from the ring. */
	take(count: number): void {
		this.#handover.flush();
		for (let left = count; left > 0; left--) {
			const bytes = this.#reader.next();
			if (bytes === null) break;
			this.taken.push(numberOf(readEntry(bytes)));
		}
		this.#reader.release();
	}

	acknowledge(): void {
		this.#reader.acknowledge(this.#reader.position);
	}

	async poll(): Promise<void> {
		this.timing.pass(5);
		for (let turn = 0; turn < 5; turn++) await Promise.resolve();
	}
}

function entryOf(number: number): Entry {
	return controlEntry("setting", { key: "a-setting-with-a-long-name".repeat(4), value: { value: number } });
}

function numberOf(entry: Entry): number {
	const control = decodeControl(entry);
	return control?.kind === "setting" ? Number(control.facts.value?.value) : -1;
}

test("records keep their order and are durable when the ring says so, however full it is", async () => {
	for (let seed = 0; seed < 50; seed++) {
		const rng = new Rng(`appender/${seed}`);
		const bench = new Bench();
		const given: number[] = [];
		const ends: number[] = [];
		for (let step = 0; step < 400 || bench.durable.length < ends.length; step++) {
			if (step < 400 && rng.int(3) === 0) {
				const entries = Array.from({ length: 1 + rng.int(4) }, (_, at) => given.length + at);
				given.push(...entries);
				ends.push(given.length);
				bench.append(ends.length, entries);
			}
			bench.take(rng.int(4));
			const acknowledged = rng.int(2) === 0 ? bench.taken.length : null;
			if (acknowledged !== null) bench.acknowledge();
			await bench.poll();
			// Nothing is called durable before its last record was taken.
			expect(bench.durable.every((name) => (ends[name - 1] ?? 0) <= bench.taken.length)).toBe(true);
			if (step > 100_000) throw new Error("a record never became durable");
		}
		expect(bench.taken).toEqual(given);
		expect(bench.durable).toEqual(ends.map((_, at) => at + 1));
		expect(bench.timing.waiting).toBe(0);
	}
});

test("a record that was taken and not acknowledged is not durable, nor is one of no group late", async () => {
	const bench = new Bench();
	bench.append(1, [1, 2]);
	bench.append(2, []);
	bench.take(2);
	await bench.poll();
	expect(bench.durable).toEqual([2]);
	bench.acknowledge();
	await bench.poll();
	expect(bench.durable).toEqual([2, 1]);
});
