import { describe, expect, test } from "bun:test";
import type { AlertsState } from "../../src/alerts/store.ts";
import { AlertWatch, LOOK_MS } from "../../src/alerts/watch.ts";
import type { Fetch } from "../../src/net/outbound-fetch.ts";
import { Counters } from "../../src/observe/counters.ts";
import { Rng } from "../../src/sim/rng.ts";
import { FakeTiming } from "../sim/fake-timing.ts";
import { FACTS, FACTS_AT_MS } from "./facts.ts";

const HOST = "a.example";
const SAVE_TURNS = 20;

interface Told {
	id: string;
	event: string;
}

/** A relay that crashes at any moment, its disk, and the operator whom it tells. */
class Bench {
	readonly told: Told[] = [];
	/** What the disk has. */
	disk: AlertsState | null = null;
	isFull = false;
	isDown = false;
	accounts = 0;
	#timing = new FakeTiming();
	readonly #beganAtMs = this.#timing.nowMs();
	#elapsedMs = 0;
	/** Rises with each crash: what an earlier process still does has no effect. */
	#life = 0;

	async start(): Promise<void> {
		const life = this.#life;
		const timing = this.#timing;
		const isAlive = (): boolean => life === this.#life;
		const fetch: Fetch = async (_url, { body }) => {
			if (!isAlive()) return new Promise<Response>(() => undefined);
			if (this.isDown) return new Response(null, { status: 502 });
			const { id, event } = JSON.parse(String(body)) as Told;
			this.told.push({ id, event });
			return new Response(null, { status: 204 });
		};
		await AlertWatch.start({
			facts: async () => ({ ...FACTS, quotas: [{ hostname: HOST, accounts: this.accounts, limit: 100 }] }),
			file: {
				load: async () => this.disk,
				save: async (state) => {
					const text = structuredClone(state);
					// A disk takes a while.
					for (let turn = 0; turn < SAVE_TURNS; turn++) await Promise.resolve();
					if (!isAlive()) return new Promise<void>(() => undefined);
					if (this.isFull) throw new Error("no space left on device");
					this.disk = text;
				},
			},
			webhooks: [{ url: "http://127.0.0.1:1/hook", format: "json" }],
			repeatMs: 6 * 3_600_000,
			source: "relay",
			counters: new Counters(),
			timing,
			date: () => FACTS_AT_MS + this.#elapsedMs + timing.nowMs() - this.#beganAtMs,
			fetch,
		});
	}

	/** Ends the process as it is. Its timers end with it. */
	crash(): void {
		this.#life++;
		this.#elapsedMs += this.#timing.nowMs() - this.#beganAtMs;
		this.#timing = new FakeTiming();
	}

	/** Lets time pass up to the next timer, and some of what it sets off happen. @param turns of the queue of promises */
	async step(turns: number): Promise<void> {
		// A save takes no seconds, unless the disk hangs.
		for (let turn = 0; turn < 2 * SAVE_TURNS; turn++) await Promise.resolve();
		this.#timing.pass(this.#timing.nextMs);
		for (let turn = 0; turn < turns; turn++) await Promise.resolve();
	}

	idle(ms: number): void {
		this.#timing.pass(ms);
	}

	async settle(): Promise<void> {
		for (let look = 0; look < 4; look++) {
			this.#timing.pass(LOOK_MS);
			await new Promise((resolve) => setImmediate(resolve));
		}
	}

	/** Events without those whose id came before. */
	get events(): string[] {
		const ids = new Set<string>();
		return this.told.filter(({ id }) => !ids.has(id) && ids.add(id)).map(({ event }) => event);
	}
}

describe("the watch", () => {
	test("tells of an alert and of its end once, whatever crashes when, and whatever the webhook does", async () => {
		const rng = new Rng("watch");
		for (let round = 0; round < 60; round++) {
			const bench = new Bench();
			await bench.start();
			await bench.settle();
			expect(bench.events).toEqual([]);
			for (const [accounts, expected] of [
				[90, ["fired"]],
				[10, ["fired", "resolved"]],
			] as const) {
				bench.accounts = accounts;
				for (let moment = 0; moment < 10; moment++) {
					bench.isDown = rng.int(3) === 0;
					await bench.step(rng.int(2 * SAVE_TURNS));
					if (rng.int(3) > 0) continue;
					bench.crash();
					await bench.start();
				}
				bench.isDown = false;
				for (let times = 0; times < 60; times++) await bench.settle();
				expect(bench.events).toEqual([...expected]);
			}
		}
	});

	test("tells of it although nothing can be saved, as when the disk is full", async () => {
		const bench = new Bench();
		bench.isFull = true;
		await bench.start();
		bench.accounts = 100;
		await bench.settle();
		expect(bench.events).toEqual(["fired"]);
		bench.accounts = 0;
		await bench.settle();
		expect(bench.events).toEqual(["fired", "resolved"]);
	});

	test("reminds of it at most as often as is set, also over restarts", async () => {
		const bench = new Bench();
		bench.accounts = 100;
		await bench.start();
		await bench.settle();
		for (let hour = 0; hour < 13; hour++) {
			bench.crash();
			await bench.start();
			bench.idle(3_600_000);
			await bench.settle();
		}
		expect(bench.events).toEqual(["fired", "reminder", "reminder"]);
	});
});
