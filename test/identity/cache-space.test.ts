import { describe, expect, test } from "bun:test";
import { HOME_REFRESH_INTERVAL_MS, STALE_MS_MAX } from "../../src/identity/cache.ts";
import type { Resolution } from "../../src/identity/identity.ts";
import { Rng } from "../../src/sim/rng.ts";
import { CacheRig, NOT_FOUND, pdsOf, plc, UNAVAILABLE } from "./cache-rig.ts";

const LOOKUPS_MAX = 4;
const STEPS = 600;
const DIDS = [0, 1, 2, 3, 4, 5].map(plc).concat("did:web:a.example.com", "did:web:b.example.com");
/** DIDs that are not registered. */
const MADE_UP = [100, 101, 102].map(plc);
const ASKERS = [1, 2, 3, 4].map((hostId) => ({ hostId, hostname: `h${hostId}.example.com` }));
const HOUR_MS = 60 * 60_000;

interface Question {
	kind: "lookup" | "recheck" | "refresh";
	did: string;
	sinceMs: number;
	answer: Resolution | null;
	answeredAtMs: number;
}

/** A network that is up or down as the seed decides. Its documents hold the time at which they were asked for. */
class World {
	readonly rig = new CacheRig({ lookupsMax: LOOKUPS_MAX });
	readonly questions: Question[] = [];
	isDown = false;
	/** Times at which requests failed, of all DIDs. */
	readonly failuresMs: number[] = [];
	/** Times at which each DID was asked for. */
	readonly asksMs = new Map<string, number[]>();
	readonly #rng: Rng;
	readonly #running = new Map<string, number>();

	constructor(seed: string) {
		this.#rng = new Rng(seed);
		this.rig.network = (did) => this.#document(did);
	}

	#document(did: string): Resolution {
		const { rig } = this;
		this.asksMs.set(did, [...(this.asksMs.get(did) ?? []), rig.time.nowMs]);
		this.#note(did);
		if (this.isDown || this.#rng.int(20) === 0) {
			this.failuresMs.push(rig.time.nowMs);
			return this.#rng.int(5) > 0
				? UNAVAILABLE
				: ({ ...UNAVAILABLE, retryAfterMs: this.#rng.int(120_000) } as Resolution);
		}
		return MADE_UP.includes(did) ? NOT_FOUND : rig.resolved(`https://t${Math.floor(rig.time.nowMs)}.example.com`, did);
	}

	/** Checks that no DID is asked for twice at once, and not too many. */
	#note(did: string): void {
		expect(this.#running.get(did) ?? 0).toBe(0);
		this.#running.set(did, 1);
		const latencyMs = this.#rng.int(3) === 0 ? 0 : 1 + this.#rng.int(4_000);
		this.rig.latencyMs = () => latencyMs;
		const done = (): void => void this.#running.set(did, 0);
		if (latencyMs === 0) queueMicrotask(done);
		else void this.rig.time.sleep(latencyMs).then(done);
		const isWeb = did.startsWith("did:web:");
		const atOnce = this.#running
			.entries()
			.filter(([other, count]) => other.startsWith("did:web:") === isWeb && count > 0);
		expect([...atOnce].length).toBeLessThanOrEqual(LOOKUPS_MAX);
	}

	ask(): void {
		const { cache, time } = this.rig;
		const kind = this.#rng.pick(["lookup", "recheck", "refresh"] as const);
		const did = this.#rng.int(6) === 0 ? this.#rng.pick(MADE_UP) : this.#rng.pick(DIDS);
		const asker = this.#rng.pick(ASKERS);
		const question: Question = { kind, did, sinceMs: time.nowMs, answer: null, answeredAtMs: 0 };
		this.questions.push(question);
		const promise = kind === "lookup" ? cache.lookup(did, asker) : cache[kind](did, asker, time.nowMs);
		void promise.then((answer) => {
			question.answer = answer;
			question.answeredAtMs = time.nowMs;
		});
	}

	async step(): Promise<void> {
		if (this.#rng.int(25) === 0) this.isDown = !this.isDown;
		for (let count = this.#rng.int(4); count > 0; count--) this.ask();
		const long = this.#rng.int(40) === 0 ? 30 * HOUR_MS : this.#rng.int(3) === 0 ? 3_000 : 40;
		await this.rig.time.pass(0.25 + this.#rng.int(long));
	}
}

/** When the document that answers a question was asked for. */
function askedAtMs({ answer }: Question): number | null {
	const match = pdsOf(answer)?.match(/t(\d+)/);
	return match === undefined || match === null ? null : Number(match[1]);
}

describe("an identity cache, with generated questions and a network that is up and down", () => {
	for (const seed of ["a", "b", "c", "d", "e", "f"]) {
		test(`answers each question in the end, with what it asks for (${seed})`, async () => {
			const world = new World(seed);
			for (let step = 0; step < STEPS; step++) await world.step();
			world.isDown = false;
			await world.rig.time.pass(3 * HOUR_MS);

			const failedBetween = (fromMs: number, toMs: number): boolean =>
				world.failuresMs.some((atMs) => atMs >= fromMs - 200_000 && atMs <= toMs);
			for (const question of world.questions) {
				const { kind, did, sinceMs, answer, answeredAtMs } = question;
				expect([did, answer]).not.toEqual([did, null]);
				if (did.startsWith("did:plc:")) expect(answer?.outcome).not.toBe("unavailable");
				const atMs = askedAtMs(question);
				if (atMs === null) continue;
				// Whole milliseconds are rounded down.
				const isSince = atMs + 1 > sinceMs;
				if (kind === "refresh") expect(isSince).toBe(true);
				if (kind === "recheck") expect(isSince || failedBetween(sinceMs, answeredAtMs)).toBe(true);
				expect(answeredAtMs - atMs).toBeLessThanOrEqual(STALE_MS_MAX);
			}
			// Only a retry after a failure asks for a DID sooner than the shortest interval.
			for (const asks of world.asksMs.values()) {
				const tooSoon = asks.filter((atMs, at) => at > 1 && atMs - (asks[at - 2] ?? 0) < HOME_REFRESH_INTERVAL_MS / 2);
				expect(tooSoon).toEqual([]);
			}
		});
	}
});
