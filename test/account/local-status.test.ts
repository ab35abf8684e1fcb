import { describe, expect, test } from "bun:test";
import { type AccountFact, type At, type LocalStatusFact, next } from "../../src/account/next.ts";
import type { AccountState } from "../../src/account/state.ts";
import { effectiveStatus, isActive, isTakenDown } from "../../src/account/status.ts";

type Fact = AccountFact | LocalStatusFact;

/** A fact, and the host that says it. The operator's facts come from none. */
interface Event {
	readonly name: string;
	readonly host: number;
	readonly fact: Fact;
}

const STATUSES = ["deactivated", "deleted", "takendown", "suspended"];
const LOCAL = [null, "takendown", "suspended"];
const REPO: AccountFact = {
	type: "repo",
	rev: "3l3qo2vuowo2b",
	commit: new Uint8Array(36).fill(1),
	data: new Uint8Array(36).fill(2),
};

const EVENTS: readonly Event[] = [
	...LOCAL.map((status) => ({ name: `local ${status}`, host: 0, fact: { type: "local", status } as const })),
	...[1, 2].flatMap((host): Event[] => [
		{ name: `active at ${host}`, host, fact: { type: "status", active: true, status: null, timeMs: 1 } },
		{ name: `commit from ${host}`, host, fact: REPO },
		{ name: `identity from ${host}`, host, fact: { type: "identity", isHome: true, timeMs: 1 } },
	]),
	...STATUSES.map(
		(status): Event => ({ name: status, host: 1, fact: { type: "status", active: false, status, timeMs: 1 } }),
	),
];

/** All sequences of up to `length` events. */
function* orders(length: number): Generator<Event[]> {
	yield [];
	if (length === 0) return;
	for (const rest of orders(length - 1)) for (const event of EVENTS) yield [event, ...rest];
}

function fold(order: readonly Event[]): AccountState | null {
	let state: AccountState | null = null;
	for (const [index, { fact, host }] of order.entries()) state = next(state, fact, at(host, index + 1));
	return state;
}

function at(host: number, lsn: number): At {
	return { host, upstreamSeq: host === 0 ? 0 : lsn, lsn };
}

/** What holds after these events, told by the last of each side alone. */
function expected(order: readonly Event[]): { local: string | null; active: boolean; status: string | null } {
	const locals = order.flatMap(({ fact }) => (fact.type === "local" ? [fact.status] : []));
	const messages = order.filter(({ fact }) => fact.type !== "local");
	const home = messages.at(-1)?.host;
	const since = messages.slice(messages.findLastIndex(({ host }) => host !== home) + 1);
	const told = since.findLast(({ fact }) => fact.type === "status")?.fact;
	const local = locals.at(-1) ?? null;
	const upstream = told?.type === "status" ? told : { active: true, status: null };
	return { local, active: local === null && upstream.active, status: local ?? upstream.status };
}

describe("the operator's status and the host's, in every order of up to four events", () => {
	const all = [...orders(4)];

	test("are kept apart: the last of each side holds, and the operator's goes first", () => {
		for (const order of all) {
			const state = fold(order);
			if (state === null) {
				expect(order.every(({ fact }) => fact.type === "local" && fact.status === null)).toBe(true);
				continue;
			}
			const { local, active, status } = expected(order);
			const effective = { active, ...(status === null ? {} : { status }) };
			const names = order.map(({ name }) => name).join(", ");
			expect({ names, local: state.localStatus, ...effectiveStatus(state) }).toEqual({ names, local, ...effective });
			if (local !== null) expect([isActive(state), isTakenDown(state)]).toEqual([false, true]);
		}
		expect(all.length).toBeGreaterThan(20_000);
	});

	test("undoing leads to the state that there would be if the operator had never said anything", () => {
		const told = (state: AccountState | null) => state && { ...state, statusLsn: 0, hostSeq: 0 };
		for (const order of all) {
			const undone = next(fold(order), { type: "local", status: null }, at(0, 99));
			const never = fold(order.filter(({ fact }) => fact.type !== "local"));
			if (never !== null) expect(told(undone)).toEqual(told(never));
			else expect(undone === null || undone.host === 0).toBe(true);
		}
	});

	test("the lsn of the last status is that of the record which last changed one", () => {
		for (const order of all) {
			const state = fold(order);
			if (state === null) continue;
			for (const local of LOCAL) {
				const after = next(state, { type: "local", status: local }, at(0, 99));
				if (local === state.localStatus) expect(after).toBe(state);
				else expect(after?.statusLsn).toBe(99);
			}
		}
	});
});
