import { beforeEach, describe, expect, test } from "bun:test";
import { Consumer, TURN_BYTES_MAX } from "../../src/fanout/consumer.ts";
import { Pump } from "../../src/fanout/pump.ts";
import { Withheld } from "../../src/fanout/withheld.ts";
import { Counters } from "../../src/observe/counters.ts";
import { EndlessSocket } from "./endless-socket.ts";
import { MemoryLog } from "./memory-log.ts";

let log: MemoryLog;
let pump: Pump;

beforeEach(() => {
	log = new MemoryLog();
	pump = new Pump(log, log);
});

function join(cursor: number): EndlessSocket {
	const counters = new Counters();
	const socket = new EndlessSocket(cursor);
	const floor = { bytesPerS: 1, windowMs: 60_000 };
	const withheld = new Withheld(counters);
	pump.add(new Consumer({ socket, cursor, floor, withheld, counters, clock: () => 0 }));
	return socket;
}

const slice = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("fairness", () => {
	const HISTORY = 4_000;
	const FRAME_BYTES = 10_000;
	const MESSAGES = 10;
	/** What a turn may send, and the frame that ends it. */
	const TURN_FRAMES_MAX = Math.ceil(TURN_BYTES_MAX / FRAME_BYTES) + 1;

	test("while a crowd replays, the live get every message within a round, and the crowd goes on", async () => {
		log.appendFrames(HISTORY, FRAME_BYTES);
		const live = Array.from({ length: 10 }, () => join(HISTORY));
		const crowd = Array.from({ length: 30 }, () => join(0));
		const all = [...live, ...crowd];
		const following = pump.follow();
		for (let message = 1; message <= MESSAGES; message++) {
			const crowdBefore = crowd.map((socket) => ({ ...socket }));
			log.appendFrame(FRAME_BYTES);
			while (live.some(({ lastSeq }) => lastSeq < HISTORY + message)) await slice();
			for (const [index, socket] of crowd.entries()) {
				const before = crowdBefore[index] ?? socket;
				const turns = socket.turns - before.turns;
				// Each waits for at most the rest of a round and a whole one more, whatever the others have to read.
				expect(turns).toBeLessThanOrEqual(3);
				expect(socket.frames - before.frames).toBeLessThanOrEqual(turns * TURN_FRAMES_MAX);
			}
		}
		const turns = crowd.map((socket) => socket.turns);
		expect(Math.max(...turns) - Math.min(...turns)).toBeLessThanOrEqual(1);
		expect(Math.min(...turns)).toBeGreaterThan(0);
		expect(crowd.every(({ lastSeq }) => lastSeq < HISTORY)).toBe(true);
		while (all.some(({ lastSeq }) => lastSeq < HISTORY + MESSAGES)) await slice();
		expect(all.every(({ inOrder }) => inOrder)).toBe(true);
		await pump.drain(1001, "", 0);
		await following;
	});

	test("while the log grows without end, who replays gets on as fast as its turns allow", async () => {
		log.appendFrames(HISTORY, FRAME_BYTES);
		const live = Array.from({ length: 50 }, () => join(HISTORY));
		const replaying = join(0);
		const following = pump.follow();
		while (replaying.frames < HISTORY) {
			log.appendFrame(FRAME_BYTES);
			const before = Math.max(...live.map(({ turns }) => turns));
			const own = replaying.turns;
			while (replaying.turns === own) await slice();
			// The live had a turn each, or two where the log grew meanwhile, but not one more before this one's.
			expect(Math.max(...live.map(({ turns }) => turns)) - before).toBeLessThanOrEqual(2);
		}
		expect(replaying.turns).toBeLessThanOrEqual(Math.ceil((HISTORY * FRAME_BYTES) / TURN_BYTES_MAX) + 2);
		await pump.drain(1001, "", 0);
		await following;
	});
});
