import { percentile } from "./figures.ts";
import type { LoadHost } from "./load-host.ts";
import { type NamedFrame, PacedFrames } from "./paced-frames.ts";
import { until } from "./relay-run.ts";
import type { TimedConsumer } from "./timed-consumer.ts";

/** The time in ms from when frames were due to be sent until a consumer had them. */
export interface Latency {
	p50: number;
	p99: number;
	p999: number;
	/** The part of it that the rig causes: how late the host was. */
	lateP99: number;
	/** From the first frame's due time to the last one's arrival. */
	framesPerS: number;
	frames: number;
}

/** Sends frames by the clock, for `durationMs` or until they end, and waits until the consumer has all of them. */
export async function measureLatency(
	host: LoadHost,
	consumer: TimedConsumer,
	frames: Iterator<NamedFrame>,
	framesPerS: number,
	durationMs?: number,
): Promise<Latency> {
	const paced = new PacedFrames(frames, framesPerS);
	consumer.arrivedMs.clear();
	await paced.sendThrough(host, durationMs);
	await until(() => consumer.arrivedMs.size === paced.dueMs.size);
	const tookMs: number[] = [];
	let firstMs = Number.POSITIVE_INFINITY;
	let lastMs = 0;
	for (const [name, dueMs] of paced.dueMs) {
		const arrivedMs = consumer.arrivedMs.get(name);
		if (arrivedMs === undefined) throw new Error(`the consumer got another frame in the place of ${name}`);
		tookMs.push(arrivedMs - dueMs);
		firstMs = Math.min(firstMs, dueMs);
		lastMs = Math.max(lastMs, arrivedMs);
	}
	return {
		p50: percentile(tookMs, 0.5),
		p99: percentile(tookMs, 0.99),
		p999: percentile(tookMs, 0.999),
		lateP99: percentile(paced.lateMs, 0.99),
		framesPerS: (tookMs.length * 1000) / (lastMs - firstMs),
		frames: tookMs.length,
	};
}
