import { describe, expect, test } from "bun:test";
import type { Resolution } from "../../../src/identity/identity.ts";
import { FRESH_MS } from "../../../src/identity/resolutions.ts";
import type { Account } from "../../../src/index/store.ts";
import { WEB_WAITING_BYTES_MAX } from "../../../src/ingest/did/shard.ts";
import { FAILED } from "../../../src/ingest/outcome.ts";
import { decodeRepoFacts } from "../../../src/log/record/facts.ts";
import { RecordFlag, RecordKind } from "../../../src/log/record/record.ts";
import { scanFrame } from "../../../src/protocol/frame.ts";
import { Damage } from "../../../src/runtime/boundary.ts";
import { SimAccount } from "../../../src/sim/account.ts";
import { SimClock } from "../../../src/sim/clock.ts";
import { Rng } from "../../../src/sim/rng.ts";
import { createPortableEngine } from "../../../src/verify/portable/engine.ts";
import { ShardRig } from "./shard-rig.ts";

function rowOf(account: SimAccount, changes: Partial<Account> = {}): Account {
	return {
		id: 1,
		did: account.did,
		host: 1,
		hostSeq: 0,
		lastTimeMs: 0,
		upstreamActive: true,
		upstreamStatus: null,
		localStatus: null,
		waitingSinceUs: null,
		statusLsn: 0,
		rev: null,
		commit: null,
		data: null,
		...changes,
	};
}

describe("order", () => {
	test("messages of a DID that is looked up wait in order, and delay no other DID's", async () => {
		const rig = new ShardRig();
		const [slow, fast] = [await ShardRig.account("slow"), await ShardRig.account("fast")];
		rig.identity(slow);
		rig.identity(fast);
		const release = rig.holdLookups(slow.did);
		for (let seq = 1; seq <= 3; seq++) rig.send(await slow.commit(), seq);
		for (let seq = 4; seq <= 6; seq++) rig.send(await fast.commit(), seq);
		await rig.settle();
		expect(rig.entries().map(({ upstreamSeq }) => upstreamSeq)).toEqual([4, 5, 6]);
		expect(rig.shard.parked).toBe(3);
		release();
		await rig.settle();
		expect(rig.entries().map(({ upstreamSeq }) => upstreamSeq)).toEqual([1, 2, 3]);
		expect(rig.shard.parked).toBe(0);
		expect(rig.lookups).toBe(2);
	});

	test("a host whose message about another host's DID waits for a refresh does not delay that host's messages", async () => {
		const rig = new ShardRig();
		const account = await ShardRig.account("not theirs");
		rig.identity(account);
		rig.send(await account.commit(), 1);
		await rig.settle();
		const release = rig.holdLookups(account.did);
		rig.send(account.account(false, "deleted"), 1, 2);
		rig.send(await account.commit(), 2);
		await rig.settle();
		expect(rig.entries().map(({ upstreamSeq }) => upstreamSeq)).toEqual([1, 2]);
		release();
		await rig.settle();
		expect(rig.entries()).toEqual([]);
		expect(rig.rejected).toEqual({ "host-mismatch": 1 });
	});

	test("with the ring full everything waits, and nothing is lost, repeated or reordered", async () => {
		const rig = new ShardRig({ ringBytes: 16_384 });
		const accounts = await Promise.all(["a", "b", "c"].map((name) => ShardRig.account(name)));
		for (const account of accounts) rig.identity(account);
		let seq = 0;
		for (let round = 0; round < 10; round++) {
			for (const account of accounts) rig.send(await account.commit(), ++seq);
		}
		const received: { did: string; upstreamSeq: number }[] = [];
		for (let turn = 0; turn < 200 && received.length < seq; turn++) {
			await rig.settle();
			for (const { facts, upstreamSeq } of rig.entries())
				received.push({ did: decodeRepoFacts(facts).did, upstreamSeq });
			rig.shard.ringHasRoom();
		}
		expect(rig.counters.of("ring_full_total")).toBeGreaterThan(0);
		expect(rig.outcomes.length).toBe(seq);
		expect(rig.rejected).toEqual({});
		expect(received.map(({ upstreamSeq }) => upstreamSeq).sort((a, b) => a - b)).toEqual(
			Array.from({ length: seq }, (_, index) => index + 1),
		);
		for (const { did } of accounts) {
			const seqs = received.filter((entry) => entry.did === did).map(({ upstreamSeq }) => upstreamSeq);
			expect(seqs).toEqual(seqs.toSorted((a, b) => a - b));
		}
	});
});

