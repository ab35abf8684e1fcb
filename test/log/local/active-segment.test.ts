import { describe, expect, test } from "bun:test";
import { ActiveSegment, type ActiveSnapshot } from "../../../src/log/local/active-segment.ts";
import { SegmentIndex } from "../../../src/log/local/segment/segment-index.ts";
import { LogPosition } from "../../../src/log/position.ts";

function state(lastLsn: number, changes: Partial<ActiveSnapshot> = {}): ActiveSnapshot {
	const endOffset = 128 + lastLsn * 400_000;
	const lastSeq = lastLsn + 1000;
	return { firstLsn: 1, firstSeq: 1001, lastLsn, lastSeq, activeFirstLsn: 1, activeEpoch: 9, endOffset, ...changes };
}

describe("the active segment", () => {
	test("shows each publication to every view of its memory", () => {
		const active = new ActiveSegment();
		const other = new ActiveSegment(active.buffer);
		expect(other.snapshot().activeFirstLsn).toBe(0);
		const lsnMax = Number.MAX_SAFE_INTEGER - 1000;
		for (const published of [
			state(1),
			state(lsnMax, { endOffset: 2 ** 29 }),
			state(2 ** 32, { firstLsn: 2 ** 31, firstSeq: 2 ** 33 }),
		]) {
			active.publish(published, new SegmentIndex());
			expect(other.snapshot()).toEqual(published);
		}
	});

	test("is read consistently while another thread publishes, and is never less than the position says", async () => {
		const active = new ActiveSegment();
		const position = new LogPosition();
		const worker = new Worker(new URL("published-writer.ts", import.meta.url).href);
		const last = 200_000;
		worker.postMessage({ position: position.buffer, active: active.buffer, last });
		let looks = 0;
		let before = 0;
		for (let seen = 0; seen < last * 0x1_0000_0001; looks++) {
			const { lastLsn: told } = position.snapshot();
			const snapshot = active.snapshot();
			const values = new Set(Object.values(snapshot));
			if (values.size !== 1) throw new Error(`torn: ${[...values].join(", ")}`);
			seen = snapshot.lastLsn;
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
		for (let n = 1; n <= 10; n++) index.add(n, n + 1000, 1.7e15 + 10 * n, 128 + (n - 1) * 400_000);
		active.publish(state(5), index);
		const early = active.snapshot();
		expect(active.range(early, 1)).toEqual({ start: 128, end: 800_128, lsnAfter: 0, lsnMax: 2 });
		expect(active.range(early, 4)).toEqual({ start: 800_128, end: 1_600_128, lsnAfter: 2, lsnMax: 4 });
		expect(active.range(early, 5)).toEqual({ start: 1_600_128, end: 2_000_128, lsnAfter: 4, lsnMax: 5 });
		expect(active.rangeOfPlace(early, { seq: 1000 })).toBeNull();
		expect(active.rangeOfPlace(early, { seq: 1002 })).toEqual({ start: 128, end: 800_128, lsnAfter: 0, lsnMax: 2 });
		expect(active.rangeOfPlace(early, { timeUs: 1.7e15 + 10 })).toBeNull();
		expect(active.rangeOfPlace(early, { timeUs: 1.7e15 + 11 })).toEqual({
			start: 128,
			end: 800_128,
			lsnAfter: 0,
			lsnMax: 2,
		});
		for (const place of [{ seq: 1005 }, { seq: 1010 }, { timeUs: 1.8e15 }])
			expect(active.rangeOfPlace(early, place)).toEqual({ start: 1_600_128, end: 2_000_128, lsnAfter: 4, lsnMax: 5 });
		active.publish(state(10), index);
		expect(active.range(early, 5)).toEqual({ start: 1_600_128, end: 2_000_128, lsnAfter: 4, lsnMax: 5 });
		active.publish(state(10, { activeFirstLsn: 11, endOffset: 128 }), new SegmentIndex());
		expect(active.range(early, 5)).toBeUndefined();
		expect(active.rangeOfPlace(early, { seq: 5 })).toBeUndefined();
		expect(active.range(active.snapshot(), 11)).toBeNull();
	});
});
