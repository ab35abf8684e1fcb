import { describe, expect, test } from "bun:test";
import type { WaitingAccount } from "../../src/index/store.ts";
import { Counters } from "../../src/observe/counters.ts";
import { Quota } from "../../src/policy/quota.ts";
import { Rng } from "../../src/sim/rng.ts";
import { MemoryIndex } from "../http/memory-index.ts";

const HOSTNAME = "pds.example.com";
/** Turns of the event loop in which everything that can happen has happened. */
const TURNS = 20;

/**
 * One host, its accounts as the workers of their DIDs have them, and an index that learns of them when the test lets it. The test takes the
 * workers' part.
 */
class World {
	readonly index = new MemoryIndex();
	limit: number | null;
	/** Those that have a place. */
	readonly placed = new Set<string>();
	/** Those that wait, in the order in which they came, with the time of their records. */
	readonly waiting = new Map<string, number>();
	/** As the index has it. */
	indexed: WaitingAccount[] = [];
	/** In the order in which they got a place after a wait. */
	readonly admitted: string[] = [];
	readonly recounted: number[] = [];
	/** Whether workers answer. */
	isAnswered = true;
	quota!: Quota;
	#nowMs = 0;
	#timers: { atMs: number; run: () => void }[] = [];
	#answers: boolean[] = [];
	#timeUs = 0;

	constructor(limit: number | null) {
		this.limit = limit;
	}