describe("times", () => {
	test("admission counts the wait for an identity and for room in the ring, once for each message that is handed over", async () => {
		const rig = new ShardRig({ ringBytes: 32_768 });
		const [account, fine] = [await ShardRig.account("waits"), await ShardRig.account("does not")];
		rig.identity(account);
		rig.identity(fine);
		const release = rig.holdLookups(account.did);
		rig.send(await account.commit(), 1);
		rig.send(await fine.commit(), 2);
		await rig.settle();
		expect(rig.observed("message_intake_seconds").total).toBe(2);
		expect(rig.observed("message_admission_seconds").total).toBe(1);
		rig.nowMs += 5_000;
		release();
		await rig.settle();
		expect(rig.observed("message_admission_seconds").total).toBe(2);
		const [{ sum } = { sum: 0 }] = rig.observed("message_admission_seconds").distributions;
		expect(sum).toBeGreaterThanOrEqual(5);
		expect(sum).toBeLessThan(6);

		// Nobody empties the ring, so in the end messages wait for room in it.
		let seq = 2;
		while (rig.shard.parked === 0) {
			rig.send(await fine.commit(), ++seq);
			await rig.settle();
		}
		expect(rig.observed("message_admission_seconds").total).toBe(seq - 1);
		rig.nowMs += 7_000;
		expect(rig.entries().length).toBe(seq - 1);
		rig.shard.ringHasRoom();
		await rig.settle();
		expect(rig.observed("message_admission_seconds").total).toBe(seq);
		const [after = { sum: 0 }] = rig.observed("message_admission_seconds").distributions;
		expect(after.sum - sum).toBeGreaterThanOrEqual(7);

		// What is rejected is not handed over.
		rig.send(await account.commit(), ++seq, 2);
		await rig.settle();
		expect(rig.outcomes.at(-1)).toMatchObject({ rejected: true });
		expect(rig.observed("message_intake_seconds").total).toBe(seq);
		expect(rig.observed("message_admission_seconds").total).toBe(seq - 1);
	});
});

describe("traces", () => {
	test("each message is noted once, when it is handed over or rejected, with its waits and its verification", async () => {
		const rig = new ShardRig();
		const [slow, fast] = [await ShardRig.account("slow trace"), await ShardRig.account("fast trace")];
		rig.identity(slow);
		rig.identity(fast);
		const release = rig.holdLookups(slow.did);
		rig.send(await slow.commit(), 1);
		rig.send(await slow.commit(), 2);
		rig.nowMs += 1_000;
		rig.send(await fast.commit(), 3);
		await rig.settle();
		rig.nowMs += 1_000;
		release();
		await rig.settle();
		const notes = rig.notes.filter((note) => note.type === "settled");
		expect(notes.map(({ upstreamSeq, did }) => [upstreamSeq, did])).toEqual([
			[3, fast.did],
			[1, slow.did],
			[2, slow.did],
		]);
		const [, first, second] = notes;
		expect(first).toMatchObject({ host: 1, hostname: "one.example", kind: "commit", reason: null });
		expect(first?.attempts).toBeGreaterThan(1);
		expect((first?.identity?.endedMs ?? 0) - (first?.identity?.beganMs ?? 0)).toBeGreaterThanOrEqual(2_000);
		// It waited in the lane, and its identity was known when its turn came.
		expect(second).toMatchObject({ attempts: 1, identity: null });
		for (const { receivedMs, takenOnMs, identity, verification, settledMs } of notes) {
			if (verification === null) throw new Error("a commit was not verified");
			const times = [receivedMs, takenOnMs, identity?.beganMs, identity?.endedMs];
			const inOrder = [...times, verification.beganMs, verification.endedMs, settledMs].filter(
				(ms) => ms !== undefined,
			);
			expect(inOrder).toEqual([...inOrder].sort((a, b) => a - b));
		}
	});

	test("a rejection is noted with its reason, and a verification only if that message had one; a repeat is not noted", async () => {
		const rig = new ShardRig();
		const [account, forger, lost] = [
			await ShardRig.account("rejected trace"),
			await ShardRig.account("forger"),
			await ShardRig.account("lost"),
		];
		rig.identity(account);
		rig.identity(forger);
		const commit = await account.commit();
		rig.send(commit, 1);
		await rig.settle();
		rig.send(commit, 1);
		forger.rotateKey();
		rig.breakLookups(lost.did, new Error("a fault of the resolver"));
		const [forged, unknown, next] = [await forger.commit(), await lost.commit(), await account.commit()];
		rig.send(forged, 2);
		rig.send(unknown, 3);
		// The engine verifies this one before the wait of the one before fails.
		rig.send(next, 4);
		await rig.settle();
		const notes = rig.notes.filter((note) => note.type === "settled");
		const told = notes.map(({ upstreamSeq, reason, verification }) => [upstreamSeq, reason, verification !== null]);
		expect(told.sort(([a], [b]) => Number(a) - Number(b))).toEqual([
			[1, null, true],
			[2, "signature-invalid", true],
			[3, "internal-error", false],
			[4, null, true],
		]);
	});
});

