import { describe, expect, test } from "bun:test";
import { foldRecords } from "../../src/index/fold.ts";
import type { Host } from "../../src/index/store.ts";
import { CURSORS_PER_RECORD_MAX, decodeControl } from "../../src/log/record/control.ts";
import { RecordFlag, RecordKind } from "../../src/log/record/record.ts";
import { decodeStateFacts } from "../../src/log/record/state-facts.ts";
import { LogState, type StateRecord } from "../../src/log/state.ts";
import { Rng } from "../../src/sim/rng.ts";
import * as records from "../index/records.ts";
import {
	describe as described,
	FIRST_LATER_KIND,
	laterRecord,
	laterState,
	removedHost,
	stateHistory,
} from "./state-history.ts";

const CASES = 150;

function stateOf(...parts: Iterable<StateRecord>[]): LogState {
	const state = new LogState();
	for (const part of parts) for (const record of part) state.add(record);
	return state;
}

/** The rows of all hosts and accounts that an index has after these records. The parts have lsns far from each other. */
function rowsOf(...parts: records.Unsequenced[][]): { hosts: Host[]; accounts: unknown; hostIdMax: number } {
	const list = parts.flatMap((part, at) => records.sequence(part, 1 + at * 1_000_000));
	const { hosts, accounts, hostIdMax } = foldRecords(list, records.NO_ROWS);
	return { hosts: hosts.sort((a, b) => a.id - b.id), accounts, hostIdMax };
}

/** The state as records of a log. */
function restated(state: LogState): records.Unsequenced[] {
	return Array.from(state.records(), (record) => ({ ...records.host(1), ...record }));
}

/** The last value of each key of the kinds that no release knows yet. */
function laterValues(list: readonly StateRecord[]): string[] {
	const values = new Map<string, string>();
	for (const { kind, flags, facts } of list) {
		if (kind < FIRST_LATER_KIND || (flags & RecordFlag.state) === 0) continue;
		const { key, value } = decodeStateFacts(facts);
		const name = `${kind} ${Buffer.from(key).toString("hex")}`;
		if (value.length === 0) values.delete(name);
		else values.set(name, Buffer.from(value).toString("hex"));
	}
	return Array.from(values, ([name, value]) => `${name} ${value}`).sort();
}

describe("generated histories", () => {
	for (const [name, length] of [
		["short", 12],
		["long", 400],
	] as const) {
		test(`${name}: the state gives an empty index all that holds of hosts`, () => {
			for (let at = 0; at < CASES; at++) {
				const history = stateHistory(new Rng(`state/${name}/${at}`), length);
				const { hosts } = rowsOf(history);
				const told = rowsOf(restated(stateOf(history))).hosts;
				// Which hosts had accounts is not part of the state.
				expect(told).toEqual(hosts.map((host) => ({ ...host, accountCount: 0 })));
			}
		});

		test(`${name}: it changes nothing for an index that has all, wherever it stands`, () => {
			for (let at = 0; at < CASES; at++) {
				const rng = new Rng(`idempotent/${name}/${at}`);
				const history = stateHistory(rng, length);
				const cut = rng.int(history.length + 1);
				const head = restated(stateOf(history.slice(0, cut)));
				const [before, after] = [history.slice(0, cut), history.slice(cut)];
				expect(rowsOf(before, head, after)).toEqual(rowsOf(before, [], after));
			}
		});

		test(`${name}: with what follows it, it is the state of the whole`, () => {
			for (let at = 0; at < CASES; at++) {
				const rng = new Rng(`cut/${name}/${at}`);
				const history = stateHistory(rng, length);
				const whole = described(stateOf(history).records()).sort();
				const first = rng.int(history.length + 1);
				const second = first + rng.int(history.length + 1 - first);
				const head = stateOf(history.slice(0, first)).records();
				const next = stateOf(head, history.slice(first, second)).records();
				expect(described(stateOf(next, history.slice(second)).records()).sort()).toEqual(whole);
			}
		});

		test(`${name}: it has the last value of each key of a later release's kinds, as it was written`, () => {
			for (let at = 0; at < CASES; at++) {
				const history = stateHistory(new Rng(`later/${name}/${at}`), length);
				const list = [...stateOf(history).records()];
				expect(laterValues(list)).toEqual(laterValues(history));
				for (const { flags } of list) expect(flags & RecordFlag.restated).toBe(RecordFlag.restated);
			}
		});
	}

	test("have all that the tests need", () => {
		const list = Array.from({ length: CASES }, (_, at) => stateHistory(new Rng(`state/long/${at}`), 400)).flat();
		const kinds = new Set(list.map(({ kind }) => kind));
		for (let kind = 16; kind < 32; kind++) expect(kinds).toContain(kind as RecordKind);
		expect(laterValues(list).length).toBeGreaterThan(100);
		const cursors = list.flatMap((record) => {
			const control = decodeControl(record);
			return control?.kind === "cursors" ? control.facts.cursors.map(({ seq }) => seq) : [];
		});
		expect(cursors).toContain(null);
	});
});

