import { describe, expect, test } from "bun:test";
import { createRingBuffer, RingReader, RingWriter, ringFill } from "../../src/runtime/ring.ts";
import { Rng } from "../../src/sim/rng.ts";

function ringOf(capacityBytes: number): { writer: RingWriter; reader: RingReader } {
	const buffer = createRingBuffer(capacityBytes);
	return { writer: new RingWriter(buffer), reader: new RingReader(buffer) };
}

function write(writer: RingWriter, bytes: Uint8Array): boolean {
	const target = writer.reserve(bytes.length);
	target?.set(bytes);
	return target !== null;
}

describe("a ring", () => {
	test("gives records back as they were written, whatever their lengths", () => {
		const { writer, reader } = ringOf(4096);
		const rng = new Rng("ring");
		const expected: Buffer[] = [];
		let received = 0;
		for (let round = 0; round < 20_000; round++) {
			const record = Buffer.alloc(rng.int(900), round & 255);
			if (write(writer, record)) expected.push(record);
			if (rng.int(3) === 0) writer.publish();
			if (rng.int(4) !== 0) continue;
			for (let got = reader.next(); got !== null; got = reader.next()) {
				expect(got.equals(expected[received++] ?? Buffer.of())).toBe(true);
			}
			reader.release();
		}
		expect(received).toBeGreaterThan(5_000);
	});

	test("shows no record before it is published, and takes none before space is released", () => {
		const { writer, reader } = ringOf(1024);
		while (write(writer, new Uint8Array(100)));
		expect(reader.next()).toBeNull();
		expect(writer.publish()).toBe(true);
		expect(writer.publish()).toBe(false);
		expect(reader.next()).not.toBeNull();
		expect(write(writer, new Uint8Array(100))).toBe(false);
		reader.release();
		expect(write(writer, new Uint8Array(100))).toBe(true);
	});

	test("refuses a record that could never fit", () => {
		const { writer } = ringOf(1024);
		expect(() => writer.reserve(writer.recordBytesMax + 1)).toThrow(RangeError);
		expect(() => createRingBuffer(1000)).toThrow("power of two");
	});

	test("takes a record of the greatest length wherever its write position is", () => {
		for (let skew = 0; skew < 1024; skew += 8) {
			const { writer, reader } = ringOf(1024);
			if (skew > 0) expect(write(writer, new Uint8Array(Math.min(skew, 504) - 4))).toBe(true);
			writer.publish();
			reader.next();
			reader.release();
			expect(write(writer, new Uint8Array(writer.recordBytesMax))).toBe(true);
		}
	});

	test("brings the reader's acknowledgements back to the writer", () => {
		const { writer, reader } = ringOf(1024);
		write(writer, new Uint8Array(10));
		writer.publish();
		reader.next();
		expect(writer.acknowledged()).toBe(0);
		reader.acknowledge(reader.position);
		expect(writer.acknowledged()).toBe(writer.position);
	});

	test("works between threads", async () => {
		const buffer = createRingBuffer(8192);
		const echo = createRingBuffer(8192);
		const worker = new Worker(new URL("./echo.ts", import.meta.url).href);
		worker.postMessage({ from: buffer, to: echo, count: 5_000 });
		const writer = new RingWriter(buffer);
		const reader = new RingReader(echo);
		let sent = 0;
		let received = 0;
		while (received < 5_000) {
			if (sent < 5_000 && write(writer, Buffer.from(`record ${sent}`))) sent++;
			writer.publish();
			for (let got = reader.next(); got !== null; got = reader.next()) {
				expect(got.toString()).toBe(`record ${received++}`);
			}
			reader.release();
			await Bun.sleep(0);
		}
		worker.terminate();
	});
});

test("a ring tells any thread how much of it is filled, until the reader gives the space back", () => {
	const buffer = createRingBuffer(1_024);
	const [writer, reader] = [new RingWriter(buffer), new RingReader(buffer)];
	const rng = new Rng("ring fill");
	const filled: number[] = [];
	for (let round = 0; round < 500; round++) {
		if (rng.int(2) === 0 && writer.reserve(rng.int(200)) !== null) {
			writer.publish();
			filled.push(writer.position);
		} else if (reader.next() !== null) {
			reader.release();
			filled.shift();
		}
		expect(ringFill(buffer)).toEqual({ usedBytes: writer.position - reader.position, capacityBytes: 1_024 });
		if (filled.length === 0) expect(ringFill(buffer).usedBytes).toBe(0);
	}
});
