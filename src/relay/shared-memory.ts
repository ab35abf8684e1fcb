import type { Config, SettingName } from "../config/settings.ts";
import { createConsumerCountBuffer } from "../fanout/consumer-count.ts";
import { createTalliesBuffer } from "../hosts/tallies.ts";
import { INDEX_MARK } from "../index/mark.ts";
import type { IngestOptions } from "../ingest/ingest.ts";
import { peerRingBytes } from "../ingest/peer-link.ts";
import { createLogMemory, type LogMemory } from "../log/access.ts";
import { Handover } from "../log/handover.ts";
import { createMessageTimesBuffer } from "../log/message-times.ts";
import type { Counters } from "../observe/counters.ts";
import { Doorbell } from "../runtime/doorbell.ts";
import { createRingBuffer, RING_BYTES_MIN, RingWriter } from "../runtime/ring.ts";
import type { WorkerContext } from "../runtime/worker-context.ts";
import { createNotesBuffer } from "../tracing/tracer.ts";
import { tracesUrl } from "../tracing/traces-url.ts";

/** Ring from each ingest worker to the sequencer. It has room for more than two of the greatest frames; a power of two. */
const HANDOVER_RING_BYTES = 16 * 1024 * 1024;
const CONTROL_RING_BYTES = 64 * 1024;

/** The memory that threads share. */
export interface SharedMemory {
	log: LogMemory;
	sequencerDoorbell: SharedArrayBuffer;
	consumerCount: SharedArrayBuffer;
	messageTimes: SharedArrayBuffer;
	/** What comes of each host. */
	hostTallies: SharedArrayBuffer;
	/** Rings for what threads note of traced messages, by thread; null if messages are not traced. */
	traceNotes: {
		log: SharedArrayBuffer;
		index: SharedArrayBuffer;
		ingest: SharedArrayBuffer[];
		fanout: SharedArrayBuffer[];
	} | null;
	/** Those of the control thread first, then those of each ingest worker. */
	producers: { ring: SharedArrayBuffer; doorbell: SharedArrayBuffer }[];
	/** Rings from each ingest worker to each other one. */
	peers: SharedArrayBuffer[][];
}

/** @param consumersMax of all fan-out workers together */
export function createSharedMemory(config: Config, consumersMax: number): SharedMemory {
	const { ingestWorkers: workers } = config;
	const peerBytes = peerRingBytes(workers);
	const producer = (ringBytes: number) => ({
		ring: createRingBuffer(ringBytes),
		doorbell: new Doorbell().buffer,
	});
	return {
		log: createLogMemory([INDEX_MARK]),
		sequencerDoorbell: new Doorbell().buffer,
		consumerCount: createConsumerCountBuffer(consumersMax),
		hostTallies: createTalliesBuffer(),
		messageTimes: createMessageTimesBuffer(),
		traceNotes: tracesUrl(config) !== null ? createTraceNotes(config) : null,
		producers: [producer(CONTROL_RING_BYTES), ...Array.from({ length: workers }, () => producer(HANDOVER_RING_BYTES))],
		peers: Array.from({ length: workers }, (_, from) =>
			Array.from({ length: workers }, (_, to) => createRingBuffer(from === to ? RING_BYTES_MIN : peerBytes)),
		),
	};
}

function createTraceNotes({ ingestWorkers, fanoutWorkers }: Config): NonNullable<SharedMemory["traceNotes"]> {
	return {
		log: createNotesBuffer(),
		index: createNotesBuffer(),
		ingest: Array.from({ length: ingestWorkers }, createNotesBuffer),
		fanout: Array.from({ length: fanoutWorkers }, createNotesBuffer),
	};
}

/** The control thread's way to the log: a ring of its own. */
export function controlHandover(shared: SharedMemory, counters: Counters): Handover {
	const ring = new RingWriter(at(shared.producers, 0).ring);
	return new Handover(0, ring, new Doorbell(shared.sequencerDoorbell), counters);
}

/** What every worker is started with. @param notes its ring for notes of traced messages, if it takes any */
export function contextOf(config: Config, shared: SharedMemory, notes?: SharedArrayBuffer): WorkerContext<SettingName> {
	return { config, log: shared.log, trace: notes && { ratio: config.tracesRatio, notes } };
}

/** The rings and doorbells of an ingest worker. */
export function ingestMemory(
	shared: SharedMemory,
	worker: number,
): Omit<IngestOptions, keyof WorkerContext | "strictness"> {
	const [, ...producers] = shared.producers;
	const doorbellOf = (number: number): SharedArrayBuffer => at(producers, number).doorbell;
	return {
		worker,
		handovers: producers.map(({ ring }) => ring),
		peers: shared.peers.flatMap((inbounds, other) =>
			other === worker
				? []
				: [
						{
							worker: other,
							outbound: at(at(shared.peers, worker), other),
							inbound: at(inbounds, worker),
							doorbell: doorbellOf(other),
						},
					],
		),
		doorbell: doorbellOf(worker),
		sequencerDoorbell: shared.sequencerDoorbell,
		hostTallies: shared.hostTallies,
	};
}

/** @throws RangeError if there is none */
export function at<T>(items: readonly T[], index: number): T {
	const item = items[index];
	if (item === undefined) throw new RangeError(`no item ${index} of ${items.length}`);
	return item;
}
