import type { HostTallyFigures } from "../hosts/tallies.ts";

/** Hosts with series of their own. */
export const HOSTS_LISTED_MAX = 100;
/** The hosts are chosen anew at most this often. */
export const CHOICE_INTERVAL_MS = 60_000;
/** Of what counted for a host at one choice, this part still counts at the next. */
const MEMORY = 0.5;
/** A host takes the place of a listed one only if it is busier by this factor. */
const ADVANTAGE = 2;
/** The name of the series of all other hosts together. */
export const OTHER = "other";

/** The series of a host, or of all others together. */
export interface HostSeries {
	host: string;
	events: number;
	rejected: number;
	/** How long messages of it have been waiting because of its limits; of the others, the longest. */
	delaySeconds: number;
}

export interface HostTallyOf extends HostTallyFigures {
	hostname: string;
}

/** What the series are made of: all hosts that are tallied one by one, and the rest together. */
export interface TallySource {
	hosts: Iterable<HostTallyOf>;
	rest: HostTallyFigures;
}

/** What is remembered of a host. */
interface Entry {
	/** What its tally was when it was last read. */
	seen: { events: number; rejected: number };
	/** What its series have counted: what came while it was listed. */
	shown: { events: number; rejected: number };
	/** Events since the last choice, and what counts of those before. */
	score: number;
}

/**
 * Chooses which hosts have series of their own: the busiest hundred, and the rest have one together. What comes of a host counts either in
 * its own series or in that of the rest, and never in both, also if it is listed and left out by turns: each series only
 * grows, and all of them together grow by what has come. A host that is listed stays so until another one is twice as busy.
 */
export class BusiestHosts {
	readonly #read: () => TallySource;
	readonly #nowMs: () => number;
	readonly #entries = new Map<string, Entry>();
	readonly #rest = { events: 0, rejected: 0 };
	readonly #restSeen = { events: 0, rejected: 0 };
	#listed: ReadonlySet<string> = new Set();
	#chosenAtMs = Number.NEGATIVE_INFINITY;

	/** @param nowMs Unix ms */
	constructor(read: () => TallySource, nowMs: () => number) {
		this.#read = read;
		this.#nowMs = nowMs;
	}

	/** The series now: those of the listed hosts, by name, and then that of all others. */
	series(): HostSeries[] {
		const nowMs = this.#nowMs();
		const { hosts, rest } = this.#read();
		const tallies = [...hosts];
		for (const tally of tallies) {
			const entry = this.#entry(tally.hostname);
			entry.score += tally.events - entry.seen.events;
		}
		const before = this.#listed;
		this.#choose(nowMs);
		const listed: HostSeries[] = [];
		let otherDelay = 0;
		for (const tally of tallies) {
			const { hostname, waitingSinceMs } = tally;
			const { shown, seen } = this.#entry(hostname);
			const isListed = this.#listed.has(hostname);
			// Whoever reads a series for the first time can't tell what has come since the last reading.
			addGrowth(isListed && before.has(hostname) ? shown : this.#rest, seen, tally);
			const delaySeconds = waitingSinceMs === 0 ? 0 : Math.max(0, nowMs - waitingSinceMs) / 1000;
			if (isListed) listed.push({ host: hostname, ...shown, delaySeconds });
			else otherDelay = Math.max(otherDelay, delaySeconds);
		}
		addGrowth(this.#rest, this.#restSeen, rest);
		listed.sort((a, b) => (a.host < b.host ? -1 : 1));
		return [...listed, { host: OTHER, ...this.#rest, delaySeconds: otherDelay }];
	}

	#entry(hostname: string): Entry {
		let entry = this.#entries.get(hostname);
		if (entry === undefined) {
			entry = { seen: { events: 0, rejected: 0 }, shown: { events: 0, rejected: 0 }, score: 0 };
			this.#entries.set(hostname, entry);
		}
		return entry;
	}

	/** Chooses the hosts that have series, if it is time. */
	#choose(nowMs: number): void {
		if (nowMs - this.#chosenAtMs < CHOICE_INTERVAL_MS) return;
		this.#chosenAtMs = nowMs;
		const weight = (host: string, { score }: Entry): number => score * (this.#listed.has(host) ? ADVANTAGE : 1);
		const chosen = [...this.#entries]
			.filter(([, { score }]) => score > 0)
			.map(([host, entry]) => ({ host, weight: weight(host, entry) }))
			.sort((a, b) => b.weight - a.weight || (a.host < b.host ? -1 : 1))
			.slice(0, HOSTS_LISTED_MAX);
		this.#listed = new Set(chosen.map(({ host }) => host));
		for (const entry of this.#entries.values()) entry.score *= MEMORY;
	}
}

interface Counts {
	events: number;
	rejected: number;
}

/** Adds what has come since `seen`, and notes it as seen. */
function addGrowth(target: Counts, seen: Counts, { events, rejected }: Counts): void {
	target.events += events - seen.events;
	target.rejected += rejected - seen.rejected;
	seen.events = events;
	seen.rejected = rejected;
}