describe("state", () => {
	test("a commit whose rev was seen is stale; one that doesn't chain is passed on and flagged", async () => {
		const rig = new ShardRig();
		const account = await ShardRig.account("chain");
		rig.identity(account);
		const [first, second, third] = [await account.commit(), await account.commit(), await account.commit()];
		rig.send(first, 1);
		rig.send(first, 2);
		rig.send(third, 3);
		rig.send(second, 4);
		await rig.settle();
		expect(rig.entries().map(({ upstreamSeq, flags }) => [upstreamSeq, flags])).toEqual([
			[1, 0],
			[3, RecordFlag.discontinuous],
		]);
		expect(rig.rejected).toEqual({ "rev-stale": 2 });
	});

	test("what the index says of an account counts after a restart", async () => {
		const account = await ShardRig.account("restart");
		const gone = await account.commit();
		const next = await account.commit();
		const rev = gone.rev ?? "";
		const rig = new ShardRig({ accounts: [rowOf(account, { rev, hostSeq: 7 })] });
		rig.identity(account);
		rig.send(gone, 8);
		rig.send(next, 9);
		await rig.settle();
		expect(rig.entries().map(({ upstreamSeq }) => upstreamSeq)).toEqual([9]);
		expect(rig.rejected).toEqual({ "rev-stale": 1 });
	});

	test("messages of every type that a host repeats after a restart are repeats; new ones are not", async () => {
		const account = await ShardRig.account("replay");
		const rig = new ShardRig({ accounts: [rowOf(account, { hostSeq: 5, lastTimeMs: Date.now() + 60_000 })] });
		rig.identity(account);
		rig.send(account.identity(), 4);
		rig.send(account.account(true), 5);
		rig.send(account.account(true), 6);
		await rig.settle();
		expect(rig.entries().map(({ upstreamSeq }) => upstreamSeq)).toEqual([6]);
		expect(rig.counters.of("messages_replayed_total")).toBe(2);
		expect(rig.rejected).toEqual({});
	});

	test("an identity that creates its account, or moves it, is a repeat when it comes again", async () => {
		const account = await ShardRig.account("first");
		const rig = new ShardRig();
		rig.identity(account);
		const message = account.identity();
		for (let times = 0; times < 2; times++) rig.send(message, 4);
		await rig.settle();
		rig.identity(account, "https://two.example");
		for (let times = 0; times < 2; times++) rig.send(message, 5, 2);
		await rig.settle();
		const entries = rig.entries();
		expect(entries.map(({ host, upstreamSeq, flags }) => [host, upstreamSeq, flags])).toEqual([
			[1, 4, RecordFlag.home],
			[2, 5, RecordFlag.home],
		]);
		expect(rig.counters.of("messages_replayed_total")).toBe(2);
	});

	test("commits pass only while the account is active, here and upstream", async () => {
		const rig = new ShardRig();
		const account = await ShardRig.account("status");
		rig.identity(account);
		rig.send(account.account(false, "deactivated"), 1);
		rig.send(await account.commit(), 2);
		rig.send(account.account(true), 3);
		rig.send(await account.commit(), 4);
		await rig.settle();
		expect(rig.entries().map(({ upstreamSeq }) => upstreamSeq)).toEqual([1, 3, 4]);
		expect(rig.rejected).toEqual({ "account-inactive": 1 });
	});

	test("a status that the operator set goes out instead of the host's", async () => {
		const account = await ShardRig.account("taken down");
		const rig = new ShardRig({ accounts: [rowOf(account, { localStatus: "takendown" })] });
		rig.identity(account);
		rig.send(account.account(true), 1);
		rig.send(await account.commit(), 2);
		await rig.settle();
		const [entry] = rig.entries();
		expect(scanFrame(entry?.frame ?? new Uint8Array())).toMatchObject({
			message: { type: "account", active: false, status: "takendown" },
		});
		expect(rig.rejected).toEqual({ "account-inactive": 1 });
	});
});

