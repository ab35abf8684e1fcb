import type { Mutant } from "./table.ts";

const DENSE = ["log/local/dense-seqs.test.ts"];
const SEQUENCER = ["log/sequencer.test.ts"];

/** Curated faults of the log's numbers and times: what may be used, what is left out, and what a start makes of it. */
export const LOG_NUMBERS_MUTANTS: readonly Mutant[] = [
	{
		name: "a control record takes a seq",
		file: "log/sequencer.ts",
		find: "if (isMessageKind(kind)) this.#nextSeq += 1;",
		replace: "this.#nextSeq += 1;",
		tests: SEQUENCER,
	},
	{
		name: "numbers are noted as used before the batch is synced",
		file: "log/local/write/log-writer.ts",
		find: "return this.#attempt(() => {\n\t\t\tthis.#take(batch);",
		replace:
			"return this.#attempt(() => {\n\t\t\tthis.#numbers.cover(this.#here(lastLsn, lastSeq));\n\t\t\tthis.#take(batch);",
		tests: DENSE,
	},
	{
		name: "numbers are published before they are noted as used",
		file: "log/local/write/log-writer.ts",
		find: "this.#numbers.cover(this.#here(lastLsn, lastSeq));",
		replace: "",
		tests: DENSE,
	},
	{
		name: "a batch whose numbers could not be noted is appended again",
		file: "log/local/write/log-writer.ts",
		find: "else if (state.lastLsn < lastLsn) this.#active.append",
		replace: "else if (state.lastLsn !== 0) this.#active.append",
		tests: DENSE,
	},
	{
		name: "a batch whose numbers could not be noted is shown by what retention publishes",
		file: "log/local/write/log-writer.ts",
		find: "const { lastLsn, lastSeq, endTimeUs, endOffset } = this.#published;",
		replace: "const { lastLsn, lastSeq, endTimeUs } = this.#published;\n\t\tconst endOffset = this.#active.state.end;",
		tests: DENSE,
	},
	{
		name: "a torn batch is taken for damage, and leaves a gap",
		file: "log/local/recovery/recovery.ts",
		find: "if (used.epoch === epoch) return used.end;",
		replace: "if (used.epoch === epoch) return null;",
		tests: DENSE,
	},
	{
		name: "a torn batch at the head of a segment is taken for damage",
		file: "log/local/recovery/recovery.ts",
		find: "return used.lsnMax < firstLsn ? SEGMENT_HEADER_BYTES : null;",
		replace: "return null;",
		tests: DENSE,
	},
	{
		name: "damage before the published end is cut as a torn tail",
		file: "log/local/segment/scan.ts",
		find: "?? publishedEnd;",
		replace: ";",
		tests: ["log/local/recovery/recovery.test.ts"],
	},
	{
		name: "an old note of the end costs what was published after it",
		file: "log/local/segment/scan.ts",
		find: "find(offset + BATCH_BYTES_MAX) === null ? null : find(offset + 1);",
		replace: "null;",
		tests: DENSE,
	},
	{
		name: "the older slot of the note holds",
		file: "log/local/last-used.ts",
		find: "first.counter > second.counter ? first : second",
		replace: "first.counter < second.counter ? first : second",
		tests: DENSE,
	},
	{
		name: "both notes go to the same slot",
		file: "log/local/last-used.ts",
		find: "(this.#counter % SLOTS) * SLOT_BYTES",
		replace: "0",
		tests: DENSE,
	},
	{
		name: "a clean stop is still believed after the next batch",
		file: "log/local/write/numbers-in-use.ts",
		find: "this.#file.write(exactly(place, false), true);",
		replace: "",
		tests: DENSE,
	},
	{
		name: "mode write: the bound is not on the disk when its numbers are shown",
		file: "log/local/write/numbers-in-use.ts",
		find: "this.#file.write(bound, true);",
		replace: "this.#file.write(bound, false);",
		tests: DENSE,
	},
	{
		name: "mode write: a lower bound is written after a higher one",
		file: "log/local/write/numbers-in-use.ts",
		find: "const lsnMax = Math.max(this.#written.lsnMax, lsn + ahead);\n\t\tconst seqMax = Math.max(this.#written.seqMax, seq + ahead);",
		replace: "const lsnMax = lsn + ahead;\n\t\tconst seqMax = seq + ahead;",
		tests: ["log/local/numbers-in-use.test.ts"],
	},
	{
		name: "mode write: each batch moves the bound",
		file: "log/local/write/numbers-in-use.ts",
		find: "Math.max(2 * interval, AHEAD_MIN)",
		replace: "1",
		tests: DENSE,
	},
	{
		name: "an op has no time of its own",
		file: "log/record/record.ts",
		find: "timeUs + Math.max(1, ops)",
		replace: "timeUs + 1",
		tests: SEQUENCER,
	},
	{
		name: "records of a batch have the same time",
		file: "log/sequencer.ts",
		find: "this.#nextTimeUs = timeUsAfter(timeUs, ops);",
		replace: "",
		tests: SEQUENCER,
	},
	{
		name: "times of a new segment begin anew after a start",
		file: "log/local/recovery/recovery.ts",
		find: "recovered.endTimeUs = Math.max(recovered.endTimeUs, active.endTimeUs);",
		replace: "",
		tests: SEQUENCER,
	},
	{
		name: "a log of format 1 is taken for an empty one",
		file: "log/local/write/log-writer.ts",
		find: "refuseFormat1(fs, directory);",
		replace: "",
		tests: ["log/local/format-1.test.ts"],
	},
];
