import type { Corpus, CorpusFrame } from "../../src/sim/corpus.ts";
import { SimPlc } from "../../src/sim/plc.ts";
import { ConsumerProcess, type Count } from "./consumer-process.ts";
import { peakResidentMib, processCpuMs, threadCpuMs } from "./cpu.ts";
import { median, percentile } from "./figures.ts";
import { RecordedFrames } from "./frames.ts";
import { LoadHost } from "./load-host.ts";
import { type Peer, type PeerAccount, PeerProcess } from "./peer.ts";
import { QueuedFrames } from "./queued-frames.ts";
import { type Receipt, wallClockMs } from "./recording-consumer.ts";

const HOSTS = 4;
const COLD_STARTS = 3;
/**
 * Frames of each part of a trial. After the first part the relay is warm, its caches and, if it has any, its compilers, as if
 * it had run for weeks. The question is what a relay sustains.
 */
const WARM_UP_FRAMES = 16_000;
const SUSTAINED_FRAMES = 8_000;
const LATENCY_FRAMES = 700;
const CATCH_UP_FRAMES = 500;
/** Numbers of consumers, and how many frames each of them gets. */
const CROWDS = [
	{ consumers: 50, frames: 2_000 },
	{ consumers: 200, frames: 1_000 },
];
export const TRIAL_FRAMES =
	WARM_UP_FRAMES +
	SUSTAINED_FRAMES +
	LATENCY_FRAMES +
	CATCH_UP_FRAMES +
	CROWDS.reduce((sum, { frames }) => sum + frames, 0);

/** The modest load under which latency is measured, and which goes on while a consumer catches up. */
export const PACED_FRAMES_PER_S = 100;
const PACE_MS = 1;
/** If nothing has come for so long, missing frames count as lost. */
const STALL_MS = 10_000;
/** A relay may answer a handshake before it includes the consumer in its deliveries. */
const SETTLE_MS = 500;
const FOLLOW_MS_MAX = 30_000;
const FOLLOW_AGAIN_MS = 2_000;
const POLL_MS = 2;

/** The delivery of frames to a number of consumers. */
export interface Delivery {
	consumers: number;
	/** Over all consumers. */
	framesPerS: number;
	/** How many frames did not come, summed over all consumers. */
	missing: number;
	/** CPU seconds of the consumers' process per second. If it is near 1, the consumers limited the rate. */
	consumersBusy: number;
}

/** The result of a consumer that asks for everything since the start while new messages come. */
export interface CatchUp {
	/** Messages that it had to catch up with. */
	backlog: number;
	/** Time until it had the last message of the backlog. */
	seconds: number;
	/** Messages that did not come, of the backlog and of those sent meanwhile. */
	missing: number;
	repeated: number;
	/** Seqs that did not rise, and commits of an account that came before an earlier one. */
	outOfOrder: number;
	disconnected: boolean;
}

/** The results of one relay. */
export interface Trial {
	/** Time from the process's start in an empty folder to its first answer to a request. */
	coldStartMs: number;
	/** Commits verified and delivered to one consumer, while the hosts send as fast as the relay reads. */
	commitsPerS: number;
	/** CPU time of the relay for a million of these commits, in seconds. */
	cpuSPerMillion: number;
	/** The same by the names of its threads. */
	threadCpuSPerMillion: Record<string, number>;
	deliveries: Delivery[];
	latencyP50Ms: number;
	latencyP99Ms: number;
	catchUp: CatchUp;
	peakMib: number;
}

/**
 * Measures one relay, from an empty folder on.
 * @param corpus `TRIAL_FRAMES` frames; the relays of a run get the same ones
 * @throws {Error} if the relay does not start or does not follow the hosts
 */
export async function tryPeer(peer: Peer, corpus: Corpus): Promise<Trial> {
	const hosts = Array.from({ length: HOSTS }, () => new LoadHost());
	const plc = new SimPlc();
	plc.start();
	const accounts: PeerAccount[] = [];
	for (const [at, account] of corpus.accounts.entries()) {
		const host = hosts[at % HOSTS];
		if (host === undefined) continue;
		plc.register(account, host.endpoint);
		accounts.push({ account, hostname: host.hostname });
	}
	const network = { plcUrl: plc.url, accounts, hostnames: hosts.map(({ hostname }) => hostname) };
	try {
		const coldStarts: number[] = [];
		while (coldStarts.length < COLD_STARTS) {
			coldStarts.push(await withPeer(peer, { ...network, hostnames: [] }, async (relay) => await relay.start()));
		}
		return await withPeer(peer, network, async (relay) => {
			await relay.start();
			await follow(relay, hosts);
			const consumers = new ConsumerProcess();
			try {
				const figures = await new TrialRun(relay, hosts, consumers, corpus).measure();
				return { coldStartMs: median(coldStarts), ...figures };
			} finally {
				await consumers.stop();
			}
		});
	} finally {
		await plc.stop();
		for (const host of hosts) host.stop();
	}
}

