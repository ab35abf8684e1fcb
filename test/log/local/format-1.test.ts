import { describe, expect, test } from "bun:test";
import { crc32 } from "node:zlib";
import { labels, readAll, segmentPath, TestLog, temporaryDirectory } from "../harness.ts";
import { MemoryFs } from "./memory-fs.ts";

const SEGMENT_OF_FORMAT_1 = "00000000000000000001.seg";
const HEADER_COPY_BYTES = 64;

/** The first bytes of a segment of format 1: its header, twice. */
function headerOfFormat1(): Buffer {
	const copy = Buffer.alloc(HEADER_COPY_BYTES);
	copy.write("standpip", 0, "latin1");
	copy.writeUInt32LE(1, 8);
	copy.writeUInt32LE(0x1234, 12);
	copy.writeBigUInt64LE(1n, 16);
	copy.writeBigUInt64LE(1_700_000_000_000_000n, 32);
	copy.writeUInt32LE(crc32(copy.subarray(0, 60)), 60);
	return Buffer.concat([copy, copy]);
}

/** The file in which format 1 kept the greatest seq that may be in use. */
function reserveOf(seqMax: bigint): Buffer {
	const bytes = Buffer.alloc(20);
	bytes.write("stndpseq", 0, "latin1");
	bytes.writeBigUInt64LE(seqMax, 8);
	bytes.writeUInt32LE(crc32(bytes.subarray(0, 16)), 16);
	return bytes;
}

/** Why a start on a folder with these files is refused. Nothing in it may change. */
function refusal(files: Record<string, Buffer>): string {
	const directory = temporaryDirectory();
	const fs = new MemoryFs();
	for (const [name, content] of Object.entries(files)) fs.put(`${directory}/${name}`, content);
	let message = "";
	try {
		new TestLog(directory, fs, { initialSeq: 500_000 });
	} catch (error) {
		message = String(error);
	}
	expect(fs.calls).toEqual([]);
	expect(fs.list(directory).sort()).toEqual(Object.keys(files).sort());
	for (const [name, content] of Object.entries(files)) expect(fs.content(`${directory}/${name}`)).toEqual(content);
	return message.replace(directory, "FOLDER");
}

describe("a log of format 1 is refused with a sentence that says what to do", () => {
	const sentence = (above: string): string =>
		"Error: the log in FOLDER is of format 1, which this release can't read: move the folder away, keep the index database " +
		`(it is taken over), and start with RELAY_INITIAL_SEQ_NUMBER above ${above}`;
	const unknown = "the last seq that consumers saw, by 100000 at least";

	test("and the number that its file of reserved seqs has", () => {
		for (const seqMax of [1n, 100_007n, 2n ** 52n + 1n]) {
			const files = { [SEGMENT_OF_FORMAT_1]: headerOfFormat1(), reserve: reserveOf(seqMax) };
			expect(refusal(files)).toBe(sentence(String(seqMax)));
		}
	});

	test("whether there is a segment or only that file", () => {
		expect(refusal({ reserve: reserveOf(100_007n) })).toBe(sentence("100007"));
		expect(refusal({ id: Buffer.from("x"), lock: Buffer.alloc(0), reserve: reserveOf(7n) })).toBe(sentence("7"));
	});

	test("or how to choose one, if that file is absent or damaged", () => {
		expect(refusal({ [SEGMENT_OF_FORMAT_1]: headerOfFormat1() })).toBe(sentence(unknown));
		const intact = reserveOf(100_007n);
		for (let at = 0; at < intact.length; at++) {
			const damaged = Buffer.from(intact);
			damaged.writeUInt8(damaged.readUInt8(at) ^ 1, at);
			expect(refusal({ [SEGMENT_OF_FORMAT_1]: headerOfFormat1(), reserve: damaged })).toBe(sentence(unknown));
		}
		for (let length = 0; length < intact.length; length++)
			expect(refusal({ reserve: intact.subarray(0, length) })).toBe(sentence(unknown));
	});
});

describe("a segment of this name", () => {
	/** Starts on a log with this version in one segment's header. Returns what is read, or the refusal. */
	function startWith(major: number, minor: number, which: "sealed" | "active"): string[] | string {
		const directory = temporaryDirectory();
		const fs = new MemoryFs();
		const first = new TestLog(directory, fs, { segmentBytes: 1_000 });
		for (let batch = 0; batch < 6; batch++) first.appendLabels(labels(`${batch}-`, 3));
		const { activeFirstLsn } = first.active.snapshot();
		first.stop();
		const path = segmentPath(directory, which === "active" ? activeFirstLsn : 1);
		const bytes = Buffer.from(fs.content(path));
		for (const at of [0, HEADER_COPY_BYTES]) {
			const copy = bytes.subarray(at, at + HEADER_COPY_BYTES);
			copy.writeUInt16LE(major, 8);
			copy.writeUInt16LE(minor, 10);
			copy.writeUInt32LE(crc32(copy.subarray(0, 60)), 60);
		}
		const after = fs.afterKill();
		after.put(path, bytes);
		try {
			return readAll(new TestLog(directory, after, { segmentBytes: 1_000 }).reader());
		} catch (error) {
			return String(error);
		}
	}

	test.each(["sealed", "active"] as const)("that is %s is read if its version is of a later minor number", (which) => {
		const whole = startWith(2, 0, which);
		expect(whole).toHaveLength(18);
		for (const minor of [1, 7, 65_535]) expect(startWith(2, minor, which)).toEqual(whole);
	});

	test.each(["sealed", "active"] as const)(
		"that is %s is refused if its version is of another major number",
		(which) => {
			for (const major of [0, 1, 3, 65_535])
				expect(startWith(major, 0, which)).toBe(
					`Error: the log has a segment of format ${major}; this relay reads format 2`,
				);
		},
	);
});
