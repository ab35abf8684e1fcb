import { expect, test } from "bun:test";
import { LastUsed, readLastUsed } from "../../../src/log/local/last-used.ts";
import { AHEAD_MAX, AHEAD_MIN, NumbersInUse } from "../../../src/log/local/write/numbers-in-use.ts";
import { Rng } from "../../../src/sim/rng.ts";
import { MemoryFs } from "./memory-fs.ts";

const DIRECTORY = "/log";

/** A file system whose syncs off the thread end when the test says so. */
class SlowFs extends MemoryFs {
	readonly #syncs: (() => void)[] = [];

	override async syncInBackground(file: number): Promise<void> {
		const started = Promise.withResolvers<void>();
		this.#syncs.push(started.resolve);
		await started.promise;
		await super.syncInBackground(file);
	}

	async finish(): Promise<void> {
		this.#syncs.shift()?.();
		await new Promise((resolve) => setImmediate(resolve));
	}
}

test("mode write: what is published is covered on the disk at any time, whichever sync ends first", async () => {
	for (let seed = 0; seed < 100; seed++) {
		const rng = new Rng(`bound ${seed}`);
		const fs = new SlowFs();
		const numbers = new NumbersInUse(new LastUsed(fs, DIRECTORY, 0), "write");
		const place = { lsn: 0, seq: 0, epoch: 7, end: 128 };
		numbers.open(place);
		let sync: Promise<void> | null = null;
		let largest = 0;
		for (let step = 0; step < 200; step++) {
			const count = rng.int(2) === 0 ? rng.int(10_000) : rng.int(20);
			place.lsn += count;
			place.seq += rng.int(count + 1);
			largest += count;
			numbers.cover(place);
			// A power cut may leave the older slot only.
			const found = readLastUsed(
				fs.afterPowerCut(() => rng.int(2) === 0),
				DIRECTORY,
			)?.numbers;
			expect(found?.lsnMax).toBeGreaterThanOrEqual(place.lsn);
			expect(found?.seqMax).toBeGreaterThanOrEqual(place.seq);
			expect((found?.lsnMax ?? 0) - place.lsn).toBeLessThanOrEqual(AHEAD_MAX);
			if (sync === null && rng.int(4) === 0) sync = numbers.keepAhead({ ...place });
			if (sync !== null && rng.int(3) === 0) {
				await fs.finish();
				await sync;
				sync = null;
			}
		}
		expect(largest).toBeGreaterThan(AHEAD_MIN);
		await fs.finish();
		await sync;
		numbers.settle(place);
		numbers.close();
		expect(fs.openFiles).toBe(0);
		const { lsn, seq } = place;
		expect(readLastUsed(fs.afterPowerCut(), DIRECTORY)?.numbers).toEqual({
			...{ lsnMax: lsn, seqMax: seq, epoch: 7, end: 128 },
			...{ isExact: true, isClean: true },
		});
	}
});

test("mode write: a bound that a batch has to write while another is on its way is not lower than that", async () => {
	const fs = new SlowFs();
	const numbers = new NumbersInUse(new LastUsed(fs, DIRECTORY, 0), "write");
	const at = (lsn: number) => ({ lsn, seq: lsn, epoch: 7, end: 128 });
	numbers.open(at(0));
	numbers.cover(at(9_000));
	for (const lsn of [9_000, 18_000]) await numbers.keepAhead(at(lsn));
	const moving = numbers.keepAhead(at(24_000));
	// This batch is beyond the bound on the disk, in an interval with fewer records than the one for which the other bound was made.
	numbers.cover(at(27_001));
	await fs.finish();
	await moving;
	numbers.cover(at(40_000));
	expect(readLastUsed(fs.afterPowerCut(), DIRECTORY)?.numbers.lsnMax).toBeGreaterThanOrEqual(40_000);
	numbers.close();
});
