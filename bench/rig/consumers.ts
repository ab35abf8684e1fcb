/** The consumers of a measurement, in a process of their own. `ConsumerProcess` starts and controls it. */
import type { ConsumersReply, ConsumersRequest, Count } from "./consumer-process.ts";
import { CountingConsumer } from "./counting-consumer.ts";
import { RecordingConsumer, wallClockMs } from "./recording-consumer.ts";

const POLL_MS = 2;

let counting: CountingConsumer[] = [];
let recording: RecordingConsumer | null = null;

process.on("message", (request: ConsumersRequest) => {
	answer(request).then(
		(reply) => process.send?.(reply),
		(error: unknown) => process.send?.({ kind: "failed", message: String(error) } satisfies ConsumersReply),
	);
});
process.on("disconnect", () => process.exit(0));

async function answer(request: ConsumersRequest): Promise<ConsumersReply> {
	switch (request.kind) {
		case "count":
			// One after the other, since the rate of handshakes is not measured.
			for (let at = 0; at < request.consumers; at++) {
				const consumer = new CountingConsumer();
				await consumer.connect(request.origin);
				counting.push(consumer);
			}
			return { kind: "done" };
		case "record":
			recording = new RecordingConsumer();
			await recording.connect(request.origin, request.cursor);
			return { kind: "done" };
		case "await":
			return { kind: "counted", count: await untilReceived(request.frames, request.stallMs) };
		case "receipts":
			return { kind: "receipts", receipts: recording?.receipts() ?? [], closed: recording?.closed ?? false };
		case "close":
			for (const consumer of counting) consumer.close();
			recording?.close();
			counting = [];
			recording = null;
			return { kind: "done" };
	}
}

function received(): number {
	return counting.reduce((sum, { frames }) => sum + frames, recording?.received ?? 0);
}

/** Waits until all consumers together have got so many frames, or nothing has come for `stallMs`. */
async function untilReceived(frames: number, stallMs: number): Promise<Count> {
	let count = received();
	let atMs = wallClockMs();
	while (count < frames && wallClockMs() - atMs < stallMs) {
		await Bun.sleep(POLL_MS);
		const next = received();
		if (next > count) atMs = wallClockMs();
		count = next;
	}
	return { frames: count, atMs };
}
