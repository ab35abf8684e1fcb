import { toString as cidToString, create, decode } from "@atcute/cid";
import type { Account, Host } from "../../src/index/store.ts";
import type { SkipReason } from "../../src/migrate/skips.ts";
import type { Rng } from "../../src/sim/rng.ts";
import type { IndigoState } from "./indigo-database.ts";

/** Of the relay that takes over. */
export const GENERAL_LIMIT = 100;
const CREATED = "2025-03-04 05:06:07.123456";
export const CREATED_MS = Date.parse("2025-03-04T05:06:07.123Z");

/** What is expected of a relay that has taken over a state. Of hosts and accounts only what the state decides. */
export interface ExpectedState {
	hosts: Pick<Host, "id" | "hostname" | "insecure" | "status" | "cursor" | "accountCount">[];
	accounts: (Omit<Account, "statusLsn" | "waitingSinceUs"> & { waits: boolean })[];
	/** By kind and key, as JSON of the parts that the state decides. */
	policies: Map<string, string>;
	skipped: Map<SkipReason, number>;
}

const BAD_NAMES = [
	"",
	"two words.example",
	"a..example",
	"192.0.2.7",
	"[::1]",
	"x.example:8080",
	"x.example/p",
	"u@x.example",
];
const BAD_NAMES_MORE = [
	"☃.example",
	`${"x".repeat(5_000)}.example`,
	"x.example?y",
	"-x.example",
	"<b>.example",
	"localhost",
];
const BAD_DIDS = [
	"",
	"did:plc:short",
	"did:key:z6Mk",
	"at://did",
	"did:web:192.0.2.7",
	`did:plc:${"A".repeat(24)}`,
	"d".repeat(9_000),
];
const LOCAL = {
	takendown: "takendown",
	suspended: "suspended",
	active: null,
	throttled: null,
	"host-throttled": null,
} as const;

/** A state that indigo may have left, or that somebody has put into its database, and what it means. */
export async function anyIndigo(rng: Rng, sizes: { hosts: number; accounts: number; allowInsecureHosts: boolean }) {
	const state: IndigoState = { hosts: [], accounts: [], domainBans: [], files: [0, 5_000, 40_000 + rng.int(1_000)] };
	const expected: ExpectedState = { hosts: [], accounts: [], policies: new Map(), skipped: new Map() };
	const skip = (reason: SkipReason): void => void expected.skipped.set(reason, (expected.skipped.get(reason) ?? 0) + 1);
	const world: World = { rng, state, expected, skip, ...sizes };
	for (let at = 0; at < sizes.hosts; at++) addHost(world, at);
	for (let at = 0; at < sizes.accounts; at++) await addAccount(world, at);
	addBans(world);
	return { state, expected };
}

interface World {
	rng: Rng;
	state: IndigoState;
	expected: ExpectedState;
	skip(reason: SkipReason): void;
	allowInsecureHosts: boolean;
}

function addHost({ rng, state, expected, skip, allowInsecureHosts }: World, at: number): void {
	const name = `h${at}.example.com`;
	const isTwin = at > 0 && rng.int(12) === 0 && expected.hosts.at(-1)?.hostname === `h${at - 1}.example.com`;
	const bad = rng.int(8) === 0 ? rng.pick([...BAD_NAMES, ...BAD_NAMES_MORE]) : null;
	const hostname = bad ?? (isTwin ? `H${at - 1}.Example.Com` : rng.int(4) === 0 ? name.toUpperCase() : name);
	if (state.hosts.some((row) => row.hostname === hostname)) return;
	const status = rng.pick(["active", "idle", "offline", "throttled", "banned", "odd", ""]);
	const lastSeq = rng.pick([-1n, 0n, 1n, BigInt(rng.int(1e9)), 2n ** 53n - 1n, 2n ** 53n, 2n ** 62n]);
	const accountLimit = rng.pick([BigInt(GENERAL_LIMIT), 0n, 7n, 10_000_000n, -3n, 2n ** 60n]);
	const id = 3 * at + 1;
	state.hosts.push({ id, hostname, noSsl: rng.int(5) === 0, accountLimit, status, lastSeq, createdAt: CREATED });
	const insecure = state.hosts.at(-1)?.noSsl === true;
	if (bad !== null || (insecure && !allowInsecureHosts)) {
		skip("host-name");
		return;
	}
	const isOdd = status === "odd" || status === "";
	if (isOdd) skip("host-status");
	if (lastSeq >= 2n ** 53n) skip("host-cursor");
	const isNoLimit = accountLimit < 0n || accountLimit >= 2n ** 53n;
	if (isNoLimit) skip("host-limit");
	if (isTwin) {
		skip("host-twice");
		return;
	}
	const cursor = lastSeq > 0n && lastSeq < 2n ** 53n ? Number(lastSeq) : null;
	const known = isOdd ? "idle" : (status as Host["status"]);
	expected.hosts.push({ id, hostname: hostname.toLowerCase(), insecure, status: known, cursor, accountCount: 0 });
	const limit = isNoLimit || accountLimit === BigInt(GENERAL_LIMIT) ? null : Number(accountLimit);
	const isBanned = status === "banned";
	if (limit !== null || isBanned)
		expected.policies.set(`hostPolicy ${hostname.toLowerCase()}`, JSON.stringify([isBanned, limit]));
}

