import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { EventLimits } from "../../../src/config/setting.ts";
import { createTalliesBuffer, HostTallies } from "../../../src/hosts/tallies.ts";
import { Budget } from "../../../src/ingest/host/budget.ts";
import { HostSubscription } from "../../../src/ingest/host/subscription.ts";
import { HostFailures } from "../../../src/ingest/host-failures.ts";
import { REJECTED } from "../../../src/ingest/outcome.ts";
import { Counters } from "../../../src/observe/counters.ts";
import { SimHost } from "../../../src/sim/host.ts";
import { encodeErrorFrame, type SimMessage } from "../../../src/sim/message.ts";
import { Rng } from "../../../src/sim/rng.ts";
import { counted } from "../../observe/counted.ts";
import { FakeTiming } from "../../sim/fake-timing.ts";

/** So small that a few messages of an account fill its part of it. */
const BUFFER_BYTES = 256 * 1024;
const LIMITS: EventLimits = { perS: 40, perHour: 1_000_000, perDay: 1_000_000 };

/** A subscription that delivers to the test, with a clock that the test moves. */
class Follower {
	readonly timing = new FakeTiming();
	readonly counters = new Counters();
	readonly tallies = new HostTallies(createTalliesBuffer());
	/** The seqs of each account that were delivered, in order. */
	readonly delivered = new Map<string, number[]>();
	readonly subscription: HostSubscription;
	#total = 0;
	#attempt = 0;
	#isStopped = false;

