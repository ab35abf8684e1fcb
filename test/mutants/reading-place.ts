import type { Mutant } from "./table.ts";

const CONSUMER = ["fanout/consumer.test.ts"];
const FIND = ["log/local/read/find.test.ts"];

/** Faults in the use of lsn and seq, above all in a consumer's place in the log. */
export const READING_PLACE_MUTANTS: readonly Mutant[] = [
	{
		name: "a consumer begins one message too late",
		file: "fanout/reading-place.ts",
		find: "reader.find({ seq: this.#seq })",
		replace: "reader.find({ seq: this.#seq + 1 })",
		tests: CONSUMER,
	},
	{
		name: "a consumer begins one message too early",
		file: "fanout/reading-place.ts",
		find: "reader.find({ seq: this.#seq })",
		replace: "reader.find({ seq: this.#seq - 1 })",
		tests: CONSUMER,
	},
	{
		name: "a live consumer gets the last message from before it connected",
		file: "fanout/reading-place.ts",
		find: 'cursor === "live" ? lastLsn : null;',
		replace: 'cursor === "live" ? lastLsn - 1 : null;',
		tests: CONSUMER,
	},
	{
		name: "a live consumer's start is looked up by seq",
		file: "fanout/reading-place.ts",
		find: 'cursor === "live" ? lastLsn : null;',
		replace: 'cursor === "live" ? seqUsedMax : null;',
		tests: CONSUMER,
	},
	{
		name: "a control record after a gap counts as a message",
		file: "fanout/reading-place.ts",
		find: "while (index < batch.count && !isMessageKind(batch.kind(index))) index++;",
		replace: "",
		tests: CONSUMER,
	},
	{
		name: "a gap in which only control records are lost is announced",
		file: "fanout/reading-place.ts",
		find: "nextSeq > this.#seq + 1 ? nextSeq : null",
		replace: "nextSeq",
		tests: CONSUMER,
	},
	{
		name: "a gap is forgotten at a control record after it",
		file: "fanout/reading-place.ts",
		find: "if (!this.#isAfterGap) this.#seq = batch.seq(index);",
		replace: "this.#seq = batch.seq(index);",
		tests: CONSUMER,
	},
	{
		name: "a consumer whose start has to be fetched is given turns meanwhile",
		file: "fanout/consumer.ts",
		find: "if (lsn instanceof Promise) return lsn;",
		replace: 'if (lsn instanceof Promise) return "more";',
		tests: ["fanout/pump.test.ts"],
	},
	{
		name: "a seq is found one message too early",
		file: "log/local/segment/place.ts",
		find: "return firstAfter(records.seqs, count, place.seq);",
		replace: "return firstAfter(records.seqs, count, place.seq - 1);",
		tests: FIND,
	},
	{
		name: "a seq is found one message too late",
		file: "log/local/segment/place.ts",
		find: "return firstAfter(records.seqs, count, place.seq);",
		replace: "return firstAfter(records.seqs, count, place.seq + 1);",
		tests: FIND,
	},
	{
		name: "a record of exactly the time that is looked for is skipped",
		file: "log/local/segment/place.ts",
		find: "Math.ceil(place.timeUs) - 1",
		replace: "Math.ceil(place.timeUs)",
		tests: FIND,
	},
	{
		name: "a loss before the log's beginning is not announced",
		file: "log/local/read/reader.ts",
		find: "place.seq + 1 < state.firstSeq) return 0;",
		replace: "place.seq + 1 < 0) return 0;",
		tests: FIND,
	},
	{
		name: "a chunk whose beginning is damaged sends a consumer back to the segment's beginning",
		file: "log/local/read/reader.ts",
		find: "before ?? Math.max(segment.firstLsn - 1, range.lsnAfter)",
		replace: "before ?? segment.firstLsn - 1",
		tests: FIND,
	},
	{
		name: "records are left out of a stream by seq",
		file: "fanout/takedowns.ts",
		find: "batch.lsn(0) > this.#sinceLsnMax",
		replace: "batch.seq(0) > this.#sinceLsnMax",
		tests: ["fanout/takedowns.test.ts"],
	},
	{
		name: "the index stores a seq as its checkpoint",
		file: "index/writer.ts",
		find: "last: last.lsn",
		replace: "last: last.seq",
		tests: ["index/sqlite/store.test.ts"],
	},
	{
		name: "the seq of a record is stored as the lsn of a takedown",
		file: "index/fold.ts",
		find: "state.statusLsn === record.lsn",
		replace: "state.statusLsn === record.seq",
		tests: ["index/fold.test.ts"],
	},
	{
		name: "a commit's ops overflow their field",
		file: "ingest/did/admit/admission.ts",
		find: "Math.min(message.opsCount, RECORD_OPS_MAX)",
		replace: "message.opsCount",
		tests: ["ingest/did/admit/admission.test.ts"],
	},
];
