import { systemLogFs } from "../../src/log/local/log-fs.ts";
import type { Entry } from "../../src/log/record/entry.ts";
import { encodeIdentityFacts } from "../../src/log/record/facts.ts";
import { RecordKind } from "../../src/log/record/record.ts";
import { scanFrame } from "../../src/protocol/frame.ts";
import { encodeFrame } from "../../src/sim/message.ts";
import { TestLog } from "../log/harness.ts";

/** The smallest segment that the relay's settings allow. */
export const SEGMENT_BYTES = 1024 * 1024;

/** An `#identity` of the host with this id, as its worker hands it over. */
export function identityEntry(did: string, hostId: number, hostSeq: number, padding = ""): Entry {
	const timeMs = Date.UTC(2026, 6, 4);
	const body = { did, time: new Date(timeMs).toISOString(), padding };
	const frame = encodeFrame({ type: "identity", did, rev: null, body }, hostSeq);
	const scanned = scanFrame(frame);
	if (scanned.kind !== "message") throw new Error("the frame is no message");
	const { seqStart, seqEnd } = scanned.message;
	const facts = encodeIdentityFacts({ did, timeMs });
	return {
		...{ kind: RecordKind.identity, flags: 0, host: hostId, upstreamSeq: hostSeq, ops: 0 },
		...{ seqStart, seqEnd, facts, frame },
	};
}

/**
 * Writes a log as a stopped relay leaves it, with one batch for each list of entries.
 *
 * @param wallMs wall time of that relay at each batch
 */
export function writeLog(
	directory: string,
	batches: readonly (readonly Entry[])[],
	wallMs: (batch: number) => number,
): void {
	let nowMs = wallMs(0);
	const log = new TestLog(directory, systemLogFs, { clock: () => nowMs, segmentBytes: SEGMENT_BYTES });
	for (const [index, entries] of batches.entries()) {
		nowMs = wallMs(index);
		log.append(...entries);
	}
	log.stop();
}
