import type { Trace } from "./assembly.ts";
import type { Span } from "./note.ts";
import { hashOf } from "./sampler.ts";

/** The stages of a message, each of which is a span. The first one is the whole, and the parent of the others. */
export const STAGES = [
	"message",
	"receive",
	"admit",
	"identity",
	"verify",
	"sequence",
	"append",
	"sync",
	"index",
	"deliver",
] as const;

export type Stage = (typeof STAGES)[number];

/** One span of a trace. Times are those of the wall clock, in milliseconds since 1970. */
export interface StageSpan extends Span {
	stage: Stage;
	/** 32 hex digits. */
	traceId: string;
	/** 16 hex digits. */
	spanId: string;
	/** Of the stage that this one is a part of; null for the whole. */
	parentId: string | null;
	attributes: Record<string, string | number>;
	/** Why the message was rejected; null if it was not. Only of the whole. */
	rejection: string | null;
}

/** A stage with its parent. A stage with a number is there once for each thread. */
interface Part extends Span {
	stage: Stage;
	within: Stage;
	number?: number;
	attributes?: Record<string, string | number>;
}

/**
 * Makes the spans of a trace, the whole first. A stage that did not happen has none. The ids follow from the message and the salt, which is another one
 * in each run of the relay.
 *
 * @param wallOffsetMs what to add to a time of `steadyMs` to get the wall clock's
 */
export function spansOf(trace: Trace, salt: number, wallOffsetMs: number): StageSpan[] {
	const { settled, logged } = trace;
	const { host, upstreamSeq } = settled;
	const traceId = hexOf(host, upstreamSeq, salt, 0, 4);
	const idOf = (stage: Stage, number = 0): string =>
		hexOf(host, upstreamSeq, salt, 16 + 2 * (STAGES.indexOf(stage) + STAGES.length * number), 2);
	const parts = partsOf(trace);
	const whole: StageSpan = {
		stage: "message",
		...{ traceId, spanId: idOf("message"), parentId: null },
		beganMs: settled.receivedMs + wallOffsetMs,
		endedMs: parts.reduce((endMs, part) => Math.max(endMs, part.endedMs), settled.settledMs) + wallOffsetMs,
		attributes: {
			"standpipe.did": settled.did,
			"standpipe.host": settled.hostname,
			"standpipe.kind": settled.kind,
			"standpipe.upstream_seq": upstreamSeq,
			"standpipe.attempts": settled.attempts,
			...(logged === null ? {} : { "standpipe.lsn": logged.lsn, "standpipe.seq": logged.seq }),
			...(settled.reason === null ? {} : { "standpipe.rejection": settled.reason }),
		},
		rejection: settled.reason,
	};
	const others = parts.map(
		({ stage, within, number, beganMs, endedMs, attributes = {} }): StageSpan => ({
			stage,
			...{ traceId, spanId: idOf(stage, number), parentId: idOf(within) },
			...{ beganMs: beganMs + wallOffsetMs, endedMs: endedMs + wallOffsetMs },
			...{ attributes, rejection: null },
		}),
	);
	return [whole, ...others];
}

/** The stages that happened. The clocks of two threads may differ a little, so no stage ends before it begins. */
function partsOf({ settled, logged, indexed, delivered }: Trace): Part[] {
	const { receivedMs, takenOnMs, settledMs, identity, verification } = settled;
	const parts: Part[] = [
		{ stage: "receive", within: "message", beganMs: receivedMs, endedMs: takenOnMs },
		{ stage: "admit", within: "message", beganMs: takenOnMs, endedMs: settledMs },
	];
	if (identity !== null) parts.push({ stage: "identity", within: "admit", ...identity });
	if (verification !== null) parts.push({ stage: "verify", within: "admit", ...verification });
	if (logged !== null) {
		const { takenMs, publishedMs, durableMs } = logged;
		parts.push({ stage: "sequence", within: "message", beganMs: settledMs, endedMs: takenMs });
		parts.push({ stage: "append", within: "message", beganMs: takenMs, endedMs: publishedMs });
		parts.push({ stage: "sync", within: "message", beganMs: takenMs, endedMs: durableMs });
	}
	if (indexed !== null)
		parts.push({ stage: "index", within: "message", beganMs: indexed.beganMs, endedMs: indexed.endedMs });
	for (const { beganMs, endedMs, thread } of delivered) {
		const attributes = { "standpipe.fanout_thread": thread };
		parts.push({ stage: "deliver", within: "message", number: thread, beganMs, endedMs, attributes });
	}
	return parts.map((part) => {
		const beganMs = Math.max(part.beganMs, receivedMs);
		return { ...part, beganMs, endedMs: Math.max(part.endedMs, beganMs) };
	});
}

/** Hex digits of so many hashes of a message. An id must not be all zeros, which a hash of 0 in each place would give. */
function hexOf(host: number, upstreamSeq: number, salt: number, from: number, words: number): string {
	const hashes = Array.from({ length: words }, (_, at) => hashOf(host, upstreamSeq, (salt + from + at) | 0) || 1);
	return hashes.map((hash) => hash.toString(16).padStart(8, "0")).join("");
}
