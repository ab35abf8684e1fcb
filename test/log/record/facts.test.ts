import { describe, expect, test } from "bun:test";
import {
	type AccountFacts,
	decodeAccountFacts,
	decodeDid,
	decodeIdentityFacts,
	decodeRepoFacts,
	encodeAccountFacts,
	encodeIdentityFacts,
	encodeRepoFacts,
	type IdentityFacts,
	RECORD_FACTS_BYTES_MAX,
	type RepoFacts,
} from "../../../src/log/record/facts.ts";
import { COMMIT_OPS_MAX, DID_CHARS_MAX, NSID_CHARS_MAX } from "../../../src/protocol/limits.ts";
import { Rng } from "../../../src/sim/rng.ts";
import { decodeTouched, encodeTouched, type TouchedCollection } from "../../../src/verify/touched.ts";

const ROUNDS = 300;
const LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789.-:";
const REV = "3lxvll4ebhs2c";

function cid(rng: Rng): Buffer {
	return Buffer.from(rng.bytes(36));
}

function anyDid(rng: Rng): string {
	return `did:web:${rng.text(rng.pick([1, 24, 240, 300, DID_CHARS_MAX - 8]), LETTERS)}`;
}

function anyTime(rng: Rng): number {
	return rng.pick([0, 1, -1, 1_700_000_000_123, 8.64e15, -8.64e15, rng.int(2e12)]);
}

function anyTouched(rng: Rng): Uint8Array | null {
	if (rng.int(5) === 0) return null;
	const collection = (): TouchedCollection => ({
		name: rng.text(rng.pick([5, 18, NSID_CHARS_MAX]), LETTERS),
		before: rng.pick(["unknown", "empty", "filled"]),
		after: rng.pick(["empty", "filled"]),
	});
	return encodeTouched(Array.from({ length: rng.pick([0, 1, 1, 3, 100]) }, collection));
}

function anyRepo(rng: Rng): RepoFacts {
	return { did: anyDid(rng), rev: REV, commit: cid(rng), data: cid(rng), touched: anyTouched(rng) };
}

function anyIdentity(rng: Rng): IdentityFacts {
	return { did: anyDid(rng), timeMs: anyTime(rng) };
}

function anyAccount(rng: Rng): AccountFacts {
	const status = rng.pick([null, "", "deactivated", "größer", "x".repeat(128)]);
	return { did: anyDid(rng), active: rng.pick([true, false]), status, timeMs: anyTime(rng) };
}

/** The same facts inside a longer buffer, as in a record. */
function moved(facts: Uint8Array): Uint8Array {
	return Buffer.concat([Buffer.alloc(7, 0xee), facts, Buffer.alloc(9, 0xee)]).subarray(7, 7 + facts.length);
}

/** A list that is as long as one can be. */
function longestList(): Uint8Array {
	const names = Array.from({ length: COMMIT_OPS_MAX }, (_, number) => String(number).padStart(NSID_CHARS_MAX, "a"));
	return encodeTouched(names.map((name) => ({ name, before: "unknown", after: "filled" })));
}

