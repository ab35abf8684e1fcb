import { expect } from "bun:test";
import { Account } from "./account.ts";
import type { FirehoseEvent } from "./event.ts";
import {
	ANSWER_DEADLINE_MS,
	expectAnswer,
	expectExactly,
	expectLatestCommitOf,
	expectStatus,
	isCommit,
} from "./expectations.ts";
import { migrate, moveBack } from "./migration.ts";
import type { Pds } from "./pds.ts";
import { play } from "./play.ts";
import { RelayClock } from "./relay-clock.ts";
import type { Stage } from "./stage.ts";
import { until } from "./until.ts";
import { query, request } from "./xrpc.ts";

/** The relay asks the directory for a DID again after ten seconds at the earliest. By a clock of its own they pass sooner. */
const clock = RelayClock.create();
const options = { followed: 1, relay: { RELAY_PLC_MIRROR: "false", ...clock?.environment } };

play("where accounts are, between reference PDSes and real consumers", options, ({ before, after, act }) => {
	let stage: Stage;
	let first: Pds;
	let second: Pds;
	/** At the first PDS. */
	let fern: Account;
	/** The account of one DID at either PDS. */
	let doraAtFirst: Account;
	let doraAtSecond: Account;
	before((set, ...pdses) => {
		stage = set;
		[first, second] = pdses;
	});
	after(async () => clock?.remove());

	act("a restarted relay asks the directory for nothing that it knew", async () => {
		const alice = await Account.create(first, "alice");
		fern = await Account.create(first, "ferny");
		for (const account of [alice, fern]) await account.post("before the restarts");
		await stage.everythingArrives();
		expect(stage.directory.resolved).toContain(alice.did);
		const asked = stage.directory.resolved.length;
		for (const ends of ["end", "kill"] as const) {
			await stage.relay[ends]();
			await stage.relay.restart();
			for (const account of [alice, fern]) await account.post("after a restart");
			await stage.everythingArrives();
		}
		expect(stage.directory.resolved.slice(asked)).toEqual([]);
		expectExactly(stage, isCommit);
	});

	act("with a mirror the directory need not be asked: not for new accounts, nor for one that moves", async () => {
		await stage.relay.end();
		await stage.relay.restart({ RELAY_PLC_MIRROR: "true" });
		await mirrorIsComplete();
		doraAtSecond = await Account.create(second, "doraa");
		await mirrorIsComplete();
		const asked = stage.directory.resolved.length;
		await stage.follow(second);
		await doraAtSecond.post("of an account that the relay has not seen");
		await stage.everythingArrives();
		expect(stage.directory.resolved.slice(asked)).toEqual([]);

		// An #identity asks for an answer that is younger than itself. The directory refuses it, and the mirror has it a moment later.
		stage.directory.refusesToResolve = true;
		const erin = await Account.create(first, "erinn");
		await erin.post("first words");
		doraAtFirst = await migrate(doraAtSecond, first, "doraa");
		await doraAtFirst.post("at another PDS, signed with another key");
		await drop(doraAtFirst, "sync");
		await everythingArrives();
		await expectHome(erin, doraAtFirst);
		stage.directory.refusesToResolve = false;
	});

	act("accounts that move there and back are followed, with their repo and without, and nothing wedges", async () => {
		await doraAtSecond.deactivate();
		await drop(doraAtSecond, "account");
		await expectRejections({ "commit-rev-mismatch": 1, "host-mismatch": 1 });

		await moveBack(doraAtFirst, doraAtSecond);
		await doraAtSecond.post("back, with the repo");
		await drop(doraAtSecond, "sync");
		const fernAtSecond = await migrate(fern, second, "ferny", { withRepo: false });
		await fernAtSecond.post("there, without the repo");
		await everythingArrives();
		await expectHome(doraAtSecond, fernAtSecond);

		await fern.deactivate();
		await drop(fern, "account");
		await doraAtFirst.deactivate();
		await drop(doraAtFirst, "account");
		await doraAtFirst.deleteByAdmin();
		await drop(doraAtFirst, "account");
		await expectRejections({ "commit-rev-mismatch": 2, "host-mismatch": 4 });

		await moveBack(fernAtSecond, fern, { withRepo: false });
		await fern.post("back, to the repo that was here");
		// The repo that was here is older than the one that it left. So the message that tells of it comes too late.
		await drop(fern, "sync");
		await everythingArrives();
		await fernAtSecond.deactivate();
		await drop(fernAtSecond, "account");
		await expectRejections({ "commit-rev-mismatch": 2, "host-mismatch": 5, "rev-stale": 1 });
		await expectHome(doraAtSecond, fern);
		expectExactly(stage, isCommit);
	});

	/** Declares that the relay must not pass on the last message of this kind of the account. */
	async function drop({ pds, did }: Account, dropped: FirehoseEvent["kind"]): Promise<void> {
		await stage.truthIsComplete();
		const last = stage.eventsAt(pds, did).findLast(({ kind }) => kind === dropped);
		if (last === undefined) throw new Error(`${did} has no ${dropped} at ${pds.hostname}`);
		stage.expectDropped(pds, [last]);
	}

	async function everythingArrives(): Promise<void> {
		await hastened(stage.everythingArrives());
	}

	async function expectRejections(expected: Record<string, number>): Promise<void> {
		const reached = expectAnswer(
			() => stage.relay.rejections(),
			(rejected) => expect(rejected).toEqual(expected),
		);
		await hastened(reached);
	}

	function hastened(happens: Promise<void>): Promise<void> {
		return clock === null ? happens : clock.hasten(happens);
	}

	/** Expects that the directory, the relay and the PDS agree on where these accounts are, and what their last commit is. */
	async function expectHome(...accounts: Account[]): Promise<void> {
		for (const { did, pds } of accounts) {
			const document = (await (await fetch(`${stage.net.plcOrigin}/${did}`)).json()) as DidDocument;
			expect(document.service.map(({ serviceEndpoint }) => serviceEndpoint)).toEqual([pds.origin]);
			const atPds = await query<object>(pds.origin, "com.atproto.sync.getRepoStatus", { did });
			expect(atPds).toMatchObject({ did, active: true });
			await expectStatus(stage, did, { active: true });
			const { headers } = await request(stage.relay.origin, "com.atproto.sync.getRepo", { parameters: { did } });
			expect(new URL(headers.get("location") ?? "").origin).toBe(pds.origin);
		}
		await expectLatestCommitOf(stage, ...accounts);
	}

	/** Waits until the relay's mirror has all operations of the directory. */
	async function mirrorIsComplete(): Promise<void> {
		const answer = await fetch(`${stage.net.plcOrigin}/export?count=1000`);
		const operations = (await answer.text()).trim().split("\n").length;
		const isComplete = until("the mirror to be complete", ANSWER_DEADLINE_MS, async () => {
			const { counters } = await stage.relay.stats();
			return counters.plc_mirror_operations_total === operations;
		});
		await hastened(isComplete.then(() => undefined));
	}
});

interface DidDocument {
	service: { serviceEndpoint: string }[];
}
