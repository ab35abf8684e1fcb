import { describe, expect, test } from "bun:test";
import { LogPosition, type PositionSnapshot } from "../../src/log/position.ts";

function state(lastLsn: number, changes: Partial<PositionSnapshot> = {}): PositionSnapshot {
	return {
		firstLsn: 2,
		lastLsn,
		durableLsn: lastLsn - 1,
		lsnUsedMax: lastLsn,
		firstSeq: 1,
		lastSeq: Math.floor(lastLsn / 2),
		seqUsedMax: Math.floor(lastLsn / 2),
		lastTimeUs: 1.7e15,
		...changes,
	};
}

describe("the log's position", () => {
	test("shows each publication to every view of its memory", () => {
		const position = new LogPosition();
		const other = new LogPosition(position.buffer);
		expect(other.snapshot().firstLsn).toBe(0);
		const lsnMax = Number.MAX_SAFE_INTEGER;
		for (const published of [state(1), state(lsnMax), state(2 ** 32, { firstLsn: 2 ** 31 })]) {
			position.publish(published);
			expect(other.snapshot()).toEqual(published);
		}
	});

	test("is read consistently while another thread publishes", async () => {
		const position = new LogPosition();
		const worker = new Worker(new URL("local/published-writer.ts", import.meta.url).href);
		const last = 200_000;
		worker.postMessage({ position: position.buffer, last });
		let looks = 0;
		let before = 0;
		for (let seen = 0; seen < last * 0x1_0000_0001; looks++) {
			const snapshot = position.snapshot();
			const values = new Set(Object.values(snapshot));
			if (values.size !== 1) throw new Error(`torn: ${[...values].join(", ")}`);
			seen = snapshot.lastLsn;
			if (seen < before) throw new Error(`${seen} was seen after ${before}`);
			before = seen;
			if (looks % 1_000 === 0) await position.wait(seen, 100);
		}
		worker.terminate();
		expect(looks).toBeGreaterThan(0);
	});

	test("wakes a reader that waits when something is published, and makes none wait for what is published already", async () => {
		const position = new LogPosition();
		position.publish(state(5));
		await position.wait(4, 60_000);
		let woken = false;
		const waiting = position.wait(5, 60_000).then(() => {
			woken = true;
		});
		await Promise.resolve();
		expect(woken).toBe(false);
		position.publish(state(6));
		await waiting;
		await position.wait(6, 1);
		// State 6 is published, but durable only up to 5.
		await position.wait(4, 60_000, "durableLsn");
		let isDurable = false;
		const syncing = position.wait(5, 60_000, "durableLsn").then(() => {
			isDurable = true;
		});
		await Promise.resolve();
		expect(isDurable).toBe(false);
		position.publish(state(6, { durableLsn: 6 }));
		await syncing;
	});
});