async function addAccount({ rng, state, expected, skip }: World, at: number): Promise<void> {
	const uid = 2 * at + 1;
	const bad = rng.int(30) === 0 ? rng.pick(BAD_DIDS) : null;
	const did =
		bad ??
		(rng.int(20) === 0 ? `did:web:w${at}.example.com` : `did:plc:${rng.text(24, "abcdefghijklmnopqrstuvwxyz234567")}`);
	if (state.accounts.some((row) => row.did === did)) return;
	const hostId = rng.int(20) === 0 ? 1_000_000 : rng.pick(state.hosts).id;
	const status = rng.int(3) > 0 ? "active" : rng.pick([...Object.keys(LOCAL), "deactivated", "odd"]);
	const upstream =
		rng.int(3) > 0 ? "active" : rng.pick(["deactivated", "deleted", "takendown", "inactive", "x".repeat(300), ""]);
	const repo = rng.int(5) === 0 ? null : await anyRepo(rng);
	state.accounts.push({ uid, did, hostId, status, upstreamStatus: upstream, repo: repo?.row ?? null });
	if (bad !== null) {
		skip("did");
		return;
	}
	const local = LOCAL[status as keyof typeof LOCAL];
	if (local === undefined) skip("local-status");
	if (local !== undefined && local !== null) expected.policies.set(`localStatus ${did}`, JSON.stringify(local));
	const host = expected.hosts.find(({ id }) => id === hostId);
	if (host === undefined) {
		skip("account-host");
		return;
	}
	const isOdd = upstream === "" || upstream.length > 128;
	if (isOdd) skip("upstream-status");
	if (repo?.bytes === null) skip("repo");
	const isDeleted = upstream === "deleted";
	if (!isDeleted) host.accountCount++;
	const { rev, commit, data } = repo?.bytes ?? { rev: null, commit: null, data: null };
	expected.accounts.push({
		...{ id: uid, did, host: hostId, hostSeq: 0, lastTimeMs: 0, localStatus: local ?? null },
		upstreamActive: upstream === "active",
		upstreamStatus: upstream === "active" || upstream === "inactive" || isOdd ? null : upstream,
		waits: status === "host-throttled" && !isDeleted,
		...{ rev, commit: isDeleted ? null : commit, data: isDeleted ? null : data },
	});
}

/** A repo's row and what it means: null for nothing, if a part of it is none. */
async function anyRepo(rng: Rng) {
	const commit = await create(0x71, rng.bytes(9));
	const data = await create(0x71, rng.bytes(9));
	const rev = `3${rng.text(12, "abcdefghijklmnopqrstuvwxyz234567")}`;
	const row = { rev, commit: cidToString(commit), data: cidToString(data) };
	const raw = cidToString(await create(0x55, rng.bytes(9)));
	const broken = rng.pick([
		{ rev: "3" },
		{ rev: "" },
		{ commit: "bafy" },
		{ data: "" },
		{ data: raw },
		{ commit: `${row.commit}a` },
	]);
	if (rng.int(10) === 0) return { row: { ...row, ...broken }, bytes: null };
	return { row, bytes: { rev, commit: decode(commit.bytes).bytes, data: decode(data.bytes).bytes } };
}

function addBans({ rng, state, expected, skip }: World): void {
	for (const domain of rng.shuffled([
		"bad.example",
		"*.Star.example",
		"tld",
		"no domain",
		"a_b.example",
		"",
		"bad.example.",
	])) {
		state.domainBans.push({ domain, createdAt: CREATED });
		const known = {
			"bad.example": "bad.example",
			"bad.example.": "bad.example",
			"*.Star.example": "star.example",
			tld: "tld",
		}[domain];
		if (known === undefined) skip("domain");
		else expected.policies.set(`domainBan ${known}`, JSON.stringify(CREATED_MS));
	}
}