describe("an account whose return was not announced", () => {
	/** A rig with an account that has a commit, at seq 1, and is deactivated, at seq 2. */
	async function deactivated(name: string, options: ConstructorParameters<typeof ShardRig>[0] = {}) {
		const rig = new ShardRig(options);
		const account = await ShardRig.account(name);
		rig.identity(account);
		rig.send(await account.commit(), 1);
		rig.send(account.account(false, "deactivated"), 2);
		await rig.settle();
		rig.entries();
		return { rig, account };
	}

	test("is found active at its host, which is asked once; an #account of ours goes before the commit", async () => {
		const { rig, account } = await deactivated("missed");
		rig.activeAtHost.add(account.did);
		rig.send(await account.commit(), 3);
		rig.send(await account.commit(), 4);
		await rig.settle();
		const entries = rig.entries();
		expect(entries.map(({ kind, host, upstreamSeq }) => [kind, host, upstreamSeq])).toEqual([
			[RecordKind.account, 1, 2],
			[RecordKind.commit, 1, 3],
			[RecordKind.commit, 1, 4],
		]);
		expect(scanFrame(entries[0]?.frame ?? new Uint8Array())).toMatchObject({
			message: { type: "account", did: account.did, active: true, status: null },
		});
		expect(rig.asked).toEqual([account.did]);
		expect(rig.counters.all).toMatchObject({ accounts_found_active_total: 1, discontinuities_total: 0 });
		expect(rig.outcomes.length).toBe(4);
	});

	test("waits for the answer in its lane, and delays no other lane", async () => {
		const { rig, account } = await deactivated("waits");
		const other = await ShardRig.account("goes on");
		rig.identity(other);
		rig.activeAtHost.add(account.did);
		const answer = rig.holdAnswers();
		rig.send(await account.commit(), 3);
		rig.send(await account.commit(), 4);
		rig.send(await other.commit(), 5);
		await rig.settle();
		expect(rig.entries().map(({ upstreamSeq }) => upstreamSeq)).toEqual([5]);
		expect(rig.shard.parked).toBe(2);
		answer();
		await rig.settle();
		expect(rig.entries().map(({ upstreamSeq }) => upstreamSeq)).toEqual([2, 3, 4]);
	});

	test("stays inactive if its host does not say otherwise", async () => {
		const { rig, account } = await deactivated("inactive");
		rig.send(await account.commit(), 3);
		await rig.settle();
		expect(rig.entries()).toEqual([]);
		expect(rig.rejected).toEqual({ "account-inactive": 1 });
		expect(rig.asked).toEqual([account.did]);
	});

	test("is not asked about because of an old commit, nor if the operator has set a status", async () => {
		const { rig, account } = await deactivated("old");
		rig.activeAtHost.add(account.did);
		const stale = await account.sync();
		rig.send({ ...stale, body: { ...stale.body, rev: "2222222222222" } }, 3);
		await rig.settle();
		const local = new ShardRig({ accounts: [rowOf(account, { localStatus: "takendown", upstreamActive: false })] });
		local.identity(account);
		local.activeAtHost.add(account.did);
		local.send(await account.commit(), 4);
		await local.settle();
		for (const each of [rig, local]) {
			expect(each.rejected).toEqual({ "account-inactive": 1 });
			expect(each.asked).toEqual([]);
		}
	});

	test("is not announced for a commit that is bad", async () => {
		const { rig, account } = await deactivated("bad");
		rig.activeAtHost.add(account.did);
		const { key } = account;
		account.rotateKey("k256");
		rig.send(await account.commit(), 3);
		await rig.settle();
		account.key = key;
		expect(rig.entries()).toEqual([]);
		expect(rig.rejected).toEqual({ "signature-invalid": 1 });
	});

	test("is announced once, at whichever entry the ring is full", async () => {
		/** How many of the two entries went into the ring at first. */
		const went = new Set<number>();
		for (let fill = 60; fill < 90; fill++) {
			const { rig, account } = await deactivated(`full ${fill}`, { ringBytes: 16_384 });
			const filler = await ShardRig.account("filler");
			rig.identity(filler);
			rig.send(filler.account(true), 1);
			await rig.settle();
			rig.entries();
			rig.activeAtHost.add(account.did);
			for (let seq = 3; seq < 3 + fill; seq++) rig.send(filler.account(true), seq);
			rig.send(await account.commit(), 100);
			const entries: [number, number][] = [];
			for (let turn = 0; turn < 50 && rig.outcomes.length < fill + 4; turn++) {
				await rig.settle();
				if (turn === 0 && rig.asked.length > 0) went.add(rig.counters.of("messages_accepted_total") - 3 - fill);
				for (const { kind, upstreamSeq } of rig.entries()) entries.push([kind, upstreamSeq]);
				rig.shard.ringHasRoom();
			}
			const isFiller = (seq: number): boolean => seq >= 3 && seq < 3 + fill;
			expect(entries.filter(([, seq]) => !isFiller(seq))).toEqual([
				[RecordKind.account, 2],
				[RecordKind.commit, 100],
			]);
			expect(entries.length).toBe(fill + 2);
			expect(rig.counters.of("accounts_found_active_total")).toBe(1);
		}
		// The ring was full between the two, and it was not.
		expect([...went]).toEqual(expect.arrayContaining([1, 2]));
	});
});

