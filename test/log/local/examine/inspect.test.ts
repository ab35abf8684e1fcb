import { describe, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { encode } from "@atcute/cbor";
import { InspectError, inspectSegment, type SegmentPart } from "../../../../src/log/local/examine/inspect.ts";
import { JSON_LINES, TEXT_LINES } from "../../../../src/log/local/examine/inspect-text.ts";
import { type LogFs, systemLogFs } from "../../../../src/log/local/log-fs.ts";
import { SEGMENT_HEADER_BYTES } from "../../../../src/log/local/segment/segment.ts";
import { controlEntry, type Entry } from "../../../../src/log/record/entry.ts";
import { encodeAccountFacts } from "../../../../src/log/record/facts.ts";
import { NEVER_CONNECTED } from "../../../../src/log/record/host-connection.ts";
import { RecordFlag, RecordKind } from "../../../../src/log/record/record.ts";
import { encodeStateFacts } from "../../../../src/log/record/state-facts.ts";
import { messageEntry, START_MS, segmentPath, TestLog, temporaryDirectory } from "../../harness.ts";
import { MemoryFs } from "../memory-fs.ts";

const HOST = {
	id: 3,
	hostname: "pds.example",
	insecure: false,
	status: "active",
	gaps: 0,
	lastGap: null,
	connection: NEVER_CONNECTED,
} as const;

/** An `#account` of this DID. */
function accountEntry(did: string): Entry {
	const facts = encodeAccountFacts({ did, active: true, status: null, timeMs: 0 });
	return { ...messageEntry("account"), kind: RecordKind.account, ops: 0, facts };
}

/** A control record of a kind that only a later release has. */
function laterEntry(kind: number, flags: number, facts: Uint8Array): Entry {
	return { ...controlEntry("cursors", { cursors: [] }), kind: kind as RecordKind, flags, facts };
}

/** Files that end earlier than their size said, or that can't be read. */
class CutFs extends MemoryFs {
	endBytes = Number.POSITIVE_INFINITY;
	error: Error | null = null;

	override read(file: number, target: Buffer, position: number): number {
		if (this.error !== null) throw this.error;
		return Math.min(super.read(file, target, position), Math.max(0, this.endBytes - position));
	}
}

function partsOf(fs: LogFs, path: string): SegmentPart[] {
	const parts: SegmentPart[] = [];
	inspectSegment(fs, path, (part) => parts.push(part) > 0);
	return parts;
}

function records(parts: readonly SegmentPart[]): Extract<SegmentPart, { part: "record" }>[] {
	return parts.filter((part) => part.part === "record");
}

/** A log in memory of one segment, with a record of each sort. */
function filled<Fs extends MemoryFs>(fs: Fs): { fs: Fs; path: string; log: TestLog } {
	const directory = temporaryDirectory();
	const log = new TestLog(directory, fs);
	log.append(controlEntry("host", HOST), messageEntry("a"));
	log.append(accountEntry("did:plc:alice"), controlEntry("cursors", { cursors: [{ host: 3, seq: 7 }] }));
	log.append(
		laterEntry(25, RecordFlag.state, encodeStateFacts({ key: Buffer.from("k"), value: encode({ of: [1, "two"] }) })),
		laterEntry(26, RecordFlag.state, encodeStateFacts({ key: Buffer.from("k"), value: Buffer.alloc(0) })),
		laterEntry(200, 32, Buffer.from([1, 2, 3])),
	);
	return { fs, log, path: segmentPath(directory, 1) };
}

describe("a segment", () => {
	test("is shown from its beginning to its end, with what its records say", () => {
		const { fs, path, log } = filled(new MemoryFs());
		const parts = partsOf(fs, path);
		expect(parts[0]).toMatchObject({ part: "segment", firstLsn: 1, firstSeq: 1, previousFirstLsn: 0, stateRecords: 0 });
		expect(records(parts)).toMatchObject([
			{ lsn: 1, seq: 0, kind: "host", flags: ["state"], host: 0, says: HOST },
			{ lsn: 2, seq: 1, kind: "commit", flags: [], host: 3, upstreamSeq: 7, ops: 1 },
			{ lsn: 3, seq: 2, kind: "account", says: "did:plc:alice" },
			{ lsn: 4, seq: 2, kind: "cursors", says: [[3, 7]] },
			{ lsn: 5, seq: 2, kind: 25, flags: ["state"], says: { key: "6b", value: { of: [1, "two"] } } },
			{ lsn: 6, seq: 2, kind: 26, says: { key: "6b", value: null } },
			{ lsn: 7, seq: 2, kind: 200, flags: ["32"], says: { facts: "010203", factsBytes: 3 } },
		]);
		const times = records(parts).map(({ time }) => time);
		expect(new Set(times).size).toBe(7);
		for (const time of times) expect(Date.parse(time)).toBe(START_MS);
		const bytes = records(parts).reduce((sum, record) => sum + record.bytes, 0);
		const dataEnd = SEGMENT_HEADER_BYTES + bytes;
		expect(parts.at(-1)).toEqual({ part: "end", dataEnd, records: 7, tailBytes: 0, footer: null });
		log.stop();
	});

	test("is shown with its footer once it is sealed", () => {
		const directory = temporaryDirectory();
		const fs = new MemoryFs();
		const log = new TestLog(directory, fs, { segmentBytes: 2_000 });
		for (let at = 0; at < 10; at++) log.append(messageEntry(`m${at}`, 300));
		const [first] = [...fs.files.keys()].filter((path) => path.endsWith(".seg")).sort();
		const parts = partsOf(fs, first ?? "");
		const last = records(parts).at(-1);
		expect(parts.at(-1)).toMatchObject({
			records: last?.seq,
			tailBytes: 0,
			footer: { lastLsn: last?.lsn, lastSeq: last?.seq, endTime: expect.any(String), entries: 1 },
		});
	});

	test("says which of its records restate the log's state, and these records say so too", () => {
		const directory = temporaryDirectory();
		const fs = new MemoryFs();
		const log = new TestLog(directory, fs, { segmentBytes: 500 });
		log.append(controlEntry("host", HOST), messageEntry("a", 500));
		log.append(messageEntry("b"));
		const parts = partsOf(fs, segmentPath(directory, 3, 2));
		expect(parts[0]).toMatchObject({ firstLsn: 3, firstSeq: 2, previousFirstLsn: 1, stateLsn: 3, stateRecords: 1 });
		expect(records(parts)).toMatchObject([
			{ lsn: 3, seq: 1, kind: "host", flags: ["state", "restated"], says: HOST },
			{ lsn: 4, seq: 2, kind: "commit" },
		]);
	});

	test("is shown up to any place where it is torn, and what is torn is no record", () => {
		const { fs, path } = filled(new MemoryFs());
		const whole = Buffer.from(fs.content(path));
		const all = records(partsOf(fs, path));
		for (let length = SEGMENT_HEADER_BYTES; length <= whole.length; length++) {
			fs.put(path, whole.subarray(0, length));
			const parts = partsOf(fs, path);
			const left = all.filter(({ offset, bytes }) => offset + bytes <= length);
			expect(records(parts)).toEqual(left);
			const dataEnd = SEGMENT_HEADER_BYTES + left.reduce((sum, { bytes }) => sum + bytes, 0);
			expect(parts.at(-1)).toMatchObject({ dataEnd, tailBytes: length - dataEnd });
		}
	});

	test("is shown with any byte damaged: all records but one, and the damage on a line of its own", () => {
		const { fs, path } = filled(new MemoryFs());
		const whole = Buffer.from(fs.content(path));
		const all = records(partsOf(fs, path));
		const last = all.at(-1);
		for (let at = 0; at < whole.length; at++) {
			const broken = Buffer.from(whole);
			broken[at] = (broken[at] ?? 0) ^ 0x10;
			fs.put(path, broken);
			const parts = partsOf(fs, path);
			const hit = all.find(({ offset, bytes }) => at >= offset && at < offset + bytes);
			expect(records(parts)).toEqual(all.filter((record) => record !== hit));
			const damage = parts.filter(({ part }) => part === "damage");
			// The last one may be a torn end, since no footer says that it was whole.
			if (hit === undefined || hit === last) expect(damage).toEqual([]);
			else expect(damage).toEqual([{ part: "damage", start: hit.offset, end: hit.offset + hit.bytes }]);
		}
	});

	test("with a footer counts as damaged if its last record can't be read: nothing is taken for a torn end", () => {
		const directory = temporaryDirectory();
		const fs = new MemoryFs();
		const log = new TestLog(directory, fs, { segmentBytes: 2_000 });
		for (let at = 0; at < 10; at++) log.append(messageEntry(`m${at}`, 300));
		const path = segmentPath(directory, 1);
		const last = records(partsOf(fs, path)).at(-1);
		if (last === undefined) throw new Error("there is no record");
		const broken = Buffer.from(fs.content(path));
		broken[last.offset + 60] = (broken[last.offset + 60] ?? 0) ^ 1;
		fs.put(path, broken);
		const parts = partsOf(fs, path);
		expect(parts.at(-2)).toEqual({ part: "damage", start: last.offset, end: last.offset + last.bytes });
		expect(parts.at(-1)).toMatchObject({ tailBytes: 0, records: last.seq - 1 });
	});

	test("that another process shortens meanwhile is shown up to there", () => {
		const { fs, path } = filled(new CutFs());
		const whole = Buffer.from(fs.content(path));
		fs.put(path, Buffer.concat([whole, Buffer.alloc(5_000)]));
		fs.endBytes = whole.length;
		const parts = partsOf(fs, path);
		expect(records(parts)).toHaveLength(7);
		expect(parts.at(-1)).toMatchObject({ dataEnd: whole.length, tailBytes: 0 });
	});

	test("is read no further once the caller wants no more", () => {
		const { fs, path } = filled(new MemoryFs());
		const parts: SegmentPart[] = [];
		const before = fs.openFiles;
		inspectSegment(fs, path, (part) => parts.push(part) < 3);
		expect(parts).toHaveLength(3);
		expect(fs.openFiles).toBe(before);
	});

	test("is not changed, nor is its folder", () => {
		const directory = temporaryDirectory();
		const log = new TestLog(directory, systemLogFs);
		log.appendLabels(["a", "b"]);
		const before = readdirSync(directory);
		expect(records(partsOf(systemLogFs, segmentPath(directory, 1)))).toHaveLength(2);
		expect(readdirSync(directory)).toEqual(before);
	});
});

describe("a file that can't be shown", () => {
	test("is named, with the reason", () => {
		const fs = new MemoryFs();
		const { fs: other, path } = filled(new MemoryFs());
		const noHeader = Buffer.from(other.content(path)).fill(0, 0, SEGMENT_HEADER_BYTES);
		for (const [name, content] of [
			["empty", Buffer.alloc(0)],
			["short", Buffer.from("standpip")],
			["text", Buffer.from("no segment at all\n".repeat(100))],
			["noHeader", noHeader],
		] as const) {
			fs.put(`/d/${name}`, content);
			expect(() => partsOf(fs, `/d/${name}`)).toThrow(InspectError);
			expect(() => partsOf(fs, `/d/${name}`)).toThrow(/^\/d\/\w+ is no segment of a log/);
		}
		expect(() => partsOf(fs, "/d/absent")).toThrow(/^\/d\/absent can't be opened: /);
		expect(fs.openFiles).toBe(0);
	});

	test("is said to be unreadable if the disk fails", () => {
		const { fs, path } = filled(new CutFs());
		fs.error = new Error("EIO: by the test");
		expect(() => partsOf(fs, path)).toThrow(new InspectError(`${path} can't be read: EIO: by the test`));
	});
});

describe("the lines", () => {
	test("of JSON come back as the parts", () => {
		const { fs, path } = filled(new MemoryFs());
		const parts = partsOf(fs, path);
		expect(parts.map((part) => JSON.parse(JSON_LINES.line(part)))).toEqual(parts);
	});

	test("of text have a column for each field, and nothing in them moves a terminal's cursor", () => {
		const directory = temporaryDirectory();
		const fs = new MemoryFs();
		const log = new TestLog(directory, fs);
		// Every kind of character that a terminal may act on, or that shows something else than is there.
		const odd = `\u001b[2J\n did ${String.fromCharCode(...Array.from({ length: 0x21 }, (_, at) => 0x7f + at))}\u202e\u2028\ud800`;
		log.append(
			accountEntry("did:plc:alice"),
			accountEntry(odd),
			controlEntry("host", { ...HOST, lastGap: odd }),
			laterEntry(25, 0, Buffer.from(odd)),
		);
		const [start = "", columns = "", ...lines] = partsOf(fs, segmentPath(directory, 1)).flatMap((part) =>
			TEXT_LINES.line(part).split("\n"),
		);
		expect(start).toStartWith("00000000000000000001-00000000000000000001.seg: ");
		expect(lines).toHaveLength(5);
		for (const line of [start, ...lines]) expect(line).toMatch(/^[ -~]+$/);
		const [alice = "", other = ""] = lines;
		expect(alice.split(" ")).toHaveLength(columns.split(" ").length);
		expect(alice).toEndWith(" account - 3 7 0 did:plc:alice");
		// A DID is written in UTF-8, which has no half of a pair.
		expect(JSON.parse(other.slice(other.indexOf('"')))).toBe(odd.toWellFormed());
		for (const part of partsOf(fs, segmentPath(directory, 1))) expect(JSON_LINES.line(part)).toMatch(/^[ -~]+$/);
		expect(lines.at(-1)).toStartWith("end: 4 records");
	});
});
