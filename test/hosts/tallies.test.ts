import { expect, test } from "bun:test";
import { createTalliesBuffer, HostTallies, type HostTally, TALLIED_IDS_MAX } from "../../src/hosts/tallies.ts";
import { Rng } from "../../src/sim/rng.ts";

test("each host is tallied by itself, and those with greater ids together, whichever worker has them", () => {
	const rng = new Rng("tallies");
	const buffer = createTalliesBuffer();
	const tallies = new HostTallies(buffer);
	const ids = [1, 2, 3, TALLIED_IDS_MAX - 1, TALLIED_IDS_MAX, TALLIED_IDS_MAX + 1, TALLIED_IDS_MAX + 2, 9_999_999];
	const own = new Map<number, HostTally>(ids.map((id) => [id, new HostTallies(buffer).of(id, id % 64)]));
	const expected = new Map(ids.map((id) => [id, { events: 0, rejected: 0 }]));
	for (let round = 0; round < 2_000; round++) {
		const id = rng.pick(ids);
		const counts = expected.get(id);
		if (rng.int(3) === 0) {
			own.get(id)?.addRejected();
			if (counts !== undefined) counts.rejected++;
		} else {
			own.get(id)?.addEvent();
			if (counts !== undefined) counts.events++;
		}
	}
	const rest = { events: 0, rejected: 0, waitingSinceMs: 0 };
	for (const [id, { events, rejected }] of expected) {
		if (id <= TALLIED_IDS_MAX) expect(tallies.read(id)).toEqual({ events, rejected, waitingSinceMs: 0 });
		else {
			expect(tallies.read(id)).toBeNull();
			rest.events += events;
			rest.rejected += rejected;
		}
	}
	expect(tallies.readRest()).toEqual(rest);
});

test("a tally says since when messages wait, and no longer when none does", () => {
	const tallies = new HostTallies(createTalliesBuffer());
	const tally = tallies.of(7, 0);
	const beforeMs = Date.now();
	tally.noteWaiting(true);
	expect(tallies.read(7)?.waitingSinceMs).toBeGreaterThanOrEqual(beforeMs);
	expect(tallies.read(8)?.waitingSinceMs).toBe(0);
	tally.noteWaiting(false);
	expect(tallies.read(7)?.waitingSinceMs).toBe(0);
});
