import { placeOf, waitingAt } from "../../src/account/place.ts";
import type { AccountState } from "../../src/account/state.ts";
import type { Resolution } from "../../src/identity/identity.ts";
import { foldRecords } from "../../src/index/fold.ts";
import type { AccountRow } from "../../src/index/store.ts";
import { arrivalOf, type Sender } from "../../src/ingest/arrival.ts";
import { AccountCache } from "../../src/ingest/did/accounts.ts";
import { Operator } from "../../src/ingest/did/operator.ts";
import { Places } from "../../src/ingest/did/places.ts";
import { Shard } from "../../src/ingest/did/shard.ts";
import { HostFailures } from "../../src/ingest/host-failures.ts";
import { LastRejections } from "../../src/ingest/last-rejections.ts";
import type { Outcome } from "../../src/ingest/outcome.ts";
import { Handover } from "../../src/log/handover.ts";
import { decodeControl } from "../../src/log/record/control.ts";
import { type Entry, readEntry } from "../../src/log/record/entry.ts";
import { decodeFact, tellsOfRepo } from "../../src/log/record/message-facts.ts";
import { RecordKind } from "../../src/log/record/record.ts";
import type { StoredRecord } from "../../src/log/record/stored-record.ts";
import { Counters } from "../../src/observe/counters.ts";
import { encodeFrame, scanFrame } from "../../src/protocol/frame.ts";
import type { Message } from "../../src/protocol/kinds/table.ts";
import { Doorbell } from "../../src/runtime/doorbell.ts";
import { createRingBuffer, RING_BYTES_MIN, RingReader, RingWriter } from "../../src/runtime/ring.ts";
import type { Rng } from "../../src/sim/rng.ts";
import type { Engine, Verdict } from "../../src/verify/engine.ts";
import { NO_ROWS } from "../index/records.ts";
import { counted } from "../observe/counted.ts";

const DID = "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa";
const NOW_MS = Date.parse("2026-01-01T00:00:00Z");
const SENDERS: readonly Sender[] = [1, 2, 3].map((hostId) => ({ hostId, hostname: `host${hostId}.example` }));
/** What the DID can resolve to. The second document of each host has another key. */
const RESOLUTIONS: readonly Resolution[] = [
	...SENDERS.flatMap(({ hostname }) => ["one", "two"].map((key) => resolved(hostname, key))),
	{ outcome: "tombstoned" },
	{ outcome: "unavailable", detail: "", retryAfterMs: null },
];
/** In rising order. There are few, so that the generated messages often repeat one or come too late. */
const REVS = Array.from("234567abcdefghijklmnopqrstuvwxyz", (letter) => `3kb4iw5xo2${letter}22`);
const TIMES = ["", ...Array.from({ length: 9 }, (_, at) => new Date(NOW_MS - 10_000 + at).toISOString())];
/** What the operator sets. */
const LOCAL_STATUSES = [null, null, "takendown", "suspended"];
const STATUSES = ["deactivated", "deleted", "deleted", "takendown", "suspended", "odd"];
/** Room for a few entries, so that it is full now and then. */
const RING_BYTES = RING_BYTES_MIN;
/** Within so many turns of the microtask queue any message is settled, if the ring has room. */
const TURNS_MAX = 400;
/** Lookups and loads take a few turns each, so that messages that wait for them could be overtaken by others. */
const TURNS_PER_DRAIN = 8;

/** What all histories share, since making it takes longer than using it; and counts of what happened in them. */
export class Bench {
	readonly counters = new Counters();
	readonly handover: Handover;
	readonly #reader: RingReader;
	/** How often the shard's state was compared with the index's. */
	comparisons = 0;
	/** Messages that passed. */
	passed = 0;
	moves = 0;
	/** Repos that were forgotten. */
	deletions = 0;
	restarts = 0;
	/** Times that the cache forgot the account. */
	evictions = 0;
	/** Times that the operator changed the account's status, and that consumers were told so. */
	changes = 0;
	changesTold = 0;
	/** Places at hosts that were refused, and times that an account that waited got one. */
	refused = 0;
	admitted = 0;

	constructor() {
		const ring = createRingBuffer(RING_BYTES);
		this.handover = new Handover(0, new RingWriter(ring), new Doorbell(), this.counters);
		this.#reader = new RingReader(ring);
	}

