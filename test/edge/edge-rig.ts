import { Database } from "bun:sqlite";
import { decodeFirst } from "@atcute/cbor";
import { scanFrame } from "../../src/protocol/frame.ts";
import { isStorable } from "../../src/protocol/text.ts";
import type { SimAccount } from "../../src/sim/account.ts";
import { SimConsumer } from "../../src/sim/consumer.ts";
import type { SimHost } from "../../src/sim/host.ts";
import { SimNetwork } from "../../src/sim/network.ts";
import { RelayProcess, type RelayStats } from "../../src/sim/relay-process.ts";
import { firstMessages, nextMessages } from "../../src/sim/traffic.ts";
import { RELAY_COMMAND, until } from "../relay/rig.ts";
import { EdgeFailure, type SentFrame } from "./edge-failure.ts";
import {
	MARK_FIELD,
	MARKS_FROM,
	ODD_KINDS,
	type OddFrame,
	OddFrames,
	type OddKind,
	TAKEN_DOWN_STATUS,
	withoutSeq,
} from "./odd-frames.ts";

/** Hosts that send odd messages. The last host of the network behaves well. */
const ODD_HOSTS = 8;
/** Accounts of each host. On an odd host, the last three are for `#identity` and `#account`. */
const ACCOUNTS_PER_HOST = 5;
/** Messages of an odd host in one batch, after which the relay has to show that it has read them. */
const BATCH_MESSAGES = 400;
/** How many batches a host may be ahead of what the relay has read. */
const BATCHES_AHEAD = 2;
/** Enough to replay all that the relay has not read. */
const BACKLOG_MESSAGES = (BATCHES_AHEAD + 3) * (BATCH_MESSAGES + 50);
/** Good messages sent with each batch. */
const GOOD_PER_BATCH = 100;
/** A relay that shows nothing for this long has lost something, or hangs. */
const SILENCE_MS_MAX = 240_000;
const POLL_MS = 5;
/** A message may wait for ten seconds until its DID may be looked up again. */
const STATS_POLL_MS = 100;

/** Results of a run. */
export interface EdgeReport {
	sent: number;
	good: number;
	received: number;
	/** Frames that came out exactly as expected. */
	compared: number;
	kinds: Record<string, number>;
	stats: RelayStats;
}

interface OddHost {
	host: SimHost;
	frames: OddFrames;
	/** Messages that it sent and that the relay has not shown to have read, by the mark of the sentinel that ends the batch. */
	unread: Map<number, OddFrame[]>;
}

/** The fields of a payload that the rig looks at. */
interface LookedAt {
	seq: number;
	did?: string;
	repo?: string;
	padding?: unknown;
	status?: unknown;
	[MARK_FIELD]?: number;
}

/** The compiled relay between hosts that send anything at all, a host that behaves well, and a consumer that checks each frame. */
export class EdgeRig {
	readonly #network: SimNetwork;
	readonly #relay: RelayProcess;
	readonly #consumer: SimConsumer;
	readonly #odd: OddHost[] = [];
	/** By mark, the digest of the frame that has to come out if the message passes; null after it came. */
	readonly #expected = new Map<number, number | bigint | null>();
	/** The numbers of the messages that are still to come of each good account, in order. */
	readonly #good = new Map<string, number[]>();
	readonly #takenDown: string[] = [];
	readonly #kinds: Record<string, number> = {};
	#marks = MARKS_FROM;
	#sent = 0;
	#goodSent = 0;
	#received = 0;
	#compared = 0;
	#failure: EdgeFailure | null = null;
	#isGone = false;
	/** Seq of the last frame that came out. */
	#lastSeq = 0;
	#progressMs = performance.now();
	readonly #onExit = (): void => this.#relay.kill();