	async load(): Promise<void> {
		const { index } = this;
		this.#timers = [];
		this.quota = await Quota.load({
			reader: {
				hosts: (afterId, limit) => index.hosts(afterId, limit),
				account: (did) => index.account(did),
				waiting: async (_host, afterUs, limit) =>
					this.indexed.filter(({ sinceUs }) => sinceUs > afterUs).slice(0, limit),
				waitingBefore: async (_host, us) => this.indexed.filter(({ sinceUs }) => sinceUs < us).length,
				waitingCounts: async () => [{ host: 1, count: this.indexed.length }],
			},
			hostIdOf: (hostname) => (hostname === HOSTNAME ? 1 : null),
			limitOf: () => this.limit,
			answer: (_worker, { granted }) => this.#answers.push(...granted),
			admit: async (did) => this.#admit(did),
			recount: async (host) => void this.recounted.push(host),
			counters: new Counters(),
			timing: {
				nowMs: () => this.#nowMs,
				after: (ms, run) => {
					const timer = { atMs: this.#nowMs + ms, run };
					this.#timers.push(timer);
					return () => {};
				},
			},
		});
	}

	/** A new account comes, at a worker. */
	come(did: string): void {
		this.quota.onPlaces({ type: "places", worker: 0, asked: [{ hostId: 1, hostname: HOSTNAME }], changes: [] });
		if (this.#answers.shift() === true) this.placed.add(did);
		else {
			this.waiting.set(did, ++this.#timeUs);
			this.#report(0, 1);
		}
	}

	/** An account is deleted, or moves away. */
	leave(did: string): void {
		if (this.placed.delete(did)) this.#report(-1, 0);
		else if (this.waiting.delete(did)) this.#report(0, -1);
	}

	catchUp(): void {
		this.indexed = Array.from(this.waiting, ([did, sinceUs]) => ({ did, sinceUs }));
	}

	#admit(did: string): boolean {
		if (!this.isAnswered || !this.waiting.delete(did)) return false;
		this.placed.add(did);
		this.admitted.push(did);
		this.#report(1, -1);
		return true;
	}

	#report(taken: number, waiting: number): void {
		this.quota.onPlaces({ type: "places", worker: 0, asked: [], changes: [{ hostId: 1, taken, waiting }] });
	}

	async pass(ms: number): Promise<void> {
		const endMs = this.#nowMs + ms;
		for (;;) {
			const due = this.#timers.filter(({ atMs }) => atMs <= endMs).sort((a, b) => a.atMs - b.atMs)[0];
			if (due === undefined) break;
			this.#timers.splice(this.#timers.indexOf(due), 1);
			this.#nowMs = due.atMs;
			due.run();
			for (let turn = 0; turn < TURNS; turn++) await new Promise(setImmediate);
		}
		this.#nowMs = endMs;
	}

	/** The relay is killed: what its records say is in the index at the next start. */
	async restart(): Promise<void> {
		this.catchUp();
		const [host] = this.index.hostRows;
		if (host !== undefined) host.accountCount = this.placed.size + this.waiting.size;
		await this.load();
	}
}

async function world(limit: number | null): Promise<World> {
	const made = new World(limit);
	made.index.addHost(HOSTNAME);
	await made.load();
	return made;
}

describe("the account limit of a host", () => {
	test("is never exceeded, whatever happens, and those that came first get places first", async () => {
		for (let seed = 0; seed < 60; seed++) {
			const rng = new Rng(`quota ${seed}`);
			const one = await world(rng.int(6));
			let limitMax = one.limit ?? 0;
			let count = 0;
			for (let step = 0; step < 60; step++) {
				const placedBefore = one.placed.size;
				const act = rng.weighted({ come: 8, leave: 4, limit: 1, index: 3, time: 3, silence: 1, restart: 1 });
				if (act === "come") one.come(`did:plc:${++count}`);
				else if (act === "leave") one.leave(rng.pick([...one.placed, ...one.waiting.keys(), "nobody"]));
				else if (act === "limit") one.limit = rng.int(8);
				else if (act === "index") one.catchUp();
				else if (act === "silence") one.isAnswered = !one.isAnswered;
				else if (act === "restart") await one.restart();
				else await one.pass(1_000);
				// A limit that was lowered takes no place away, but gives none either.
				limitMax = Math.max(one.limit ?? 0, placedBefore);
				expect([seed, step, one.placed.size <= limitMax]).toEqual([seed, step, true]);
				const told = one.quota.hostQuota(HOSTNAME);
				const numbers = { accounts: one.placed.size, waiting: one.waiting.size };
				if (count > 0) expect(told).toMatchObject({ quota: numbers });
				expect(one.quota.numbersOf(HOSTNAME)).toEqual({ limit: one.limit, ...numbers });
			}
			one.isAnswered = true;
			one.catchUp();
			await one.pass(3_000);
			const room = Math.max(0, (one.limit ?? 0) - one.placed.size);
			expect([seed, one.waiting.size === 0 || room === 0]).toEqual([seed, true]);
		}
	});

	test("leaves those that wait in their order, and lets no new account pass them", async () => {
		const one = await world(2);
		for (const did of ["a", "b", "c", "d", "e"]) one.come(did);
		expect([...one.placed, "|", ...one.waiting.keys()]).toEqual(["a", "b", "|", "c", "d", "e"]);
		one.catchUp();
		one.leave("a");
		one.come("f");
		expect([...one.placed]).toEqual(["b"]);
		await one.pass(1_000);
		one.limit = 4;
		await one.pass(1_000);
		expect(one.admitted).toEqual(["c", "d", "e"]);
		one.limit = null;
		one.come("g");
		expect(one.placed.has("g")).toBe(true);
		one.catchUp();
		await one.pass(1_000);
		expect(one.admitted).toEqual(["c", "d", "e", "f"]);
		expect([...one.waiting]).toEqual([]);
	});

	test("admits nobody any more once it is stopped", async () => {
		const one = await world(1);
		for (const did of ["a", "b"]) one.come(did);
		one.catchUp();
		one.limit = 9;
		one.quota.stop();
		await one.pass(5_000);
		expect(one.admitted).toEqual([]);
	});

	test("says of an account which gate holds it: the limit, how many there are, since when, and its position", async () => {
		const one = await world(1);
		for (const did of ["a", "b", "c"]) one.come(did);
		one.catchUp();
		one.index.addAccount("c", { waitingSinceUs: 2 });
		one.index.addAccount("a");
		const wait = { hostname: HOSTNAME, limit: 1, accounts: 1, waiting: 2, sinceMs: 0, position: 2 };
		expect(await one.quota.accountWait("c")).toEqual({ ok: true, wait });
		expect(await one.quota.accountWait("a")).toEqual({ ok: true, wait: null });
		expect(await one.quota.accountWait("nobody")).toEqual({ ok: true, wait: null });
	});

	test("has its count corrected by a recount, whatever changes meanwhile", async () => {
		const one = await world(3);
		for (const did of ["a", "b", "c", "d"]) one.come(did);
		const asked = one.quota.recountAccounts("PDS.example.com");
		one.leave("a");
		// The index's count was wrong by two.
		one.quota.noteRecounts([{ host: 1, before: 6, counted: 4 }]);
		expect(one.recounted).toEqual([1]);
		const quota = { hostname: HOSTNAME, limit: 3, accounts: 0, waiting: 1 };
		expect(await asked).toEqual({ ok: true, quota, before: 3 });
		expect(await one.quota.recountAccounts("other.example.com")).toMatchObject({ ok: false, status: 404 });
	});

	test("is not counted anew in time if the index does not answer", async () => {
		const one = await world(3);
		one.come("a");
		const asked = one.quota.recountAccounts(HOSTNAME);
		await one.pass(30_000);
		expect(await asked).toMatchObject({ ok: false, status: 504 });
	});
});
