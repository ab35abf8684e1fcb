import type { Figures } from "../../src/monitor/figures.ts";

/** Figures of a relay that runs. The name of one thread has all that a label has to escape. */
export const FIGURES: Figures = {
	log: { firstSeq: 3, lastSeq: 9, lastLsn: 12, appliedLsn: 11 },
	readers: [{ name: "index", lagRecords: 1 }],
	rings: [{ name: "control", usedBytes: 8, capacityBytes: 1_024 }],
	process: {
		cpuSeconds: 1.5,
		startTimeSeconds: 1_700_000_000,
		rssBytes: 4_096,
		fileBytes: 96,
		virtualBytes: 1_000_000,
		threads: 7,
	},
	openFiles: { open: 12, max: 175 },
	threads: {
		control: { heapBytes: 400, bufferBytes: 64 },
		'a "b" \\ \n c': { heapBytes: 600, bufferBytes: 32 },
	},
	pageCacheBytes: 5_000,
	hosts: { active: 5, throttled: 1, idle: 0, offline: 2, banned: 3 },
	hostsOfflineDay: 1,
	busiest: [
		{ host: "a.example", events: 10, rejected: 1, delaySeconds: 2.5 },
		{ host: "other", events: 3, rejected: 0, delaySeconds: 0 },
	],
	limits: {
		inflightBytes: 1_000_000,
		consumers: 100,
		diskReserveBytes: 512,
		replayBytes: null,
		replayWindowSeconds: 3_600,
	},
	build: { version: "1.2.3", engine: "native", bun: "1.4.5", platform: "linux-x64" },
	isReady: true,
};
