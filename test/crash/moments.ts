import { watch } from "node:fs";
import type { RelayProcess } from "../../src/sim/relay-process.ts";
import type { Rng } from "../../src/sim/rng.ts";
import type { PostgresServer } from "../sim/postgres.ts";
import type { StoreUnderTest } from "../sim/store-under-test.ts";
import type { Load } from "./load.ts";
import type { Witness } from "./oracle.ts";

/** The scene of a moment: a relay that is up, with its consumers connected and its hosts sending. */
export interface Scene {
	rng: Rng;
	load: Load;
	relay: RelayProcess;
	/** The server of the relay's index; null if that is SQLite. */
	postgres: PostgresServer | null;
	/** Kills the relay, and notes how much work it had left. */
	kill: () => void;
	/** The consumer that keeps up. */
	live: Witness;
	/** How many messages the hosts that behave well have sent so far, over the whole run. */
	sentCount: () => number;
	/** Waits until the condition holds. It is checked whenever the live consumer gets a message. */
	until: (condition: () => boolean) => Promise<void>;
	/** Milliseconds that the last start took. */
	startMs: number;
}

/** Maximum time between the event that a moment waits for and the kill. */
const JITTER_MS_MAX = 40;
/** Longer than the interval at which a relay stores its hosts' cursors. */
const IDLE_MS_MAX = 1_300;
const DRAIN_MS_MAX = 60;
/** Longer than the time after which the relay tries a database again. */
const OUTAGE_MS_MAX = 1_500;
/** A segment's file is created a few milliseconds before the segment is in use. */
const ROTATION_MS_MAX = 6;
const BURST_MAX = 40;
/** How many long messages are under way at once while a segment is filled. */
const BEHIND_MAX = 10;

/** In the middle of work, after a burst that the relay can't have finished. */
async function burst({ rng, load, kill, live, until }: Scene): Promise<void> {
	const count = live.count + 1 + rng.int(BURST_MAX);
	const bursting = load.burst(rng.int(BURST_MAX) + BURST_MAX / 2);
	await until(() => live.count >= count);
	await Bun.sleep(rng.int(JITTER_MS_MAX));
	// However fast the relay is, this message is still under way.
	await load.burst(1);
	kill();
	await bursting;
}

/** While the relay is idle, apart from its timers. */
async function idle({ rng, load, kill, live, until, sentCount }: Scene): Promise<void> {
	load.paused = true;
	await load.burst(1 + rng.int(20));
	await until(() => live.count === sentCount());
	await Bun.sleep(rng.int(IDLE_MS_MAX));
	kill();
	load.paused = false;
}

/** While a segment ends and the next one begins. */
async function rotation({ rng, load, relay, kill, live, until, sentCount }: Scene): Promise<void> {
	let isRotated = false;
	const rotated = Promise.withResolvers<void>();
	const watcher = watch(relay.logDirectory, (event, name) => {
		if (event !== "rename" || name?.endsWith(".seg") !== true) return;
		isRotated = true;
		rotated.resolve();
	});
	try {
		while (!isRotated) {
			await load.bulk();
			await until(() => live.count + BEHIND_MAX > sentCount());
			await new Promise(setImmediate);
		}
		await rotated.promise;
		await Bun.sleep(rng.int(ROTATION_MS_MAX));
		kill();
	} finally {
		watcher.close();
	}
}

/** During a drain, while the hosts still send and the consumers are still behind. */
async function drain({ rng, load, relay, kill }: Scene): Promise<void> {
	const bursting = load.burst(1 + rng.int(BURST_MAX));
	relay.terminate();
	await Bun.sleep(rng.int(DRAIN_MS_MAX));
	kill();
	await bursting;
}

/** During a start: killed while it works, started again, and killed before or just after it is ready. */
async function startUp({ rng, load, relay, kill, startMs }: Scene): Promise<void> {
	await load.burst(1 + rng.int(BURST_MAX));
	kill();
	await relay.exited();
	const starting = relay.start().catch(() => undefined);
	await Bun.sleep(rng.float() * startMs * 1.1);
	kill();
	await starting;
}

/** While the database is dead, or just back. It was killed in the middle of work. */
async function outage({ rng, load, postgres, kill }: Scene): Promise<void> {
	if (postgres === null) throw new RangeError("SQLite has no server that could die");
	const bursting = load.burst(BURST_MAX);
	await Bun.sleep(rng.int(JITTER_MS_MAX));
	await postgres.kill();
	await bursting;
	await load.burst(1 + rng.int(BURST_MAX));
	await Bun.sleep(rng.int(OUTAGE_MS_MAX));
	if (rng.int(2) === 0) {
		await postgres.start();
		await Bun.sleep(rng.int(OUTAGE_MS_MAX));
	}
	kill();
}

/** The moments at which a relay is killed. Each takes the relay from up and running to killed. */
export const MOMENTS = { burst, idle, rotation, drain, startUp, outage };
export type Moment = keyof typeof MOMENTS;
export const MOMENT_NAMES = Object.keys(MOMENTS) as readonly Moment[];

/** How often each is drawn, by the relay's store. */
export const MOMENT_WEIGHTS: Readonly<Record<StoreUnderTest, Record<Moment, number>>> = {
	sqlite: { burst: 35, idle: 10, rotation: 20, drain: 20, startUp: 15, outage: 0 },
	postgres: { burst: 25, idle: 5, rotation: 15, drain: 15, startUp: 10, outage: 30 },
};
