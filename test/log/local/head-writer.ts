import { LogHead } from "../../../src/log/local/head.ts";
import { SegmentIndex } from "../../../src/log/local/segment/segment-index.ts";

/** Publishes states whose fields all tell the same number, as fast as it can, until it gets to `last`. */
declare const self: Worker;

self.onmessage = (received: MessageEvent<{ buffer: SharedArrayBuffer; last: number }>) => {
	const head = new LogHead(received.data.buffer);
	const index = new SegmentIndex();
	for (let n = 1; n <= received.data.last; n++) {
		// Large enough that both halves of each field change.
		const value = n * 0x1_0000_0001;
		head.publish(
			{
				firstSeq: value,
				lastSeq: value,
				seqUsedMax: value,
				activeEpoch: value,
				activeFirstSeq: value,
				endOffset: value,
				lastTimeUs: value,
				durableSeq: value,
			},
			index,
		);
	}
};
