import { beforeEach, describe, expect, test } from "bun:test";
import type { EventLimits } from "../../../src/config/setting.ts";
import { Delays } from "../../../src/ingest/host/delays.ts";
import { WINDOWS_MS } from "../../../src/ingest/host/rate-windows.ts";
import { Counters } from "../../../src/observe/counters.ts";
import { Rng } from "../../../src/sim/rng.ts";
import { counted, countedBy } from "../../observe/counted.ts";
import { FakeTiming } from "../../sim/fake-timing.ts";
import { mostInAnyWindow } from "./naive-window.ts";

const HOUR_MS = WINDOWS_MS.hour;
const DAY_MS = WINDOWS_MS.day;
const NO_LIMIT = 1_000_000_000;

interface Message {
	did: string;
	bytes: number;
	number: number;
	cameAtMs: number;
}

/** What the limits have let pass, and when. */
interface Passed extends Message {
	atMs: number;
}

/** A host's limits, with a clock that the test moves, and all that passed. */
class Bench {
	readonly timing = new FakeTiming();
	readonly counters = new Counters();
	readonly sent: Message[] = [];
	readonly passed: Passed[] = [];
	readonly delays: Delays<Message>;

	constructor(limits: EventLimits | null) {
		this.delays = new Delays<Message>({
			limits,
			timing: this.timing,
			counters: this.counters,
			pass: (message) => this.#pass(message),
		});
	}

	get nowMs(): number {
		return this.timing.nowMs();
	}

	send(did: string): void {
		const message = { did, bytes: 100 + (this.sent.length % 7), number: this.sent.length, cameAtMs: this.nowMs };
		this.sent.push(message);
		if (this.delays.passes(did)) this.#pass(message);
		else this.delays.wait(message);
	}

	/** Lets so much time pass that nothing waits any more. */
	finish(): void {
		for (let days = 0; this.delays.report() !== null; days++) {
			if (days > 1_000) throw new Error(`something waits for ever: ${JSON.stringify(this.delays.report())}`);
			this.timing.pass(DAY_MS / 4);
		}
	}

	/** All that was sent has passed, once, each account's in its order. */
	expectWhole(): void {
		const byAccount = (messages: readonly Message[]) =>
			[...Map.groupBy(messages, ({ did }) => did)]
				.map(([did, those]) => [did, those.map(({ number }) => number)] as const)
				.sort(([a], [b]) => a.localeCompare(b));
		expect(byAccount(this.passed)).toEqual(byAccount(this.sent));
	}

	expectWithin({ perS, perHour, perDay }: EventLimits): void {
		const timesMs = this.passed.map(({ atMs }) => atMs);
		expect(mostInAnyWindow(timesMs, 1_000)).toBeLessThanOrEqual(perS);
		expect(mostInAnyWindow(timesMs, HOUR_MS)).toBeLessThanOrEqual(perHour);
		expect(mostInAnyWindow(timesMs, DAY_MS)).toBeLessThanOrEqual(perDay);
	}

	/** The longest delay of a message of these accounts. */
	longestDelayMs(isOf: (did: string) => boolean): number {
		return Math.max(0, ...this.passed.filter(({ did }) => isOf(did)).map(({ atMs, cameAtMs }) => atMs - cameAtMs));
	}

	#pass(message: Message): void {
		this.passed.push({ ...message, atMs: this.nowMs });
	}
}

/** An account that sends at random times, at this mean rate. */
interface Source {
	did: string;
	perS: number;
	untilMs: number;
}

/** Lets the sources send for a while. */
function run(bench: Bench, rng: Rng, sources: readonly Source[]): void {
	const startMs = bench.nowMs;
	const arrivals = sources
		.flatMap(({ did, perS, untilMs }) => {
			const times: { did: string; atMs: number }[] = [];
			for (let atMs = (rng.float() * 1_000) / perS; atMs < untilMs; atMs += (rng.float() * 2_000) / perS)
				times.push({ did, atMs: startMs + atMs });
			return times;
		})
		.sort((a, b) => a.atMs - b.atMs);
	for (const { did, atMs } of arrivals) {
		bench.timing.pass(Math.max(0, atMs - bench.nowMs));
		bench.send(did);
	}
}

