import { describe, expect, test } from "bun:test";
import {
	DOWN_MS_MAX,
	detect,
	GAP_NEWS_MS,
	HOST_REJECTIONS_MIN,
	type Memory,
	newMemory,
	PAST_MS_MIN,
	REJECTIONS_MIN,
	START_GRACE_MS,
} from "../../src/alerts/detect.ts";
import type { AlertFacts } from "../../src/alerts/facts.ts";
import { Rng } from "../../src/sim/rng.ts";
import { FACTS, FACTS_AT_MS } from "./facts.ts";

const START_MS = FACTS_AT_MS;
const LOOK_MS = 15_000;
const HOUR_MS = 3_600_000;
const GIB = 1024 ** 3;

function lookAt(facts: Partial<AlertFacts>, nowMs = START_MS) {
	const all = { ...FACTS, ...facts };
	return detect(newMemory(all, nowMs), all, nowMs).look;
}

/** Kind, subject and severity of what is seen. */
const seen = (facts: Partial<AlertFacts>, nowMs?: number) =>
	lookAt(facts, nowMs).observations.map(({ kind, subject, severity }) => `${kind} ${subject} ${severity}`);

describe("detect", () => {
	test("sees nothing if all is well", () => {
		expect(seen({})).toEqual([]);
	});

	test.each([
		[{ logStall: "disk-full" }, "log-stalled log critical"],
		[{ indexStall: "database-unreachable" }, "index-stalled index critical"],
		[{ logGaps: 2 }, "log-gap log critical"],
		[{ indexLagRecords: 50_000 }, "index-lag index warning"],
		[{ indexLagRecords: 30_000 }, "index-lag index null"],
		[{ consumersBehind: 1 }, "consumer-lag consumers warning"],
		[{ diskFreeBytes: 1.9 * GIB }, "disk-reserve log warning"],
		[{ diskFreeBytes: 0.9 * GIB }, "disk-reserve log critical"],
		[{ diskFreeBytes: 2.2 * GIB }, "disk-reserve log null"],
		[{ diskFreeBytes: 2.6 * GIB }, undefined],
	] as const)("%p is %p", (facts, expected) => {
		expect(seen(facts)[0]).toBe(expected);
	});

	test("tells an account limit by its share, and is of two minds below it", () => {
		const rng = new Rng("quotas");
		for (let at = 0; at < 300; at++) {
			const limit = 1 + rng.int(1_000);
			const accounts = rng.int(2 * limit);
			const share = accounts / limit;
			const expected = share >= 1 ? "critical" : share >= 0.8 ? "warning" : share >= 0.75 ? "null" : null;
			expect(seen({ quotas: [{ hostname: "a.example", accounts, limit }] })).toEqual(
				expected === null ? [] : [`host-quota a.example ${expected}`],
			);
		}
	});

	test("tells of a host that has been down for a day, not of one that was gone long before, nor right after a start", () => {
		const down = (downMs: number): Partial<AlertFacts> => ({
			downHosts: [{ hostname: "a.example", sinceMs: START_MS - downMs, why: "connection refused" }],
		});
		expect(seen(down(23 * HOUR_MS))).toEqual([]);
		expect(seen(down(24 * HOUR_MS))).toEqual(["host-down a.example warning"]);
		expect(seen(down(DOWN_MS_MAX))).toEqual([]);
		const early = lookAt({ ...down(25 * HOUR_MS), startedAtMs: START_MS - START_GRACE_MS + 1 });
		expect([early.observations, early.looked.has("host-down")]).toEqual([[], false]);
	});

	test("leaves alone what can't be known", () => {
		const { looked } = lookAt({ rejectedOf: null, diskFreeBytes: null });
		expect([looked.has("host-rejections"), looked.has("disk-reserve"), looked.has("rejections")]).toEqual([
			false,
			false,
			true,
		]);
	});

	test("takes damage for news for a day, and not again after a restart that finds it anew", () => {
		let nowMs = START_MS;
		let memory = newMemory(FACTS, nowMs);
		const look = (logGaps: number, startedAtMs: number): boolean => {
			nowMs += HOUR_MS;
			const after = detect(memory, { ...FACTS, logGaps, startedAtMs }, nowMs);
			memory = after.memory;
			return after.look.observations.some(({ kind }) => kind === "log-gap");
		};
		expect([look(0, 0), look(1, 0), look(1, 0)]).toEqual([false, true, true]);
		nowMs += GAP_NEWS_MS;
		expect(look(1, 0)).toBe(false);
		expect([look(0, nowMs + HOUR_MS), look(1, nowMs + HOUR_MS)]).toEqual([false, false]);
		expect(look(2, 0)).toBe(true);
	});
});

