import { describe, expect, test } from "bun:test";
import { recordIsIntact, sealedRecordLength, sealRecord } from "../../../src/log/local/segment/seal.ts";
import { readU64, writeU64 } from "../../../src/log/record/bytes.ts";
import {
	CURSORS_PER_RECORD_MAX,
	decodeCursorsFacts,
	decodeDidDocumentFacts,
	decodeHostFacts,
	encodeCursorsFacts,
	encodeDidDocumentFacts,
	encodeHostFacts,
} from "../../../src/log/record/control.ts";
import { RECORD_FACTS_BYTES_MAX } from "../../../src/log/record/facts.ts";
import { NEVER_CONNECTED } from "../../../src/log/record/host-connection.ts";
import { RECORD_HEADER_BYTES, RecordFlag, RecordKind, writeRecordHeader } from "../../../src/log/record/record.ts";
import { decodeRecord } from "../../../src/log/record/stored-record.ts";

const BORDERS = [0, 1, 23, 24, 255, 256, 65_535, 65_536, 2 ** 32 - 1, 2 ** 32, 2 ** 40 + 5, Number.MAX_SAFE_INTEGER];

describe("integers", () => {
	test("a u64 comes back", () => {
		const bytes = Buffer.alloc(10, 0xff);
		for (const value of BORDERS) {
			writeU64(bytes, value, 1);
			expect(readU64(bytes, 1)).toBe(value);
			expect(bytes.readBigUInt64LE(1)).toBe(BigInt(value));
		}
	});
});

describe("record", () => {
	const facts = Buffer.from("the facts");
	const frame = Buffer.from("the frame");
	const length = RECORD_HEADER_BYTES + facts.length + frame.length;
	const header = {
		lsn: Number.MAX_SAFE_INTEGER,
		seq: 2 ** 50 + 3,
		timeUs: 1_700_000_000_123_456,
		upstreamSeq: 2 ** 33 + 1,
		host: 0xffffffff,
		kind: RecordKind.account,
		flags: RecordFlag.discontinuous | RecordFlag.lenient,
		factsLength: facts.length,
		ops: 0xfedc,
	};

	function record(at: number): Buffer {
		const bytes = Buffer.alloc(at + length + 5, 0xee);
		bytes.set(facts, at + RECORD_HEADER_BYTES);
		bytes.set(frame, at + RECORD_HEADER_BYTES + facts.length);
		writeRecordHeader(bytes, at, length, header);
		sealRecord(bytes, at, length, 0xdeadbeef);
		return bytes;
	}

	test("comes back, at any offset", () => {
		for (const at of [0, 3]) {
			const bytes = record(at);
			expect(sealedRecordLength(bytes, at, 0xdeadbeef)).toBe(length);
			expect(recordIsIntact(bytes, at, length)).toBe(true);
			const { factsLength: _, ...fields } = header;
			expect(decodeRecord(bytes, at, length)).toEqual({ ...fields, facts, frame });
		}
	});

	test("is not found under another epoch, and is not intact with any bit flipped", () => {
		expect(sealedRecordLength(record(0), 0, 1)).toBe(0);
		for (let bit = 0; bit < length * 8; bit++) {
			const bytes = record(0);
			bytes.writeUInt8(bytes.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
			expect(recordIsIntact(bytes, 0, length)).toBe(false);
		}
	});
});

describe("facts of control records", () => {
	const did = "did:web:example.com";

	test("of hosts and DID documents come back", () => {
		const host = {
			id: 7,
			hostname: "pds.example",
			insecure: false,
			status: "idle",
			gaps: 2,
			lastGap: null,
			connection: NEVER_CONNECTED,
		} as const;
		expect(decodeHostFacts(encodeHostFacts(host))).toEqual(host);
		const document = { did, signingKey: null, pds: "https://pds.example", tombstoned: false, resolvedAtMs: 1.7e12 };
		expect(decodeDidDocumentFacts(encodeDidDocumentFacts(document))).toEqual(document);
		expect(() => encodeHostFacts({ ...host, hostname: "x".repeat(RECORD_FACTS_BYTES_MAX) })).toThrow(RangeError);
	});

	test("of cursors come back, as many as fit a record, and not one more", () => {
		const cursor = { host: 0xffffffff, seq: Number.MAX_SAFE_INTEGER };
		const facts = { cursors: Array.from({ length: CURSORS_PER_RECORD_MAX }, () => cursor) };
		expect(decodeCursorsFacts(encodeCursorsFacts({ cursors: [{ host: 1, seq: null }] }))).toEqual({
			cursors: [{ host: 1, seq: null }],
		});
		const bytes = encodeCursorsFacts(facts);
		expect(bytes.length).toBeLessThanOrEqual(RECORD_FACTS_BYTES_MAX);
		expect(decodeCursorsFacts(bytes)).toEqual(facts);
		expect(decodeCursorsFacts(encodeCursorsFacts({ cursors: [] }))).toEqual({ cursors: [] });
		expect(() => encodeCursorsFacts({ cursors: [...facts.cursors, cursor] })).toThrow(RangeError);
	});
});
