import { expect, test } from "bun:test";
import { Consumer, TURN_BYTES_MAX } from "../../src/fanout/consumer.ts";
import { Deliveries } from "../../src/fanout/deliveries.ts";
import { Pump } from "../../src/fanout/pump.ts";
import { subscribeRepos } from "../../src/fanout/subscribe-repos.ts";
import { Takedowns } from "../../src/fanout/takedowns.ts";
import { MessageTimes } from "../../src/log/message-times.ts";
import { Counters } from "../../src/observe/counters.ts";
import { observed } from "../observe/counted.ts";
import { EndlessSocket } from "./endless-socket.ts";
import { MemoryLog } from "./memory-log.ts";

const RECEIVED_MS = 1_700_000_000_000;

/** A log whose messages have times, and a pump whose clock the test moves. */
class Rig {
	readonly log = new MemoryLog();
	readonly counters = new Counters();
	readonly times = new MessageTimes();
	nowMs = RECEIVED_MS;
	readonly #pump: Pump;

	constructor() {
		const deliveries = new Deliveries(this.times, this.counters, () => this.nowMs);
		this.#pump = new Pump(this.log, this.log, { deliveries });
		void this.#pump.follow();
	}

	/** Appends a message that was received and published at these times after `RECEIVED_MS`. */
	append(receivedMs: number, publishedMs: number, frameBytes = 64): void {
		const lsn = this.log.appendFrame(frameBytes);
		this.times.note(lsn, RECEIVED_MS + receivedMs, RECEIVED_MS + receivedMs);
		this.times.notePublished(lsn, RECEIVED_MS + publishedMs);
	}

	join(cursor: number | "live"): EndlessSocket {
		const { log, counters } = this;
		const socket = new EndlessSocket(cursor === "live" ? log.snapshot().lastSeq : cursor);
		const floor = { bytesPerS: 1, windowMs: 60_000 };
		this.#pump.add(
			new Consumer({
				...{ socket, stream: subscribeRepos, cursor, span: log.snapshot(), floor, counters },
				takedowns: new Takedowns(counters),
				clock: () => 0,
			}),
		);
		return socket;
	}

	async slices(): Promise<void> {
		for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
	}

	/** How often messages were counted, and the sum of their times in seconds. */
	counted(name: string): { total: number; sum: number } {
		const { total, distributions } = observed(this.counters, name);
		return { total, sum: distributions[0]?.sum ?? 0 };
	}
}

test("a replay is not counted; from when a consumer has caught up on, each of its turns counts its oldest message", async () => {
	const rig = new Rig();
	// A replay of several turns.
	for (let message = 0; message < 30; message++) rig.append(0, 0, TURN_BYTES_MAX / 8);
	const replaying = rig.join(0);
	const live = rig.join("live");
	rig.nowMs = RECEIVED_MS + 60_000;
	await rig.slices();
	expect(replaying.frames).toBe(30);
	expect(replaying.turns).toBeGreaterThan(2);
	expect(rig.counted("host_to_consumer_seconds").total).toBe(0);

	// Control records have no times.
	rig.log.appendControl();
	rig.append(60_000, 60_250);
	rig.append(60_100, 60_250);
	rig.nowMs = RECEIVED_MS + 60_500;
	await rig.slices();
	expect([replaying.frames, live.frames]).toEqual([32, 2]);
	expect(rig.counted("host_to_consumer_seconds")).toEqual({ total: 2, sum: 1 });
	expect(rig.counted("message_fanout_seconds")).toEqual({ total: 2, sum: 0.5 });
});

test("a message that the sequencer has not noted as published yet took no time", async () => {
	const rig = new Rig();
	rig.join("live");
	const lsn = rig.log.appendFrame();
	rig.times.note(lsn, RECEIVED_MS, RECEIVED_MS);
	rig.nowMs = RECEIVED_MS + 2_000;
	await rig.slices();
	expect(rig.counted("message_fanout_seconds")).toEqual({ total: 1, sum: 0 });
	expect(rig.counted("host_to_consumer_seconds")).toEqual({ total: 1, sum: 2 });
});
