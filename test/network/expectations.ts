import { expect } from "bun:test";
import type { Account } from "./account.ts";
import type { ConsumerName } from "./consumer.ts";
import { asAtprotoSyncTellsIt, asRelayed, byAccount, describeEvent, type FirehoseEvent } from "./event.ts";
import type { Stage } from "./stage.ts";
import { until } from "./until.ts";
import { query, request, type XrpcFailure } from "./xrpc.ts";

export const ANSWER_DEADLINE_MS = 240_000;

/**
 * Expects that each consumer has what the relay must pass on, once and in each account's order, and that all have the same.
 * @param compared the events that must have come once; after a crash, a host may send the others again
 */
export function expectExactly(stage: Stage, compared: (event: FirehoseEvent) => boolean = () => true): void {
	const { "atproto-sync": sync, "skyware-firehose": skyware, "atcute-firehose": atcute } = stage.consumers;
	for (const { faults } of [sync, skyware, atcute]) expect(faults).toEqual([]);
	expect(byAccount(stage.compared(atcute.events).filter(compared))).toEqual(
		byAccount(stage.expected().filter(compared)),
	);
	expect(skyware.events).toEqual(atcute.events);
	const told = asAtprotoSyncTellsIt(atcute.events);
	// It works on several accounts at once, so only the order within each account is that of the stream.
	expect(byAccount(sync.events)).toEqual(byAccount(told));
	expect(sync.events.toSorted((a, b) => a.seq - b.seq)).toEqual(told);
	expectRising(
		"seq",
		atcute.events.map(({ seq }) => seq),
	);
	for (const [did, commits] of Object.entries(Object.groupBy(atcute.events.filter(isCommit), ({ did }) => did))) {
		expectRising(
			`rev of ${did}`,
			(commits ?? []).map(({ rev }) => rev),
		);
	}
}

/** Waits until each consumer was told exactly this of an account, whatever the seqs. */
export async function expectTold(
	stage: Stage,
	{ did }: Pick<Account, "did">,
	told: readonly FirehoseEvent[],
): Promise<void> {
	for (const { name, events } of Object.values(stage.consumers)) {
		const expected = (name === "atproto-sync" ? asAtprotoSyncTellsIt(told) : told).map(asRelayed).map(describeEvent);
		await expectAnswer(
			async () => events.filter((event) => event.did === did).map(describeEvent),
			(heard) => expect({ name, heard }).toEqual({ name, heard: expected }),
		);
	}
}

/** Connects another consumer, and expects these events of it. */
export async function expectReplay(
	stage: Stage,
	name: ConsumerName,
	cursor: number,
	expected: readonly FirehoseEvent[],
): Promise<void> {
	expect(expected.length).toBeGreaterThan(0);
	const late = stage.connect(name, cursor);
	try {
		await until("the end of the log", ANSWER_DEADLINE_MS, () => late.events.length >= expected.length);
		expect(late.events.toSorted((a, b) => a.seq - b.seq)).toEqual(expected.slice());
		expect(late.faults).toEqual([]);
	} finally {
		await late.stop();
	}
}

/** Waits until the relay says this of an account. */
export async function expectStatus(
	stage: Stage,
	did: string,
	status: { active: boolean; status?: string },
): Promise<void> {
	await expectAnswer(
		() => query<Record<string, unknown>>(stage.relay.origin, "com.atproto.sync.getRepoStatus", { did }),
		(answer) => expect(answer).toMatchObject({ did, ...status }),
	);
}

/** Expects that the relay answers a query by this error. */
export async function expectRefusal(
	stage: Stage,
	nsid: string,
	parameters: Record<string, string>,
	error: string,
): Promise<void> {
	const answer = request(stage.relay.origin, nsid, { parameters });
	expect(
		await answer.then(
			() => "an answer",
			(failure: XrpcFailure) => failure.error,
		),
	).toBe(error);
}

/** Expects that the relay knows the last commit of these accounts. */
export async function expectLatestCommitOf(stage: Stage, ...accounts: Account[]): Promise<void> {
	await stage.relay.indexed();
	for (const { pds, did } of accounts) {
		const [atPds, atRelay] = await Promise.all(
			[pds.origin, stage.relay.origin].map((origin) => query(origin, "com.atproto.sync.getLatestCommit", { did })),
		);
		expect(atRelay).toEqual(atPds);
	}
}

/** Asks until the answer is as expected. The relay's index is a little later than its firehose. */
export async function expectAnswer<Answer>(ask: () => Promise<Answer>, check: (answer: Answer) => void): Promise<void> {
	const deadline = performance.now() + ANSWER_DEADLINE_MS;
	for (;;) {
		try {
			check(await ask());
			return;
		} catch (error) {
			if (performance.now() > deadline) throw error;
		}
		await Bun.sleep(50);
	}
}

export function isCommit(event: FirehoseEvent): event is FirehoseEvent & { kind: "commit" } {
	return event.kind === "commit";
}

function expectRising<Place extends number | string>(what: string, places: readonly Place[]): void {
	const fault = places.findIndex((place, at) => at > 0 && place <= (places[at - 1] ?? place));
	expect({ what, fault, around: fault < 0 ? [] : places.slice(fault - 1, fault + 1) }).toEqual({
		what,
		fault: -1,
		around: [],
	});
}
