/** Ids of hosts that are tallied one by one. Later hosts are tallied together: the memory is shared once, at the start. */
export const TALLIED_IDS_MAX = 65_536;
/** Ingest workers at most. The first places are for the hosts of each that have greater ids, so that no two threads write to one place. */
const WORKERS_MAX = 64;

const EVENTS = 0;
const REJECTED = 1;
const WAITING_SINCE_MS = 2;
const NUMBERS = 3;

/** What has come of a host since the start. */
export interface HostTallyFigures {
	/** WebSocket messages received. */
	events: number;
	/** Messages dropped. */
	rejected: number;
	/** Since when some of its messages wait because of its limits, Unix ms; 0 if none do. */
	waitingSinceMs: number;
}

/** Makes the memory of the tallies, all 0. The system gives pages to it only as hosts are tallied. */
export function createTalliesBuffer(): SharedArrayBuffer {
	return new SharedArrayBuffer((WORKERS_MAX + TALLIED_IDS_MAX + 1) * NUMBERS * Float64Array.BYTES_PER_ELEMENT);
}

/** What comes of each host, in shared memory: the worker that follows a host writes, and the control thread reads. */
export class HostTallies {
	readonly #numbers: Float64Array;

	constructor(buffer: SharedArrayBuffer) {
		this.#numbers = new Float64Array(buffer);
	}

	/** The tally of a host, for the worker that follows it. */
	of(hostId: number, worker: number): HostTally {
		return new HostTally(this.#numbers, isTallied(hostId) ? placeOf(hostId) : worker * NUMBERS);
	}

	/** What has come of a host; null if it is tallied together with others. */
	read(hostId: number): HostTallyFigures | null {
		return isTallied(hostId) ? this.#at(placeOf(hostId)) : null;
	}

	/** What has come of all hosts that are not tallied one by one. */
	readRest(): HostTallyFigures {
		const rest = { events: 0, rejected: 0, waitingSinceMs: 0 };
		for (let worker = 0; worker < WORKERS_MAX; worker++) {
			const { events, rejected } = this.#at(worker * NUMBERS);
			rest.events += events;
			rest.rejected += rejected;
		}
		return rest;
	}

	#at(place: number): HostTallyFigures {
		const number = (at: number): number => this.#numbers[place + at] ?? 0;
		return { events: number(EVENTS), rejected: number(REJECTED), waitingSinceMs: number(WAITING_SINCE_MS) };
	}
}

/** What comes of one host. Only the worker that follows it has it. */
export class HostTally {
	readonly #numbers: Float64Array;
	readonly #place: number;

	constructor(numbers: Float64Array, place: number) {
		this.#numbers = numbers;
		this.#place = place;
	}

	addEvent(): void {
		this.#numbers[this.#place + EVENTS] = (this.#numbers[this.#place + EVENTS] ?? 0) + 1;
	}

	addRejected(): void {
		this.#numbers[this.#place + REJECTED] = (this.#numbers[this.#place + REJECTED] ?? 0) + 1;
	}

	/** Notes that messages begin to wait because of the host's limits, or that none waits any more. */
	noteWaiting(isWaiting: boolean): void {
		this.#numbers[this.#place + WAITING_SINCE_MS] = isWaiting ? Date.now() : 0;
	}
}

function isTallied(hostId: number): boolean {
	return hostId <= TALLIED_IDS_MAX;
}

function placeOf(hostId: number): number {
	return (WORKERS_MAX + hostId) * NUMBERS;
}
