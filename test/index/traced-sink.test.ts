import { expect, test } from "bun:test";
import { tracedSink } from "../../src/index/traced-sink.ts";
import type { Sink } from "../../src/log/follower.ts";
import { RecordKind } from "../../src/log/record/record.ts";
import type { StoredRecord } from "../../src/log/record/stored-record.ts";
import type { Note } from "../../src/tracing/note.ts";

function recordOf(lsn: number, kind: StoredRecord["kind"]): StoredRecord {
	const none = new Uint8Array(0);
	return { lsn, seq: lsn, timeUs: 1, upstreamSeq: 10 * lsn, host: 4, kind, flags: 0, ops: 0, facts: none, frame: none };
}

test("the sampled messages that the sink has stored are noted, with the time that it took, and nothing else", async () => {
	const notes: Note[] = [];
	let nowMs = 0;
	let stored = 0;
	const sink: Sink = {
		name: "the sink",
		canGoBack: true,
		cursor: async () => 17,
		apply: async () => stored,
		gap: async () => {},
		caughtUp: async () => {},
	};
	const tracer = { isSampled: (_: number, seq: number) => seq !== 20, note: (note: Note) => void notes.push(note) };
	const traced = tracedSink(sink, tracer, () => ++nowMs);
	expect([traced.name, traced.canGoBack, await traced.cursor()]).toEqual(["the sink", true, 17]);
	const kinds = [RecordKind.commit, RecordKind.commit, RecordKind.cursors, RecordKind.account, RecordKind.identity];
	const records = kinds.map((kind, at) => recordOf(at + 1, kind));
	stored = 4;
	expect(await traced.apply(records)).toBe(4);
	// The second is not sampled, the third is a control record, and the fifth is not stored.
	const times = { beganMs: 1, endedMs: 2 };
	expect(notes).toEqual([
		{ type: "indexed", host: 4, upstreamSeq: 10, ...times },
		{ type: "indexed", host: 4, upstreamSeq: 40, ...times },
	]);
	stored = 0;
	expect(await traced.apply(records)).toBe(0);
	expect(notes.length).toBe(2);
});