/** A relay of which a test chooses how many messages are rejected. */
class Stream {
	nowMs = START_MS;
	readonly #rng: Rng;
	#memory: Memory;
	#rejected = 0;
	#ofHost = 0;
	/** Kinds that were bad enough to tell, and those that were seen at all. */
	severe = new Set<string>();
	visible = new Set<string>();

	constructor(rng: Rng) {
		this.#rng = rng;
		this.#memory = newMemory(FACTS, this.nowMs);
	}

	/** @param perFiveMinutes of all hosts together, and of one */
	run(hours: number, perFiveMinutes: number, ofHost: number): void {
		const draw = (rate: number): number => (rate * LOOK_MS) / 300_000 + (this.#rng.float() < rate % 1 ? 1 : 0);
		for (const endMs = this.nowMs + hours * HOUR_MS; this.nowMs < endMs; ) {
			this.nowMs += LOOK_MS;
			this.#rejected += draw(perFiveMinutes);
			this.#ofHost += draw(ofHost);
			const rejectedOf = [{ hostname: "a.example", rejected: this.#ofHost }];
			const after = detect(this.#memory, { ...FACTS, rejected: this.#rejected, rejectedOf }, this.nowMs);
			this.#memory = after.memory;
			this.visible = new Set(after.look.observations.map(({ kind }) => kind));
			for (const { kind, severity } of after.look.observations) if (severity !== null) this.severe.add(kind);
		}
	}

	restart(): void {
		this.#rejected = 0;
		this.#ofHost = 0;
	}
}

describe("rejections", () => {
	test("are unusual if they are many times what they were, whatever that is; over restarts; and usual again later", () => {
		const rng = new Rng("rejections");
		for (let round = 0; round < 8; round++) {
			const usual = rng.pick([0, 3, 50, 2_000]);
			const stream = new Stream(rng);
			stream.run(12, usual, usual / 2);
			expect([...stream.severe]).toEqual([]);
			stream.restart();
			// The double is within what may be.
			stream.run(1, 2 * usual, usual);
			expect([...stream.severe]).toEqual([]);
			const loud = Math.max(2 * REJECTIONS_MIN, 8 * usual);
			stream.run(0.5, loud, loud);
			expect([...stream.severe].sort()).toEqual(["host-rejections", "rejections"]);
			stream.run(2, usual, usual / 2);
			expect([...stream.visible]).toEqual([]);
		}
	});

	test("are not judged without a past, nor if they are few", () => {
		const stream = new Stream(new Rng("no past"));
		stream.run(PAST_MS_MIN / HOUR_MS - 0.1, 50_000, 50_000);
		expect([...stream.severe]).toEqual([]);
		const quiet = new Stream(new Rng("few"));
		quiet.run(3, 0, 0);
		quiet.run(1, HOST_REJECTIONS_MIN - 10, HOST_REJECTIONS_MIN - 10);
		expect([...quiet.severe]).toEqual([]);
	});

	test("of each of many hosts are remembered: what a host had long ago is no news, however many others have more", () => {
		const hosts = Array.from({ length: 5_000 }, (_, host) => ({ hostname: `host-${host}`, rejected: 1_000 + host }));
		let memory = newMemory(FACTS, START_MS);
		for (let at = 1; at <= 40; at++) {
			// The host's own 200 came in the first hour, when nothing is judged.
			const rejectedOf = [...hosts, { hostname: "a.example", rejected: 200 }];
			const { memory: after, look } = detect(memory, { ...FACTS, rejectedOf }, START_MS + (at * PAST_MS_MIN) / 10);
			memory = after;
			if (at > 11) expect(look.observations).toEqual([]);
		}
		expect(memory.rejectedOf.size).toBe(5_001);
	});
});
