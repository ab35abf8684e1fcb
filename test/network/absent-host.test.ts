import { expect } from "bun:test";
import { Account } from "./account.ts";
import { ANSWER_DEADLINE_MS, expectAnswer, expectExactly, expectLatestCommitOf, isCommit } from "./expectations.ts";
import type { Pds } from "./pds.ts";
import { play } from "./play.ts";
import { RelayClock } from "./relay-clock.ts";
import type { Stage } from "./stage.ts";
import { until } from "./until.ts";
import { query } from "./xrpc.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const DAYS = 7;
/** The day after which the relay is killed. */
const CRASH_DAY = 3;

const clock = RelayClock.create();

/** How it stands with a host that the relay waits for. */
interface Waiting {
	/** Attempts that have failed in a row. */
	failures: number;
	nextAttemptMs: number;
	/** From the last attempt to the next. */
	delayMs: number;
}

play(
	"while a PDS is down for a week by the relay's clock",
	clock === null ? "libfaketime is absent, so the relay's clock can't be set" : { relay: clock.environment },
	({ before, after, act }) => {
		let stage: Stage;
		let first: Pds;
		let second: Pds;
		let alice: Account;
		let bob: Account;
		before(async (set, ...pdses) => {
			stage = set;
			[first, second] = pdses;
			alice = await Account.create(first, "alice");
			bob = await Account.create(second, "bobby");
			await stage.everythingArrives();
		});
		after(async () => clock?.remove());

		act("it is offline, and dialled at least once an hour, also after a crash of the relay", async () => {
			// The relay has not read what the PDS said last.
			await stage.relay.kill();
			for (let post = 0; post < 5; post++) await bob.post(`before the week ${post}`);
			await stage.stopPds(second);
			await stage.relay.restart();
			await expectStatusOfSecond("offline");

			const delaysMs: number[] = [];
			for (let day = 1; day <= DAYS; day++) {
				await alice.post(`on day ${day}`);
				for (const endMs = timeNow() + DAY_MS; timeNow() < endMs; ) delaysMs.push((await nextAttempt()).delayMs);
				if (day !== CRASH_DAY) continue;
				await stage.relay.kill();
				await stage.relay.restart();
			}
			expect(Math.max(...delaysMs)).toBeLessThanOrEqual(HOUR_MS);
			// They have grown, and did not begin anew with the crash.
			expect(Math.min(...delaysMs.slice(-(DAYS - 1) * 24))).toBeGreaterThanOrEqual(HOUR_MS / 2);
			await expectStatusOfSecond("offline");
		});

		act("and when it is up again it is followed by itself, from where the relay was, and nothing is lost", async () => {
			await stage.startPds(second);
			await bob.post("after the week");
			clock?.advance((await waiting()).nextAttemptMs - timeNow());
			await expectStatusOfSecond("active");
			await stage.everythingArrives();
			expectExactly(stage, isCommit);
			await expectLatestCommitOf(stage, alice, bob);
			expect(await stage.relay.rejections()).toEqual({});
		});

		/** By the relay's clock. */
		function timeNow(): number {
			return clock?.nowMs ?? Date.now();
		}

		/** Sets the clock to the time of the next attempt, and waits until that has failed. */
		async function nextAttempt(): Promise<Waiting> {
			const { failures, nextAttemptMs } = await waiting();
			clock?.advance(Math.max(0, nextAttemptMs - timeNow()));
			let after: Waiting | null = null;
			await until("an attempt to fail", ANSWER_DEADLINE_MS, async () => {
				after = await waiting();
				return after.failures > failures;
			});
			return after ?? waiting();
		}

		/** Waits until the relay waits for the second PDS. */
		async function waiting(): Promise<Waiting> {
			return until("the relay to wait", ANSWER_DEADLINE_MS, async () => {
				const { connection } = await stage.relay.admin<HostDetail>(`pds/host?host=${second.hostname}`);
				const { failures, nextAttemptMs, lastError } = connection;
				if (nextAttemptMs === null || lastError === null) return null;
				return { failures, nextAttemptMs, delayMs: nextAttemptMs - lastError.atMs };
			}) as Promise<Waiting>;
		}

		async function expectStatusOfSecond(status: string): Promise<void> {
			const { hostname } = second;
			await expectAnswer(
				() => query<{ hosts: { hostname: string }[] }>(stage.relay.origin, "com.atproto.sync.listHosts"),
				({ hosts }) => expect(hosts).toContainEqual(expect.objectContaining({ hostname, status })),
			);
		}
	},
);

/** The part of the admin API's answer that is used here. */
interface HostDetail {
	connection: { failures: number; nextAttemptMs: number | null; lastError: { atMs: number } | null };
}
