import { describe, expect, test } from "bun:test";
import type { DiskFaultReason } from "../../src/disk/fault.ts";
import { createLogMemory, openBlockingReader } from "../../src/log/access.ts";
import { createMessageTimesBuffer } from "../../src/log/message-times.ts";
import { entryBytes, writeEntry } from "../../src/log/record/entry.ts";
import type { SequencerStart } from "../../src/log/worker.ts";
import { Counters } from "../../src/observe/counters.ts";
import { Totals } from "../../src/observe/totals.ts";
import { Doorbell } from "../../src/runtime/doorbell.ts";
import { createRingBuffer, RingWriter } from "../../src/runtime/ring.ts";
import { Thread } from "../../src/runtime/thread.ts";
import { messageEntry, onCleanup, readAll, temporaryDirectory } from "./harness.ts";

const WORKER = new URL("../../src/log/worker.ts", import.meta.url);

describe("the sequencer's thread", () => {
	for (const syncMode of ["always", "write"] as const) {
		test(`mode ${syncMode}: sequences the entries of the rings, drains, and leaves a log that opens again`, async () => {
			const directory = temporaryDirectory();
			const expected: string[] = [];
			for (let run = 0; run < 2; run++) {
				const log = createLogMemory([]);
				const ringBuffer = createRingBuffer(64 * 1024);
				const [own, producer] = [new Doorbell(), new Doorbell()];
				const failures: string[] = [];
				const thread = new Thread<SequencerStart, never, DiskFaultReason | null>(
					"sequencer",
					WORKER,
					() => {},
					(_name, { message }) => failures.push(message),
				);
				const counters = await thread.start({
					rings: [{ buffer: ringBuffer, doorbell: producer.buffer }],
					doorbell: own.buffer,
					log,
					messageTimes: createMessageTimesBuffer(),
					config: {
						persistDir: directory,
						databaseUrl: "",
						syncMode,
						segmentBytes: 100_000,
						replayWindowMs: 3_600_000,
						replayBytesMax: null,
						diskReserveBytes: 0,
						initialSeq: 1,
						logLevel: "warning",
						logFormat: "json",
					},
				});
				const ring = new RingWriter(ringBuffer);
				for (let i = 0; i < 300; i++) {
					const entry = messageEntry(`${run}-${i}`, 1_000);
					for (;;) {
						const ticket = producer.ticket();
						const target = ring.reserve(entryBytes(entry));
						if (target !== null) {
							writeEntry(target, entry);
							break;
						}
						await producer.sleep(ticket, 5_000);
					}
					if (ring.publish()) own.ring();
					expected.push(`${expected.length + 1} ${run}-${i}`);
				}
				await thread.drain();
				expect(failures).toEqual([]);
				expect(ring.acknowledged()).toBe(ring.position);
				const reader = openBlockingReader(log, { directory, cacheBytesMax: 1_000_000, counters: new Counters() });
				onCleanup(() => reader.close());
				expect(readAll(reader)).toEqual(expected);
				// The thread has ended, so all its counts are in the shared memory.
				const totals = new Totals();
				totals.include(counters);
				expect(totals.count("records_appended_total")).toBe(300);
			}
		});
	}
});
