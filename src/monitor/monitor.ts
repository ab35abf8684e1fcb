import { type ProcessStatus, processStatus } from "../observe/process-status.ts";
import type { HostStatus } from "../protocol/host-status.ts";
import type { ThreadState } from "../runtime/thread-state.ts";
import type { Figures, PositionFigures, ReaderFigures, RingFigures, ThreadFigures } from "./figures.ts";
import { pageCacheBytes } from "./page-cache.ts";

/** What the monitor reads. None of it may wait. */
export interface MonitorSources extends Pick<Figures, "limits"> {
	position(): PositionFigures;
	readers(): ReaderFigures[];
	rings(): RingFigures[];
	openFiles(): { open: number; max: number };
	/** Each host's status, and since when it is not connected (Unix ms; null if it is). Nothing before the hosts are loaded. */
	hosts(): Iterable<{ status: HostStatus; downSinceMs: number | null }>;
	busiest(): Figures["busiest"];
	/** The state of each thread now, by its name. It may take a second. */
	threads(): Promise<Record<string, ThreadState>>;
	build(): Figures["build"];
	isReady(): boolean;
	/** Monotonic milliseconds. */
	nowMs(): number;
	/** Unix ms. */
	dateMs(): number;
	status?: () => ProcessStatus;
	pageCacheBytes?: () => number | null;
}

/** The threads are asked for their memory at most this often. */
export const MEMORY_INTERVAL_MS = 10_000;

const DAY_MS = 24 * 3_600_000;

/** Reads the figures of the process. It never waits: what takes a while is as of the last seconds. */
export class Monitor {
	readonly #sources: MonitorSources;
	readonly #status: () => ProcessStatus;
	#threads: Record<string, ThreadFigures> = {};
	#askedAtMs = Number.NEGATIVE_INFINITY;

	constructor(sources: MonitorSources) {
		this.#sources = sources;
		this.#status = sources.status ?? processStatus();
	}

	figures(): Figures {
		this.#askForMemory();
		const { position, readers, rings, openFiles, busiest, limits, build, isReady } = this.#sources;
		const { user, system } = process.cpuUsage();
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
			threads: this.#threads,
			pageCacheBytes: (this.#sources.pageCacheBytes ?? pageCacheBytes)(),
			...this.#hostFigures(),
			busiest: busiest(),
			limits,
			build: build(),
			isReady: isReady(),
		};
	}

	#hostFigures(): Pick<Figures, "hosts" | "hostsOfflineDay"> {
		const hosts = { active: 0, throttled: 0, idle: 0, offline: 0, banned: 0 };
		const dayAgoMs = this.#sources.dateMs() - DAY_MS;
		let hostsOfflineDay = 0;
		for (const { status, downSinceMs } of this.#sources.hosts()) {
			hosts[status]++;
			if (status === "offline" && downSinceMs !== null && downSinceMs <= dayAgoMs) hostsOfflineDay++;
		}
		return { hosts, hostsOfflineDay };
	}

	/** A thread that does not answer keeps the figure that it had. */
	#askForMemory(): void {
		const nowMs = this.#sources.nowMs();
		if (nowMs - this.#askedAtMs < MEMORY_INTERVAL_MS) return;
		this.#askedAtMs = nowMs;
		void this.#sources.threads().then((states) => {
			const told = Object.entries(states).flatMap(([name, { memory }]) =>
				memory === null
					? []
					: [[name, { heapBytes: memory.heapTotalBytes, bufferBytes: memory.arrayBufferBytes }] as const],
			);
			this.#threads = { ...this.#threads, ...Object.fromEntries(told) };
		});
	}
}