describe("a host's messages", () => {
	test.each(["a", "b", "c", "d", "e", "f"])(
		"pass in the order of each account, all of them, and within the limits (%s)",
		(seed) => {
			const rng = new Rng(`delays ${seed}`);
			let mostWaiting = 0;
			for (let round = 0; round < 12; round++) {
				const limits = {
					perS: rng.pick([1, 2, 10, 50, NO_LIMIT]),
					perHour: rng.pick([1, 40, 2_500, NO_LIMIT]),
					perDay: rng.pick([30, 500, 20_000]),
				};
				const bench = new Bench(limits);
				const accounts = 1 + rng.int(rng.pick([2, 40, 400]));
				const sources = Array.from({ length: accounts }, (_, number) => {
					const perS = rng.pick([0.001, 0.1, 1, 30]) * (0.5 + rng.float());
					return { did: `did:${number}`, perS, untilMs: ((1 + rng.int(150)) / perS) * rng.pick([100, 1_000]) };
				});
				run(bench, rng, sources.slice(0, 1 + Math.floor(4_000 / accounts)));
				const waiting = bench.sent.length - bench.passed.length;
				expect(bench.delays.report()?.messages ?? 0).toBe(waiting);
				expectSameView(bench);
				expect(counted(bench.counters).of("delayed_messages")).toBe(waiting);
				mostWaiting = Math.max(mostWaiting, waiting);
				bench.finish();
				bench.expectWhole();
				bench.expectWithin(limits);
				expect(counted(bench.counters).of("delayed_messages")).toBe(0);
				expect(counted(bench.counters).of("delayed_bytes")).toBe(0);
				expect(counted(bench.counters).of("delayed_hosts")).toBe(0);
				expect(bench.timing.waiting).toBe(0);
			}
			expect(mostWaiting).toBeGreaterThan(100);
		},
	);

	test("pass at once, and without a timer, if the host has no limits or is far below them", () => {
		for (const limits of [null, { perS: 50, perHour: 2_500, perDay: 20_000 }]) {
			const bench = new Bench(limits);
			run(bench, new Rng("calm"), [{ did: "did:a", perS: 0.2, untilMs: 10 * HOUR_MS }]);
			expect(bench.longestDelayMs(() => true)).toBe(0);
			expect(bench.timing.waiting).toBe(0);
			bench.expectWhole();
		}
	});

	test("wait at the moment at which the limit is reached, and pass at the millisecond at which there is room", () => {
		const bench = new Bench({ perS: 4, perHour: NO_LIMIT, perDay: NO_LIMIT });
		for (let number = 0; number < 10; number++) bench.send(`did:${number}`);
		expect(bench.passed).toHaveLength(4);
		bench.timing.pass(999);
		expect(bench.passed).toHaveLength(4);
		bench.timing.pass(1);
		expect(bench.passed).toHaveLength(8);
		bench.timing.pass(1_000);
		expect(bench.passed).toHaveLength(10);
		expect(countedBy(bench.counters, "messages_delayed_total")).toEqual({ second: 6 });
	});

	test("pass at once if the limits are lifted or raised, and wait if they are set", () => {
		const bench = new Bench({ perS: 2, perHour: 4, perDay: 0 });
		for (let number = 0; number < 8; number++) bench.send(`did:${number}`);
		expect(bench.passed).toHaveLength(0);
		bench.timing.pass(10 * DAY_MS);
		expect(bench.passed).toHaveLength(0);
		bench.delays.setLimits({ perS: 2, perHour: 4, perDay: 100 });
		expect(bench.passed).toHaveLength(2);
		bench.delays.setLimits(null);
		expect(bench.passed).toHaveLength(8);
		expect(bench.timing.waiting).toBe(0);
		bench.delays.setLimits({ perS: 1, perHour: 1, perDay: 1 });
		bench.send("did:a");
		bench.send("did:b");
		expect(bench.passed).toHaveLength(9);
		bench.finish();
		bench.expectWhole();
	});

	test("of now count against limits that are set later", () => {
		const bench = new Bench({ perS: 10, perHour: NO_LIMIT, perDay: NO_LIMIT });
		for (let number = 0; number < 15; number++) bench.send(`did:${number}`);
		expect(bench.passed).toHaveLength(10);
		bench.delays.setLimits({ perS: 11, perHour: NO_LIMIT, perDay: NO_LIMIT });
		expect(bench.passed).toHaveLength(11);
		bench.delays.setLimits({ perS: 5, perHour: NO_LIMIT, perDay: NO_LIMIT });
		bench.timing.pass(1_000);
		expect(bench.passed).toHaveLength(15);
	});

	test("that do not count after all are taken back, and make room at once", () => {
		const bench = new Bench({ perS: 5, perHour: NO_LIMIT, perDay: NO_LIMIT });
		for (let number = 0; number < 9; number++) bench.send(`did:${number}`);
		expect(bench.passed).toHaveLength(5);
		bench.timing.pass(100);
		for (const { atMs } of bench.passed.slice(0, 3)) bench.delays.takeBack(atMs);
		bench.timing.pass(0);
		expect(bench.passed).toHaveLength(8);
		bench.timing.pass(898);
		expect(bench.passed).toHaveLength(8);
		bench.finish();
		bench.expectWhole();
		// What passed while there were no limits was never counted.
		bench.delays.setLimits(null);
		bench.send("did:a");
		bench.delays.setLimits({ perS: 1, perHour: NO_LIMIT, perDay: NO_LIMIT });
		bench.send("did:a");
		bench.delays.takeBack(bench.passed[8]?.atMs ?? 0);
		bench.send("did:a");
		expect(bench.delays.report()?.messages).toBe(1);
	});

	test("that wait are given back when the wait ends without passing, and nothing is left of them", () => {
		const bench = new Bench({ perS: 3, perHour: 100, perDay: 100 });
		for (let number = 0; number < 20; number++) bench.send(`did:${number % 4}`);
		const given = bench.delays.clear();
		expect([...bench.passed, ...given].map(({ number }) => number).sort((a, b) => a - b)).toEqual([
			...bench.sent.keys(),
		]);
		for (const [, those] of Map.groupBy(given, ({ did }) => did))
			expect(those.map(({ number }) => number)).toEqual(those.map(({ number }) => number).sort((a, b) => a - b));
		expect(bench.delays.report()).toBeNull();
		expect(bench.timing.waiting).toBe(0);
		for (const name of ["delayed_messages", "delayed_bytes", "delayed_hosts"] as const)
			expect(counted(bench.counters).of(name)).toBe(0);
		bench.timing.pass(DAY_MS);
		expect(bench.passed).toHaveLength(3);
	});
});

