import { placeOf } from "../../../src/account/place.ts";
import { IdentityCache } from "../../../src/identity/cache.ts";
import type { Resolution } from "../../../src/identity/identity.ts";
import { signingKeyOfDidKey } from "../../../src/identity/signing-key.ts";
import type { Account, IndexReader } from "../../../src/index/store.ts";
import { arrivalOf, type Sender } from "../../../src/ingest/arrival.ts";
import { AccountCache } from "../../../src/ingest/did/accounts.ts";
import { Shard } from "../../../src/ingest/did/shard.ts";
import { ShardTracer } from "../../../src/ingest/did/shard-tracer.ts";
import { HostFailures } from "../../../src/ingest/host-failures.ts";
import { LastRejections } from "../../../src/ingest/last-rejections.ts";
import type { Outcome } from "../../../src/ingest/outcome.ts";
import { Handover } from "../../../src/log/handover.ts";
import { type Entry, readEntry } from "../../../src/log/record/entry.ts";
import { Counters } from "../../../src/observe/counters.ts";
import type { HistogramTotal } from "../../../src/observe/totals.ts";
import { scanFrame } from "../../../src/protocol/frame.ts";
import { Doorbell } from "../../../src/runtime/doorbell.ts";
import { createRingBuffer, RingReader, RingWriter } from "../../../src/runtime/ring.ts";
import { SimAccount } from "../../../src/sim/account.ts";
import { SimClock } from "../../../src/sim/clock.ts";
import { encodeFrame, type SimMessage } from "../../../src/sim/message.ts";
import { Rng } from "../../../src/sim/rng.ts";
import type { Note } from "../../../src/tracing/note.ts";
import type { Engine } from "../../../src/verify/engine.ts";
import { createPortableEngine } from "../../../src/verify/portable/engine.ts";
import { TimedEngine } from "../../../src/verify/timed.ts";
import { counted, countedBy, observed } from "../../observe/counted.ts";

export interface RigOptions {
	ringBytes?: number;
	strict?: boolean;
	/** Rows that are in the index from the start. */
	accounts?: Account[];
	engine?: Engine;
}

/**
 * A shard in which all is real except the network, the clock and the sequencer. The test decides what identities resolve to, and
 * when. The test also takes the part of the sequencer, and reads the ring.
 */
export class ShardRig {
	readonly shard: Shard;
	readonly reader: RingReader;
	readonly failures: HostFailures;
	readonly lastRejections = new LastRejections();
	readonly outcomes: Outcome[] = [];
	/** What the shard has noted of its messages, all of which are traced. */
	readonly notes: Note[] = [];
	nowMs = Date.now();
	readonly #counters = new Counters();
	readonly #resolutions = new Map<string, Resolution>();
	readonly #held = new Map<string, PromiseWithResolvers<void>>();
	lookups = 0;
	/** DIDs that their hosts, when asked, report as active. */
	readonly activeAtHost = new Set<string>();
	/** DIDs whose hosts were asked, in order. */
	readonly asked: string[] = [];
	#answers = Promise.resolve();

