import { MESSAGE_TYPES } from "../../src/protocol/kinds/table.ts";
import { REJECTION_REASON_NAMES } from "../../src/protocol/reasons.ts";
import type { Rng } from "../../src/sim/rng.ts";
import type {
	DeliveredNote,
	IndexedNote,
	LoggedNote,
	SettledNote,
	Span,
	TracedMessage,
} from "../../src/tracing/note.ts";

const NOW_MS = 1_700_000_000_000;

/** A time that a float holds exactly, at or after another. */
function later(rng: Rng, thanMs: number): number {
	return thanMs + rng.int(4_000) / 4;
}

function spanFrom(rng: Rng, fromMs: number): Span {
	const beganMs = later(rng, fromMs);
	return { beganMs, endedMs: later(rng, beganMs) };
}

/** Any message of any host. */
export function anyMessage(rng: Rng): TracedMessage {
	return { host: rng.int(2 ** 32), upstreamSeq: rng.int(2 ** 53) };
}

/** What the thread of its DID notes of a message. */
export function settledNote(rng: Rng, { host, upstreamSeq }: TracedMessage, isRejected: boolean): SettledNote {
	const receivedMs = later(rng, NOW_MS);
	const takenOnMs = later(rng, receivedMs);
	const identity = rng.int(2) === 0 ? null : spanFrom(rng, takenOnMs);
	const verification = rng.int(3) === 0 ? null : spanFrom(rng, identity?.endedMs ?? takenOnMs);
	return {
		...{ type: "settled", host, upstreamSeq },
		did: `did:web:${"ü".repeat(rng.int(3))}${"x".repeat(rng.int(40))}.example`,
		hostname: `${"h".repeat(1 + rng.int(60))}.example`,
		kind: rng.pick(MESSAGE_TYPES),
		reason: isRejected ? rng.pick(REJECTION_REASON_NAMES) : null,
		attempts: 1 + rng.int(255),
		...{ receivedMs, takenOnMs, identity, verification },
		settledMs: later(rng, verification?.endedMs ?? identity?.endedMs ?? takenOnMs),
	};
}

/** What the sequencer notes of it. */
export function loggedNote(rng: Rng, { host, upstreamSeq, settledMs }: SettledNote, lsn: number): LoggedNote {
	const takenMs = later(rng, settledMs);
	const publishedMs = later(rng, takenMs);
	const durableMs = later(rng, publishedMs);
	return { type: "logged", host, upstreamSeq, lsn, seq: rng.int(2 ** 53), takenMs, publishedMs, durableMs };
}

export function indexedNote(rng: Rng, { host, upstreamSeq, durableMs }: LoggedNote): IndexedNote {
	return { type: "indexed", host, upstreamSeq, ...spanFrom(rng, durableMs) };
}

export function deliveredNote(rng: Rng, { lsn, publishedMs }: LoggedNote, thread: number): DeliveredNote {
	return { type: "delivered", lsn, thread, beganMs: publishedMs, endedMs: later(rng, publishedMs) };
}