describe("an account that floods", () => {
	/**
	 * Accounts that together stay below 3/16 of each limit, also over windows that are an eighth longer, while one account sends
	 * far more than the limits.
	 */
	test.each([
		["for a minute, at 2,000 a second", { perS: 50, perHour: 2_500, perDay: 20_000 }, 2_000, 60_000, 60, 1 / 60],
		["for a day", { perS: 50, perHour: 2_600, perDay: 21_000 }, 0.7, 2 * DAY_MS, 10, 0.0015],
		[
			"against a host with high limits",
			{ perS: 2_000, perHour: 10_000_000, perDay: 100_000_000 },
			3_000,
			20_000,
			200,
			1,
		],
	])(
		"%s delays no other account of its host by a millisecond",
		(seed, limits, floodPerS, floodMs, others, eachPerS) => {
			const rng = new Rng(`flood ${seed}`);
			const bench = new Bench(limits);
			const sources = Array.from({ length: others }, (_, number) => ({
				did: `did:other:${number}`,
				perS: eachPerS,
				untilMs: floodMs * 1.2,
			}));
			run(bench, rng, [{ did: "did:flood", perS: floodPerS, untilMs: floodMs }, ...sources]);
			expect(bench.longestDelayMs((did) => did !== "did:flood")).toBe(0);
			expect(bench.delays.report()?.top).toMatchObject([{ did: "did:flood", limitOf: "account" }]);
			expect(bench.passed.filter(({ did }) => did !== "did:flood")).toHaveLength(
				bench.sent.filter(({ did }) => did !== "did:flood").length,
			);
			bench.delays.setLimits(null);
			bench.expectWhole();
		},
	);

	test("gets at least three eighths of a limit, so that an import is not slower than it must be", () => {
		const rng = new Rng("import");
		const bench = new Bench({ perS: 50, perHour: NO_LIMIT, perDay: NO_LIMIT });
		run(bench, rng, [{ did: "did:flood", perS: 500, untilMs: 60_000 }]);
		expect(bench.passed.length).toBeGreaterThan((3 / 8) * 50 * 60);
		bench.finish();
		bench.expectWhole();
	});

	test("shares with others that flood: after a while each gets the same", () => {
		const rng = new Rng("floods");
		for (const floods of [2, 3, 5]) {
			const bench = new Bench({ perS: 100, perHour: NO_LIMIT, perDay: NO_LIMIT });
			const sources = Array.from({ length: floods }, (_, number) => ({
				did: `did:${number}`,
				perS: 300 * (number + 1),
				untilMs: 60_000,
			}));
			run(bench, rng, sources);
			const sinceMs = bench.nowMs - 30_000;
			const counts = [
				...Map.groupBy(
					bench.passed.filter(({ atMs }) => atMs > sinceMs),
					({ did }) => did,
				).values(),
			].map(({ length }) => length);
			expect(counts).toHaveLength(floods);
			expect(Math.max(...counts)).toBeLessThan(1.25 * Math.min(...counts));
		}
	});

	test("is remembered when many others send a little after it", () => {
		const bench = new Bench({ perS: NO_LIMIT, perHour: NO_LIMIT, perDay: 4_000 });
		for (let count = 0; count < 2_400; count++) bench.send("did:flood");
		expect(bench.passed).toHaveLength(2_400);
		for (let number = 0; number < 300; number++) bench.send(`did:other:${number}`);
		expect(bench.passed).toHaveLength(2_700);
		bench.send("did:flood");
		bench.send("did:other:0");
		expect(bench.passed.slice(2_700).map(({ did }) => did)).toEqual(["did:other:0"]);
	});

	test("cannot hide behind many accounts that each send little: it still waits, and they pass", () => {
		const rng = new Rng("crowd");
		const bench = new Bench({ perS: NO_LIMIT, perHour: NO_LIMIT, perDay: 4_000 });
		const others = Array.from({ length: 600 }, (_, number) => ({
			did: `did:other:${number}`,
			perS: 1 / 40_000,
			untilMs: DAY_MS / 2,
		}));
		run(bench, rng, [{ did: "did:flood", perS: 1, untilMs: DAY_MS / 2 }, ...others]);
		expect(bench.longestDelayMs((did) => did !== "did:flood")).toBe(0);
		expect(bench.passed.filter(({ did }) => did === "did:flood").length).toBeLessThanOrEqual((5 / 8) * 4_000 + 1);
	});
});

