import { expect, test } from "bun:test";
import { Stall } from "../../src/disk/stall.ts";
import { IndexSink } from "../../src/index/sink.ts";
import { storeFaultReason } from "../../src/index/store-fault.ts";
import type { IndexWriter } from "../../src/index/writer.ts";
import { HostWindow } from "../../src/ingest/host/window.ts";
import { REJECTED } from "../../src/ingest/outcome.ts";
import { Follower } from "../../src/log/follower.ts";
import type { SyncMode } from "../../src/log/local/write/log-writer.ts";
import { Batch } from "../../src/log/record/batch.ts";
import { decodeCursorsFacts } from "../../src/log/record/control.ts";
import type { Entry } from "../../src/log/record/entry.ts";
import { RecordKind } from "../../src/log/record/record.ts";
import type { StoredRecord } from "../../src/log/record/stored-record.ts";
import { Rng } from "../../src/sim/rng.ts";
import { onCleanup, TestLog, temporaryDirectory } from "../log/harness.ts";
import { MemoryFs } from "../log/local/memory-fs.ts";
import * as records from "./records.ts";
import { openWriter } from "./writer.ts";

const HOSTS = [1, 2, 3];
const SEGMENT_BYTES = 4_000;

/** A relay from the hosts' windows to the index, on a disk whose power can be cut. The index keeps all then, which is the worst case. */
class Life {
	readonly rng: Rng;
	readonly #fs = new MemoryFs();
	readonly #log: TestLog;
	readonly #index: IndexWriter;
	readonly #follower: Follower;
	readonly #windows = new Map(HOSTS.map((id) => [id, new HostWindow(0)]));
	readonly #sent = new Map(HOSTS.map((id) => [id, 0]));
	/** Seqs that were finally rejected, by host. */
	readonly #rejected = new Map(HOSTS.map((id) => [id, new Set<number>()]));

	static async begin(seed: string, syncMode: SyncMode): Promise<Life> {
		return new Life(await openWriter(":memory:"), seed, syncMode);
	}

