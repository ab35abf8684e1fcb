import { DiskFault, type DiskFaultReason } from "../disk/fault.ts";
import { createLogMemory, type LogSettings, openLog } from "../log/access.ts";
import type { Log } from "../log/log.ts";
import { type Entry, entryBytes, writeEntry } from "../log/record/entry.ts";
import { Sequencer } from "../log/sequencer.ts";
import { Counters } from "../observe/counters.ts";
import { Doorbell } from "../runtime/doorbell.ts";
import { createRingBuffer, RingReader, RingWriter } from "../runtime/ring.ts";

/** Holds many records of the greatest size, and is what is synced at once. */
const RING_BYTES = 4 * 1024 * 1024;

/** Writes control records to a new log by the log's own writer, on this thread. */
export class LogFilling {
	readonly #directory: string;
	readonly #log: Log;
	readonly #ring: RingWriter;
	readonly #sequencer: Sequencer;
	#stalledBy: DiskFaultReason | null = null;

	/**
	 * @param directory a folder without a log
	 * @param settings of the relay. `initialSeq` is the seq of the log's first message
	 */
	constructor(directory: string, settings: LogSettings) {
		this.#directory = directory;
		const counters = new Counters();
		this.#log = openLog(createLogMemory([]), {
			...settings,
			directory,
			counters,
			syncMode: "always",
			onStall: (reason) => {
				this.#stalledBy = reason;
			},
			onProgress: () => {},
		});
		const buffer = createRingBuffer(RING_BYTES);
		this.#ring = new RingWriter(buffer);
		this.#sequencer = new Sequencer(this.#log, [{ ring: new RingReader(buffer), doorbell: new Doorbell() }], counters);
	}

	/** @throws DiskFault if the log can't be written: there is no further try */
	append(entry: Entry): void {
		const bytes = entryBytes(entry);
		const place = this.#ring.reserve(bytes) ?? this.#afterFlush(bytes);
		writeEntry(place, entry);
	}

	/** Makes everything durable, and closes the log. @throws DiskFault */
	close(): void {
		this.#flush();
		this.#log.close();
	}

	#afterFlush(bytes: number): Buffer {
		this.#flush();
		const place = this.#ring.reserve(bytes);
		if (place === null) throw new RangeError(`an entry of ${bytes} bytes does not fit the ring`);
		return place;
	}

	#flush(): void {
		this.#ring.publish();
		while (this.#ring.acknowledged() < this.#ring.position)
			if (this.#sequencer.step() !== true)
				throw new DiskFault(
					this.#stalledBy ?? "io-error",
					`the log in ${this.#directory} can't be written: ${this.#stalledBy}`,
				);
	}
}
