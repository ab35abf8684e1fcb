import type { Manifest } from "../../src/backup/manifest.ts";

const SHA256 = "0".repeat(64);

/** A manifest with these values. */
export function manifestOf(changes: Partial<Manifest> = {}): Manifest {
	return {
		version: "0.1.0",
		beganAtMs: 1_700_000_000_000,
		logId: "3f0f4c1a-6e1f-4a53-9a39-1b0a5c5b3a11",
		...{ firstLsn: 1, lastLsn: 12, lastSeq: 10, lsnUsedMax: 12, seqUsedMax: 10, faults: 0 },
		index: { bytes: 4_096, sha256: SHA256, checkpoint: 11 },
		segments: [{ name: `${"1".padStart(20, "0")}-${"1".padStart(20, "0")}.seg`, bytes: 200, sha256: SHA256 }],
		...changes,
	};
}