	private constructor(index: IndexWriter, seed: string, syncMode: SyncMode) {
		this.rng = new Rng(seed);
		const options = { syncMode, segmentBytes: SEGMENT_BYTES };
		this.#log = new TestLog(temporaryDirectory(), this.#fs, options);
		this.#index = index;
		onCleanup(() => void this.#index.store.close());
		const { position, counters } = this.#log;
		this.#follower = new Follower({
			sink: new IndexSink({ writer: this.#index, counters, onTakedowns: () => {}, onRecounts: () => {} }),
			log: this.#log.reader(),
			position,
			mark: { move: () => {} },
			stall: new Stall({ part: "index", counters, reasonOf: storeFaultReason, clock: () => 0, onChange: () => {} }),
			sleep: async () => {},
		});
		this.#log.append(...HOSTS.map((id) => entryOf(records.host(id))));
	}

	/** Lets one of the threads do a step. */
	async step(): Promise<void> {
		const { writer, sequencer } = this.#log;
		const host = this.rng.int(HOSTS.length) + 1;
		const moves = [
			() => this.#message(host),
			() => this.#message(host),
			() => this.#message(host),
			() => void sequencer.step(),
			() => void sequencer.step(),
			() => writer.syncInBackground(),
			() => this.#storeCursors(),
			() => this.#follower.catchUp(),
			() => this.#follower.catchUp(),
		];
		await moves[this.rng.int(moves.length)]?.();
	}

	#message(host: number): void {
		const seq = (this.#sent.get(host) ?? 0) + 1;
		this.#sent.set(host, seq);
		const window = this.#windows.get(host);
		const slot = window?.arrive(seq);
		if (window === undefined || slot === undefined) throw new RangeError(`no host ${host}`);
		if (this.rng.int(6) === 0) {
			this.#rejected.get(host)?.add(seq);
			window.settle(slot, REJECTED);
			return;
		}
		this.#log.handOver(entryOf(records.commit([host, seq], `did:plc:${host}`, seq)));
		window.settle(slot, { rejected: false, ring: 0, position: this.#log.ring.position });
	}

	#storeCursors(): void {
		const cursors = HOSTS.map((id): [number, number] => [
			id,
			this.#windows.get(id)?.advance(() => this.#log.ring.acknowledged()) ?? 0,
		]);
		this.#log.handOver(entryOf(records.cursors(...cursors)));
	}

	/**
	 * Cuts the power and starts the log again. Every message that a host's cursor has passed must be there or rejected; and
	 * the index must hold no state of an account that the log has lost, since that would make its messages stale.
	 */
	async cutPower(isWritten?: () => boolean): Promise<{ passed: number; lost: number }> {
		const { lastLsn } = this.#log.position.snapshot();
		const fs = this.#fs.afterPowerCut(isWritten);
		this.#log.kill();
		const again = new TestLog(this.#log.options.directory, fs, { segmentBytes: SEGMENT_BYTES });
		const found = recordsOf(again);
		const commits = found.filter(({ kind }) => kind === RecordKind.commit);
		const isSettled = (host: number, seq: number): boolean =>
			this.#rejected.get(host)?.has(seq) === true ||
			commits.some((record) => record.host === host && record.upstreamSeq === seq);
		const stored = await this.#index.store.hosts(0, 10);
		const cursors = [
			...stored.map(({ id, cursor }) => ({ host: id, seq: cursor })),
			...found.flatMap(({ kind, facts }) => (kind === RecordKind.cursors ? decodeCursorsFacts(facts).cursors : [])),
		];
		for (const { host, seq } of cursors) {
			for (let passed = 1; passed <= (seq ?? 0); passed++)
				expect([host, passed, isSettled(host, passed)]).toEqual([host, passed, true]);
		}
		for (const id of HOSTS) {
			const account = await this.#index.store.account(`did:plc:${id}`);
			if (account !== null)
				expect([id, account.hostSeq, isSettled(id, account.hostSeq)]).toEqual([id, account.hostSeq, true]);
		}
		expect(await this.#index.store.checkpoint()).toBeLessThanOrEqual(again.position.snapshot().lastLsn);
		const passed = stored.reduce((sum, { cursor }) => sum + (cursor ?? 0), 0);
		return { passed, lost: lastLsn - found.length };
	}
}

function entryOf(record: records.Unsequenced): Entry {
	return { ...record, seqStart: 0, seqEnd: 0 };
}

/** All records that can be read. */
function recordsOf(log: TestLog): StoredRecord[] {
	const reader = log.reader();
	const found: StoredRecord[] = [];
	let cursor = 0;
	for (let read = reader.read(cursor); read !== null; read = reader.read(cursor)) {
		if (read instanceof Batch) {
			for (let at = read.indexAfter(cursor); at < read.count; at++) {
				const record = read.record(at);
				found.push({ ...record, facts: Buffer.from(record.facts) });
			}
		}
		cursor = read.lastLsn;
	}
	return found;
}

const SECTORS = [
	["nothing of what was not synced", true, () => undefined],
	["some sectors of what was not synced", true, (rng: Rng) => () => rng.int(2) === 0],
	["all of what was not synced", false, () => () => true],
] as const;

for (const syncMode of ["always", "write"] as const) {
	test.each(SECTORS)(
		`mode ${syncMode}: a power cut that leaves %s takes nothing that a stored cursor has passed`,
		async (_, loses, survivors) => {
			let passed = 0;
			let lost = 0;
			for (let run = 0; run < 60; run++) {
				const life = await Life.begin(`${syncMode} ${run}`, syncMode);
				const steps = 20 + life.rng.int(150);
				for (let step = 0; step < steps; step++) await life.step();
				const result = await life.cutPower(survivors(life.rng));
				passed += result.passed;
				lost += result.lost;
			}
			expect(passed).toBeGreaterThan(500);
			if (syncMode === "write" && loses) expect(lost).toBeGreaterThan(100);
			else expect(lost).toBe(0);
		},
	);
}
