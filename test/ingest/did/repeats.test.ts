import { describe, expect, test } from "bun:test";
import { foldRecords } from "../../../src/index/fold.ts";
import type { Account, AccountRow } from "../../../src/index/store.ts";
import { REPEATED } from "../../../src/ingest/outcome.ts";
import type { StoredRecord } from "../../../src/log/record/stored-record.ts";
import { SimAccount } from "../../../src/sim/account.ts";
import { SimClock } from "../../../src/sim/clock.ts";
import type { SimMessage } from "../../../src/sim/message.ts";
import { Rng } from "../../../src/sim/rng.ts";
import { nextMessages } from "../../../src/sim/traffic.ts";
import { NO_ROWS } from "../../index/records.ts";
import { ShardRig } from "./shard-rig.ts";

const HOST = 1;

/** A host with its numbering, and a relay that is killed at times and then knows only what its log says. */
class Life {
	readonly rng: Rng;
	readonly accounts: SimAccount[] = [];
	/** The messages that the host sent in its current numbering; the first has the seq 1. */
	#sent: SimMessage[] = [];
	/** The mark in each message that was sent, in order. */
	readonly expected: number[] = [];
	/** The mark in each entry that was handed over. */
	readonly passed: unknown[] = [];
	readonly #rows = new Map<string, AccountRow>();
	#rig = new ShardRig();
	#lsn = 0;
	#nowMs = Date.now() - 3_600_000;

	constructor(seed: string) {
		this.rng = new Rng(seed);
	}

	async begin(accounts: number): Promise<void> {
		for (let i = 0; i < accounts; i++) {
			const clock = new SimClock(() => this.#nowMs);
			this.accounts.push(await SimAccount.create({ rng: this.rng.fork(`${i}`), clock, curve: "k256" }));
		}
		this.#introduce();
	}

	get replayed(): number {
		return this.#rig.counters.of("messages_replayed_total");
	}

	/** Messages whose host was told that they are repeats, so that they don't count against its limits. */
	get toldRepeats(): number {
		return this.#rig.outcomes.filter((outcome) => outcome === REPEATED).length;
	}

	get rejected(): unknown {
		return this.#rig.rejected;
	}

	async step(): Promise<void> {
		this.#nowMs++;
		for (const message of await nextMessages(this.rng.pick(this.accounts))) await this.send(message);
	}

	async send(message: SimMessage): Promise<void> {
		message.body.padding = this.expected.length;
		this.expected.push(this.expected.length);
		this.#sent.push(message);
		await this.#deliver(message, this.#sent.length);
	}

	/** The host sends its last `count` messages again, with the same seqs. */
	async repeat(count: number): Promise<void> {
		const from = Math.max(0, this.#sent.length - count);
		for (const [at, message] of this.#sent.slice(from).entries()) await this.#deliver(message, from + at + 1);
	}

	/** The host forgets what it sent and restarts its numbering at 1. Its clock goes on. */
	countAnew(): void {
		this.#sent = [];
		this.#nowMs++;
	}

	/** The relay is killed, and a new one starts with the rows that the index has made from the log. */
	restart(): void {
		const accounts = Array.from(this.#rows.values(), (row, at): Account => ({ ...row, id: at + 1 }));
		this.#rig = new ShardRig({ accounts });
		this.#introduce();
	}

	#introduce(): void {
		for (const account of this.accounts) this.#rig.identity(account);
	}

	async #deliver(message: SimMessage, seq: number): Promise<void> {
		this.#rig.passTime();
		this.#rig.send(message, seq, HOST);
		await this.#rig.settle();
		const entries = this.#rig.entries();
		const records = entries.map((entry): StoredRecord => {
			this.#lsn++;
			return { ...entry, lsn: this.#lsn, seq: this.#lsn, timeUs: 1 };
		});
		const rows = { ...NO_ROWS, account: (did: string) => structuredClone(this.#rows.get(did) ?? null) };
		for (const row of foldRecords(records, rows).accounts) this.#rows.set(row.did, row);
		for (const _ of entries) this.passed.push(message.body.padding);
	}
}

describe("a repeat is told from a message of a new numbering", () => {
	test.each(["a", "b", "c", "d"])(
		"whatever the host sends, repeats and counts anew, each message passes once (%s)",
		async (seed) => {
			const life = new Life(`repeats ${seed}`);
			await life.begin(3);
			let renumbered = 0;
			for (let round = 0; round < 40; round++) {
				for (let steps = life.rng.int(6); steps > 0; steps--) await life.step();
				const event = life.rng.int(6);
				if (event <= 1) life.restart();
				if (event <= 3) await life.repeat(1 + life.rng.int(8));
				if (event === 4) {
					life.countAnew();
					renumbered++;
				}
				if (event === 5) {
					// The relay is down while the host is set up anew.
					life.restart();
					life.countAnew();
					renumbered++;
				}
			}
			expect(life.passed).toEqual(life.expected);
			expect(life.rejected).toEqual({});
			expect(renumbered).toBeGreaterThan(3);
		},
		60_000,
	);

	test("an account that pauses and is back within the same millisecond does so once", async () => {
		const life = new Life("pause");
		await life.begin(1);
		const [account] = life.accounts;
		if (account === undefined) throw new Error("no account");
		await life.send(await account.commit());
		await life.send(account.account(false, "deactivated"));
		life.restart();
		await life.repeat(2);
		await life.send(account.account(true));
		for (let crash = 0; crash < 2; crash++) {
			life.restart();
			await life.repeat(3);
		}
		expect(life.passed).toEqual(life.expected);
		expect(life.replayed).toBe(3);
		expect(life.toldRepeats).toBe(3);
	});

	test("a message with a malformed time is not dropped as a repeat if its seq is new", async () => {
		const life = new Life("no time");
		const rig = new ShardRig({ strict: false });
		await life.begin(1);
		const [account] = life.accounts;
		if (account === undefined) throw new Error("no account");
		rig.identity(account);
		for (let seq = 1; seq <= 3; seq++) {
			const message = account.account(true);
			rig.send({ ...message, body: { ...message.body, time: "yesterday" } }, seq);
		}
		await rig.settle();
		expect(rig.entries().length).toBe(3);
	});
});
