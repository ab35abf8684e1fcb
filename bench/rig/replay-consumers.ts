import { CountingConsumer } from "./counting-consumer.ts";

/**
 * Consumers that replay, in a process of their own so that they don't delay the rig's timers. Arguments: `ORIGIN DURATION_MS
 * CURSOR...`. It prints a line when each consumer has its first frame, then counts frames for `DURATION_MS`, and prints the
 * result as a second line.
 */
const [origin = "", durationMs = "", ...cursors] = process.argv.slice(2);
const consumers = await Promise.all(
	cursors.map(async (cursor) => {
		const consumer = new CountingConsumer();
		await consumer.connect(origin, Number(cursor));
		return consumer;
	}),
);
while (consumers.some(({ frames }) => frames === 0)) await Bun.sleep(1);
const total = (): number => consumers.reduce((sum, { frames }) => sum + frames, 0);
const startMs = performance.now();
const before = total();
console.log("counting");
await Bun.sleep(Number(durationMs));
console.log(JSON.stringify({ frames: total() - before, tookMs: performance.now() - startMs }));
process.exit(0);
