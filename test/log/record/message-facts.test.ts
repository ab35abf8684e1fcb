import { describe, expect, test } from "bun:test";
import {
	decodeFact,
	didOf,
	encodeFact,
	flagsOfFact,
	type MessageFact,
	tellsOfRepo,
} from "../../../src/log/record/message-facts.ts";
import { RecordFlag, RecordKind } from "../../../src/log/record/record.ts";
import { MESSAGE_KINDS, MESSAGE_TYPES } from "../../../src/protocol/kinds/table.ts";
import { Rng } from "../../../src/sim/rng.ts";
import { encodeTouched } from "../../../src/verify/touched.ts";

const ROUNDS = 300;

function cid(rng: Rng): Buffer {
	return Buffer.from(rng.bytes(36));
}

function anyTouched(rng: Rng): Buffer | null {
	const count = rng.int(4);
	const collections = Array.from({ length: count }, () => ({
		name: `com.example.c${rng.int(1e6)}`,
		before: rng.pick(["unknown", "empty", "filled"] as const),
		after: rng.pick(["empty", "filled"] as const),
	}));
	return count === 3 ? null : Buffer.from(encodeTouched(collections));
}

function anyFact(type: MessageFact["type"], rng: Rng): MessageFact {
	const did = `did:plc:${rng.int(1e9).toString(36)}`;
	const timeMs = rng.int(2e12);
	switch (type) {
		case "repo":
			return { type, did, rev: `3l${rng.int(1e9)}`, commit: cid(rng), data: cid(rng), touched: anyTouched(rng) };
		case "status":
			return {
				type,
				did,
				active: rng.pick([true, false]),
				status: rng.pick([true, false]) ? null : "deactivated",
				timeMs,
			};
		case "identity":
			return { type, did, isHome: rng.pick([true, false]), timeMs };
	}
}

describe("what a message says of its account", () => {
	test.each(MESSAGE_TYPES)("comes back out of the record of a #%s, whatever other flags that has", (type) => {
		const rng = new Rng(`message facts of ${type}`);
		for (let round = 0; round < ROUNDS; round++) {
			const fact = anyFact(MESSAGE_KINDS[type].tells, rng);
			const flags = flagsOfFact(fact) | (rng.pick([true, false]) ? RecordFlag.lenient | RecordFlag.discontinuous : 0);
			const record = { kind: RecordKind[type], flags, facts: encodeFact(fact) };
			expect(decodeFact(record)).toEqual(fact);
			expect(didOf(record)).toBe(fact.did);
		}
	});

	test("is not read in records of kinds that this release does not know", () => {
		const facts = Buffer.from("whatever it is");
		const unknown = 15;
		expect(Object.values<number>(RecordKind)).not.toContain(unknown);
		expect(decodeFact({ kind: unknown as RecordKind, flags: 0, facts })).toBeNull();
		expect(didOf({ kind: unknown as RecordKind, facts })).toBeNull();
	});

	test("is of a repo in commits and syncs alone", () => {
		const told = Object.entries(RecordKind).filter(([, kind]) => tellsOfRepo(kind));
		expect(told.map(([name]) => name).sort()).toEqual(["commit", "sync"]);
	});
});