describe("identity", () => {
	test("a rotated key costs one refresh and no commit", async () => {
		const rig = new ShardRig();
		const account = await ShardRig.account("rotation");
		rig.identity(account);
		rig.send(await account.commit(), 1);
		await rig.settle();
		account.rotateKey("p256");
		rig.identity(account);
		rig.send(await account.commit(), 2);
		rig.send(await account.commit(), 3);
		await rig.settle();
		expect(rig.entries().length).toBe(3);
		expect(rig.lookups).toBe(2);
	});

	test("a bad signature is judged by a lookup that began after it arrived, then dropped; the next good commit passes", async () => {
		const rig = new ShardRig();
		const account = await ShardRig.account("forged");
		rig.identity(account);
		const { key } = account;
		account.rotateKey("k256");
		rig.send(await account.commit(), 1);
		await rig.settle();
		expect(rig.rejected).toEqual({ "signature-invalid": 1 });
		expect(rig.lookups).toBe(1);
		rig.send(await account.commit(), 2);
		await rig.settle();
		expect(rig.rejected).toEqual({ "signature-invalid": 2 });
		expect(rig.lookups).toBe(2);
		account.key = key;
		rig.send(await account.commit(), 3);
		await rig.settle();
		expect(rig.entries().length).toBe(1);
	});

	test("another host's messages are dropped until the DID document names it; then the old host's are", async () => {
		const rig = new ShardRig();
		const account = await ShardRig.account("migration");
		rig.identity(account);
		rig.send(await account.commit(), 1, 1);
		rig.send(await account.commit(), 1, 2);
		await rig.settle();
		expect(rig.rejected).toEqual({ "host-mismatch": 1 });
		rig.passTime();
		rig.identity(account, "https://two.example");
		rig.send(account.identity(), 2, 2);
		rig.send(account.account(true), 3, 2);
		rig.send(await account.commit(), 4, 2);
		await rig.settle();
		rig.send(account.account(false, "deactivated"), 2, 1);
		rig.send(account.identity(), 3, 1);
		await rig.settle();
		expect(rig.entries().map(({ host, upstreamSeq }) => [host, upstreamSeq])).toEqual([
			[1, 1],
			[2, 2],
			[2, 3],
			[2, 4],
		]);
		expect(rig.rejected).toEqual({ "host-mismatch": 3 });
	});

	test("a status from before a migration does not follow the account to its new host", async () => {
		const account = await ShardRig.account("revived");
		const rig = new ShardRig({ accounts: [rowOf(account, { upstreamActive: false, upstreamStatus: "deactivated" })] });
		rig.identity(account, "https://two.example");
		rig.send(await account.commit(), 1, 2);
		await rig.settle();
		const messages = rig.entries().map(({ frame }) => scanFrame(frame));
		// Consumers were told that it is deactivated.
		expect(messages).toMatchObject([{ message: { type: "account", active: true } }, { message: { type: "commit" } }]);
	});

	test("handles are not passed on", async () => {
		const rig = new ShardRig();
		const account = await ShardRig.account("handle");
		rig.identity(account);
		rig.send(account.identity("who.example"), 1);
		await rig.settle();
		expect(scanFrame(rig.entries()[0]?.frame ?? new Uint8Array())).toMatchObject({ message: { handle: null } });
	});

	test("an #identity that shows the DID of an unknown account to be tombstoned is passed on once, from any host", async () => {
		const rig = new ShardRig();
		const account = await ShardRig.account("unknown tombstone");
		rig.resolution(account.did, { outcome: "tombstoned" });
		rig.send(account.identity(), 1);
		await rig.settle();
		rig.passTime();
		rig.send(account.identity(), 2);
		await rig.settle();
		expect(rig.entries().map(({ upstreamSeq, flags }) => [upstreamSeq, flags])).toEqual([[1, 0]]);
		expect(rig.rejected).toEqual({ "host-mismatch": 1 });
	});

	test("a known account whose DID is tombstoned is announced as deleted, once", async () => {
		const rig = new ShardRig();
		const account = await ShardRig.account("tombstone");
		rig.identity(account);
		rig.send(await account.commit(), 1);
		await rig.settle();
		rig.resolution(account.did, { outcome: "tombstoned" });
		rig.send(account.identity(), 2);
		rig.send(account.identity(), 3);
		rig.send(await account.commit(), 4);
		await rig.settle();
		expect(rig.entries().map(({ kind, upstreamSeq }) => [kind, upstreamSeq])).toEqual([
			[RecordKind.commit, 1],
			[RecordKind.identity, 2],
			[RecordKind.account, 2],
			[RecordKind.identity, 3],
		]);
		expect(rig.rejected).toEqual({ "identity-tombstoned": 1 });
		expect(rig.outcomes.length).toBe(4);
	});

	test("another host that brings a tombstone to light does not get the account", async () => {
		const rig = new ShardRig();
		const account = await ShardRig.account("stranger's tombstone");
		rig.identity(account);
		rig.send(await account.commit(), 7);
		await rig.settle();
		rig.resolution(account.did, { outcome: "tombstoned" });
		rig.passTime();
		rig.send(account.identity(), 900, 2);
		await rig.settle();
		expect(rig.entries().map(({ kind, host, upstreamSeq }) => [kind, host, upstreamSeq])).toEqual([
			[RecordKind.commit, 1, 7],
			[RecordKind.identity, 2, 900],
			[RecordKind.account, 1, 7],
		]);
		// The account is still at its host, which may send its last status.
		rig.send(account.account(false, "deleted"), 8);
		await rig.settle();
		expect(rig.entries().map(({ host, upstreamSeq }) => [host, upstreamSeq])).toEqual([[1, 8]]);
	});

	const DOWN: Resolution = { outcome: "unavailable", detail: "down", retryAfterMs: null };

	test("while the directory is down messages of unknown accounts wait in order, and pass when it is back", async () => {
		const rig = new ShardRig();
		const account = await ShardRig.account("unresolvable");
		rig.resolution(account.did, DOWN);
		for (let seq = 1; seq <= 3; seq++) rig.send(await account.commit(), seq);
		for (let round = 0; round < 10; round++) await rig.settle();
		expect(rig.rejected).toEqual({});
		expect([rig.shard.parked, rig.lookups > 5]).toEqual([3, true]);
		rig.identity(account);
		await rig.settle();
		expect(rig.entries().map(({ upstreamSeq }) => upstreamSeq)).toEqual([1, 2, 3]);
		expect(rig.shard.parked).toBe(0);
	});

	test("while the directory is down known accounts go on, and only messages that can't be judged wait, in their own lanes", async () => {
		const rig = new ShardRig();
		const account = await ShardRig.account("known");
		rig.identity(account);
		rig.send(await account.commit(), 1);
		await rig.settle();
		rig.nowMs += FRESH_MS.resolved;
		rig.resolution(account.did, DOWN);
		rig.send(account.identity(), 2);
		rig.send(await account.commit(), 3);
		// First a host that the old document does not name, and then a key that it does not name.
		rig.send(account.account(false, "deleted"), 1, 2);
		account.rotateKey("p256");
		rig.send(await account.commit(), 4);
		await rig.settle();
		expect(rig.entries().map(({ host, upstreamSeq }) => [host, upstreamSeq])).toEqual([
			[1, 1],
			[1, 2],
			[1, 3],
		]);
		expect([rig.rejected, rig.shard.parked]).toEqual([{}, 2]);
		expect(rig.counters.of("identity_stale_uses_total")).toBeGreaterThan(0);
		rig.identity(account);
		for (let round = 0; round < 10; round++) await rig.settle();
		expect(rig.entries().map(({ host, upstreamSeq }) => [host, upstreamSeq])).toEqual([[1, 4]]);
		expect(rig.rejected).toEqual({ "host-mismatch": 1 });
	});

	test("messages of a did:web that fails are dropped at once if too many bytes of their host wait for such names", async () => {
		const rig = new ShardRig();
		const [small, large] = await Promise.all(
			["small", "large"].map((name) =>
				SimAccount.create({
					rng: new Rng(name),
					clock: new SimClock(),
					curve: "k256",
					did: `did:web:${name}.example.com`,
				}),
			),
		);
		if (small === undefined || large === undefined) throw new Error("two accounts");
		for (const { did } of [small, large]) rig.resolution(did, DOWN);
		rig.send(await small.commit(), 1);
		for (let turn = 0; turn < 3; turn++) await new Promise(setImmediate);
		expect([rig.rejected, rig.shard.mayWaitForWeb(1)]).toEqual([{}, true]);
		const release = rig.holdLookups(large.did);
		for (let seq = 2; rig.shard.mayWaitForWeb(1); seq++) {
			const message = large.identity();
			message.body["padding"] = "x".repeat(WEB_WAITING_BYTES_MAX / 4);
			rig.send(message, seq);
		}
		// Another host has a share of its own.
		expect(rig.shard.mayWaitForWeb(2)).toBe(true);
		release();
		await rig.settle();
		expect(rig.shard.parked).toBe(0);
		expect(rig.rejected).toEqual({ "identity-unresolvable": rig.outcomes.length });
		expect(rig.shard.mayWaitForWeb(1)).toBe(true);
	});

	test("300 #identity messages of one account cost one lookup in a second, and all pass", async () => {
		const rig = new ShardRig();
		const account = await ShardRig.account("eager");
		rig.identity(account);
		rig.send(await account.commit(), 1);
		await rig.settle();
		for (let seq = 2; seq <= 301; seq++) rig.send(account.identity(), seq);
		await rig.settle();
		expect(rig.entries().length).toBe(301);
		expect(rig.lookups).toBeLessThanOrEqual(3);
	});
});