	private constructor(network: SimNetwork, relay: RelayProcess) {
		this.#network = network;
		this.#relay = relay;
		this.#consumer = new SimConsumer(relay.firehoseOrigin, {
			framesOnly: true,
			onFrame: (frame) => this.#receive(frame),
		});
	}

	/** Starts everything. The relay knows all accounts, and its operator has taken down one of each odd host. */
	static async start(seed: string): Promise<EdgeRig> {
		const hosts = ODD_HOSTS + 1;
		const accounts = hosts * ACCOUNTS_PER_HOST;
		const network = new SimNetwork({ seed, hosts, accounts, backlogMax: BACKLOG_MESSAGES });
		await network.start();
		const relay = await RelayProcess.create({
			command: RELAY_COMMAND,
			plcUrl: network.plc.url,
			env: {
				// More than one, so that messages go from thread to thread.
				RELAY_INGEST_WORKERS: "2",
				RELAY_SEGMENT_BYTES: "16MiB",
				RELAY_REPLAY_BYTES: "64MiB",
			},
		});
		const rig = new EdgeRig(network, relay);
		process.on("exit", rig.#onExit);
		await relay.start();
		await rig.#introduce();
		return rig;
	}

	/** Sends this many odd messages, and good ones between them. @throws EdgeFailure */
	async run(messages: number, onProgress?: (sent: number) => void): Promise<EdgeReport> {
		// Each kind comes once, however few messages are asked for.
		for (const [index, kind] of ODD_KINDS.entries()) {
			const odd = this.#odd[index % ODD_HOSTS];
			if (odd !== undefined) await this.#sendBatch(odd, 1, kind);
		}
		while (this.#sent < messages) {
			const size = Math.min(BATCH_MESSAGES, Math.ceil((messages - this.#sent) / ODD_HOSTS));
			for (const odd of this.#odd) await this.#sendBatch(odd, size);
			await this.#sendGood(GOOD_PER_BATCH);
			await this.#until("every host's messages to be read", () =>
				this.#odd.every(({ unread }) => unread.size <= BATCHES_AHEAD),
			);
			await this.#checkErrors();
			onProgress?.(this.#sent);
		}
		return this.#settle();
	}

	/**
	 * Sends messages at which another relay ended, one at a time. Returns in hex the message after which this relay ends too; null
	 * if it survives all of them.
	 */
	async provoke(suspects: readonly SentFrame[]): Promise<string | null> {
		for (const { host: at, data } of suspects) {
			const host = this.#odd[at]?.host;
			if (host === undefined) continue;
			// Their seqs are greater than any that this host has used.
			host.onFutureCursor = "live";
			host.sendRaw(data);
			if (!(await this.#livesThrough(host))) return hexOf(Buffer.from(data));
		}
		return null;
	}

	/** Whether the relay has read what was sent last and still answers. */
	async #livesThrough(host: SimHost): Promise<boolean> {
		try {
			await until(() => this.#isGone || host.connections > 0);
			await this.#relay.stats();
			await Bun.sleep(POLL_MS);
			return (await this.#relay.fault()) === null;
		} catch {
			return false;
		}
	}

	async stop(): Promise<void> {
		await this.#consumer.disconnect();
		const code = await this.#relay.stop();
		this.#checkRows();
		await this.#network.stop();
		process.off("exit", this.#onExit);
		if (code !== 0) throw new EdgeFailure(`the relay ended with ${code}; its log is ${this.#relay.logPath}`, []);
		await this.#relay.remove();
	}

	/** Checks that the index holds no text that another kind of store could not hold. */
	#checkRows(): void {
		const index = new Database(this.#relay.indexPath, { readonly: true });
		for (const table of ["host", "account", "identity"]) {
			for (const row of index.query<Record<string, unknown>, []>(`SELECT * FROM ${table}`).iterate()) {
				const odd = Object.values(row).find((value) => typeof value === "string" && !isStorable(value));
				if (odd !== undefined) throw new EdgeFailure(`the table ${table} has the text ${JSON.stringify(odd)}`, []);
			}
		}
		index.close();
	}

	/** Ends everything after a failure, and keeps the relay's log for inspection. */
	async abort(): Promise<void> {
		this.#relay.kill();
		this.#consumer.abort();
		await this.#network.stop();
		process.off("exit", this.#onExit);
	}

	/** Lets every account send a first message, and takes some accounts down as the relay's operator. */
	async #introduce(): Promise<void> {
		const { hosts, accounts } = this.#network;
		await this.#consumer.connect(0);
		for (const host of hosts) await this.#relay.requestCrawl(host.hostname);
		await until(() => hosts.every(({ connections }) => connections > 0));
		let messages = 0;
		for (const account of accounts) {
			for (const message of await firstMessages(account)) {
				this.#network.hostOf(account).emit(message);
				messages++;
			}
		}
		await this.#consumer.until(() => this.#consumer.received >= messages);
		for (const host of hosts.slice(0, ODD_HOSTS)) this.#odd.push(this.#oddHost(host));
		for (const { did } of this.#accountsOf(hosts[ODD_HOSTS])) this.#good.set(did, []);
		await this.#takeDown();
		void this.#relay.exited().then(() => {
			this.#isGone = true;
		});
	}

	#accountsOf(host: SimHost | undefined): SimAccount[] {
		return this.#network.accounts.filter((account) => this.#network.hostOf(account) === host);
	}

	#oddHost(host: SimHost): OddHost {
		const accounts = this.#accountsOf(host);
		const [identity, status, takenDown, ...repos] = accounts;
		if (identity === undefined || status === undefined || takenDown === undefined) throw new Error("too few accounts");
		const strangers = this.#network.accounts.filter((account) => !accounts.includes(account)).map(({ did }) => did);
		const rng = this.#network.rng.fork(`odd host ${this.#odd.length}`);
		const frames = new OddFrames(rng, { repos, identity, status, takenDown }, strangers, () => this.#marks++);
		this.#takenDown.push(takenDown.did);
		return { host, frames, unread: new Map() };
	}

	/** There is no interface for takedowns yet, so the status is written into the database. */
	async #takeDown(): Promise<void> {
		await this.#consumer.disconnect();
		await this.#relay.stop();
		const index = new Database(this.#relay.indexPath);
		const update = index.prepare("UPDATE account SET local_status = ?, taken_down = 1 WHERE did = ?");
		for (const did of this.#takenDown) update.run(TAKEN_DOWN_STATUS, did);
		index.close();
		await this.#relay.start();
		await this.#consumer.connect(this.#lastSeq);
		await until(() => this.#network.hosts.every(({ connections }) => connections > 0));
	}

	/** Sends this many messages, of any kinds or of one, and a sentinel after them. */
	async #sendBatch({ host, frames, unread }: OddHost, size: number, kind?: OddKind): Promise<void> {
		const batch: OddFrame[] = [];
		while (batch.length < size) batch.push(this.#send(host, await frames.next(host.lastSeq + 1, kind)));
		const sentinel = frames.sentinel(host.lastSeq + 1);
		unread.set(sentinel.mark, [...batch, this.#send(host, sentinel)]);
		// Nothing above waits for the network, so the sockets need a turn of the event loop.
		await new Promise(setImmediate);
	}

	#send(host: SimHost, frame: OddFrame): OddFrame {
		this.#sent++;
		this.#kinds[frame.kind] = (this.#kinds[frame.kind] ?? 0) + 1;
		if (frame.expected !== null) this.#expected.set(frame.mark, withoutSeq(frame.expected));
		if (frame.isKept) host.emitUnreadable(frame.data);
		else host.sendRaw(frame.data);
		return frame;
	}

	async #sendGood(count: number): Promise<void> {
		const dids = [...this.#good.keys()];
		for (let sent = 0; sent < count; ) {
			const did = this.#network.rng.pick(dids);
			const account = this.#network.accounts.find((account) => account.did === did);
			if (account === undefined) throw new Error("a good account is in the network");
			for (const message of await nextMessages(account)) {
				message.body.padding = ++this.#goodSent;
				this.#good.get(did)?.push(this.#goodSent);
				this.#network.hostOf(account).emit(message);
				sent++;
			}
		}
	}

	/** Checks a frame as the consumer got it. */
	#receive(frame: Uint8Array): void {
		this.#received++;
		this.#progressMs = performance.now();
		try {
			const [header, rest] = decodeFirst(frame) as [{ op: number; t?: string }, Uint8Array];
			const [payload, trailing] = decodeFirst(rest) as [LookedAt, Uint8Array];
			if (header.op !== 1 || trailing.length > 0) throw new Error("it is no message, or more than one");
			if (payload.seq <= this.#lastSeq) throw new Error(`its seq is not beyond ${this.#lastSeq}`);
			if (String(payload.status).includes("\0")) throw new Error("its status has a NUL");
			this.#lastSeq = payload.seq;
			this.#compare(frame, payload);
			this.#takeGood(payload);
		} catch (error) {
			this.#failure ??= new EdgeFailure(`the consumer got a frame that it can't take: ${error}`, [hexOf(frame)]);
		}
	}

	#compare(frame: Uint8Array, payload: LookedAt): void {
		const mark = payload[MARK_FIELD] ?? 0;
		for (const odd of this.#odd) this.#retire(odd, mark);
		const expected = this.#expected.get(mark);
		if (expected === undefined) return;
		if (expected === null) throw new Error("it came twice");
		const scanned = scanFrame(frame);
		if (scanned.kind !== "message") throw new Error("it is no message");
		const { seqStart, seqEnd } = scanned.message;
		const found = Bun.hash(Buffer.concat([frame.subarray(0, seqStart), Buffer.of(0), frame.subarray(seqEnd)]));
		if (found !== expected) throw new Error("it differs from the host's frame in more than the relay has to change");
		this.#expected.set(mark, null);
		this.#compared++;
	}

	/** Notes that all that was sent before a sentinel was read. */
	#retire(odd: OddHost, mark: number): void {
		if (!odd.unread.has(mark)) return;
		for (const before of [...odd.unread.keys()]) if (before <= mark) odd.unread.delete(before);
	}

	/** Notes a message of a good account. Messages of odd hosts about that account have no `padding`, and are not looked at. */
	#takeGood({ did, repo, padding }: LookedAt): void {
		const owed = this.#good.get(repo ?? did ?? "");
		if (owed === undefined || padding === undefined) return;
		const next = owed.shift();
		if (next !== padding) throw new Error(`expected the account's good message ${next}, got ${padding}`);
	}

	async #settle(): Promise<EdgeReport> {
		await this.#until("every odd message to be read", () => this.#odd.every(({ unread }) => unread.size === 0));
		await this.#until("every good message", () => this.#good.values().every((owed) => owed.length === 0));
		let stats = await this.#stats();
		await this.#until("every message to be settled", async () => {
			await Bun.sleep(STATS_POLL_MS);
			stats = await this.#stats();
			return stats.counters.of("parked_messages") === 0 && stats.counters.of("inflight_bytes") === 0;
		});
		await this.#checkErrors();
		const unaccounted = unaccountedFrames(stats);
		// If the first seq on a connection is an old one, the relay does not take the message, but asks the host for all that it has.
		if (unaccounted < 0 || unaccounted > (this.#kinds["old seq"] ?? 0))
			throw new EdgeFailure(`${unaccounted} frames were neither accepted nor rejected`, []);
		return {
			sent: this.#sent,
			good: this.#goodSent,
			received: this.#received,
			compared: this.#compared,
			kinds: this.#kinds,
			stats,
		};
	}

	/** Polls until the condition holds. @throws EdgeFailure if the relay is gone or silent, or the consumer got a wrong frame */
	async #until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
		this.#progressMs = performance.now();
		for (;;) {
			if (this.#failure !== null) throw this.#failure;
			if (this.#isGone) throw this.#ended();
			if (await condition()) return;
			if (performance.now() - this.#progressMs > SILENCE_MS_MAX)
				throw new EdgeFailure(
					`nothing came for ${SILENCE_MS_MAX / 1000} s: waiting for ${what}; the relay's log is ${this.#relay.logPath}`,
					this.#unreadFrames(),
				);
			await Bun.sleep(POLL_MS);
		}
	}

	/** Looks for internal errors, which are bugs of the relay. Its log shows the first bytes of the frame. */
	async #checkErrors(): Promise<void> {
		const { rejected } = await this.#stats();
		if (rejected["internal-error"] === 0) return;
		const log = await Bun.file(this.#relay.logPath).text();
		const starts = [...log.matchAll(/"frame":"([0-9a-f]+)"/g)].map(([, start = ""]) => start);
		const found = this.#unreadFrames().filter((frame) => starts.some((start) => frame.startsWith(start)));
		throw new EdgeFailure(
			`${rejected["internal-error"]} internal errors; the relay's log is ${this.#relay.logPath}`,
			found.length > 0 ? found : starts,
		);
	}

	async #stats(): Promise<RelayStats> {
		return this.#relay.stats().catch(() => {
			throw this.#ended();
		});
	}

	#ended(): EdgeFailure {
		const suspects = this.#odd.flatMap(({ unread }, host) =>
			[...unread.values()].flat().map(({ data }) => ({ host, data })),
		);
		return new EdgeFailure(`the relay ended; its log is ${this.#relay.logPath}`, this.#unreadFrames(), suspects);
	}

	#unreadFrames(): string[] {
		return this.#odd.flatMap(({ unread }) => [...unread.values()].flat().map(({ data }) => hexOf(Buffer.from(data))));
	}
}

function hexOf(bytes: Uint8Array): string {
	return Buffer.from(bytes).toString("hex");
}

/** Received frames whose result is not counted yet. In the end each is accepted, rejected, or of one of the kinds that are neither. */
function unaccountedFrames({ counters, rejected }: RelayStats): number {
	const rejections = Object.values(rejected).reduce((sum, count) => sum + count, 0);
	const unread = rejected["frame-text"] + rejected["frame-too-large"];
	const ends =
		counters.of("messages_accepted_total") +
		counters.of("messages_replayed_total") +
		counters.of("frames_ignored_total") +
		counters.of("host_infos_total") +
		counters.of("host_errors_total");
	return counters.of("frames_received_total") + unread - rejections - ends;
}
