import { describe, expect, test } from "bun:test";
import { encode } from "@atcute/cbor";
import { CONTROL_CODES, decodeControl, hostKey } from "../../../src/log/record/control.ts";
import { controlEntry } from "../../../src/log/record/entry.ts";
import { NEVER_CONNECTED } from "../../../src/log/record/host-connection.ts";
import {
	ACTION_TEXT_CHARS_MAX,
	POLICY_KEY_BYTES_MAX,
	POLICY_KINDS,
	type PolicyValues,
} from "../../../src/log/record/policy-facts.ts";
import { isMessageKind, RecordFlag, RecordKind } from "../../../src/log/record/record.ts";
import { encodeStateFacts } from "../../../src/log/record/state-facts.ts";

describe("control records", () => {
	test("keep their codes, since older logs have them", () => {
		expect(CONTROL_CODES).toEqual({
			...{ cursors: 16, host: 17, didDocument: 18 },
			...{ localStatus: 19, hostPolicy: 20, domainBan: 21, setting: 22, adminAction: 23, recount: 24 },
		});
	});

	test("have a code each, and none of a message", () => {
		const codes = Object.values<number>(RecordKind);
		expect(new Set(codes).size).toBe(codes.length);
		for (const code of Object.values(CONTROL_CODES)) expect(isMessageKind(code)).toBe(false);
	});

	test("say what their entries said", () => {
		const host = {
			id: 7,
			hostname: "pds.example",
			insecure: true,
			status: "idle",
			gaps: 1,
			lastGap: null,
			connection: NEVER_CONNECTED,
		} as const;
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
		const host = {
			id: 7,
			hostname: "pds.example",
			insecure: true,
			status: "idle",
			gaps: 1,
			lastGap: null,
			connection: NEVER_CONNECTED,
		} as const;
		expect(controlEntry("host", host).flags).toBe(RecordFlag.state);
		expect(controlEntry("cursors", { cursors: [] }).flags).toBe(0);
	});

	test("of a host leave out what a later release adds to it", () => {
		const fields = {
			hostname: "pds.example",
			insecure: false,
			status: "active",
			gaps: 0,
			lastGap: null,
			connection: NEVER_CONNECTED,
		};
		const facts = encodeStateFacts({ key: hostKey(9), value: encode({ ...fields, limit: 5 }) });
		expect(decodeControl({ kind: RecordKind.host, facts })).toEqual({
			kind: "host",
			facts: { id: 9, ...fields, status: "active" },
		});
	});

	test("of a host have a connection of which nothing is known if an older release wrote them, or part of it", () => {
		const fields = { hostname: "pds.example", insecure: false, status: "active", gaps: 0, lastGap: null };
		const lastError = { fault: "of-later", text: "a\0b", atMs: 5 };
		for (const [told, connection] of [
			[{}, NEVER_CONNECTED],
			[{ connection: {} }, NEVER_CONNECTED],
			[
				{ connection: { failures: 2, lastError, later: 1 } },
				{ ...NEVER_CONNECTED, failures: 2, lastError: { ...lastError, text: "a\ufffdb" } },
			],
		] as const) {
			const facts = encodeStateFacts({ key: hostKey(9), value: encode({ ...fields, ...told }) });
			const decoded = decodeControl({ kind: RecordKind.host, facts });
			expect(decoded).toEqual({ kind: "host", facts: { id: 9, ...fields, status: "active", connection } });
		}
	});

	test("of a host say nothing to this release if they take the key away", () => {
		const facts = encodeStateFacts({ key: hostKey(9), value: Buffer.alloc(0) });
		expect(decodeControl({ kind: RecordKind.host, facts })).toBeNull();
	});
});

describe("policies", () => {
	const VALUES: PolicyValues = {
		localStatus: { status: "takendown" },
		hostPolicy: {
			...{ isBanned: true, accountLimit: 0, strictness: "observe", cleanSinceMs: 1_700_000_000_000 },
			eventLimits: { perS: 50, perHour: 2_500, perDay: Number.MAX_SAFE_INTEGER },
		},
		domainBan: { sinceMs: 1_700_000_000_000 },
		setting: { value: false },
	};

	test("say what their entries said, and that a key has no value any more", () => {
		for (const kind of POLICY_KINDS)
			for (const value of [VALUES[kind], null]) {
				const entry = controlEntry(kind, { key: "did:web:é.example", value } as never);
				expect(entry.flags).toBe(RecordFlag.state);
				expect(decodeControl(entry)).toEqual({ kind, facts: { key: "did:web:é.example", value } } as never);
			}
	});

	test("leave out what a later release adds to them", () => {
		for (const kind of POLICY_KINDS) {
			const value = encode({ ...VALUES[kind], later: 1 });
			const facts = encodeStateFacts({ key: Buffer.from("key"), value });
			expect(decodeControl({ kind: RecordKind[kind], facts })?.facts).toEqual({
				...{ key: "key", value: VALUES[kind] },
			} as never);
		}
	});

	test("have a key, and none that is too long", () => {
		const key = "é".repeat(POLICY_KEY_BYTES_MAX / 2);
		expect(decodeControl(controlEntry("domainBan", { key, value: null }))?.facts).toEqual({ key, value: null });
		for (const wrong of ["", `${key}a`])
			expect(() => controlEntry("domainBan", { key: wrong, value: null })).toThrow(RangeError);
	});
});

describe("actions of admins", () => {
	const ACTION = { atMs: 1, by: "192.0.2.1", action: "takeDown", subject: "did:plc:a", before: "", after: "takendown" };

	test("say what their entries said, and are no part of the state", () => {
		const entry = controlEntry("adminAction", ACTION);
		expect(entry.flags).toBe(0);
		expect(decodeControl(entry)).toEqual({ kind: "adminAction", facts: ACTION });
	});

	test("have texts of a limited length, whatever the characters", () => {
		const long = "\u{ffff}".repeat(ACTION_TEXT_CHARS_MAX);
		const longest = { ...ACTION, by: long, action: long, subject: long, before: long, after: long };
		expect(decodeControl(controlEntry("adminAction", longest))?.facts).toEqual(longest);
		for (const field of ["by", "action", "subject", "before", "after"] as const)
			expect(() => controlEntry("adminAction", { ...ACTION, [field]: `${long}a` })).toThrow(RangeError);
	});
});