test.each([
	["did:plc:Not-A-Real-One", "did-syntax"],
	["did:web:localhost", "did-syntax"],
	["did:key:zQ3shokFTS3brHcDQrn82RUDfCZESWL1ZdCEJwekUDPQiYBme", "did-method"],
])("%s is dropped for its %s", async (did, reason) => {
	const rig = new ShardRig();
	const account = await ShardRig.account("odd");
	const message = account.identity();
	rig.send({ ...message, did, body: { ...message.body, did } }, 1);
	await rig.settle();
	expect(rig.rejected).toEqual({ [reason]: 1 });
});

test("messages that a strict consumer would fail on are dropped", async () => {
	const rig = new ShardRig();
	const account = await ShardRig.account("choke");
	rig.identity(account);
	rig.send(await account.commit(), 1);
	const commit = await account.commit();
	rig.send({ ...commit, body: { ...commit.body, since: "yesterday" } }, 2);
	for (const [at, message] of [account.identity(), account.account(true)].entries()) {
		rig.send({ ...message, body: { ...message.body, time: "yesterday" } }, 3 + at);
	}
	await rig.settle();
	expect(rig.entries().length).toBe(1);
	expect(rig.rejected).toEqual({ "message-schema": 1, "time-syntax": 2 });
});

test("a lenient relay passes and counts what only the strict rules drop", async () => {
	for (const strict of [true, false]) {
		const rig = new ShardRig({ strict });
		const account = await ShardRig.account("lenient");
		rig.identity(account);
		rig.send(await account.commit(), 1);
		const message = await account.commit();
		rig.send({ ...message, body: { ...message.body, tooBig: true } }, 2);
		await rig.settle();
		const entries = rig.entries();
		if (strict) expect(rig.rejected).toEqual({ "too-big-flag": 1 });
		else expect(entries.map(({ flags }) => flags)).toEqual([0, RecordFlag.lenient]);
	}
});