	/** How often each thing happened, by name. The test is only meaningful if each did. */
	get happened() {
		const { comparisons, passed, moves, deletions, restarts, evictions, changes, changesTold, refused, admitted } =
			this;
		const counters = counted(this.counters);
		const foundActive = counters.of("accounts_found_active_total");
		return {
			comparisons,
			passed,
			moves,
			deletions,
			restarts,
			evictions,
			changes,
			changesTold,
			refused,
			admitted,
			repeats: counters.of("messages_replayed_total"),
			fullRings: counters.of("ring_full_total"),
			foundActive,
			// The other messages that the relay made itself.
			tombstones:
				counters.of("messages_accepted_total") - passed - foundActive - counters.of("accounts_throttled_total"),
		};
	}

	/** Takes what is in the ring, as the sequencer does. */
	drain(): Entry[] {
		this.handover.flush();
		const entries: Entry[] = [];
		for (let bytes = this.#reader.next(); bytes !== null; bytes = this.#reader.next())
			entries.push(readEntry(Buffer.from(bytes)));
		this.#reader.release();
		return entries;
	}
}

/** One account's history: any host may say anything of it at any time, and the relay crashes now and then. */
export class History {
	readonly #bench: Bench;
	readonly #rng: Rng;
	#shard: Shard;
	#operator: Operator;
	#places: Places;
	/** The numbers of accounts that have a place at each host, and that wait for one, as the shard reports them. */
	#taken = new Map<number, number>();
	#waiting = new Map<number, number>();
	/** The host at which the account waits, as the records of the log say. */
	#waitsAt: number | null = null;
	#accounts: AccountCache;
	/** Statuses that the operator is about to set. */
	readonly #pending = new Set<string | null>();
	/** What the last `#account` told consumers; null if there was none since the start of the history. */
	#localStatus: string | null;
	#told: { active: boolean; status: string | null } | null = null;
	/** The index's row. */
	#row: AccountRow | null;
	/** What the DID resolves to now, and what the relay last found it to be. */
	#world: Resolution;
	#known: Resolution | null = null;
	#lsn = 0;
	#unsettled = 0;
	/** The ring position up to which everything is durable. */
	#acknowledged = 0;
	/** How far the account's messages have got. */
	#rev = 0;
	#hostSeq = 1;
	#timeMs = 1;

	constructor(bench: Bench, rng: Rng) {
		this.#bench = bench;
		this.#rng = rng;
		this.#world = rng.pick(RESOLUTIONS);
		this.#row = rng.int(4) === 0 ? takenDownHere() : null;
		this.#localStatus = this.#row?.localStatus ?? null;
		this.#accounts = this.#newCache();
		this.#places = this.#newPlaces();
		this.#shard = this.#newShard();
		this.#operator = this.#newOperator();
	}

	/** @throws Error as soon as the shard and the index disagree */
	async run(steps: number): Promise<void> {
		for (let step = 0; step < steps; step++) {
			const event = this.#rng.int(16);
			if (event < 3) this.#world = this.#rng.pick(RESOLUTIONS);
			else if (event === 3) this.#restart();
			else await this.#burst(1 + this.#rng.int(4));
		}
	}

	#restart(): void {
		this.#bench.restarts++;
		this.#known = null;
		this.#accounts = this.#newCache();
		this.#places = this.#newPlaces();
		this.#shard = this.#newShard();
		this.#operator = this.#newOperator();
	}

