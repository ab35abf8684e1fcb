import { type ProcessStatus, processStatus } from "../observe/process-status.ts";
import type { HostStatus } from "../protocol/host-status.ts";
import type { ThreadState } from "../runtime/thread-state.ts";
import type { Figures, PositionFigures, ReaderFigures, RingFigures } from "./figures.ts";
import { pageCacheBytes } from "./page-cache.ts";

/** What the monitor reads. None of it may wait. */
export interface MonitorSources extends Pick<Figures, "limits"> {
	position(): PositionFigures;
	readers(): ReaderFigures[];
	rings(): RingFigures[];
	openFiles(): { open: number; max: number };
	/** The status of each host; nothing before the hosts are loaded. */
	hostStatuses(): Iterable<HostStatus>;
	busiest(): Figures["busiest"];
	/** The state of each thread now, by its name. It may take a second. */
	threads(): Promise<Record<string, ThreadState>>;
	build(): Figures["build"];
	isReady(): boolean;
	nowMs(): number;
	status?: () => ProcessStatus;
	pageCacheBytes?: () => number | null;
}

/** The threads are asked for their heaps at most this often. */
export const HEAPS_INTERVAL_MS = 10_000;

/** Reads the figures of the process. It never waits: what takes a while is as of the last seconds. */
export class Monitor {
	readonly #sources: MonitorSources;
	readonly #status: () => ProcessStatus;
	#heapBytes: Record<string, number> = {};
	#askedAtMs = Number.NEGATIVE_INFINITY;

	constructor(sources: MonitorSources) {
		this.#sources = sources;
		this.#status = sources.status ?? processStatus();
	}

	figures(): Figures {
		this.#askForHeaps();
		const { position, readers, rings, openFiles, hostStatuses, busiest, limits, build, isReady } = this.#sources;
		const { user, system } = process.cpuUsage();
		const hosts = { active: 0, throttled: 0, idle: 0, offline: 0, banned: 0 };
		for (const status of hostStatuses()) hosts[status]++;
		return {
			log: position(),
			readers: readers(),
			rings: rings(),
			process: {
				cpuSeconds: (user + system) / 1_000_000,
				startTimeSeconds: performance.timeOrigin / 1000,
				...this.#status(),
			},
			openFiles: openFiles(),
			heapBytes: this.#heapBytes,
			pageCacheBytes: (this.#sources.pageCacheBytes ?? pageCacheBytes)(),
			hosts,
			busiest: busiest(),
			limits,
			build: build(),
			isReady: isReady(),
		};
	}

	/** A thread that does not answer keeps the figure that it had. */
	#askForHeaps(): void {
		const nowMs = this.#sources.nowMs();
		if (nowMs - this.#askedAtMs < HEAPS_INTERVAL_MS) return;
		this.#askedAtMs = nowMs;
		void this.#sources.threads().then((states) => {
			const told = Object.entries(states).flatMap(([name, { memory }]) =>
				memory === null ? [] : [[name, memory.heapTotalBytes] as const],
			);
			this.#heapBytes = { ...this.#heapBytes, ...Object.fromEntries(told) };
		});
	}
}
