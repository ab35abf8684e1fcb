import type { Reading } from "../../src/dashboard/reading.ts";

/** A reading of a relay that serves and has nothing to do, but for these values. */
export function reading(values: Partial<Reading> = {}): Reading {
	return {
		atMs: 0,
		received: 0,
		sequenced: 0,
		delivered: 0,
		rejected: {},
		latency: { boundsS: [], upTo: [] },
		hostsKnown: 0,
		hostsConnected: 0,
		hostsDelayed: 0,
		consumers: 0,
		consumersTooSlow: 0,
		logGaps: 0,
		lastSeq: 0,
		indexLag: 0,
		logBytes: 0,
		logAgeS: 0,
		diskFreeBytes: null,
		diskReserveBytes: 0,
		residentBytes: 0,
		fileBytes: 0,
		heapBytes: 0,
		hostsOffline: 0,
		fault: null,
		isServing: true,
		...values,
	};
}