async function withPeer<T>(
	peer: Peer,
	network: Parameters<typeof PeerProcess.create>[1],
	use: (relay: PeerProcess) => Promise<T>,
): Promise<T> {
	const relay = await PeerProcess.create(peer, network);
	try {
		return await use(relay);
	} finally {
		await relay.stop();
		await relay.remove();
	}
}

/** Waits until the relay follows all hosts. A relay that does not connect to a host is asked again. */
async function follow(relay: PeerProcess, hosts: readonly LoadHost[]): Promise<void> {
	const startMs = performance.now();
	let askedMs = Number.NEGATIVE_INFINITY;
	while (hosts.some(({ connected }) => !connected)) {
		const nowMs = performance.now();
		if (nowMs - startMs > FOLLOW_MS_MAX) throw new Error("the relay did not connect to the hosts");
		if (nowMs - askedMs > FOLLOW_AGAIN_MS) {
			for (const host of hosts) if (!host.connected) await relay.follow(host.hostname);
			askedMs = nowMs;
		}
		await Bun.sleep(POLL_MS);
	}
}

/** The parts of a trial, one after the other on one relay that is never restarted. */
class TrialRun {
	readonly #relay: PeerProcess;
	readonly #hosts: readonly LoadHost[];
	readonly #consumers: ConsumerProcess;
	readonly #corpus: Corpus;
	#sent = 0;

	constructor(relay: PeerProcess, hosts: readonly LoadHost[], consumers: ConsumerProcess, corpus: Corpus) {
		this.#relay = relay;
		this.#hosts = hosts;
		this.#consumers = consumers;
		this.#corpus = corpus;
	}

	async measure(): Promise<Omit<Trial, "coldStartMs">> {
		await this.#burst(1, WARM_UP_FRAMES);
		const { pid } = this.#relay;
		const before = { cpuMs: processCpuMs(pid), threadMs: threadCpuMs(pid) };
		const sustained = await this.#burst(1, SUSTAINED_FRAMES);
		const after = { cpuMs: processCpuMs(pid), threadMs: threadCpuMs(pid) };
		const perMillion = (usedMs: number): number => (usedMs * 1000) / (SUSTAINED_FRAMES - sustained.missing);
		const latencies = await this.#latencies();
		const deliveries = [sustained];
		for (const { consumers, frames } of CROWDS) deliveries.push(await this.#burst(consumers, frames));
		const catchUp = await this.#catchUp();
		return {
			commitsPerS: sustained.framesPerS,
			cpuSPerMillion: perMillion(after.cpuMs - before.cpuMs),
			threadCpuSPerMillion: Object.fromEntries(
				[...after.threadMs].map(([name, ms]) => [name, perMillion(ms - (before.threadMs.get(name) ?? 0))]),
			),
			deliveries,
			latencyP50Ms: percentile(latencies, 0.5),
			latencyP99Ms: percentile(latencies, 0.99),
			catchUp,
			peakMib: peakResidentMib(pid),
		};
	}

	/** The next frames of the corpus. */
	#take(count: number): CorpusFrame[] {
		const frames = this.#corpus.frames.slice(this.#sent, this.#sent + count);
		if (frames.length < count) throw new RangeError("the corpus is shorter than a trial");
		this.#sent += count;
		return frames;
	}

