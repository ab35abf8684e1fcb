import { expect, test } from "bun:test";
import { Counters } from "../../src/observe/counters.ts";
import { Rng } from "../../src/sim/rng.ts";
import { EXPORT_INTERVAL_MS, SPANS_MAX, SPANS_PER_EXPORT_MAX, SpanExport } from "../../src/tracing/export.ts";
import { type StageSpan, spansOf } from "../../src/tracing/spans.ts";
import { counted } from "../observe/counted.ts";
import { anyMessage, settledNote } from "./notes.ts";

const rng = new Rng("export");

/** The spans of a message. */
function spansOfMessage(): StageSpan[] {
	const settled = settledNote(rng, anyMessage(rng), true);
	return spansOf({ settled, logged: null, indexed: null, delivered: [] }, 1, 0);
}

function numbers(counters: Counters): { exported: number; dropped: number; failed: number } {
	const all = counted(counters);
	return {
		exported: all.of("trace_spans_exported_total"),
		dropped: all.of("trace_spans_dropped_total"),
		failed: all.of("trace_exports_failed_total"),
	};
}

test("spans are sent once, in order, in batches, one batch at a time", async () => {
	const counters = new Counters();
	const sent: StageSpan[] = [];
	let underWay = 0;
	const spanExport = new SpanExport(async (spans) => {
		expect(++underWay).toBe(1);
		expect(spans.length).toBeLessThanOrEqual(SPANS_PER_EXPORT_MAX);
		await new Promise(setImmediate);
		sent.push(...spans);
		underWay--;
	}, counters);
	const given: StageSpan[] = [];
	for (let message = 0; message < 1_500; message++) {
		const spans = spansOfMessage();
		given.push(...spans);
		spanExport.add(spans);
		if (message % 100 === 0) void spanExport.flush();
		if (message % 300 === 0) await new Promise(setImmediate);
	}
	await spanExport.flush();
	expect(sent).toEqual(given);
	expect(numbers(counters)).toEqual({ exported: given.length, dropped: 0, failed: 0 });
	// Nothing waits, so nothing is sent.
	await spanExport.flush();
	expect(sent.length).toBe(given.length);
});

test("a receiver that fails costs the spans of its batch, which are counted; later ones are sent", async () => {
	const counters = new Counters();
	let isDown = true;
	const spanExport = new SpanExport(async () => {
		if (isDown) throw new Error("connection refused");
	}, counters);
	const first = spansOfMessage();
	spanExport.add(first);
	await spanExport.flush();
	expect(numbers(counters)).toEqual({ exported: 0, dropped: first.length, failed: 1 });
	isDown = false;
	const second = spansOfMessage();
	spanExport.add(second);
	await spanExport.flush();
	expect(numbers(counters)).toEqual({ exported: second.length, dropped: first.length, failed: 1 });
});

test("while a receiver does not answer, no more spans wait than the limit, and whole messages are dropped", async () => {
	const counters = new Counters();
	const answers = Promise.withResolvers<void>();
	const spanExport = new SpanExport(() => answers.promise, counters);
	let given = 0;
	while (given <= SPANS_MAX + 3 * SPANS_PER_EXPORT_MAX) {
		const spans = spansOfMessage();
		given += spans.length;
		spanExport.add(spans);
		void spanExport.flush();
	}
	const { dropped } = numbers(counters);
	expect(dropped).toBeGreaterThan(0);
	expect(given - dropped).toBeWithin(SPANS_MAX - 10, SPANS_MAX + SPANS_PER_EXPORT_MAX + 1);
	answers.resolve();
	await spanExport.flush();
	expect(numbers(counters)).toEqual({ exported: given - dropped, dropped, failed: 0 });
});

test("a few spans wait for others, as long as is said and no longer, and a full request is sent at once", async () => {
	const counters = new Counters();
	let requests = 0;
	const spanExport = new SpanExport(async () => void requests++, counters);
	const endMs = 200 * EXPORT_INTERVAL_MS;
	let lastMs = Number.NEGATIVE_INFINITY;
	for (let nowMs = 0; nowMs < endMs; nowMs += 1 + rng.int(EXPORT_INTERVAL_MS)) {
		spanExport.add(spansOfMessage());
		const before = requests;
		spanExport.flushIfDue(nowMs);
		await new Promise(setImmediate);
		expect(requests > before).toBe(nowMs - lastMs >= EXPORT_INTERVAL_MS);
		if (requests > before) lastMs = nowMs;
	}
	let spans = 0;
	while (spans < SPANS_PER_EXPORT_MAX) {
		const more = spansOfMessage();
		spans += more.length;
		spanExport.add(more);
	}
	const before = requests;
	spanExport.flushIfDue(lastMs);
	await new Promise(setImmediate);
	expect(requests).toBeGreaterThan(before);
});