	constructor({
		ringBytes = 1024 * 1024,
		strict = true,
		accounts = [],
		engine = createPortableEngine(),
	}: RigOptions = {}) {
		const counters = this.#counters;
		const ring = createRingBuffer(ringBytes);
		this.reader = new RingReader(ring);
		const clock = (): number => this.nowMs;
		const timed = new TimedEngine(engine, counters, () => this.#tick());
		this.failures = new HostFailures(counters, clock);
		const index: Pick<IndexReader, "account"> = {
			account: async (did) => accounts.find((account) => account.did === did) ?? null,
		};
		this.shard = new Shard({
			accounts: new AccountCache(index, 1000, counters),
			identities: new IdentityCache({
				resolver: { resolve: (did) => this.#resolve(did) },
				stored: async () => null,
				onResolved: () => {},
				counters,
				mayWaitForWeb: (hostId) => this.shard.mayWaitForWeb(hostId),
				clock: () => this.#tick(),
				wallClock: clock,
				random: () => 0.5,
				// Time passes only when there is nothing else left to do.
				sleep: async (ms) => {
					await new Promise(setImmediate);
					this.nowMs += ms;
				},
			}),
			repoStatus: {
				isActive: async (did) => {
					this.asked.push(did);
					await this.#answers;
					return this.activeAtHost.has(did);
				},
			},
			places: {
				ask: async () => true,
				giveBack: () => {},
				note: (before, after) => placeOf(after) !== placeOf(before),
			},
			handover: new Handover(0, new RingWriter(ring), new Doorbell(), counters),
			rules: { engine: timed, strict, clock, counters },
			allowLocalhost: false,
			failures: this.failures,
			steadyMs: clock,
			tracer: new ShardTracer({ isSampled: () => true, note: (note) => void this.notes.push(note) }, timed, clock),
			lastRejections: this.lastRejections,
			onRejection: () => {},
		});
	}

	static account(name: string): Promise<SimAccount> {
		return SimAccount.create({ rng: new Rng(name), clock: new SimClock(), curve: "k256" });
	}

	/** Sets what the DID resolves to from now on. */
	identity(account: SimAccount, pds = "https://one.example"): void {
		const didKey = account.key.didKey;
		this.#resolutions.set(account.did, {
			outcome: "resolved",
			identity: {
				did: account.did,
				signingKey: signingKeyOfDidKey(didKey),
				signingKeyDidKey: didKey,
				pds,
				pdsFault: null,
				pdsHost: new URL(pds).hostname,
				resolvedAtMs: this.nowMs,
			},
		});
	}

	resolution(did: string, resolution: Resolution): void {
		this.#resolutions.set(did, resolution);
	}

	/** Lookups of the DID throw an error, which a resolver must never do. */
	breakLookups(did: string, error: Error): void {
		const broken = Promise.withResolvers<void>();
		broken.promise.catch(() => {});
		broken.reject(error);
		this.#held.set(did, broken);
	}

	mendLookups(did: string): void {
		this.#held.delete(did);
	}

	/** Lookups of the DID wait until the returned function is called. */
	holdLookups(did: string): () => void {
		const held = Promise.withResolvers<void>();
		this.#held.set(did, held);
		return () => {
			this.#held.delete(did);
			held.resolve();
		};
	}

	/** Hosts that are asked for an account's status don't answer until the returned function is called. */
	holdAnswers(): () => void {
		const { promise, resolve } = Promise.withResolvers<void>();
		this.#answers = promise;
		return resolve;
	}

	/** Sends a message from the host with this number, whose name is `one.example`, `two.example` and so on. */
	send(message: SimMessage, seq: number, hostId = 1): void {
		const frame = encodeFrame(message, seq);
		const scanned = scanFrame(frame);
		if (scanned.kind !== "message") throw new Error("the simulator made no message");
		const sender: Sender = { hostId, hostname: `${["zero", "one", "two"][hostId]}.example` };
		this.shard.submit(
			arrivalOf(sender, frame, scanned.message, (outcome) => this.outcomes.push(outcome), this.nowMs, this.#tick()),
		);
	}

	/** Waits until all that can happen without further events has happened. */
	async settle(): Promise<void> {
		for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
	}

	/** The entries that were handed over since the last call. */
	entries(): Entry[] {
		const entries: Entry[] = [];
		for (let record = this.reader.next(); record !== null; record = this.reader.next()) {
			entries.push(readEntry(Buffer.from(record)));
		}
		this.reader.release();
		return entries;
	}

	/** The monotonic clock. It never returns the same time twice. */
	#tick(): number {
		this.nowMs += 0.001;
		return this.nowMs;
	}

	/** Lets some time pass. */
	passTime(): void {
		this.nowMs++;
	}

	get rejected(): Partial<Record<string, number>> {
		return countedBy(this.#counters, "messages_rejected_total");
	}

	/** What a histogram has observed so far. */
	observed(name: string): HistogramTotal {
		return observed(this.#counters, name);
	}

	get counters() {
		return counted(this.#counters);
	}

	async #resolve(did: string): Promise<Resolution> {
		this.lookups++;
		await this.#held.get(did)?.promise;
		return this.#resolutions.get(did) ?? { outcome: "not-found" };
	}
}