	/** Sends frames as fast as the relay reads them, to consumers that do nothing but count. */
	async #burst(consumers: number, count: number): Promise<Delivery> {
		const frames = this.#take(count);
		await this.#consumers.count(this.#relay.firehoseOrigin, consumers);
		await Bun.sleep(SETTLE_MS);
		const cpuMs = processCpuMs(this.#consumers.pid);
		const startMs = wallClockMs();
		for (const [number, host] of this.#hosts.entries()) {
			host.send(new RecordedFrames(frames.filter((frame) => this.#hostOf(frame) === number).map(({ frame }) => frame)));
		}
		const due = count * consumers;
		const { frames: came, atMs }: Count = await this.#consumers.received(due, STALL_MS);
		const consumersBusy = (processCpuMs(this.#consumers.pid) - cpuMs) / (wallClockMs() - startMs);
		await this.#consumers.close();
		return { consumers, framesPerS: (came * 1000) / (atMs - startMs), missing: due - came, consumersBusy };
	}

	/** The ms from each frame's due time at its host to its receipt; infinity for a frame that never came. */
	async #latencies(): Promise<number[]> {
		const frames = this.#take(LATENCY_FRAMES);
		await this.#consumers.record(this.#relay.firehoseOrigin, null);
		await Bun.sleep(SETTLE_MS);
		const dueMs = await this.#pace(frames);
		await this.#consumers.received(frames.length, STALL_MS);
		const { receipts } = await this.#consumers.receipts();
		await this.#consumers.close();
		const cameMs = receiptTimes(receipts);
		return frames.map((frame, at) => (cameMs.get(keyOf(frame)) ?? Number.POSITIVE_INFINITY) - (dueMs[at] ?? 0));
	}

	async #catchUp(): Promise<CatchUp> {
		const live = this.#take(CATCH_UP_FRAMES);
		const backlog = this.#corpus.frames.slice(0, this.#sent - CATCH_UP_FRAMES);
		const pacing = this.#pace(live);
		const startMs = wallClockMs();
		await this.#consumers.record(this.#relay.firehoseOrigin, 0);
		await pacing;
		await this.#consumers.received(this.#sent, STALL_MS);
		// If a relay repeats messages, this number has come before the last messages have. Wait for these too.
		await this.#consumers.received(Number.MAX_SAFE_INTEGER, SETTLE_MS);
		const { receipts, closed } = await this.#consumers.receipts();
		await this.#consumers.close();
		const cameMs = receiptTimes(receipts);
		const lastMs = Math.max(startMs, ...backlog.map((frame) => cameMs.get(keyOf(frame)) ?? startMs));
		return {
			backlog: backlog.length,
			seconds: (lastMs - startMs) / 1000,
			missing: [...backlog, ...live].filter((frame) => !cameMs.has(keyOf(frame))).length,
			repeated: receipts.length - cameMs.size,
			outOfOrder: outOfOrder(receipts),
			disconnected: closed,
		};
	}

	/**
	 * Sends frames at `PACED_FRAMES_PER_S`, whether those before have arrived or not.
	 * @returns when each was due, by `wallClockMs`, so that a late timer counts as part of the frame's delay
	 */
	async #pace(frames: readonly CorpusFrame[]): Promise<number[]> {
		const queues = this.#hosts.map(() => new QueuedFrames());
		const startMs = wallClockMs();
		const dueMs = frames.map((_, at) => startMs + (at * 1000) / PACED_FRAMES_PER_S);
		for (const [at, frame] of frames.entries()) {
			while (wallClockMs() < (dueMs[at] ?? 0)) await Bun.sleep(PACE_MS);
			const number = this.#hostOf(frame);
			const queue = queues[number];
			if (queue === undefined) continue;
			queue.push(frame.frame);
			this.#hosts[number]?.send(queue);
		}
		return dueMs;
	}

	/** Accounts are assigned to the hosts in turn. */
	#hostOf(frame: CorpusFrame): number {
		return this.#corpus.accounts.indexOf(frame.account) % HOSTS;
	}
}

function keyOf({ message }: CorpusFrame): string {
	return `${message.did} ${message.rev}`;
}

/** When each commit came, by `keyOf` its frame. */
function receiptTimes(receipts: readonly Receipt[]): Map<string, number> {
	return new Map(receipts.map(([did, rev, , atMs]) => [`${did} ${rev}`, atMs]));
}

function outOfOrder(receipts: readonly Receipt[]): number {
	const lastRevs = new Map<string, string>();
	let lastSeq = 0;
	let count = 0;
	for (const [did, rev, seq] of receipts) {
		if (seq <= lastSeq || rev < (lastRevs.get(did) ?? "")) count++;
		lastSeq = seq;
		lastRevs.set(did, rev);
	}
	return count;
}
