import { expect, test } from "bun:test";
import { Handover } from "../../src/log/handover.ts";
import { controlEntry } from "../../src/log/record/entry.ts";
import { Counters } from "../../src/observe/counters.ts";
import { Doorbell } from "../../src/runtime/doorbell.ts";
import { createRingBuffer, RingReader, RingWriter } from "../../src/runtime/ring.ts";
import { Rng } from "../../src/sim/rng.ts";
import { observed } from "../observe/counted.ts";

test("one entry at a time is timed, from its message's arrival until it is durable", () => {
	const rng = new Rng("handover");
	const ring = createRingBuffer(64 * 1024);
	const reader = new RingReader(ring);
	const counters = new Counters();
	const handover = new Handover(0, new RingWriter(ring), new Doorbell(), counters);
	let nowMs = 1_000;
	let timed: { position: number; sinceMs: number } | null = null;
	const expected: number[] = [];
	for (let step = 0; step < 5_000; step++) {
		nowMs += rng.int(50);
		if (rng.int(3) > 0) {
			const position = handover.push(controlEntry("cursors", { cursors: [{ host: 1, seq: step }] }));
			if (position === null) throw new Error("the ring is drained in time");
			// Its message may have waited long before.
			const sinceMs = nowMs - rng.pick([0, rng.int(900)]);
			handover.time(sinceMs);
			timed ??= { position, sinceMs };
		}
		if (rng.int(2) === 0) {
			handover.flush();
			for (let count = rng.int(6); count > 0 && reader.next() !== null; count--);
			reader.release();
			reader.acknowledge(reader.position);
		}
		if (rng.int(3) > 0) handover.noteDurable(nowMs);
		else continue;
		if (timed === null || reader.acknowledged() < timed.position) continue;
		expected.push((nowMs - timed.sinceMs) / 1000);
		timed = null;
	}
	const { total, distributions, bounds } = observed(counters, "message_durable_seconds");
	expect(total).toBe(expected.length);
	expect(total).toBeGreaterThan(500);
	const [{ upTo = [], sum = 0 } = {}] = distributions;
	expect(upTo).toEqual(
		[...bounds, Number.POSITIVE_INFINITY].map((bound) => expected.filter((value) => value <= bound).length),
	);
	expect(sum).toBeCloseTo(
		expected.reduce((all, one) => all + one, 0),
		6,
	);
});
