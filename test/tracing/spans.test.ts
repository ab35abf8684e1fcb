import { expect, test } from "bun:test";
import { Rng } from "../../src/sim/rng.ts";
import type { Trace } from "../../src/tracing/assembly.ts";
import { STAGES, type StageSpan, spansOf } from "../../src/tracing/spans.ts";
import { anyMessage, deliveredNote, indexedNote, loggedNote, settledNote } from "./notes.ts";

/** A trace of which anything but its first note may be missing. */
function anyTrace(rng: Rng): Trace {
	const settled = settledNote(rng, anyMessage(rng), rng.int(4) === 0);
	const logged = settled.reason !== null || rng.int(5) === 0 ? null : loggedNote(rng, settled, rng.int(2 ** 53));
	if (logged === null) return { settled, logged, indexed: null, delivered: [] };
	const delivered = Array.from({ length: rng.int(4) }, (_, thread) => deliveredNote(rng, logged, thread));
	return { settled, logged, indexed: rng.int(3) === 0 ? null : indexedNote(rng, logged), delivered };
}

function stagesOf(spans: readonly StageSpan[]): string[] {
	return spans.map(({ stage }) => stage).sort();
}

test("the spans of any trace: the whole and a part for each stage that happened, in order, with ids of their own", () => {
	const traceIds = new Set<string>();
	for (let round = 0; round < 2_000; round++) {
		const rng = new Rng(`spans ${round}`);
		const trace = anyTrace(rng);
		const { settled, logged, indexed, delivered } = trace;
		const spans = spansOf(trace, 7, 100_000);
		const [whole, ...parts] = spans;
		if (whole === undefined) throw new Error("there is no span");
		const expected = ["message", "receive", "admit"];
		if (settled.identity !== null) expected.push("identity");
		if (settled.verification !== null) expected.push("verify");
		if (logged !== null) expected.push("sequence", "append", "sync");
		if (indexed !== null) expected.push("index");
		expect(stagesOf(spans)).toEqual([...expected, ...delivered.map(() => "deliver")].sort());

		const byId = new Map(spans.map((span) => [span.spanId, span]));
		expect(byId.size).toBe(spans.length);
		expect(whole).toMatchObject({ stage: "message", parentId: null, rejection: settled.reason });
		expect(whole.beganMs).toBe(settled.receivedMs + 100_000);
		expect(whole.endedMs).toBe(Math.max(...spans.map(({ endedMs }) => endedMs)));
		for (const { traceId, spanId, parentId, beganMs, endedMs } of parts) {
			expect(traceId).toBe(whole.traceId);
			expect(spanId).toMatch(/^[\da-f]{16}$/);
			const parent = byId.get(parentId ?? "");
			expect(parent?.beganMs).toBeLessThanOrEqual(beganMs);
			expect(beganMs).toBeLessThanOrEqual(endedMs);
			expect(endedMs).toBeLessThanOrEqual(parent?.endedMs ?? 0);
		}
		expect(whole.traceId).toMatch(/^[\da-f]{32}$/);
		traceIds.add(whole.traceId);
		// In another run of the relay it has another id.
		expect(spansOf(trace, 8, 0)[0]?.traceId).not.toBe(whole.traceId);
		expect(spansOf(trace, 7, 0)[0]?.traceId).toBe(whole.traceId);
	}
	expect(traceIds.size).toBe(2_000);
});

test("the whole says which message it was, and what became of it", () => {
	const rng = new Rng("attributes");
	const settled = settledNote(rng, { host: 3, upstreamSeq: 99 }, true);
	const rejected = spansOf({ settled, logged: null, indexed: null, delivered: [] }, 1, 0)[0];
	expect(rejected?.attributes).toEqual({
		"standpipe.did": settled.did,
		"standpipe.host": settled.hostname,
		"standpipe.kind": settled.kind,
		"standpipe.upstream_seq": 99,
		"standpipe.attempts": settled.attempts,
		"standpipe.rejection": settled.reason ?? "",
	});
	const passed = settledNote(rng, { host: 3, upstreamSeq: 100 }, false);
	const logged = loggedNote(rng, passed, 12);
	const whole = spansOf({ settled: passed, logged, indexed: null, delivered: [] }, 1, 0)[0];
	expect(whole?.attributes).toMatchObject({ "standpipe.lsn": 12, "standpipe.seq": logged.seq });
	expect(whole?.attributes).not.toHaveProperty("standpipe.rejection");
});

test("if the clocks of two threads differ a little, no span begins before the message came or ends before it began", () => {
	const rng = new Rng("clocks");
	for (let round = 0; round < 500; round++) {
		const settled = settledNote(rng, anyMessage(rng), false);
		const logged = loggedNote(rng, settled, 1);
		const early = { ...logged, takenMs: settled.receivedMs - 1, publishedMs: settled.receivedMs - 2 };
		const spans = spansOf({ settled, logged: early, indexed: null, delivered: [deliveredNote(rng, early, 0)] }, 1, 0);
		for (const { beganMs, endedMs } of spans) {
			expect(beganMs).toBeGreaterThanOrEqual(settled.receivedMs);
			expect(endedMs).toBeGreaterThanOrEqual(beganMs);
		}
	}
});

test("each stage has a name of its own", () => {
	expect(new Set(STAGES).size).toBe(STAGES.length);
});
