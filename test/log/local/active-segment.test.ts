import { describe, expect, test } from "bun:test";
import { ActiveSegment, type ActiveSnapshot } from "../../../src/log/local/active-segment.ts";
import { SegmentIndex } from "../../../src/log/local/segment/segment-index.ts";
import { LogPosition } from "../../../src/log/position.ts";

function state(lastSeq: number, changes: Partial<ActiveSnapshot> = {}): ActiveSnapshot {
	const endOffset = 128 + lastSeq * 400_000;
	return { firstSeq: 1, lastSeq, activeFirstSeq: 1, activeEpoch: 9, endOffset, ...changes };
}

describe("the active segment", () => {
	test("shows each publication to every view of its memory", () => {
		const active = new ActiveSegment();
		const other = new ActiveSegment(active.buffer);
		expect(other.snapshot().activeFirstSeq).toBe(0);
		const seqMax = Number.MAX_SAFE_INTEGER;
		for (const published of [state(1), state(seqMax, { endOffset: 2 ** 29 }), state(2 ** 32, { firstSeq: 2 ** 31 })]) {
			active.publish(published, new SegmentIndex());
			expect(other.snapshot()).toEqual(published);
		}
	});

	test("is consistent while another thread publishes, and never less than the position tells", async () => {
		const active = new ActiveSegment();
		const position = new LogPosition();
		const worker = new Worker(new URL("published-writer.ts", import.meta.url).href);
		const last = 200_000;
		worker.postMessage({ position: position.buffer, active: active.buffer, last });
		let looks = 0;
		let before = 0;
		for (let seen = 0; seen < last * 0x1_0000_0001; looks++) {
			const { lastSeq: told } = position.snapshot();
			const snapshot = active.snapshot();
			const values = new Set(Object.values(snapshot));
			if (values.size !== 1) throw new Error(`torn: ${[...values].join(", ")}`);
			seen = snapshot.lastSeq;
			if (seen < before) throw new Error(`${seen} was seen after ${before}`);
			if (seen < told) throw new Error(`${seen} was seen where the position tells of ${told}`);
			before = seen;
			if (looks % 1_000 === 0) await position.wait(seen, 100);
		}
		worker.terminate();
		expect(looks).toBeGreaterThan(0);
	});

	test("finds chunks, none beyond the snapshot, and none of another segment's", () => {
		const active = new ActiveSegment();
		const index = new SegmentIndex();
		for (let seq = 1; seq <= 10; seq++) index.add(seq, 1.7e15, 128 + (seq - 1) * 400_000);
		active.publish(state(5), index);
		const early = active.snapshot();
		expect(active.range(early, 1)).toEqual({ start: 128, end: 800_128, seqMax: 2 });
		expect(active.range(early, 4)).toEqual({ start: 800_128, end: 1_600_128, seqMax: 4 });
		expect(active.range(early, 5)).toEqual({ start: 1_600_128, end: 2_000_128, seqMax: 5 });
		active.publish(state(10), index);
		expect(active.range(early, 5)).toEqual({ start: 1_600_128, end: 2_000_128, seqMax: 5 });
		active.publish(state(10, { activeFirstSeq: 11, endOffset: 128 }), new SegmentIndex());
		expect(active.range(early, 5)).toBeUndefined();
		expect(active.range(active.snapshot(), 11)).toBeNull();
	});
});
