import type { Mutant } from "./table.ts";

const FILE = ["log/local/segment/prepared-file.test.ts"];
const SEGMENTS = ["log/local/prepared-segments.test.ts"];
const REUSED = ["log/local/read/reused.test.ts"];

/** Faults in the file that is prepared for the next segment, and in reusing a removed segment's file. */
export const PREPARED_MUTANTS: readonly Mutant[] = [
	{
		name: "a prepared file that failed and could not be removed is used",
		file: "log/local/segment/prepared-file.ts",
		find: "this.#bytes === this.#wholeBytes && !this.#isSpoiled &&",
		replace: "this.#bytes === this.#wholeBytes &&",
		tests: FILE,
	},
	{
		name: "the file of a segment that a sync failed of is used again",
		file: "log/local/retention/kept-segments.ts",
		find: "if (segment.hasFailedSync === true) return false;",
		replace: "",
		tests: SEGMENTS,
	},
	{
		name: "a reader trusts what it read from a file that is another segment's by now",
		file: "log/local/segment/segment-reader.ts",
		find: "if (this.#isRetained(this.id)) return found;",
		replace: "return found;",
		tests: REUSED,
	},
	{
		name: "a read that fails because the file is another segment's by now counts as a failure",
		file: "log/local/segment/segment-reader.ts",
		find: "if (this.#isRetained(this.id)) throw error;",
		replace: "throw error;",
		tests: REUSED,
	},
	{
		name: "a segment in a prepared file does not end with its footer",
		file: "log/local/segment/segment-writer.ts",
		find: "if (this.#fs.sizeBytes(file) > end + footer.length) this.#fs.truncate(file, end + footer.length);",
		replace: "",
		tests: SEGMENTS,
	},
	{
		name: "the prepared file is not counted in the byte limit",
		file: "log/local/retention/kept-segments.ts",
		find: "- segmentBytes - prepared.bytes;",
		replace: "- segmentBytes;",
		tests: SEGMENTS,
	},
	{
		name: "the prepared file stays while the disk is short of its reserve",
		file: "log/local/retention/kept-segments.ts",
		find: "if (isShort) missingBytes -= prepared.remove();",
		replace: "",
		tests: SEGMENTS,
	},
	{
		name: "the prepared file stays while the disk is full",
		file: "log/local/write/log-writer.ts",
		find: 'if (this.#stall.reason === "disk-full") this.#prepared.remove();',
		replace: "",
		tests: SEGMENTS,
	},
	{
		name: "a removed segment's file is changed before its new name is durable",
		file: "log/local/segment/prepared-file.ts",
		find: "if (this.#isNameNew) fs.syncDirectory(directory);",
		replace: "",
		tests: FILE,
	},
	{
		name: "a prepared file whose sync failed is used",
		file: "log/local/segment/prepared-file.ts",
		find: "this.#isSpoiled = true;\n\t\t\tthis.remove();",
		replace: "this.#wait();",
		tests: FILE,
	},
	{
		name: "a piece that was under way counts for a removed file",
		file: "log/local/segment/prepared-file.ts",
		find: "if (removals === this.#removals) this.#bytes = bytes;",
		replace: "this.#bytes = bytes;",
		tests: FILE,
	},
	{
		name: "a prepared file is taken while it is being written",
		file: "log/local/segment/prepared-file.ts",
		find: "return this.#bytes === this.#wholeBytes && !this.#isSpoiled && !this.#isNameNew && !this.#isBusy;",
		replace: "return this.#bytes !== null;",
		tests: FILE,
	},
	{
		name: "the log waits if the disk fails in preparing a file",
		file: "log/local/write/log-writer.ts",
		find: 'this.#prepared.take(name, fill);\n\t\t\t\tcounters.add(segmentsBegun.of("prepared"));\n\t\t\t\treturn made;\n\t\t\t} catch (error) {\n\t\t\t\tif (diskFaultReason(error) === null) throw error;',
		replace:
			'this.#prepared.take(name, fill);\n\t\t\t\tcounters.add(segmentsBegun.of("prepared"));\n\t\t\t\treturn made;\n\t\t\t} catch (error) {\n\t\t\t\tthrow error;',
		tests: SEGMENTS,
	},
	{
		name: "an overwrite ends within a block",
		file: "log/local/log-fs.ts",
		find: "writevSync(file, [bytes, padding], position)",
		replace: "writevSync(file, [bytes], position)",
		tests: ["log/local/log-fs.test.ts"],
	},
];
