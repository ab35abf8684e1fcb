import { describe, expect, test } from "bun:test";
import { type AccountFact, type At, atHost, next } from "../../src/account/next.ts";
import type { AccountState } from "../../src/account/state.ts";

const CID = new Uint8Array(36).fill(1);
const DATA = new Uint8Array(36).fill(2);
const REPO: AccountFact = { type: "repo", rev: "3l3qo2vuowo2b", commit: CID, data: DATA };

/** The record with this lsn, from a host and with its seq. */
function at(host: number, upstreamSeq: number, lsn: number): At {
	return { host, upstreamSeq, lsn };
}

function status(name: string | null, timeMs = 0, active = name === null): AccountFact {
	return { type: "status", active, status: name, timeMs };
}

function identity(isHome: boolean, timeMs = 0): AccountFact {
	return { type: "identity", isHome, timeMs };
}

/** The state of a new account after these facts. */
function after(...facts: [fact: AccountFact, at: At][]): AccountState {
	let state: AccountState | null = null;
	for (const [fact, place] of facts) state = next(state, fact, place);
	if (state === null) throw new Error("these facts make no account");
	return state;
}

describe("an unknown account", () => {
	test("is active, and at the host that its first message came from", () => {
		expect(next(null, REPO, at(3, 70, 9))).toEqual({
			host: 3,
			hostSeq: 70,
			lastTimeMs: 0,
			upstreamActive: true,
			upstreamStatus: null,
			localStatus: null,
			waitingSinceUs: null,
			statusLsn: 0,
			rev: REPO.rev,
			commit: CID,
			data: DATA,
		});
	});

	test("becomes known by an #account, and by an #identity of its own host only", () => {
		expect(next(null, status("deactivated", 5), at(3, 70, 9))).toMatchObject({
			host: 3,
			hostSeq: 70,
			lastTimeMs: 5,
			upstreamActive: false,
			upstreamStatus: "deactivated",
			statusLsn: 9,
			rev: null,
		});
		expect(next(null, identity(true, 5), at(3, 70, 9))).toMatchObject({
			host: 3,
			hostSeq: 70,
			lastTimeMs: 5,
			statusLsn: 0,
		});
		expect(next(null, identity(false), at(3, 70, 9))).toBeNull();
	});
});

describe("a repo", () => {
	test("does not change the status, nor the status the repo", () => {
		const state = after([REPO, at(1, 1, 1)], [status("suspended", 5), at(1, 2, 2)]);
		expect(state).toMatchObject({ rev: REPO.rev, commit: CID, upstreamStatus: "suspended", statusLsn: 2 });
		expect(next(state, { ...REPO, rev: "3l3qo2vuowo2c" }, at(1, 3, 3))).toEqual({
			...state,
			hostSeq: 3,
			rev: "3l3qo2vuowo2c",
		});
	});

	test("is forgotten except for its rev when the account is deleted, and by no other status", () => {
		const state = after([REPO, at(1, 1, 1)]);
		expect(next(state, status("deleted"), at(1, 2, 2))).toMatchObject({ rev: REPO.rev, commit: null, data: null });
		for (const kept of [
			status("deactivated"),
			status("takendown"),
			status("suspended"),
			status(null),
			status("deleted", 0, true),
		])
			expect(next(state, kept, at(1, 2, 2))).toMatchObject({ rev: REPO.rev, commit: CID, data: DATA });
	});
});

test("an account waits for a place from the record on that says so, until one says that it does not, or it is deleted or moves", () => {
	const own = (waits: boolean): AccountFact => ({ type: "status", active: true, status: null, timeMs: 0, waits });
	const late = { ...at(1, 2, 2), timeUs: 20 };
	const waiting = next(after([REPO, at(1, 1, 1)]), own(true), late);
	expect(waiting).toMatchObject({ host: 1, waitingSinceUs: 20, upstreamActive: true });
	for (const [fact, place, waitingSinceUs] of [
		[own(true), { ...at(1, 3, 3), timeUs: 30 }, 20],
		[status("deactivated"), at(1, 3, 3), 20],
		[status(null), at(1, 3, 3), 20],
		[identity(true), at(1, 3, 3), 20],
		[own(false), at(1, 3, 3), null],
		[status("deleted"), at(1, 3, 3), null],
		[identity(true), at(2, 3, 3), null],
		[REPO, at(2, 3, 3), null],
		[status(null), at(2, 3, 3), null],
		[own(true), { ...at(2, 3, 3), timeUs: 30 }, 30],
	] as const)
		expect(next(waiting, fact, place)?.waitingSinceUs ?? null).toBe(waitingSinceUs);
});

test("the last time is the greatest that an #identity or #account of the present host gave", () => {
	const state = after([status(null, 500), at(1, 1, 1)], [identity(true, 300), at(1, 2, 2)], [REPO, at(1, 3, 3)]);
	expect(state).toMatchObject({ hostSeq: 3, lastTimeMs: 500 });
	expect(next(state, identity(false, 700), at(1, 4, 4))).toMatchObject({ hostSeq: 4, lastTimeMs: 700 });
	expect(next(state, status(null, 400), at(1, 4, 4))).toMatchObject({ hostSeq: 4, lastTimeMs: 500 });
	expect(next(state, identity(true, 200), at(2, 9, 4))).toMatchObject({ host: 2, hostSeq: 9, lastTimeMs: 200 });
});

describe("another host", () => {
	const state = after([REPO, at(1, 500, 1)], [status("suspended", 300), at(1, 501, 2)]);

	test.each([
		["a commit or sync", { ...REPO, rev: "3l3qo2vuowo2c" }, 0],
		["an #account", status(null, 7), 7],
		["an #identity from home", identity(true, 7), 7],
	] as const)("moves the account by %s, and ends the status that the old host gave", (_, fact, lastTimeMs) => {
		expect(next(state, fact, at(2, 3, 4))).toMatchObject({
			host: 2,
			hostSeq: 3,
			lastTimeMs,
			upstreamActive: true,
			upstreamStatus: null,
			statusLsn: 4,
			commit: CID,
		});
	});

	test("changes nothing by an #identity that is not from home", () => {
		expect(next(state, identity(false, 900), at(2, 3, 4))).toBe(state);
	});

	test("does not end the operator's status", () => {
		expect(next({ ...state, localStatus: "takendown" }, REPO, at(2, 3, 4))?.localStatus).toBe("takendown");
	});
});

test("an entry, which has no lsn yet, changes an account as its record does, except for that lsn", () => {
	const state = after([REPO, at(1, 1, 1)], [status("suspended"), at(1, 2, 2)]);
	for (const fact of [REPO, status("deleted", 5), identity(true, 5)])
		for (const host of [1, 2]) {
			const ofEntry = next(state, fact, { host, upstreamSeq: 3 });
			const ofRecord = next(state, fact, at(host, 3, 3));
			if (ofEntry === null || ofRecord === null) throw new Error("the account is gone");
			expect({ ...ofEntry, statusLsn: 0 }).toEqual({ ...ofRecord, statusLsn: 0 });
		}
});

test("no fact changes the state that it is applied to", () => {
	const state = Object.freeze(after([REPO, at(1, 1, 1)]));
	for (const fact of [REPO, status("deleted", 5), identity(true, 5)])
		expect(next(state, fact, at(2, 3, 4))).not.toBe(state);
	expect(atHost(state, 1)).toBe(state);
});