test("what passes leniently is counted when it is in the ring, once, and not if it is dropped for another reason", async () => {
	const rig = new ShardRig({ strict: false, ringBytes: 16_384 });
	const account = await ShardRig.account("counted");
	rig.identity(account);
	const commits = await Promise.all(Array.from({ length: 20 }, () => account.commit()));
	for (const [at, message] of commits.entries())
		rig.send({ ...message, body: { ...message.body, tooBig: true } }, at + 1);
	const [first] = commits;
	if (first === undefined) throw new Error("there is a commit");
	rig.send({ ...first, body: { ...first.body, tooBig: true } }, 21);
	let passed = 0;
	for (let turn = 0; turn < 200 && passed < 20; turn++) {
		await rig.settle();
		const lenient = rig.failures.of([1])[0]?.reasons.find(({ reason }) => reason === "too-big-flag")?.lenient ?? 0;
		passed += rig.entries().length;
		expect(lenient).toBeLessThanOrEqual(passed);
		rig.shard.ringHasRoom();
	}
	await rig.settle();
	expect(rig.counters.of("ring_full_total")).toBeGreaterThan(0);
	expect(rig.failures.of([1])[0]?.reasons).toMatchObject([
		{ reason: "too-big-flag", rejected: 0, lenient: 20, example: { did: account.did, upstreamSeq: 20, ops: 1 } },
		{ reason: "rev-stale", rejected: 1, lenient: 0, example: { did: account.did, upstreamSeq: 21 } },
	]);
});