/** What is told in short agrees with the report, for each account that the report names. */
function expectSameView({ delays }: Bench): void {
	const report = delays.report();
	if (report === null) {
		expect(delays.view("did:0")).toBeNull();
		return;
	}
	const { top, ...whole } = report;
	for (const account of top) expect(delays.view(account.did)).toMatchObject({ ...whole, account });
	expect(delays.view("did:none")).toMatchObject({ ...whole, account: null });
	expect(delays.view(null)).toMatchObject({ ...whole, account: null, next: { limitOf: expect.any(String) } });
}

describe("the report", () => {
	let bench: Bench;

	beforeEach(() => {
		bench = new Bench({ perS: 10, perHour: NO_LIMIT, perDay: NO_LIMIT });
	});

	test("says since when, how much, by whose doing and by which limit, and names ten accounts", () => {
		expect(bench.delays.report()).toBeNull();
		for (let number = 0; number < 25; number++) for (let time = 0; time <= number; time++) bench.send(`did:${number}`);
		bench.timing.pass(300);
		bench.send("did:24");
		const report = bench.delays.report();
		expect(report).toMatchObject({ forMs: 300, messages: bench.sent.length - bench.passed.length });
		expect(report?.bytes).toBe(
			bench.sent.reduce((sum, { bytes }) => sum + bytes, 0) - bench.passed.reduce((sum, { bytes }) => sum + bytes, 0),
		);
		expect(report?.top).toHaveLength(10);
		expect(report?.top.map(({ did }) => did).slice(0, 3)).toEqual(["did:24", "did:23", "did:22"]);
		expect(report?.top[0]).toMatchObject({ messages: 26, forMs: 300, window: "second", limitOf: "host" });
	});

	test("begins anew when nothing has waited in between", () => {
		for (let time = 0; time < 30; time++) bench.send(`did:${time}`);
		bench.finish();
		bench.timing.pass(5_000);
		for (let time = 0; time < 30; time++) bench.send(`did:${time}`);
		bench.timing.pass(100);
		expect(bench.delays.report()?.forMs).toBe(100);
	});
});
