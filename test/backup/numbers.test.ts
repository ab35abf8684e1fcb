import { expect, test } from "bun:test";
import { BackupError } from "../../src/backup/backup-error.ts";
import { usedSince } from "../../src/backup/numbers.ts";
import { Rng } from "../../src/sim/rng.ts";
import { manifestOf } from "./manifests.ts";

const YEAR_MS = 365 * 86_400_000;
/** Messages a second that no relay can sequence. */
const RATE = 80_000;

test("the numbers after a restore are above all that a relay can have used since the backup, and lsns stay above seqs", () => {
	const rng = new Rng("numbers used");
	for (let round = 0; round < 500; round++) {
		const seqUsedMax = 1 + rng.int(2 ** 40);
		const lsnUsedMax = seqUsedMax + rng.int(2 ** 30);
		const beganAtMs = rng.int(50 * YEAR_MS);
		const goneMs = rng.int(rng.pick([1_000, 3_600_000, 10 * YEAR_MS]));
		const used = usedSince(manifestOf({ beganAtMs, seqUsedMax, lsnUsedMax }), beganAtMs + goneMs, null);
		expect(used.seq).toBeGreaterThan(seqUsedMax + (goneMs / 1000) * RATE);
		expect(used.lsn - used.seq).toBe(lsnUsedMax - seqUsedMax);
		// There are enough for a thousand such restores.
		expect(used.seq - seqUsedMax).toBeLessThan(Number.MAX_SAFE_INTEGER / 250);
	}
});

test("an operator's number holds, unless the backup has greater ones or too few are left", () => {
	const manifest = manifestOf({ beganAtMs: 1_000, seqUsedMax: 500, lsnUsedMax: 700 });
	// Whatever the clock says.
	expect(usedSince(manifest, 0, 900)).toEqual({ seq: 900, lsn: 1_100 });
	expect(usedSince(manifest, 5_000, 500)).toEqual({ seq: 500, lsn: 700 });
	for (const seqUsed of [0, 499, Number.MAX_SAFE_INTEGER])
		expect(() => usedSince(manifest, 5_000, seqUsed)).toThrow(BackupError);
});

test("a clock that is before the backup is not believed", () => {
	const manifest = manifestOf({ beganAtMs: 1_000, seqUsedMax: 500, lsnUsedMax: 700 });
	expect(() => usedSince(manifest, 999, null)).toThrow("--seq-used");
});