	constructor(hostname: string, cursor: number | null, limits: EventLimits | null = LIMITS) {
		this.subscription = new HostSubscription(
			{ id: 1, hostname, insecure: true, cursor, limits },
			{
				budget: new Budget(64 * 1024 * 1024),
				hostBufferBytes: BUFFER_BYTES,
				userAgent: "a test",
				counters: this.counters,
				failures: new HostFailures(this.counters),
				tally: this.tallies.of(1, 0),
				deliver: ({ message, settle }) => {
					const seqs = this.delivered.get(message.did) ?? [];
					this.delivered.set(message.did, seqs);
					seqs.push(message.seq);
					this.#total++;
					settle(REJECTED);
				},
				storeCursor: () => undefined,
				emit: (event) => {
					if (event.type === "ended" && !this.#isStopped) this.timing.after(1_000, () => this.#dial());
				},
				timing: this.timing,
			},
		);
		this.#dial();
	}

	/** Follows the host again after a stop. */
	start(): void {
		this.#isStopped = false;
		this.#dial();
	}

	stop(): void {
		this.#isStopped = true;
		this.subscription.stop(1000, "no longer followed");
	}

	#dial(): void {
		if (!this.#isStopped) this.subscription.dial(++this.#attempt);
	}

	get total(): number {
		return this.#total;
	}

	get mark(): number {
		return this.subscription.advance(() => 0) ?? 0;
	}

	count(name: string): number {
		return counted(this.counters).of(name);
	}

	/** Lets time pass in small steps, in which the network gets its turn, until the condition holds. */
	async until(condition: () => boolean, check: () => void = () => undefined, stepMs = 25): Promise<void> {
		const endMs = performance.now() + 240_000;
		while (!condition()) {
			if (performance.now() > endMs) throw new Error(`after four minutes: not ${condition}`);
			this.timing.pass(stepMs);
			await new Promise((resolve) => setImmediate(resolve));
			check();
		}
	}
}

let host: SimHost;
let follower: Follower;
/** The seqs that the host has given, by account. */
let sent: Map<string, number[]>;

beforeEach(() => {
	host = new SimHost();
	host.start();
	sent = new Map();
});
afterEach(async () => {
	follower.stop();
	await host.stop();
});

function emit(did: string): number {
	const message: SimMessage = { type: "identity", did, rev: null, body: { did, time: "2026-01-01T00:00:00.000Z" } };
	const seq = host.emit(message);
	sent.set(did, [...(sent.get(did) ?? []), seq]);
	return seq;
}

function didOf(name: string): string {
	return `did:plc:${name.padEnd(24, "a")}`;
}

const FLOOD = didOf("flood");

/** Each account's messages came in order, none twice. With `whole` all of them. */
function expectOrder(whole: boolean): void {
	for (const [did, seqs] of follower.delivered) {
		const all = sent.get(did) ?? [];
		expect(seqs).toEqual(all.slice(0, seqs.length));
	}
	if (whole) expect(Object.fromEntries(follower.delivered)).toEqual(Object.fromEntries(sent));
}

/** The mark is before every message that has not been delivered. */
function expectMarkBehind(): void {
	const { mark } = follower;
	for (const [did, seqs] of sent) {
		const missing = seqs[follower.delivered.get(did)?.length ?? 0];
		if (missing !== undefined) expect(mark).toBeLessThan(missing);
	}
}

describe("an account that floods with more than fits in memory", () => {
	test("is left out and caught up with, while the others pass at once, and memory stays bounded", async () => {
		for (let count = 0; count < 600; count++) {
			emit(FLOOD);
			if (count % 60 === 0) emit(didOf(`calm${count}`));
		}
		// Each catch-up gets the message at its cursor once more.
		host.replaysInclusively = true;
		follower = new Follower(host.hostname, 0);
		let most = 0;
		const check = (): void => {
			most = Math.max(most, follower.count("inflight_bytes"));
			expectMarkBehind();
		};
		// Half a second is not enough for the flood, and the others don't need it.
		await follower.until(() => follower.delivered.size === 11 && follower.count("accounts_left_out") === 1, check, 1);
		expect(follower.delivered.get(FLOOD)?.length ?? 0).toBeLessThan(100);
		const later = emit(didOf("later"));
		await follower.until(() => follower.delivered.get(didOf("later"))?.[0] === later, check, 1);
		expect(follower.delivered.get(FLOOD)?.length ?? 0).toBeLessThan(200);
		expect(follower.subscription.delays()).toMatchObject({ leftOut: 1, top: [{ did: FLOOD }] });
		await follower.until(() => follower.total === 611, check);
		expectOrder(true);
		expect(most).toBeLessThan(BUFFER_BYTES);
		expect(follower.count("host_pauses_total")).toBe(0);
		expect(follower.count("catch_up_rounds_total")).toBeGreaterThan(3);
		await follower.until(() => follower.count("accounts_left_out") === 0);
		await follower.until(() => follower.mark === host.lastSeq);
		expect(follower.subscription.isSettled).toBe(true);
	}, 300_000);

	test.each(["a", "b", "c", "d"])(
		"or several that do, with connections that break, lose and misplace nothing (%s)",
		async (seed) => {
			const rng = new Rng(`catch-up ${seed}`);
			const accounts = Array.from({ length: 12 }, (_, number) => didOf(`n${"abcdefghijkl"[number]}`));
			const floods = accounts.slice(0, 1 + rng.int(3));
			follower = new Follower(host.hostname, 0);
			for (let burst = 0; burst < 25; burst++) {
				const count = rng.int(60);
				for (let each = 0; each < count; each++) emit(rng.int(5) > 0 ? rng.pick(floods) : rng.pick(accounts));
				if (rng.int(5) === 0) host.closeAll(1001);
				if (rng.int(8) === 0) host.emitUnreadable(rng.pick(["a text message", new Uint8Array(3)]));
				for (let turns = rng.int(30); turns > 0; turns--) {
					follower.timing.pass(rng.int(60));
					await new Promise((resolve) => setImmediate(resolve));
					expectOrder(false);
					expectMarkBehind();
				}
			}
			// More messages keep coming, so that both connections can meet.
			let turn = 0;
			await follower.until(
				() => follower.total === [...sent.values()].flat().length && follower.count("accounts_left_out") === 0,
				() => {
					expectMarkBehind();
					if (++turn % 100 === 0) emit(rng.pick(accounts));
				},
			);
			expectOrder(true);
			expect(follower.count("messages_left_out_total")).toBeGreaterThan(0);
		},
		300_000,
	);

	test("has nothing lost by an end at any moment: the next start goes on from the mark", async () => {
		const rng = new Rng("kills");
		for (let round = 0; round < 8; round++) {
			sent = new Map();
			await host.stop();
			host = new SimHost();
			host.start();
			for (let count = 0; count < 150; count++) emit(rng.int(4) > 0 ? FLOOD : didOf(rng.pick(["x", "y", "z"])));
			follower = new Follower(host.hostname, 0);
			const moment = rng.int(60);
			for (let turn = 0; turn < moment; turn++) {
				follower.timing.pass(rng.int(80));
				await new Promise((resolve) => setImmediate(resolve));
			}
			expectMarkBehind();
			const before = follower;
			const { mark } = before;
			// A stop in order leaves the same mark, and gives up everything that waits.
			if (round % 2 === 0) {
				before.stop();
				expect(before.mark).toBe(mark);
				expect(before.subscription.isSettled).toBe(true);
				for (const name of ["inflight_bytes", "delayed_messages", "accounts_left_out"])
					expect(before.count(name)).toBe(0);
			}
			follower = new Follower(host.hostname, mark, null);
			await follower.until(() => follower.delivered.size > 0 || mark === host.lastSeq);
			await follower.until(() => follower.mark === host.lastSeq);
			for (const [did, seqs] of sent) {
				const got = new Set([...(before.delivered.get(did) ?? []), ...(follower.delivered.get(did) ?? [])]);
				expect([...got].sort((a, b) => a - b)).toEqual(seqs);
			}
			before.stop();
			follower.stop();
		}
	}, 300_000);

	test("in the same process: a host that is followed again after a stop is asked for what was given up", async () => {
		for (let count = 0; count < 300; count++) emit(FLOOD);
		follower = new Follower(host.hostname, 0);
		await follower.until(() => follower.count("accounts_left_out") === 1, undefined, 1);
		follower.stop();
		const { mark } = follower;
		follower.subscription.setLimits(null);
		follower.start();
		await follower.until(() => follower.mark === 300);
		expect(host.cursors.at(-1)).toBe(mark);
		expect([...new Set(follower.delivered.get(FLOOD))]).toEqual(sent.get(FLOOD) ?? []);
	}, 300_000);

	test("keeps no second connection that it can't read for long, and makes it again when there is room", async () => {
		for (let count = 0; count < 300; count++) emit(FLOOD);
		follower = new Follower(host.hostname, 0);
		await follower.until(() => host.connections === 2);
		follower.subscription.setLimits({ perS: 1, perHour: 1, perDay: 1 });
		await follower.until(() => host.connections === 1, expectMarkBehind, 200);
		const rounds = follower.count("catch_up_rounds_total");
		expect(follower.count("accounts_left_out")).toBe(1);
		follower.subscription.setLimits(LIMITS);
		await follower.until(() => follower.total === 300, expectMarkBehind);
		expectOrder(true);
		expect(follower.count("catch_up_rounds_total")).toBeGreaterThan(rounds);
	}, 300_000);

	test("of which the host has nothing any more is missed, and that is a gap", async () => {
		for (let count = 0; count < 300; count++) emit(FLOOD);
		follower = new Follower(host.hostname, 0);
		await follower.until(() => follower.count("accounts_left_out") === 1, undefined, 1);
		host.forget(20);
		await follower.until(() => follower.count("host_gaps_total") > 0);
		await follower.until(() => follower.mark === 300);
		expect(follower.count("host_gaps_total")).toBe(1);
		expect(follower.delivered.get(FLOOD)?.slice(-20)).toEqual((sent.get(FLOOD) ?? []).slice(-20));
	}, 300_000);

	test("and whose host answers catch-ups with errors is asked again, less and less often", async () => {
		for (let count = 0; count < 100; count++) emit(FLOOD);
		follower = new Follower(host.hostname, 0);
		await follower.until(() => follower.count("accounts_left_out") === 1, undefined, 1);
		host.refuse(6);
		await follower.until(() => follower.total === 100);
		expectOrder(true);
		host.sendRaw(encodeErrorFrame("ConsumerTooSlow", "read faster"));
		emit(FLOOD);
		await follower.until(() => follower.total === 101);
		expectOrder(true);
	}, 300_000);

	test.each(["FutureCursor", "live"] as const)(
		"is forgotten if the host counts anew (%s), and all of its new numbering comes",
		async (answer) => {
			host.onFutureCursor = answer;
			for (let count = 0; count < 300; count++) emit(FLOOD);
			follower = new Follower(host.hostname, 0);
			await follower.until(() => follower.count("accounts_left_out") === 1, undefined, 1);
			host.wipe();
			sent = new Map();
			for (let count = 0; count < 4; count++) emit(didOf("new"));
			// Without it, a host that answers FutureCursor is asked again for an hour first.
			if (answer === "FutureCursor") follower.subscription.resetCursor(0);
			await follower.until(() => (follower.delivered.get(didOf("new"))?.length ?? 0) >= 4 || emit(didOf("new")) < 0);
			await follower.until(() => follower.count("accounts_left_out") === 0 && follower.mark === host.lastSeq);
			expect(follower.delivered.get(didOf("new"))).toEqual(sent.get(didOf("new")) ?? []);
		},
		300_000,
	);

	test("is forgotten if an operator sets the cursor", async () => {
		for (let count = 0; count < 300; count++) emit(FLOOD);
		follower = new Follower(host.hostname, 0);
		await follower.until(() => follower.count("accounts_left_out") === 1, undefined, 1);
		follower.subscription.resetCursor(290);
		expect(follower.count("accounts_left_out")).toBe(0);
		await follower.until(() => follower.delivered.get(FLOOD)?.at(-1) === 300);
		await follower.until(() => follower.mark === 300);
	}, 300_000);
});
