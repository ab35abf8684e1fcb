import type { Reading } from "./reading.ts";
import type { Sample } from "./sample.ts";
import { bytesText, countText, durationText, msText, rateText } from "./texts.ts";

/** The worst comes last. */
export const LEVELS = ["ok", "starting", "warning", "fault"] as const;
export type Level = (typeof LEVELS)[number];

/** Something that an operator should know of. */
export interface Problem {
	text: string;
	/** What to do, or where to look. */
	advice: string;
}

/** Whether the relay is healthy, and its most important numbers in words. */
export interface Status {
	level: Level;
	headline: string;
	problems: readonly Problem[];
	tiles: readonly Tile[];
}

export interface Tile {
	/** The same tile has the same name each time. */
	name: string;
	label: string;
	text: string;
	/** More, in small letters. */
	note: string;
}

/** Records that the index may lag by before that is a problem: a minute of a busy network. */
export const INDEX_LAG_MAX = 100_000;
/** So large a share of the connected hosts that is gone within the window is a problem, of at least so many hosts. */
const HOSTS_LOST_SHARE = 0.2;
const HOSTS_MIN = 5;
/** So large a share of messages that is rejected is a problem, of at least so many messages a second. */
const REJECTED_SHARE = 0.1;
const REJECTED_PER_S_MIN = 1;
/** Free disk is a problem below so many times the reserve, at which messages are removed early. */
const DISK_RESERVES = 2;

/** What is compared with the present. */
export interface Past {
	/** Consumers that had been dropped as too slow by the earliest reading that is kept. */
	consumersTooSlow: number;
	/** The most hosts that were connected in a reading that is kept. */
	hostsConnectedMax: number;
	startedAtMs: number;
}

/** Pure. @param recent the latest sample; null before the first */
export function statusOf(now: Reading, recent: Sample | null, past: Past): Status {
	const problems = problemsOf(now, recent, past);
	const level = levelOf(now, problems);
	return { level, headline: HEADLINES[level], problems, tiles: tilesOf(now, recent, past) };
}

const HEADLINES: Readonly<Record<Level, string>> = {
	ok: "Healthy",
	starting: "Starting",
	warning: "Works, but look at this",
	fault: "Not healthy",
};

function levelOf({ fault, isServing }: Reading, problems: readonly Problem[]): Level {
	if (fault !== null && isServing) return "fault";
	if (!isServing) return "starting";
	return problems.length === 0 ? "ok" : "warning";
}

function problemsOf(now: Reading, recent: Sample | null, { consumersTooSlow, hostsConnectedMax }: Past): Problem[] {
	const problems: Problem[] = [];
	const add = (holds: boolean, text: string, advice: string): void => {
		if (holds) problems.push({ text, advice });
	};
	add(
		now.fault !== null,
		now.fault ?? "",
		now.isServing ? "Messages wait until that is over. Nothing is lost meanwhile." : "The start waits for this.",
	);
	const { hostsConnected, diskFreeBytes, diskReserveBytes } = now;
	add(
		hostsConnectedMax >= HOSTS_MIN && hostsConnected < hostsConnectedMax * (1 - HOSTS_LOST_SHARE),
		`${countText(hostsConnected)} hosts are connected, and ${countText(hostsConnectedMax)} were a few minutes ago.`,
		"If their reasons below are the same, look at this machine's network and DNS first.",
	);
	const rejectedPerS = Object.values(recent?.rejectedPerS ?? {}).reduce((sum, rate) => sum + rate, 0);
	add(
		recent !== null && recent.receivedPerS >= REJECTED_PER_S_MIN && rejectedPerS > recent.receivedPerS * REJECTED_SHARE,
		`${rateText(rejectedPerS)} of ${rateText(recent?.receivedPerS ?? 0)} messages are rejected.`,
		"The chart has the reasons, and the table of rejections the hosts.",
	);
	add(
		now.indexLag > INDEX_LAG_MAX,
		`The index is ${countText(now.indexLag)} records behind the log.`,
		"Listings and the answers to why are that old. Look at the index's disk, or at PostgreSQL.",
	);
	add(
		diskFreeBytes !== null && diskFreeBytes < DISK_RESERVES * diskReserveBytes,
		`The log's disk has ${bytesText(diskFreeBytes ?? 0)} free, and ${bytesText(diskReserveBytes)} are to stay free.`,
		"At the reserve the oldest messages are removed early, and then hosts are paused. Free space, or lower RELAY_REPLAY_WINDOW.",
	);
	add(
		now.consumersTooSlow > consumersTooSlow,
		`${countText(now.consumersTooSlow - consumersTooSlow)} consumers were dropped as too slow in the last minutes.`,
		"If others lag too, look at the network and at the fan-out threads.",
	);
	add(
		now.logGaps > 0,
		`The log has ${countText(now.logGaps)} damaged stretches since the start.`,
		"Consumers were told of the gap. Check the disk: the log's lines say which file.",
	);
	return problems;
}

function tilesOf(now: Reading, recent: Sample | null, { startedAtMs }: Past): Tile[] {
	const tile = (name: string, label: string, text: string, note: string): Tile => ({ name, label, text, note });
	const rejectedPerS = Object.values(recent?.rejectedPerS ?? {}).reduce((sum, rate) => sum + rate, 0);
	return [
		tile("uptime", "Running for", durationText(now.atMs - startedAtMs), `seq ${countText(now.lastSeq)}`),
		tile("in", "Events in", rateText(recent?.receivedPerS ?? 0), `${rateText(recent?.sequencedPerS ?? 0)} sequenced`),
		tile("out", "Events out", rateText(recent?.deliveredPerS ?? 0), "to all consumers"),
		tile("latency", "Host to consumer, p99", msText(recent?.p99Ms ?? null), `p50 ${msText(recent?.p50Ms ?? null)}`),
		tile("rejected", "Rejected", rateText(rejectedPerS), shareText(rejectedPerS, recent?.receivedPerS ?? 0)),
		tile("hosts", "Hosts connected", countText(now.hostsConnected), hostsNote(now)),
		tile("consumers", "Consumers", countText(now.consumers), "connected now"),
		tile("memory", "Memory", bytesText(now.residentBytes), `heaps ${bytesText(now.heapBytes)}`),
		tile("log", "Log", bytesText(now.logBytes), diskNote(now)),
		tile("replay", "Replay reaches back", durationText(1000 * now.logAgeS), `index ${countText(now.indexLag)} behind`),
	];
}

function shareText(part: number, whole: number): string {
	return `${whole > 0 ? ((100 * part) / whole).toFixed(1) : 0} % of what came`;
}

function hostsNote({ hostsKnown, hostsOffline, hostsDelayed }: Reading): string {
	return `of ${countText(hostsKnown)}; ${countText(hostsOffline)} offline, ${countText(hostsDelayed)} delayed`;
}

function diskNote({ diskFreeBytes }: Reading): string {
	return diskFreeBytes === null ? "" : `${bytesText(diskFreeBytes)} of disk free`;
}
