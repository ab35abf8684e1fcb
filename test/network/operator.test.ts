import { expect } from "bun:test";
import { Account } from "./account.ts";
import { type FirehoseEvent, ownAccountEvent } from "./event.ts";
import {
	expectAnswer,
	expectExactly,
	expectLatestCommitOf,
	expectRefusal,
	expectReplay,
	expectStatus,
	expectTold,
} from "./expectations.ts";
import type { Pds } from "./pds.ts";
import { play } from "./play.ts";
import type { Stage } from "./stage.ts";
import { query, type XrpcFailure } from "./xrpc.ts";

const STATUSES = [
	{ path: "repo/takeDown", status: "takendown", refusal: "RepoTakendown" },
	{ path: "repo/suspend", status: "suspended", refusal: "RepoSuspended" },
] as const;

play("what an operator sets, between reference PDSes and real consumers", {}, ({ before, act }) => {
	let stage: Stage;
	let first: Pds;
	let second: Pds;
	/** Accounts of which replay has no commits and syncs. */
	const withheld = new Set<string>();

	before((set, ...pdses) => {
		stage = set;
		[first, second] = pdses;
	});

	act("accounts beyond a host's limit wait, and the oldest is admitted when one is deleted at its PDS", async () => {
		const leaving = await Account.create(second, "leaving");
		await stage.everythingArrives();
		await stage.relay.admin("pds/changeLimits", { host: second.hostname, repo_limit: 2 });
		const older = await createApart(second, "older");
		const younger = await createApart(second, "younger");
		const waits = new Map<Account, FirehoseEvent[]>();
		for (const account of [older, younger]) {
			await account.post("nobody reads this");
			await stage.everythingArrives();
			const [identity, ...rest] = stage.eventsAt(second, account.did);
			expect([identity, ...rest].map((event) => event?.kind)).toEqual([
				"identity",
				"account",
				"commit",
				"sync",
				"commit",
			]);
			const throttled = ownAccountEvent(account, "throttled");
			waits.set(account, [throttled, identity as FirehoseEvent, throttled]);
		}
		for (const [account, told] of waits) {
			await expectTold(stage, account, told);
			await expectStatus(stage, account.did, { active: false, status: "throttled" });
		}
		await expectQuota({ limit: 2, accounts: 2, waiting: 2 });

		await leaving.deleteByAdmin();
		withheld.add(leaving.did);
		const admitted = [...(waits.get(older) ?? []), ownAccountEvent(older, null)];
		await expectTold(stage, older, admitted);
		await younger.post("nobody reads this either");
		await expectTold(stage, older, [...admitted, await commitOf(older)]);
		await stage.everythingArrives();
		await expectTold(stage, younger, waits.get(younger) ?? []);
		await expectQuota({ limit: 2, accounts: 2, waiting: 1 });
		const recount = await stage.relay.admin(`pds/recount?host=${second.hostname}`, {});
		expect(recount).toEqual({ hostname: second.hostname, limit: 2, accounts: 2, waiting: 1, before: 2 });

		await stage.relay.admin("pds/changeLimits", { host: second.hostname, repo_limit: null });
		const last = [...(waits.get(younger) ?? []), ownAccountEvent(younger, null)];
		await expectTold(stage, younger, last);
		await expectTold(stage, younger, [...last, await commitOf(younger)]);
		await expectStatus(stage, younger.did, { active: true });
		await expectLatestCommitOf(stage, older, younger);
		expect(await stage.relay.rejections()).toEqual({ "account-throttled": 7 });
		expectExactly(stage);
	});

	act("accounts that are taken down or suspended stay out, live and on replay, until that is undone", async () => {
		const told = new Map<Account, FirehoseEvent[]>();
		for (const { path, status, refusal } of STATUSES) {
			const account = await createApart(first, status);
			await account.post("before it");
			await stage.everythingArrives();
			const already = stage.eventsAt(first, account.did);
			await stage.relay.admin(path, { did: account.did });
			const inactive = ownAccountEvent(account, status);
			await expectTold(stage, account, [...already, inactive]);

			// What its PDS says of it matters when that is undone, and not before.
			await commitOf(account);
			await account.deactivate();
			await account.activate();
			await stage.truthIsComplete();
			const identity = stage.eventsAt(first, account.did).findLast(({ kind }) => kind === "identity") as FirehoseEvent;
			told.set(account, [...already, inactive, inactive, inactive, identity]);
			await expectTold(stage, account, told.get(account) ?? []);
			await expectStatus(stage, account.did, { active: false, status });
			for (const method of ["getLatestCommit", "getRepo"])
				await expectRefusal(stage, `com.atproto.sync.${method}`, { did: account.did }, refusal);
			expect(await listed(account)).toBeUndefined();
		}
		await stage.everythingArrives();
		const dids = [...told.keys()].map(({ did }) => did);
		for (const did of dids) withheld.add(did);
		await expectReplayed();
		expect((await stage.relay.admin<{ dids: string[] }>("repo/takedowns")).dids).toEqual(dids.toSorted());

		for (const [account, before] of told) {
			await stage.relay.admin("repo/reverseTakedown", { did: account.did });
			const back = [...before, ownAccountEvent(account, null)];
			await expectTold(stage, account, back);
			await expectTold(stage, account, [...back, await commitOf(account)]);
			await expectStatus(stage, account.did, { active: true });
			expect(await listed(account)).toMatchObject({ active: true });
			withheld.delete(account.did);
		}
		await expectLatestCommitOf(stage, ...told.keys());
		await stage.everythingArrives();
		await expectReplayed();
		expectExactly(stage);
	});

	act("a banned host is cut off, and goes on from its cursor when the ban is lifted; so does a domain", async () => {
		const frank = await Account.create(second, "frank");
		await stage.everythingArrives();
		await stage.relay.admin(`pds/block?host=${second.hostname}`, {});
		await stage.relay.hostsConnected(1);
		expect(await refusalOf("pds/requestCrawl", { hostname: second.hostname })).toBe("HostBanned");
		await expectHostStatus(second, "banned");
		await frank.post("while it is banned");
		const unseen = await createApart(second, "unseen");
		await unseen.post("of an account that the relay has not seen");
		await stage.relay.admin("repo/takeDown", { did: unseen.did });
		await stage.truthIsComplete();
		const ofSecond = stage.eventsAt(second, frank.did);
		expect(ofSecond.at(-1)?.kind).toBe("commit");
		await expectTold(stage, frank, ofSecond.slice(0, -1));

		await stage.relay.admin(`pds/unblock?host=${second.hostname}`, {});
		await stage.relay.hostsConnected(2);
		await expectTold(stage, frank, ofSecond);
		const [identity] = stage.eventsAt(second, unseen.did);
		const takenDown = ownAccountEvent(unseen, "takendown");
		const told = [takenDown, identity as FirehoseEvent, takenDown];
		await expectTold(stage, unseen, told);
		await stage.relay.admin("repo/reverseTakedown", { did: unseen.did });
		await expectTold(stage, unseen, [...told, ownAccountEvent(unseen, null)]);
		const commit = await commitOf(unseen);
		await expectTold(stage, unseen, [...told, ownAccountEvent(unseen, null), commit]);

		await stage.relay.admin("subs/banDomain", { Domain: "localhost" });
		await stage.relay.hostsConnected(0);
		for (const pds of [first, second]) {
			expect(await refusalOf("pds/requestCrawl", { hostname: pds.hostname })).toBe("HostBanned");
			await expectHostStatus(pds, "banned");
		}
		await frank.post("while the whole domain is banned");
		await stage.relay.admin("subs/unbanDomain", { Domain: "localhost" });
		await stage.relay.hostsConnected(2);
		await stage.everythingArrives();
		expectExactly(stage);
		await expectLatestCommitOf(stage, frank, unseen);
	});

	/** Creates an account of whose events the relay does not pass on all. */
	async function createApart(pds: Pds, name: string): Promise<Account> {
		const account = await Account.create(pds, name);
		stage.judgeApart(account);
		return account;
	}

	/** Posts, and returns the commit as the PDS tells of it. */
	async function commitOf(account: Account): Promise<FirehoseEvent> {
		const { rev } = await account.post("a post");
		await stage.truthIsComplete();
		const events = stage.eventsAt(account.pds, account.did);
		return events.find((event) => event.kind === "commit" && event.rev === rev) as FirehoseEvent;
	}

	async function expectQuota(expected: { limit: number; accounts: number; waiting: number }): Promise<void> {
		await expectAnswer(
			() => stage.relay.admin(`pds/quota?host=${second.hostname}`),
			(quota) => expect(quota).toEqual({ hostname: second.hostname, ...expected }),
		);
	}

	async function expectHostStatus({ hostname }: Pds, status: string): Promise<void> {
		await expectAnswer(
			() => query<object>(stage.relay.origin, "com.atproto.sync.getHostStatus", { hostname }),
			(answer) => expect(answer).toMatchObject({ hostname, status }),
		);
	}

	/** The row of an account in `listRepos`. */
	async function listed({ did }: Account): Promise<object | undefined> {
		const { repos } = await query<{ repos: { did: string }[] }>(stage.relay.origin, "com.atproto.sync.listRepos");
		return repos.find((repo) => repo.did === did);
	}

	/** Expects that a new consumer gets all but what is withheld. The mask of replay comes a moment after the index. */
	async function expectReplayed(): Promise<void> {
		const live = stage.consumers["atcute-firehose"].events.filter(
			({ did, kind }) => !withheld.has(did) || (kind !== "commit" && kind !== "sync"),
		);
		await expectAnswer(
			() => expectReplay(stage, "atcute-firehose", 0, live),
			() => undefined,
		);
	}

	async function refusalOf(path: string, body: object): Promise<string> {
		return stage.relay.admin(path, body).then(
			() => "none",
			({ error }: XrpcFailure) => error,
		);
	}
});
