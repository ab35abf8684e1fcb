import { RETRY_MS } from "../../../src/disk/stall.ts";
import { ActiveSegment } from "../../../src/log/local/active-segment.ts";
import { type LogFs, systemLogFs } from "../../../src/log/local/log-fs.ts";
import { BackgroundReader } from "../../../src/log/local/read/background-reader.ts";
import { LogReader } from "../../../src/log/local/read/reader.ts";
import { LogWriter, type SyncMode } from "../../../src/log/local/write/log-writer.ts";
import type { Log, UnsealedBatch } from "../../../src/log/log.ts";
import type { Marks } from "../../../src/log/marks.ts";
import type { LogPosition } from "../../../src/log/position.ts";
import { Counters } from "../../../src/observe/counters.ts";
import { onCleanup, START_MS, temporaryDirectory } from "../harness.ts";
import { type LogStorage, logCases, type OpenedLog } from "../log-cases.ts";
import { FaultyFs } from "./faulty-fs.ts";
import { MemoryFs } from "./memory-fs.ts";

const WINDOW_MS = 3_600_000;

/** The log in files, in a directory of its own. In a file system in memory, that directory only holds the lock. */
class LocalStorage implements LogStorage {
	readonly #directory = temporaryDirectory();
	readonly #base: LogFs;
	readonly #syncMode: SyncMode;
	readonly #wrap: (log: Log) => Log;
	#nowMs = START_MS;

	constructor(base: LogFs, syncMode: SyncMode, wrap: (log: Log) => Log = (log) => log) {
		this.#base = base;
		this.#syncMode = syncMode;
		this.#wrap = wrap;
	}

	open(position: LogPosition, marks: Marks): OpenedLog {
		const fs = new FaultyFs(this.#base);
		const active = new ActiveSegment();
		const counters = new Counters();
		const stalls: (string | null)[] = [];
		const directory = this.#directory;
		const clock = (): number => this.#nowMs;
		const writer = new LogWriter({
			directory,
			fs,
			position,
			active,
			marks,
			counters,
			clock,
			elapsedMs: clock,
			syncMode: this.#syncMode,
			segmentBytes: 20_000,
			replayWindowMs: WINDOW_MS,
			initialSeq: 1,
			onStall: (reason) => stalls.push(reason),
		});
		const reader = (): LogReader => new LogReader({ directory, fs, active, counters, cacheBytesMax: 100_000 });
		const [blocking, background] = [reader(), reader()];
		let isOpen = true;
		const kill = (): void => {
			if (!isOpen) return;
			isOpen = false;
			fs.fault = () => {
				throw new Error("the process is dead");
			};
			try {
				writer.close();
			} catch {
				// The log must not be closed cleanly.
			}
		};
		onCleanup(() => {
			kill();
			blocking.close();
			background.close();
		});
		return {
			log: this.#wrap(writer),
			blocking,
			shared: new BackgroundReader(background),
			stalls,
			fail() {
				fs.fault = () => {
					throw Object.assign(new Error("ENOSPC: by the test"), { code: "ENOSPC" });
				};
			},
			heal: () => {
				fs.fault = () => {};
				this.#nowMs += RETRY_MS;
			},
			dropOldest: () => {
				this.#nowMs += 2 * WINDOW_MS;
				writer.maintain();
			},
			kill,
		};
	}
}

/** A log that answers later, as one over a network does. */
class LaterLog implements Log {
	readonly #log: Log;

	constructor(log: Log) {
		this.#log = log;
	}

	get nextLsn(): number {
		return this.#log.nextLsn;
	}

	get nextSeq(): number {
		return this.#log.nextSeq;
	}

	get durableLsn(): number {
		return this.#log.durableLsn;
	}

	get isBusy(): boolean {
		return this.#log.isBusy;
	}

	timeUs(): number {
		return this.#log.timeUs();
	}

	prepare(): boolean {
		return this.#log.prepare();
	}

	async append(batch: UnsealedBatch): Promise<boolean> {
		await new Promise((resolve) => setImmediate(resolve));
		return this.#log.append(batch);
	}

	keepUp(): number {
		return this.#log.keepUp();
	}

	retryNow(): void {
		this.#log.retryNow();
	}

	close(): void {
		this.#log.close();
	}
}

for (const syncMode of ["always", "write"] as const) {
	logCases(`in memory, mode ${syncMode}`, () => new LocalStorage(new MemoryFs(), syncMode));
	logCases(`on the disk, mode ${syncMode}`, () => new LocalStorage(systemLogFs, syncMode));
}
logCases("in memory, with answers that come later", () => {
	return new LocalStorage(new MemoryFs(), "always", (log) => new LaterLog(log));
});
