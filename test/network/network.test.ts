import { expect } from "bun:test";
import { Account } from "./account.ts";
import { createDidWebAccount, type DidWebAccount } from "./did-web.ts";
import { asAtprotoSyncTellsIt } from "./event.ts";
import {
	ANSWER_DEADLINE_MS,
	expectExactly,
	expectLatestCommitOf,
	expectRefusal,
	expectReplay,
	expectStatus,
	isCommit,
} from "./expectations.ts";
import type { Pds } from "./pds.ts";
import { play } from "./play.ts";
import type { Stage } from "./stage.ts";
import { until } from "./until.ts";
import { procedure, query, request, type XrpcFailure } from "./xrpc.ts";

/** How many of a burst's commits a consumer has when the relay is killed; one round each. */
const KILL_AFTER_COMMITS = [10, 75, 150];
const BURST_POSTS_PER_ACCOUNT = 60;
const ROUNDS_WHILE_FROZEN = 60;

/** After each act every event is delivered. */
play("between reference PDSes and real consumers", {}, ({ before, after, act }) => {
	let stage: Stage;
	let first: Pds;
	let second: Pds;
	let alice: Account;
	let bob: Account;
	let webby: DidWebAccount;
	/** Accounts that are not active, and that listRepos must not list. */
	const gone = new Set<string>();

	before((set, ...pdses) => {
		stage = set;
		[first, second] = pdses;
	});
	after(async () => webby?.stop());

	act("records pass: created, updated, deleted, and 200 in one commit", async () => {
		alice = await Account.create(first, "alice");
		bob = await Account.create(second, "bobby");
		const { rkey: early } = await alice.post("to be deleted");
		const { rkey: kept } = await bob.post("to be updated");
		await alice.putProfile("Alice");
		await alice.putProfile("Alice, still");
		await alice.deletePost(early);
		await alice.applyWrites(Array.from({ length: 200 }, (_, at) => ({ action: "create", text: `one of many ${at}` })));
		await bob.applyWrites([
			{ action: "create", text: "new" },
			{ action: "update", rkey: kept, text: "updated" },
			{ action: "delete", rkey: (await bob.post("to be deleted")).rkey },
		]);

		await stage.everythingArrives();
		expectExactly(stage);
		await expectLatestCommitOf(stage, alice, bob);
	});

	act("an account of DID method web passes", async () => {
		webby = await createDidWebAccount(first, "webby");
		await webby.account.post("from the web");

		await stage.everythingArrives();
		expectExactly(stage);
		await expectLatestCommitOf(stage, webby.account);
	});

	act("a handle change, a deactivation, a takedown and their reversal pass, and the API follows", async () => {
		await alice.changeHandle("alice-renamed");
		await alice.deactivate();
		await expectStatus(stage, alice.did, { active: false, status: "deactivated" });
		await expectRefusal(stage, "com.atproto.sync.getLatestCommit", { did: alice.did }, "RepoDeactivated");
		await alice.activate();
		await expectStatus(stage, alice.did, { active: true });

		await bob.setTakedown(true);
		await expectStatus(stage, bob.did, { active: false, status: "takendown" });
		await expectRefusal(stage, "com.atproto.sync.getRepo", { did: bob.did }, "RepoTakendown");
		await bob.setTakedown(false);
		await expectStatus(stage, bob.did, { active: true });

		await alice.post("back");
		await bob.post("back");
		await stage.everythingArrives();
		expectExactly(stage);
		await expectLatestCommitOf(stage, alice, bob);
	});

	act("deleted accounts pass as deleted", async () => {
		const carol = await Account.create(second, "carol");
		const dave = await Account.create(second, "dave");
		await carol.post("soon gone");
		// A PDS removes a deleted account's events from its backlog, so they must have been read before.
		await stage.everythingArrives();
		await carol.delete();
		await dave.deleteByAdmin();

		await stage.everythingArrives();
		expectExactly(stage);
		for (const { did } of [carol, dave]) {
			gone.add(did);
			await expectStatus(stage, did, { active: false, status: "deleted" });
		}
	});

	act("the API lists the hosts and accounts, and sends readers of a repo to its PDS", async () => {
		await expectRepoRedirects(alice, bob, webby.account);
		await expectHosts();
		await expectListing();
		await expectRefusal(stage, "com.atproto.sync.getRepoStatus", { did: `did:plc:${"a".repeat(24)}` }, "RepoNotFound");
		const crawl = procedure(stage.relay.origin, "com.atproto.sync.requestCrawl", { hostname: first.hostname });
		expect(
			await crawl.then(
				() => "taken",
				({ status }: XrpcFailure) => status,
			),
		).toBe(400);
	});

	for (const [round, killAfter] of KILL_AFTER_COMMITS.entries()) {
		act(`nothing is lost, repeated or renumbered by kill -9 after ${killAfter} commits of a burst`, async () => {
			const accounts = [alice, bob, webby.account, ...(await createAccounts(round))];
			await stage.everythingArrives();
			const witness = stage.consumers["atcute-firehose"];
			const heardBefore = witness.events.length;
			let written = 0;
			const burst = Promise.all(
				accounts.map(async (account) => {
					for (let post = 0; post < BURST_POSTS_PER_ACCOUNT; post++, written++) await account.post(`burst ${post}`);
				}),
			);
			await until("the moment to kill", ANSWER_DEADLINE_MS, () => witness.events.length >= heardBefore + killAfter);
			await stage.relay.kill();
			const writtenAtKill = written;
			await stage.relay.restart();
			await burst;

			expect(writtenAtKill).toBeLessThan(written);
			await stage.relay.hostsConnected(2);
			await stage.everythingArrives();
			expectExactly(stage, isCommit);
			await expectLatestCommitOf(stage, ...accounts);
		});
	}

	act("consumers that stop for a while miss nothing", async () => {
		const consumers = Object.values(stage.consumers);
		for (const consumer of consumers) consumer.freeze();
		try {
			for (let round = 0; round < ROUNDS_WHILE_FROZEN; round++) {
				await Promise.all([alice, bob].map((account) => account.post(`while nobody reads ${round}`)));
			}
			await stage.truthIsComplete();
		} finally {
			for (const consumer of consumers) consumer.thaw();
		}
		await stage.everythingArrives();
		expectExactly(stage, isCommit);
	});

	act(
		"a consumer that connects late gets the same log as the live ones, without commits and syncs of deleted accounts",
		async () => {
			const live = stage.consumers["atcute-firehose"].events.filter(
				({ did, kind }) => !gone.has(did) || (kind !== "commit" && kind !== "sync"),
			);
			await expectReplay(stage, "atcute-firehose", 0, live);
		},
	);

	act("a consumer of any kind that comes back gets what is after its cursor", async () => {
		const live = stage.consumers["atcute-firehose"].events;
		const { seq: cursor = 0 } = live.at(-BURST_POSTS_PER_ACCOUNT) ?? {};
		const missed = live.filter(({ seq }) => seq > cursor);
		await expectReplay(stage, "atcute-firehose", cursor, missed);
		await expectReplay(stage, "skyware-firehose", cursor, missed);
		await expectReplay(stage, "atproto-sync", cursor, asAtprotoSyncTellsIt(missed));
	});

	async function createAccounts(round: number): Promise<Account[]> {
		return Promise.all(stage.net.pdses.map((pds) => Account.create(pds, `writer${round}`)));
	}

	async function expectRepoRedirects(...accounts: Account[]): Promise<void> {
		for (const { pds, did } of accounts) {
			const answer = await request(stage.relay.origin, "com.atproto.sync.getRepo", { parameters: { did } });
			expect(answer.status).toBe(302);
			const target = new URL(answer.headers.get("location") ?? "");
			expect([target.origin, target.pathname]).toEqual([pds.origin, "/xrpc/com.atproto.sync.getRepo"]);
			expect(target.searchParams.get("did")).toBe(did);
		}
	}

	async function expectHosts(): Promise<void> {
		const { hosts } = await query<{ hosts: { hostname: string }[] }>(stage.relay.origin, "com.atproto.sync.listHosts");
		const hostnames = stage.net.pdses.map(({ hostname }) => hostname);
		expect(hosts.map(({ hostname }) => hostname).sort()).toEqual(hostnames.sort());
		for (const host of hosts) {
			expect(host).toMatchObject({ status: "active", seq: expect.any(Number), accountCount: expect.any(Number) });
			const { hostname } = host;
			expect(await query<object>(stage.relay.origin, "com.atproto.sync.getHostStatus", { hostname })).toMatchObject({
				hostname,
				status: "active",
			});
		}
		await expectRefusal(stage, "com.atproto.sync.getHostStatus", { hostname: "unknown.example.com" }, "HostNotFound");
	}

	/** Reads the list in pages of two, and compares it with what the PDSes say of each account. */
	async function expectListing(): Promise<void> {
		const repos: { did: string; head: string; rev: string }[] = [];
		let cursor: string | undefined;
		do {
			const page: { repos: typeof repos; cursor?: string } = await query(
				stage.relay.origin,
				"com.atproto.sync.listRepos",
				{ limit: 2, ...(cursor !== undefined && { cursor }) },
			);
			repos.push(...page.repos);
			cursor = page.cursor;
		} while (cursor !== undefined);
		const known = new Set(stage.expected().map(({ did }) => did));
		expect(new Set(repos.map(({ did }) => did))).toEqual(known.difference(gone));
		expect(repos).toHaveLength(known.size - gone.size);
		const { cid, rev } = await query<{ cid: string; rev: string }>(
			alice.pds.origin,
			"com.atproto.sync.getLatestCommit",
			{ did: alice.did },
		);
		expect(repos.find(({ did }) => did === alice.did)).toMatchObject({ head: cid, rev });
	}
});