describe("facts", () => {
	test("of repos, identities and accounts come back", () => {
		const rng = new Rng("facts");
		for (let round = 0; round < ROUNDS; round++) {
			const [repo, identity, account] = [anyRepo(rng), anyIdentity(rng), anyAccount(rng)];
			const decoded = decodeRepoFacts(moved(encodeRepoFacts(repo)));
			expect({ ...decoded, touched: decoded.touched && Buffer.from(decoded.touched) }).toEqual({
				...repo,
				touched: repo.touched && Buffer.from(repo.touched),
			});
			expect(decodeIdentityFacts(moved(encodeIdentityFacts(identity)))).toEqual(identity);
			expect(decodeAccountFacts(moved(encodeAccountFacts(account)))).toEqual(account);
		}
	});

	test("of every kind begin with the DID", () => {
		const rng = new Rng("facts begin");
		for (let round = 0; round < ROUNDS; round++) {
			const [repo, identity, account] = [anyRepo(rng), anyIdentity(rng), anyAccount(rng)];
			expect(decodeDid(moved(encodeRepoFacts(repo)))).toBe(repo.did);
			expect(decodeDid(moved(encodeIdentityFacts(identity)))).toBe(identity.did);
			expect(decodeDid(moved(encodeAccountFacts(account)))).toBe(account.did);
		}
	});

	test("say the same if a later release has added something to them", () => {
		const rng = new Rng("facts of a later release");
		for (let round = 0; round < ROUNDS; round++) {
			const [repo, identity, account] = [anyRepo(rng), anyIdentity(rng), anyAccount(rng)];
			const later = (facts: Uint8Array): Uint8Array => Buffer.concat([facts, rng.bytes(1 + rng.int(9))]);
			const decoded = decodeRepoFacts(later(encodeRepoFacts(repo)));
			const lists = [decoded, repo].map(({ touched }) => touched && decodeTouched(touched));
			expect({ ...decoded, touched: lists[0] }).toEqual({ ...repo, touched: lists[1] });
			expect(decodeIdentityFacts(later(encodeIdentityFacts(identity)))).toEqual(identity);
			expect(decodeAccountFacts(later(encodeAccountFacts(account)))).toEqual(account);
		}
	});

	test("have the bytes that the layout says", () => {
		const [did, commit, data] = ["did:web:a", Buffer.alloc(36, 1), Buffer.alloc(36, 2)];
		const head = Buffer.concat([Buffer.of(9, 0), Buffer.from(did)]);
		const repo = Buffer.concat([head, commit, data, Buffer.of(13), Buffer.from(REV)]);
		expect(Buffer.from(encodeRepoFacts({ did, rev: REV, commit, data, touched: Buffer.from("list") }))).toEqual(
			Buffer.concat([repo, Buffer.from("list")]),
		);
		expect(Buffer.from(encodeRepoFacts({ did, rev: REV, commit, data, touched: null }))).toEqual(
			Buffer.concat([repo, Buffer.of(0xff, 0xff)]),
		);
		const timed = Buffer.concat([head, Buffer.of(0, 0, 0, 0, 0, 0, 0xf0, 0x3f)]);
		expect(Buffer.from(encodeIdentityFacts({ did, timeMs: 1 }))).toEqual(timed);
		expect(Buffer.from(encodeAccountFacts({ did, timeMs: 1, active: true, status: null }))).toEqual(
			Buffer.concat([timed, Buffer.of(1, 0xff, 0xff)]),
		);
		expect(Buffer.from(encodeAccountFacts({ did, timeMs: 1, active: false, status: "x" }))).toEqual(
			Buffer.concat([timed, Buffer.of(0, 1, 0), Buffer.from("x")]),
		);
	});

	test("are refused if a CID has another length", () => {
		const repo = anyRepo(new Rng("short"));
		expect(() => encodeRepoFacts({ ...repo, data: repo.data.subarray(1) })).toThrow(RangeError);
		expect(() => encodeRepoFacts({ ...repo, commit: Buffer.alloc(37) })).toThrow(RangeError);
	});

	test("list no collections if these would not fit a record, and all of them up to its last byte", () => {
		const rng = new Rng("full");
		const touched = longestList();
		const facts = (didLength: number): RepoFacts => ({ ...anyRepo(rng), did: "d".repeat(didLength), touched });
		const room = RECORD_FACTS_BYTES_MAX - encodeRepoFacts(facts(0)).length;
		expect(room).toBeGreaterThan(261);
		expect(room).toBeLessThan(DID_CHARS_MAX);
		const full = encodeRepoFacts(facts(room));
		expect(full).toHaveLength(RECORD_FACTS_BYTES_MAX);
		expect(decodeRepoFacts(full).touched).toEqual(Buffer.from(touched));
		for (const didLength of [room + 1, DID_CHARS_MAX]) {
			const over = facts(didLength);
			expect(decodeRepoFacts(encodeRepoFacts(over))).toEqual({ ...over, touched: null });
		}
	});
});