	/** Sends several messages at once. Their admission waits for whatever it needs. */
	async #burst(count: number): Promise<void> {
		for (let sent = 0; sent < count; sent++)
			switch (this.#rng.weighted({ operator: 3, room: 2, message: 13 })) {
				case "operator":
					this.#operate(this.#rng.pick(LOCAL_STATUSES));
					break;
				case "room":
					this.#admitWaiting();
					break;
				case "message":
					this.#send(this.#rng.pick(SENDERS), this.#message());
			}
		for (let turn = 1; this.#unsettled > 0; turn++) {
			if (turn === TURNS_MAX) throw new Error("a message is never settled");
			await null;
			this.#places.flush();
			if (turn % TURNS_PER_DRAIN === 0) this.#sequence();
		}
		this.#sequence();
		this.#compare();
	}

	/** Lets the sequencer and the index take what is in the ring. */
	#sequence(): void {
		const entries = this.#bench.drain();
		if (entries.length > 0) this.#fold(entries);
		if (this.#rng.int(3) === 0) this.#evict();
		this.#acknowledged = this.#bench.handover.position;
		this.#shard.ringHasRoom();
		this.#operator.noteProgress();
	}

	/** Another account takes this one's place in the cache, which it may since the index has the present state. */
	#evict(): void {
		const { position } = this.#bench.handover;
		const lsn = this.#lsn;
		const head = { lastLsn: lsn, lsnUsedMax: lsn };
		this.#accounts.noteProgress({ position, acknowledged: () => position, applied: () => lsn, published: () => head });
		if (this.#accounts.peek(DID) !== null) this.#bench.evictions++;
		this.#accounts.set("did:plc:another", { ...takenDownHere(), position: 0 });
	}

	#fold(entries: readonly Entry[]): void {
		const records = entries.map((entry): StoredRecord => {
			this.#lsn++;
			return { ...entry, lsn: this.#lsn, seq: this.#lsn, timeUs: NOW_MS * 1000 };
		});
		for (const record of records) this.#checkTold(record);
		const before = this.#row;
		const rows = { ...NO_ROWS, account: () => before, hostIdMax: () => SENDERS.length };
		const [row] = foldRecords(records, rows).accounts;
		if (row === undefined) return;
		if (before !== null && before.host !== row.host) this.#bench.moves++;
		if (before !== null && before.commit !== null && row.commit === null) this.#bench.deletions++;
		this.#row = row;
	}

	/** The operator sets a status while messages come. */
	#operate(status: string | null): void {
		this.#unsettled++;
		this.#pending.add(status);
		const action = { atMs: NOW_MS, by: "192.0.2.1", action: "test" };
		void this.#operator.setLocalStatus({ did: DID, status, action }).then(() => {
			this.#unsettled--;
			this.#bench.changes++;
		});
	}

	/** There is room at a host, so that the account gets a place if it waits there. */
	#admitWaiting(): void {
		this.#unsettled++;
		const { hostId } = this.#rng.pick(SENDERS);
		void this.#operator.admitWaiting(DID, hostId).then((isAdmitted) => {
			this.#unsettled--;
			if (isAdmitted) this.#bench.admitted++;
		});
	}

	/** The part of the control thread: grants some places, and refuses others. */
	#newPlaces(): Places {
		const add = (counts: Map<number, number>, host: number, change: number): void => {
			counts.set(host, (counts.get(host) ?? 0) + change);
		};
		this.#taken = new Map([[placeOf(this.#row) ?? 0, 1]]);
		this.#waiting = new Map([[waitingAt(this.#row) ?? 0, 1]]);
		const places = new Places(0, ({ asked, changes }) => {
			if (places !== this.#places) return;
			for (const { hostId, taken, waiting } of changes) {
				add(this.#taken, hostId, taken);
				add(this.#waiting, hostId, waiting);
			}
			const granted = asked.map(() => this.#rng.int(3) > 0);
			for (const [at, { hostId }] of asked.entries()) if (granted[at]) add(this.#taken, hostId, 1);
			this.#bench.refused += granted.filter((isGranted) => !isGranted).length;
			places.answered(granted);
		});
		return places;
	}

	/** The reports of the shard sum up to where the account is. */
	#checkPlaces(): void {
		this.#places.flush();
		for (const { hostId } of SENDERS) {
			const reported = [this.#taken.get(hostId) ?? 0, this.#waiting.get(hostId) ?? 0];
			const real = [Number(placeOf(this.#row) === hostId), Number(waitingAt(this.#row) === hostId)];
			if (!Bun.deepEquals(reported, real)) throw new Error(`${reported} are reported of host ${hostId}, not ${real}`);
		}
	}

	/** No commit passes while the operator's status holds, and each `#account` tells it, or the one that is about to be set. */
	#checkTold(record: StoredRecord): void {
		const control = decodeControl(record);
		if (control?.kind === "localStatus") this.#localStatus = control.facts.value?.status ?? null;
		const local = this.#localStatus;
		if (tellsOfRepo(record.kind) && local !== null) throw new Error(`a commit passed although the account is ${local}`);
		if (tellsOfRepo(record.kind) && this.#waitsAt === record.host)
			throw new Error("a commit passed although the account waits");
		this.#noteWait(record);
		if (record.kind !== RecordKind.account) return;
		const scanned = scanFrame(record.frame);
		if (scanned.kind !== "message" || scanned.message.type !== "account") throw new Error("no #account");
		const { active, status } = scanned.message;
		this.#told = { active, status };
		const isRight = [local, ...this.#pending].some((one) => one === null || (!active && status === one));
		if (!isRight) throw new Error(`consumers were told ${status ?? active} although the account is ${local}`);
	}

	/** A wait ends by an admission, by a deletion, and when the account moves. */
	#noteWait(record: StoredRecord): void {
		const fact = decodeFact(record);
		if (fact === null) return;
		if (fact.type === "status" && fact.waits === true) this.#waitsAt = record.host;
		else if (fact.type === "status" && (fact.waits === false || fact.status === "deleted")) this.#waitsAt = null;
		else if (record.host !== this.#waitsAt && (fact.type !== "identity" || fact.isHome)) this.#waitsAt = null;
	}

	#compare(): void {
		this.#pending.clear();
		this.#checkPlaces();
		if (this.#localStatus !== null && this.#told !== null) {
			const { active, status } = this.#told;
			if (active || status !== this.#localStatus) throw new Error(`consumers were not told of ${this.#localStatus}`);
			this.#bench.changesTold++;
		}

		const cached = this.#accounts.peek(DID);
		// An account that is not in the cache would be read from the index.
		if (cached === null) return;
		this.#bench.comparisons++;
		const row = this.#row;
		if (row === null || !isSameState(cached, row))
			throw new Error(`the shard has ${Bun.inspect(cached)}\nthe index has ${Bun.inspect(row)}`);
	}

	#send(sender: Sender, message: Message): void {
		const frame = message.type === "account" || message.type === "identity" ? frameOf(message) : REPO_FRAME;
		const scanned = frame === REPO_FRAME ? message : rescan(frame);
		const settle = ({ rejected }: Outcome): void => {
			this.#unsettled--;
			if (!rejected) this.#bench.passed++;
		};
		this.#unsettled++;
		this.#shard.submit(arrivalOf(sender, frame, scanned, settle, 0, 0));
	}

	#message(): Message {
		const rng = this.#rng;
		this.#hostSeq = rng.int(8) === 0 ? 1 + rng.int(5) : this.#hostSeq + rng.int(3);
		this.#timeMs = Math.min(TIMES.length - 1, rng.int(4) === 0 ? rng.int(TIMES.length) : this.#timeMs + rng.int(2));
		const common = { did: DID, seq: this.#hostSeq, seqStart: 0, seqEnd: 0, time: TIMES[this.#timeMs] ?? "" };
		switch (rng.weighted({ repo: 4, account: 3, identity: 2 })) {
			case "identity":
				return { type: "identity", ...common, handle: null };
			case "account": {
				const active = rng.int(2) === 0;
				const isSilent = rng.int(active ? 8 : 4) > 0 === active;
				return { type: "account", ...common, active, status: isSilent ? null : rng.pick(STATUSES) };
			}
			case "repo":
				return this.#repoMessage(common);
		}
	}

	#repoMessage(common: Pick<Message, "did" | "seq" | "seqStart" | "seqEnd" | "time">): Message {
		const rng = this.#rng;
		this.#rev = Math.min(REVS.length - 1, rng.int(6) === 0 ? rng.int(REVS.length) : this.#rev + rng.int(3));
		const rev = REVS[this.#rev] ?? "";
		const blocks = { blocksStart: 0, blocksEnd: 0 };
		if (rng.int(4) === 0) return { type: "sync", ...common, ...blocks, rev };
		const commit = cidOf(rev, 1);
		const prevData = rng.int(3) === 0 ? null : cidOf(rng.pick(REVS), 2);
		const flags = { opsStart: 0, opsCount: 0, tooBig: false, rebase: false };
		return { type: "commit", ...common, ...blocks, ...flags, rev, since: null, commit, prevData };
	}

	#newCache(): AccountCache {
		const account = async () => (this.#row === null ? null : { ...this.#row, id: 1 });
		return new AccountCache({ account }, 1, this.#bench.counters);
	}

	#newOperator(): Operator {
		const { handover } = this.#bench;
		return new Operator({
			accounts: this.#accounts,
			handover: { push: (entry) => handover.push(entry), acknowledged: () => this.#acknowledged },
			places: this.#places,
			clock: () => NOW_MS,
		});
	}

	#newShard(): Shard {
		const { handover, counters } = this.#bench;
		const look = async (): Promise<Resolution> => {
			this.#known = this.#world;
			return this.#world;
		};
		return new Shard({
			accounts: this.#accounts,
			identities: {
				get: () => this.#known,
				peek: () => this.#known,
				lookup: look,
				recheck: look,
				refresh: look,
			},
			repoStatus: { isActive: async () => this.#rng.int(2) === 0 },
			places: this.#places,
			handover,
			rules: { engine: GOOD_ENGINE, strict: false, clock: () => NOW_MS, counters },
			allowLocalhost: false,
			onRejection: () => {},
			failures: new HostFailures(counters),
			lastRejections: new LastRejections(),
		});
	}
}

function resolved(pdsHost: string, key: string): Resolution {
	const pds = `https://${pdsHost}`;
	const signingKey = { curve: "k256", publicKey: new Uint8Array(33) } as const;
	const identity = { did: DID, signingKey, signingKeyDidKey: key, pds, pdsFault: null, pdsHost, resolvedAtMs: 0 };
	return { outcome: "resolved", identity };
}

/** A row that the index had before. */
function takenDownHere(): AccountRow {
	return {
		did: DID,
		host: 1,
		hostSeq: 1,
		lastTimeMs: 0,
		upstreamActive: true,
		upstreamStatus: null,
		localStatus: "takendown",
		waitingSinceUs: null,
		statusLsn: 0,
		rev: null,
		commit: null,
		data: null,
	};
}

/** Used in place of the frame of a commit or sync, since no engine reads it. Two of them fill the ring. */
const REPO_FRAME = new Uint8Array(200);

function frameOf(message: Message & { type: "account" | "identity" }): Uint8Array {
	const { did, seq, time } = message;
	if (message.type === "identity") return encodeFrame("identity", { did, seq, time });
	const { active, status } = message;
	return encodeFrame("account", { did, seq, time, active, ...(status === null ? null : { status }) });
}

function rescan(frame: Uint8Array): Message {
	const scanned = scanFrame(frame);
	if (scanned.kind !== "message") throw new Error("a message of the test does not scan");
	return scanned.message;
}

const cids = new Map<string, Uint8Array>();

/** The CID of a repo at this rev: 1 of its commit, 2 of its data. */
function cidOf(rev: string, what: 1 | 2): Uint8Array {
	const name = `${rev} ${what}`;
	let cid = cids.get(name);
	if (cid === undefined) {
		cid = new Uint8Array([1, 0x71, 0x12, 32, ...new Bun.CryptoHasher("sha256").update(name).digest()]);
		cids.set(name, cid);
	}
	return cid;
}

function good({ rev }: { rev: string }): Verdict {
	return { reason: null, strictOnly: false, commit: cidOf(rev, 1), data: cidOf(rev, 2), touched: null };
}

/** Finds every commit good: verification is not tested here. */
const GOOD_ENGINE: Engine = {
	name: "portable",
	verifyCommit: (_frame, message) => good(message),
	verifySync: (_frame, message) => good(message),
};

/** Whether two states are the same. The lsn of the last status is not compared, since a shard doesn't know it. */
function isSameState(a: AccountState, b: AccountState): boolean {
	return (
		a.host === b.host &&
		a.hostSeq === b.hostSeq &&
		a.lastTimeMs === b.lastTimeMs &&
		a.upstreamActive === b.upstreamActive &&
		a.upstreamStatus === b.upstreamStatus &&
		a.localStatus === b.localStatus &&
		(a.waitingSinceUs === null) === (b.waitingSinceUs === null) &&
		a.rev === b.rev &&
		isSameCid(a.commit, b.commit) &&
		isSameCid(a.data, b.data)
	);
}

function isSameCid(a: Uint8Array | null, b: Uint8Array | null): boolean {
	return a === null || b === null ? a === b : Buffer.compare(a, b) === 0;
}
