import { expect, test } from "bun:test";
import type { AppendLog, UnsealedBatch } from "../../src/log/log.ts";
import { entryBytes, writeEntry } from "../../src/log/record/entry.ts";
import { Sequencer } from "../../src/log/sequencer.ts";
import { Counters } from "../../src/observe/counters.ts";
import { Doorbell } from "../../src/runtime/doorbell.ts";
import { createRingBuffer, RingReader, RingWriter } from "../../src/runtime/ring.ts";
import { messageEntry, START_MS } from "./harness.ts";

/** A log that answers when the test says so. */
class LaterLog implements AppendLog {
	nextLsn = 1;
	nextSeq = 1;
	durableLsn = 0;
	readonly asked: UnsealedBatch[] = [];
	answer = Promise.withResolvers<boolean>();

	timeUs(): number {
		return START_MS * 1000;
	}

	prepare(): boolean {
		return true;
	}

	async append(batch: UnsealedBatch): Promise<boolean> {
		this.asked.push(batch);
		this.answer = Promise.withResolvers();
		const isTaken = await this.answer.promise;
		if (isTaken) {
			this.nextLsn = batch.lastLsn + 1;
			this.nextSeq = batch.lastSeq + 1;
		}
		return isTaken;
	}
}

function sequencerOf(log: LaterLog): { sequencer: Sequencer; ring: RingWriter; handOver: (label: string) => void } {
	const buffer = createRingBuffer(1024 * 1024);
	const ring = new RingWriter(buffer);
	const producers = [{ ring: new RingReader(buffer), doorbell: new Doorbell() }];
	const handOver = (label: string): void => {
		const entry = messageEntry(label);
		const target = ring.reserve(entryBytes(entry));
		if (target === null) throw new Error("the test's ring is too small");
		writeEntry(target, entry);
		ring.publish();
	};
	return { sequencer: new Sequencer(log, producers, new Counters()), ring, handOver };
}

test("a log that answers later gets one batch at a time, the same until it takes it, and entries are acknowledged when they are durable", async () => {
	const log = new LaterLog();
	const { sequencer, ring, handOver } = sequencerOf(log);
	handOver("a");
	const refused = sequencer.step();
	expect(refused).toBeInstanceOf(Promise);
	handOver("b");
	expect(ring.acknowledged()).toBe(0);
	log.answer.resolve(false);
	expect(await refused).toBe(false);
	expect(ring.acknowledged()).toBe(0);

	const taken = sequencer.step();
	expect(log.asked[1]).toBe(log.asked[0] as UnsealedBatch);
	log.answer.resolve(true);
	expect(await taken).toBe(true);
	expect(ring.acknowledged()).toBe(0);
	log.durableLsn = 1;
	sequencer.acknowledge();
	const first = ring.acknowledged();
	expect(first).toBeGreaterThan(0);
	expect(first).toBeLessThan(ring.position);

	const second = sequencer.step();
	expect(log.asked[2]).toMatchObject({ firstLsn: 2, lastLsn: 2, lastSeq: 2 });
	log.durableLsn = 2;
	expect(ring.acknowledged()).toBe(first);
	log.answer.resolve(true);
	expect(await second).toBe(true);
	expect(ring.acknowledged()).toBe(ring.position);
	expect(await sequencer.step()).toBe(false);
	expect(log.asked.length).toBe(3);
});

test("a failure of a log that answers later, which waiting can't cure, fails the step and acknowledges nothing", async () => {
	const log = new LaterLog();
	const { sequencer, ring, handOver } = sequencerOf(log);
	handOver("a");
	const step = sequencer.step();
	log.answer.reject(new Error("another has taken over"));
	await expect(Promise.resolve(step)).rejects.toThrow("taken over");
	expect(ring.acknowledged()).toBe(0);
});