describe("the state", () => {
	test("of an empty log is empty", () => {
		expect([...new LogState().records()]).toEqual([]);
		expect([
			...stateOf([records.commit([1, 1], "did:plc:a", 1), records.didDocument("did:plc:a", null)]).records(),
		]).toEqual([]);
	});

	test("has the last cursor of a host, though it is lower, or none", () => {
		const state = stateOf([
			...[records.host(1), records.host(2), records.host(3)],
			...[records.cursors([1, 800], [2, 5], [3, 9]), records.cursors([1, 3], [2, null])],
		]);
		const { hosts } = rowsOf(restated(state));
		expect(hosts.map(({ cursor }) => cursor)).toEqual([3, null, 9]);
	});

	test("a key that is removed is gone, comes back when it is set again, and nothing of another kind goes with it", () => {
		const key = Buffer.from("key");
		const [set, other, removed] = [
			laterState(FIRST_LATER_KIND, key, Buffer.from([1])),
			laterState(FIRST_LATER_KIND + 1, key, Buffer.from([2])),
			laterState(FIRST_LATER_KIND, key, Buffer.alloc(0)),
		];
		expect(described(stateOf([set, other, removed]).records())).toEqual(described(stateOf([other]).records()));
		expect(described(stateOf([set, removed, removed, set]).records())).toEqual(described(stateOf([set]).records()));
	});

	test("a host that is removed loses its cursor, and the index passes over the removal", () => {
		const history = [records.host(1), records.host(2), records.cursors([1, 7], [2, 8]), removedHost(1)];
		expect(described(stateOf(history).records())).toEqual(
			described(stateOf([records.host(2), records.cursors([2, 8])]).records()),
		);
		expect(decodeControl(removedHost(1))).toBeNull();
		expect(rowsOf(history).hosts.map(({ id }) => id)).toEqual([1, 2]);
	});

	test("keeps copies, since the memory of what it was given is used again", () => {
		const record = records.host(1);
		const state = stateOf([record]);
		const before = described(state.records());
		record.facts.fill(0);
		expect(described(state.records())).toEqual(before);
	});

	test("of many hosts has as many cursors in a record as fit", () => {
		const count = 2 * CURSORS_PER_RECORD_MAX + 1;
		const state = new LogState();
		for (let id = 1; id <= count; id++) state.add(records.cursors([id, id * 3]));
		const list = restated(state);
		expect(list).toHaveLength(3);
		const cursors = list.flatMap((record) => {
			const control = decodeControl(record);
			return control?.kind === "cursors" ? control.facts.cursors : [];
		});
		expect(cursors).toEqual(Array.from({ length: count }, (_, i) => ({ host: i + 1, seq: (i + 1) * 3 })));
	});

	test("refuses facts that have the flag and are no state facts: they are damage", () => {
		for (const facts of [[], [1], [5, 0, 1, 2, 3, 4], [0xff, 0xff, 1]]) {
			expect(() => new LogState().add(laterRecord(FIRST_LATER_KIND, RecordFlag.state, Uint8Array.from(facts)))).toThrow(
				RangeError,
			);
		}
		// With an empty key and no value.
		new LogState().add(laterRecord(FIRST_LATER_KIND, RecordFlag.state, Uint8Array.of(0, 0)));
	});

	test("takes nothing from messages, whatever their flags are", () => {
		const commit = { ...records.commit([1, 1], "did:plc:a", 1), flags: RecordFlag.state };
		expect([...stateOf([commit]).records()]).toEqual([]);
		expect(commit.kind).toBe(RecordKind.commit);
	});
});
