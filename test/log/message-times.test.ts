import { expect, test } from "bun:test";
import { MESSAGE_TIMES_MAX, MessageTimes } from "../../src/log/message-times.ts";
import { Rng } from "../../src/sim/rng.ts";

test("the times of the latest messages are found by their lsns, and those of no other message", () => {
	for (let round = 0; round < 20; round++) {
		const rng = new Rng(`message times ${round}`);
		const times = new MessageTimes();
		const noted = new Map<number, { receivedMs: number; handedOverMs: number; publishedMs: number }>();
		const firstLsn = 1 + rng.int(2 ** 40);
		let lsn = firstLsn;
		for (let step = 0; step < 2_000; step++) {
			// Control records have no times, and lsns may be left out.
			lsn += 1 + rng.int(rng.int(50) === 0 ? 100_000 : 3);
			const receivedMs = 1_700_000_000_000 + step;
			times.note(lsn, receivedMs, receivedMs + 0.25);
			noted.set(lsn, { receivedMs, handedOverMs: receivedMs + 0.25, publishedMs: 0 });
			if (rng.int(2) === 0) continue;
			const published = lsn - rng.int(3);
			times.notePublished(published, receivedMs + 0.5);
			const entry = noted.get(published);
			if (entry !== undefined) entry.publishedMs = receivedMs + 0.5;
		}
		const taken = new Map([...noted.keys()].map((each) => [each % MESSAGE_TIMES_MAX, each]));
		for (const [each, entry] of noted) {
			const isKept = taken.get(each % MESSAGE_TIMES_MAX) === each;
			const expected = isKept ? entry : { receivedMs: 0, handedOverMs: 0, publishedMs: 0 };
			const found = {
				receivedMs: times.receivedMs(each),
				handedOverMs: times.handedOverMs(each),
				publishedMs: times.publishedMs(each),
			};
			expect(found).toEqual(expected);
			if (!noted.has(each + 1)) expect(times.receivedMs(each + 1)).toBe(0);
		}
	}
});
