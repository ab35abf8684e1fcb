import { RingReader, RingWriter } from "../../src/runtime/ring.ts";

declare const self: Worker;

/** Copies records from one ring to another, for a test that needs a second thread. */
self.onmessage = async ({ data }: MessageEvent<{ from: SharedArrayBuffer; to: SharedArrayBuffer; count: number }>) => {
	const reader = new RingReader(data.from);
	const writer = new RingWriter(data.to);
	for (let copied = 0; copied < data.count; ) {
		for (let record = reader.next(); record !== null; record = reader.next()) {
			let target = writer.reserve(record.length);
			while (target === null) {
				await Bun.sleep(0);
				target = writer.reserve(record.length);
			}
			target.set(record);
			writer.publish();
			copied++;
		}
		reader.release();
		await Bun.sleep(0);
	}
};
