import { describe, expect, test } from "bun:test";
import { encode } from "@atcute/cbor";
import { CONTROL_CODES, decodeControl, hostKey } from "../../../src/log/record/control.ts";
import { controlEntry } from "../../../src/log/record/entry.ts";
import { isMessageKind, RecordFlag, RecordKind } from "../../../src/log/record/record.ts";
import { encodeStateFacts } from "../../../src/log/record/state-facts.ts";

describe("control records", () => {
	test("keep their codes, since older logs have them", () => {
		expect(CONTROL_CODES).toMatchObject({ cursors: 16, host: 17, didDocument: 18 });
	});

	test("have a code each, and none of a message", () => {
		const codes = Object.values<number>(RecordKind);
		expect(new Set(codes).size).toBe(codes.length);
		for (const code of Object.values(CONTROL_CODES)) expect(isMessageKind(code)).toBe(false);
	});

	test("say what their entries said", () => {
		const host = { id: 7, hostname: "pds.example", insecure: true, status: "idle", gaps: 1, lastGap: null } as const;
		expect(decodeControl(controlEntry("host", host))).toEqual({ kind: "host", facts: host });
		const cursors = [
			{ host: 1, seq: null },
			{ host: 2, seq: Number.MAX_SAFE_INTEGER },
		];
		expect(decodeControl(controlEntry("cursors", { cursors }))).toEqual({ kind: "cursors", facts: { cursors } });
		const document = { did: "did:plc:a", signingKey: null, pds: null, tombstoned: true, resolvedAtMs: 5 };
		expect(decodeControl(controlEntry("didDocument", document))).toEqual({ kind: "didDocument", facts: document });
	});

	test("are not read from messages, nor from kinds that this release does not know", () => {
		const facts = Buffer.from("whatever it is");
		for (const kind of [RecordKind.commit, RecordKind.account]) expect(decodeControl({ kind, facts })).toBeNull();
		const first = Math.max(...Object.values(CONTROL_CODES)) + 1;
		for (let kind = first; kind < 256; kind++) expect(decodeControl({ kind, facts })).toBeNull();
	});

	test("that are part of the state have the flag, and the others don't", () => {
		const host = { id: 7, hostname: "pds.example", insecure: true, status: "idle", gaps: 1, lastGap: null } as const;
		expect(controlEntry("host", host).flags).toBe(RecordFlag.state);
		expect(controlEntry("cursors", { cursors: [] }).flags).toBe(0);
	});

	test("of a host leave out what a later release adds to it", () => {
		const fields = { hostname: "pds.example", insecure: false, status: "active", gaps: 0, lastGap: null };
		const facts = encodeStateFacts({ key: hostKey(9), value: encode({ ...fields, limit: 5 }) });
		expect(decodeControl({ kind: RecordKind.host, facts })).toEqual({
			kind: "host",
			facts: { id: 9, ...fields, status: "active" },
		});
	});

	test("say nothing to this release if they take a key away", () => {
		const facts = encodeStateFacts({ key: hostKey(9), value: Buffer.alloc(0) });
		expect(decodeControl({ kind: RecordKind.host, facts })).toBeNull();
	});
});
