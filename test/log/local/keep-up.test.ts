import { describe, expect, test } from "bun:test";
import type { SyncMode } from "../../../src/log/local/write/log-writer.ts";
import { Rng } from "../../../src/sim/rng.ts";
import { messageEntry, START_MS, TestLog, temporaryDirectory } from "../harness.ts";
import { MemoryFs } from "./memory-fs.ts";

const MINUTE_MS = 60_000;
/** All times of a random history are multiples of it, so that both loops can act at the same moments. */
const TICK_MS = 50;

/** The loop of the log's thread, with a clock that moves only when it sleeps. */
class Loop {
	readonly fs = new MemoryFs();
	readonly log: TestLog;
	readonly #sleepMsMax: number;
	#nowMs = START_MS;
	#hasProgress = false;
	turns = 0;

	/** @param sleepMsMax the loop wakes up so often, whatever the log says */
	constructor(syncMode: SyncMode, sleepMsMax: number, changes: ConstructorParameters<typeof TestLog>[2] = {}) {
		this.#sleepMsMax = sleepMsMax;
		this.log = new TestLog(temporaryDirectory(), this.fs, {
			syncMode,
			clock: () => this.#nowMs,
			onProgress: () => {
				this.#hasProgress = true;
			},
			...changes,
		});
	}

	/** Lets so much time pass. Sleeps only when there is nothing to do. */
	async pass(ms: number): Promise<void> {
		const endMs = this.#nowMs + ms;
		for (;;) {
			this.turns++;
			const wasIdle = !this.log.step();
			const untilDueMs = this.log.writer.keepUp();
			// What runs in the background takes no time.
			if (this.log.writer.isBusy) {
				while (this.log.writer.isBusy) await new Promise((resolve) => setImmediate(resolve));
				await new Promise((resolve) => setImmediate(resolve));
			}
			if (!wasIdle || this.#hasProgress) {
				this.#hasProgress = false;
				continue;
			}
			expect(untilDueMs).toBeGreaterThanOrEqual(0);
			const sleepMs = Math.min(untilDueMs, this.#sleepMsMax);
			if (this.#nowMs + sleepMs > endMs) break;
			this.#nowMs += sleepMs;
		}
		this.#nowMs = endMs;
	}

	get state(): object {
		const { lastLsn, durableLsn, firstLsn } = this.log.position.snapshot();
		const isAcknowledged = this.log.ring.acknowledged() === this.log.ring.position;
		return { lastLsn, durableLsn, firstLsn, isAcknowledged, stalled: this.log.count("log_stalled") };
	}
}

function fail(fs: MemoryFs, code: string): void {
	fs.fault = (call) => {
		if (/^(write|sync|create)/.test(call)) throw Object.assign(new Error(`${code}: by the test`), { code });
	};
}

describe.each(["always", "write"] as const)("mode %s", (syncMode) => {
	test("a log with nothing to do is woken for its maintenance and for nothing else", async () => {
		const loop = new Loop(syncMode, Number.POSITIVE_INFINITY);
		loop.log.handOver(messageEntry("one"));
		await loop.pass(MINUTE_MS);
		expect(loop.state).toMatchObject({ lastLsn: 1, durableLsn: 1, isAcknowledged: true });
		loop.turns = 0;
		await loop.pass(60 * MINUTE_MS);
		// One turn for the maintenance, and one for what it has found.
		expect(loop.turns).toBeLessThanOrEqual(2 * 60 + 2);
	});

	test("woken when it says so, it does what it would do if it were woken all the time", async () => {
		const rng = new Rng(`keep up ${syncMode}`);
		for (let history = 0; history < 25; history++) {
			const sizes = {
				segmentBytes: 3_000,
				replayBytesMax: 20_000,
				replayWindowMs: 10 * MINUTE_MS,
				diskReserveBytes: 1,
			};
			const [told, always] = [new Loop(syncMode, Number.POSITIVE_INFINITY, sizes), new Loop(syncMode, TICK_MS, sizes)];
			const both = [told, always];
			for (let step = 0; step < 30; step++) {
				const choice = rng.int(6);
				const count = 1 + rng.int(5);
				const code = rng.pick(["ENOSPC", "EIO", "EMFILE"]);
				const ms = TICK_MS * rng.pick([0, 1, 1, 4, 5, 20, 100, 1_200]);
				for (const { fs, log } of both) {
					if (choice < 3) log.handOver(...Array.from({ length: count }, (_, at) => messageEntry(`${step} ${at}`, 300)));
					if (choice === 3) fail(fs, code);
					if (choice === 4) fs.fault = () => {};
					if (choice === 5) fs.freeDiskBytes = code === "EIO" ? 0 : Number.POSITIVE_INFINITY;
				}
				for (const loop of both) await loop.pass(ms);
				expect(told.state).toEqual(always.state);
			}
			expect(told.turns).toBeLessThan(always.turns);
		}
	});
});
