import { describe, expect, test } from "bun:test";
import { foldRecords } from "../../../src/index/fold.ts";
import type { Account, AccountRow } from "../../../src/index/store.ts";
import type { StoredRecord } from "../../../src/log/record/stored-record.ts";
import { SimAccount } from "../../../src/sim/account.ts";
import { cidBytes } from "../../../src/sim/blocks.ts";
import { SimClock } from "../../../src/sim/clock.ts";
import type { SimMessage } from "../../../src/sim/message.ts";
import { Rng } from "../../../src/sim/rng.ts";
import { NO_ROWS } from "../../index/records.ts";
import { ShardRig } from "./shard-rig.ts";

/** The host that all messages of these tests come from. */
const HOST = 1;

/** One DID with the repos that it has one after the other, and the relay's shard and index. */
class Life {
	rig = new ShardRig();
	account: SimAccount;
	row: AccountRow | null = null;
	/** All messages sent so far, by seq from 1 on, and whether each had to pass. */
	readonly sent: { message: SimMessage; passes: boolean }[] = [];

	private constructor(account: SimAccount) {
		this.account = account;
		this.rig.identity(account);
	}

	static async begin(seed: string): Promise<Life> {
		return new Life(await SimAccount.create({ rng: new Rng(seed), clock: new SimClock(), curve: "k256" }));
	}

	/** The account gets an empty repo. It keeps its key. */
	async makeAnew(): Promise<void> {
		this.account = await this.account.madeAnew();
	}

	async send(message: SimMessage, passes: boolean): Promise<void> {
		this.sent.push({ message, passes });
		expect(await this.#deliver(message, this.sent.length)).toBe(passes ? 1 : 0);
	}

	/** The relay is killed. A new one knows only what the log's records say. The host repeats its last messages. */
	async restart(repeated: number): Promise<void> {
		const row: Account[] = this.row === null ? [] : [{ ...this.row, id: 1 }];
		this.rig = new ShardRig({ accounts: row });
		this.rig.identity(this.account);
		for (let seq = Math.max(1, this.sent.length - repeated + 1); seq <= this.sent.length; seq++) {
			const message = this.sent[seq - 1]?.message;
			if (message !== undefined) expect(await this.#deliver(message, seq)).toBe(0);
		}
	}

	/** Delivers a message. Returns how many entries it led to. */
	async #deliver(message: SimMessage, seq: number): Promise<number> {
		this.rig.send(message, seq, HOST);
		await this.rig.settle();
		const entries = this.rig.entries();
		const records = entries.map(
			(entry): StoredRecord => ({
				...entry,
				lsn: seq,
				seq,
				timeUs: 1_700_000_000_000_000,
			}),
		);
		const rows = { ...NO_ROWS, account: () => (this.row === null ? null : { ...this.row }) };
		this.row = foldRecords(records, rows).accounts[0] ?? this.row;
		return entries.length;
	}
}

describe("an account that is deleted and made anew", () => {
	test("begins with a first commit, and goes on from there", async () => {
		const life = await Life.begin("anew");
		await life.send(await life.account.commit(), true);
		const last = await life.account.commit();
		await life.send(last, true);
		await life.send(life.account.account(false, "deleted"), true);
		expect(life.row).toMatchObject({ rev: last.rev, commit: null, data: null });
		await life.makeAnew();
		await life.send(life.account.account(true), true);
		await life.send(await life.account.commit([]), true);
		await life.send(await life.account.commit(), true);
		expect(life.rig.counters.of("discontinuities_total")).toBe(0);
		expect(life.rig.rejected).toEqual({});
	});

	test("can't be given its old commits again, nor its old sync", async () => {
		const life = await Life.begin("old");
		const first = await life.account.commit();
		const second = await life.account.commit();
		const sync = await life.account.sync();
		for (const message of [first, second, sync, life.account.account(false, "deleted")]) await life.send(message, true);
		await life.send(life.account.account(true), true);
		for (const message of [first, second, sync]) await life.send(message, false);
		expect(life.rig.rejected).toEqual({ "rev-stale": 3 });
	});

	test("differs from one that was only deactivated, which keeps its repo and can't begin with a first commit", async () => {
		const life = await Life.begin("paused");
		await life.send(await life.account.commit(), true);
		await life.send(life.account.account(false, "deactivated"), true);
		await life.makeAnew();
		await life.send(life.account.account(true), true);
		await life.send(await life.account.commit(), false);
		expect(life.rig.rejected).toEqual({ "prev-data-missing": 1 });
	});
});

/** What may happen next, each as often as its weight says. */
const STEPS = {
	commit: 30,
	sync: 6,
	old: 10,
	pause: 4,
	activate: 14,
	delete: 8,
	restart: 8,
} as const;

/** Runs one random history, in which the outcome of every message is known beforehand. */
async function live(seed: string, steps: number): Promise<Life> {
	const life = await Life.begin(seed);
	const rng = new Rng(`${seed}/steps`);
	let status: "active" | "deactivated" | "deleted" = "active";
	for (let step = 0; step < steps; step++) {
		const kind = rng.weighted(STEPS);
		if (kind === "restart") await life.restart(rng.int(8));
		else if (kind === "pause" || kind === "delete") {
			status = kind === "pause" ? "deactivated" : "deleted";
			await life.send(life.account.account(false, status), true);
			// A host makes another repo for the same DID only after it has deleted the first one.
			if (kind === "delete") await life.makeAnew();
		} else if (kind === "activate") {
			status = "active";
			await life.send(life.account.account(true), true);
		} else if (kind === "old") {
			const old = rng.int(life.sent.length + 1);
			const again = life.sent[old]?.message;
			if (again?.type === "commit") await life.send(again, false);
		} else if (status === "active") {
			const isFirst = life.account.rev === null;
			await life.send(kind === "sync" && !isFirst ? await life.account.sync() : await life.account.commit(), true);
		}
	}
	return life;
}

test("over any history, shard and index agree, good messages pass, and old ones don't, across restarts too", async () => {
	let reborn = 0;
	for (let seed = 0; seed < 60; seed++) {
		const life = await live(`history ${seed}`, 60);
		const { rev, head } = life.account;
		if (rev !== null) {
			expect(life.row?.rev).toBe(rev);
			expect(life.row?.commit).toEqual(new Uint8Array(cidBytes(head ?? "")));
		}
		reborn += life.sent.filter(({ message, passes }) => passes && message.body.since === null).length;
		expect(life.rig.counters.of("discontinuities_total")).toBe(0);
	}
	expect(reborn).toBeGreaterThan(60);
});