test("a host's own strictness takes the place of the relay's, until it is taken back, and is no other host's", async () => {
	for (const strict of [true, false]) {
		const rig = new ShardRig({ strict });
		const [own, other] = [await ShardRig.account("own"), await ShardRig.account("other")];
		rig.identity(own);
		rig.identity(other, "https://two.example");
		let seq = 0;
		/** Whether messages pass that break a strict rule, of each host. */
		const passing = async (): Promise<boolean[]> => {
			for (const [account, host] of [
				[own, 1],
				[other, 2],
			] as const) {
				const message = await account.commit();
				rig.send({ ...message, body: { ...message.body, tooBig: true } }, ++seq, host);
			}
			await rig.settle();
			const hosts = rig.entries().map(({ host }) => host);
			return [1, 2].map((host) => hosts.includes(host));
		};
		expect(await passing()).toEqual([!strict, !strict]);
		for (const strictness of ["observe", "enforce", "observe"] as const) {
			rig.shard.setStrictness("one.example", strictness);
			expect(await passing()).toEqual([strictness === "observe", !strict]);
			expect(rig.shard.takeLenient()).toEqual(strictness === "observe" ? ["one.example"] : []);
			expect(rig.shard.takeLenient()).toEqual([]);
		}
		rig.shard.setStrictness("one.example", null);
		expect(await passing()).toEqual([!strict, !strict]);
		expect(rig.shard.takeLenient()).toEqual([]);
	}
});

describe("a bug of our own", () => {
	/** An engine that throws what `next` returns, or works if that is null. */
	function failingEngine(next: () => Error | null) {
		const engine = createPortableEngine();
		return {
			...engine,
			verifyCommit(...args: Parameters<typeof engine.verifyCommit>) {
				const error = next();
				if (error !== null) throw error;
				return engine.verifyCommit(...args);
			},
		};
	}

	test("on a message rejects that message as an internal error, and the next one passes", async () => {
		let error: Error | null = new TypeError("undefined is not an object");
		const rig = new ShardRig({ engine: failingEngine(() => error) });
		const account = await ShardRig.account("unlucky");
		rig.identity(account);
		rig.send(await account.commit(), 1);
		await rig.settle();
		expect(rig.rejected).toEqual({ "internal-error": 1 });
		expect(rig.outcomes).toEqual([FAILED]);
		error = null;
		rig.send(await account.commit(), 2);
		await rig.settle();
		expect(rig.entries().map(({ upstreamSeq }) => upstreamSeq)).toEqual([2]);
		expect(rig.shard.parked).toBe(0);
	});

	test("in a lookup that a message waits for costs that message only, and its lane goes on", async () => {
		const rig = new ShardRig();
		const account = await ShardRig.account("waiting");
		rig.identity(account);
		rig.breakLookups(account.did, new TypeError("undefined is not an object"));
		rig.send(await account.commit(), 1);
		rig.send(await account.commit(), 2);
		await rig.settle();
		expect(rig.rejected).toEqual({ "internal-error": 2 });
		expect(rig.outcomes).toEqual([FAILED, FAILED]);
		expect(rig.shard.parked).toBe(0);
		rig.mendLookups(account.did);
		rig.send(await account.commit(), 3);
		await rig.settle();
		expect(rig.entries().map(({ upstreamSeq }) => upstreamSeq)).toEqual([3]);
	});

	test("that shows our own data to be damaged is not contained", async () => {
		const rig = new ShardRig({ engine: failingEngine(() => new Damage("a state that can't be")) });
		const account = await ShardRig.account("damaged");
		rig.identity(account);
		rig.send(account.identity(), 1);
		await rig.settle();
		const commit = await account.commit();
		expect(() => rig.send(commit, 2)).toThrow(Damage);
	});
});
