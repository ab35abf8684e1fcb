import { describe, expect, test } from "bun:test";
import { type HeadSnapshot, LogHead } from "../../../src/log/local/head.ts";
import { SegmentIndex } from "../../../src/log/local/segment/segment-index.ts";

function state(lastSeq: number, changes: Partial<HeadSnapshot> = {}): HeadSnapshot {
	const endOffset = 128 + lastSeq * 400_000;
	return {
		firstSeq: 1,
		lastSeq,
		seqUsedMax: lastSeq,
		activeFirstSeq: 1,
		activeEpoch: 9,
		endOffset,
		lastTimeUs: 1.7e15,
		durableSeq: lastSeq - 1,
		...changes,
	};
}

describe("the head", () => {
	test("shows each publication to every view of its memory", () => {
		const head = new LogHead();
		const other = new LogHead(head.buffer);
		expect(other.snapshot().activeFirstSeq).toBe(0);
		const seqMax = Number.MAX_SAFE_INTEGER;
		for (const published of [state(1), state(seqMax, { endOffset: 2 ** 29 }), state(2 ** 32, { firstSeq: 2 ** 31 })]) {
			head.publish(published, new SegmentIndex());
			expect(other.snapshot()).toEqual(published);
		}
	});

	test("is consistent while another thread publishes", async () => {
		const head = new LogHead();
		const worker = new Worker(new URL("head-writer.ts", import.meta.url).href);
		const last = 200_000;
		worker.postMessage({ buffer: head.buffer, last });
		let looks = 0;
		let before = 0;
		for (let seen = 0; seen < last * 0x1_0000_0001; looks++) {
			const snapshot = head.snapshot();
			const values = new Set(Object.values(snapshot));
			if (values.size !== 1) throw new Error(`torn: ${[...values].join(", ")}`);
			seen = snapshot.lastSeq;
			if (seen < before) throw new Error(`${seen} was seen after ${before}`);
			before = seen;
			if (looks % 1_000 === 0) await head.wait(seen, 100);
		}
		worker.terminate();
		expect(looks).toBeGreaterThan(0);
	});

	test("wakes who waits at a publication, and does not let wait who is behind", async () => {
		const head = new LogHead();
		head.publish(state(5), new SegmentIndex());
		await head.wait(4, 60_000);
		let woken = false;
		const waiting = head.wait(5, 60_000).then(() => {
			woken = true;
		});
		await Promise.resolve();
		expect(woken).toBe(false);
		head.publish(state(6), new SegmentIndex());
		await waiting;
		await head.wait(6, 1);
	});

	test("keeps how far the index is", () => {
		const head = new LogHead();
		expect(head.applied()).toBe(0);
		for (const seq of [1, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER]) {
			head.setApplied(seq);
			expect(new LogHead(head.buffer).applied()).toBe(seq);
		}
	});

	test("finds blocks of the active segment, none beyond the snapshot, and none of another segment's", () => {
		const head = new LogHead();
		const index = new SegmentIndex();
		for (let seq = 1; seq <= 10; seq++) index.add(seq, 1.7e15, 128 + (seq - 1) * 400_000);
		head.publish(state(5), index);
		const early = head.snapshot();
		expect(head.activeBlock(early, 1)).toEqual({ start: 128, end: 800_128, seqMax: 2 });
		expect(head.activeBlock(early, 4)).toEqual({ start: 800_128, end: 1_600_128, seqMax: 4 });
		expect(head.activeBlock(early, 5)).toEqual({ start: 1_600_128, end: 2_000_128, seqMax: 5 });
		head.publish(state(10), index);
		expect(head.activeBlock(early, 5)).toEqual({ start: 1_600_128, end: 2_000_128, seqMax: 5 });
		head.publish(state(10, { activeFirstSeq: 11, endOffset: 128 }), new SegmentIndex());
		expect(head.activeBlock(early, 5)).toBeUndefined();
		expect(head.activeBlock(head.snapshot(), 11)).toBeNull();
	});
});
