import { ActiveSegment } from "../../../src/log/local/active-segment.ts";
import { SegmentIndex } from "../../../src/log/local/segment/segment-index.ts";
import { LogPosition } from "../../../src/log/position.ts";

/** Publishes states whose fields all have the same number, as fast as it can, up to the number `last`. */
declare const self: Worker;

self.onmessage = (received: MessageEvent<{ position: SharedArrayBuffer; active: SharedArrayBuffer; last: number }>) => {
	const position = new LogPosition(received.data.position);
	const active = new ActiveSegment(received.data.active);
	const index = new SegmentIndex();
	for (let n = 1; n <= received.data.last; n++) {
		// Large enough that both halves of each field change.
		const value = n * 0x1_0000_0001;
		active.publish(
			{
				firstLsn: value,
				firstSeq: value,
				lastLsn: value,
				lastSeq: value,
				activeFirstLsn: value,
				activeEpoch: value,
				endOffset: value,
			},
			index,
		);
		position.publish({
			firstLsn: value,
			lastLsn: value,
			durableLsn: value,
			lsnUsedMax: value,
			firstSeq: value,
			lastSeq: value,
			seqUsedMax: value,
			lastTimeUs: value,
		});
	}
};
