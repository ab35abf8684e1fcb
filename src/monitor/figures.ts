import type { HostStatus } from "../protocol/host-status.ts";
import type { HostSeries } from "./busiest-hosts.ts";

/** How far the log is: what consumers see by seq, its records by lsn. */
export interface PositionFigures {
	firstSeq: number;
	lastSeq: number;
	lastLsn: number;
	/** Of the last record that the index has applied. */
	appliedLsn: number;
}

/** A reader of the log that retention waits for. */
export interface ReaderFigures {
	name: string;
	/** Records that it has still to read. */
	lagRecords: number;
}

/** A ring between two threads, or several such rings together. */
export interface RingFigures {
	name: string;
	usedBytes: number;
	capacityBytes: number;
}

export interface ProcessFigures {
	cpuSeconds: number;
	/** Unix time. */
	startTimeSeconds: number;
	rssBytes: number;
	/** The part of it that is mapped from files. */
	fileBytes: number;
	virtualBytes: number;
	threads: number;
}

/** Memory of a thread. */
export interface ThreadFigures {
	/** What its heap takes. */
	heapBytes: number;
	/** Its array buffers. Shared memory counts in each thread that has it. */
	bufferBytes: number;
}

/** What of the settings limits something that is measured. */
export interface LimitFigures {
	inflightBytes: number;
	consumers: number;
	diskReserveBytes: number;
	/** Null for no limit. */
	replayBytes: number | null;
	replayWindowSeconds: number;
}

/** What runs. */
export interface BuildFigures {
	version: string;
	/** The engine that verifies: `native`, `portable`, `mixed`, or `none` before the start is over. */
	engine: string;
	bun: string;
	/** Such as `linux-x64`. */
	platform: string;
}

/** All of the process that no thread counts, at one moment. */
export interface Figures {
	log: PositionFigures;
	readers: readonly ReaderFigures[];
	rings: readonly RingFigures[];
	process: ProcessFigures;
	/** Open descriptors of the process, and how many it may have; 0 if the system does not tell. */
	openFiles: { open: number; max: number };
	/** Memory of the threads, by their names; as of the last time that they were asked. */
	threads: Readonly<Record<string, ThreadFigures>>;
	/** What the system has of files in memory for this process's group; null if it does not tell. */
	pageCacheBytes: number | null;
	/** How many hosts have each status. */
	hosts: Readonly<Record<HostStatus, number>>;
	/** How many hosts are offline and have been down for a day or longer. */
	hostsOfflineDay: number;
	/** The series of the busiest hosts, and of the rest. */
	busiest: readonly HostSeries[];
	limits: LimitFigures;
	build: BuildFigures;
	/** Whether consumers are served and the log and the index can be written. */
	isReady: boolean;
}
