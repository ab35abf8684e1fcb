import { afterEach, beforeEach, describe, expect, setSystemTime, test } from "bun:test";
import { type LogRecord, resetSync } from "@logtape/logtape";
import type { EventLimits } from "../../../src/config/setting.ts";
import { DialQueue } from "../../../src/hosts/dial-queue.ts";
import { HostDriver } from "../../../src/hosts/host-driver.ts";
import type { HostEvent } from "../../../src/hosts/messages.ts";
import { detailOf, initialState, statusOf } from "../../../src/hosts/state.ts";
import { createTalliesBuffer, HostTallies } from "../../../src/hosts/tallies.ts";
import { Budget } from "../../../src/ingest/host/budget.ts";
import { HostSubscription } from "../../../src/ingest/host/subscription.ts";
import { HostFailures } from "../../../src/ingest/host-failures.ts";
import { type Outcome, REJECTED, REPEATED } from "../../../src/ingest/outcome.ts";
import { NEVER_CONNECTED } from "../../../src/log/record/host-connection.ts";
import { Counters } from "../../../src/observe/counters.ts";
import { SimAccount } from "../../../src/sim/account.ts";
import { SimClock } from "../../../src/sim/clock.ts";
import { SimHost } from "../../../src/sim/host.ts";
import { encodeErrorFrame, encodeInfoFrame, joinFrame, type SimMessage } from "../../../src/sim/message.ts";
import { Rng } from "../../../src/sim/rng.ts";
import { counted, countedBy } from "../../observe/counted.ts";
import { keepLines } from "../../observe/kept-lines.ts";
import { FakeTiming } from "../../sim/fake-timing.ts";
import { RawHost, webSocketFrame } from "../../sim/raw-host.ts";

const HOUR_MS = 3_600_000;

/** A subscription with the machine that says when it dials. The test controls the time. It keeps all that they do. */
class Bench {
	readonly timing = new FakeTiming();
	readonly counters = new Counters();
	readonly tallies = new HostTallies(createTalliesBuffer());
	readonly delivered: number[] = [];
	readonly events: HostEvent[] = [];
	/** The mark at each call of `storeCursor`. */
	readonly stored: (number | null)[] = [];
	readonly subscription: HostSubscription;
	readonly driver: HostDriver;
	readonly statuses: string[] = [];
	/** How a delivered message ends. */
	outcome: Outcome = REJECTED;
	/** The error with which delivering a message fails, if any. */
	fault: unknown = null;
	/** Set to keep messages unsettled: here are the functions that settle them. */
	kept: ((outcome: Outcome) => void)[] | null = null;
	#redials = 0;

	constructor(
		hostname: string,
		cursor: number | null,
		limits: EventLimits | null = null,
		hostBufferBytes = 64 * 1024 * 1024,
	) {
		this.subscription = new HostSubscription(
			{ id: 1, hostname, insecure: true, cursor, limits },
			{
				budget: new Budget(64 * 1024 * 1024),
				hostBufferBytes,
				userAgent: "a test",
				counters: this.counters,
				failures: new HostFailures(this.counters),
				tally: this.tallies.of(1, 0),
				deliver: ({ message, settle }) => {
					if (this.fault !== null) throw this.fault;
					this.delivered.push(message.seq);
					if (this.kept === null) settle(this.outcome);
					else this.kept.push(settle);
				},
				storeCursor: () => this.stored.push(this.subscription.window.lowWater),
				emit: (event) => {
					this.events.push(event);
					if (event.type !== "hostGap" && event.type !== "heard" && event.type !== "counts") this.driver.report(event);
				},
				timing: this.timing,
			},
		);
		this.driver = new HostDriver(initialState(NEVER_CONNECTED, 7), {
			timing: this.timing,
			nowMs: () => this.timing.nowMs(),
			queue: new DialQueue(1, this.counters),
			dial: (attempt) => this.subscription.dial(attempt),
			hangUp: () => this.subscription.stop(1000, "no longer followed"),
			connected: () => undefined,
			record: () => this.statuses.push(statusOf(this.driver.state)),
		});
	}

	get lowWater(): number | null {
		return this.subscription.advance(() => 0);
	}

	get gaps(): [reason: string, afterSeq: number | null][] {
		this.subscription.advance(() => 0);
		return this.events.flatMap((event) => (event.type === "hostGap" ? [[event.reason, event.afterSeq]] : []));
	}

	/** Why its connections ended. */
	get faults(): string[] {
		return this.events.flatMap((event) => (event.type === "ended" ? [event.fault] : []));
	}

	get rejected(): Record<string, number> {
		return countedBy(this.counters, "messages_rejected_total");
	}

	count(
		name:
			| "host_gaps_total"
			| "host_connects_total"
			| "host_disconnects_total"
			| "host_pauses_total"
			| "inflight_bytes"
			| "delayed_messages",
	): number {
		return counted(this.counters).of(name);
	}

	/** Waits for the connection to end, and lets the time until the next dial pass. */
	async redial(): Promise<void> {
		this.#redials++;
		await until(() => this.count("host_disconnects_total") >= this.#redials);
		this.timing.pass(this.timing.nextMs);
	}
}

let host: SimHost;
let message: SimMessage;
let bench: Bench;

beforeEach(async () => {
	host = new SimHost();
	host.start();
	message = (await SimAccount.create({ rng: new Rng("follower"), clock: new SimClock(), curve: "k256" })).identity();
});
afterEach(async () => {
	bench.subscription.stop(1000, "the test is over");
	await host.stop();
});

async function until(condition: () => boolean): Promise<void> {
	const endMs = performance.now() + 240_000;
	while (!condition()) {
		if (performance.now() > endMs) throw new Error(`after four minutes: not ${condition}`);
		await Bun.sleep(1);
	}
}

function follow(cursor: number | null, hostname = host.hostname, limits: EventLimits | null = null): void {
	bench = new Bench(hostname, cursor, limits);
	bench.driver.tell({ type: "start" });
}

function emit(count: number): void {
	for (let i = 0; i < count; i++) host.emit(message);
}

const NO_FRAME = Uint8Array.of(0xff);

describe("a message that can't be read", () => {
	/** One of the kinds after which the connection stays usable. */
	const unreadable = (rng: Rng): Uint8Array<ArrayBuffer> | string =>
		rng.pick([
			"a text message",
			new Uint8Array(0),
			Uint8Array.from(rng.bytes(1 + rng.int(60)), (byte) => byte | 0xe0),
			joinFrame({ t: "#commit" }, {}),
			joinFrame({ op: 1 }, {}),
			joinFrame({ op: "1", t: "#commit" }, {}),
			Buffer.concat([joinFrame({ op: 1, t: "#identity" }, { seq: 1 }), Buffer.of(0)]),
			Buffer.from("a2626f70016174672369 6e666fa0".replaceAll(" ", ""), "hex"),
		]);

	test.each(["a", "b", "c"])("is skipped wherever it is, and costs no good message (%s)", async (seed) => {
		const rng = new Rng(`unreadable ${seed}`);
		const good: number[] = [];
		let bad = 0;
		let runs = 0;
		let wasBad = false;
		for (let sent = 0; sent < 300; sent++) {
			const isBad = rng.int(3) === 0;
			if (isBad) {
				host.emitUnreadable(unreadable(rng));
				bad++;
				if (!wasBad) runs++;
			} else good.push(host.emit(message));
			wasBad = isBad;
		}
		const last = host.emit(message);
		follow(0);
		await until(() => bench.delivered.includes(last));
		expect(bench.delivered).toEqual([...good, last]);
		expect(host.cursors).toEqual([0]);
		expect(Object.values(bench.rejected).reduce((sum, count) => sum + count, 0)).toBe(bad);
		expect(bench.count("host_gaps_total")).toBe(runs);
		expect(bench.lowWater).toBe(last);
	});

	test("does not let the mark pass unsettled messages before it", async () => {
		emit(2);
		host.emitUnreadable(NO_FRAME);
		follow(0);
		await until(() => Object.keys(bench.rejected).length > 0);
		expect(bench.lowWater).toBe(2);
		expect(bench.gaps).toEqual([["frame-malformed", 2]]);
		emit(1);
		await until(() => bench.delivered.length === 3);
		expect(bench.lowWater).toBe(4);
	});

	test("closes the connection if it is the 101st in a row, and the next connection starts after them", async () => {
		emit(1);
		for (let bad = 0; bad < 150; bad++) host.emitUnreadable("a text message");
		emit(1);
		follow(0);
		for (let tries = 0; tries < 3; tries++) await bench.redial();
		await until(() => bench.delivered.includes(152));
		expect(host.cursors).toEqual([0, 1, 1, 102]);
		expect(host.closes).toEqual(Array.from({ length: 3 }, () => ({ code: 1003, reason: "frame-text" })));
		expect(bench.gaps).toEqual([["frame-text", 1]]);
	});

	test("and can't be received is passed over after three tries at its cursor", async () => {
		emit(3);
		host.emitUnreadable(new Uint8Array(5_000_001));
		emit(2);
		follow(0);
		for (let tries = 0; tries < 3; tries++) await bench.redial();
		await until(() => bench.delivered.includes(6));
		expect(host.cursors).toEqual([0, 3, 3, 4]);
		expect(bench.delivered).toEqual([1, 2, 3, 5, 6]);
		expect(bench.rejected).toEqual({ "frame-too-large": 3 });
		expect(bench.gaps).toEqual([["frame-too-large", 3]]);
		expect(bench.lowWater).toBe(6);
		// From then on nothing is left out.
		host.closeAll(1001);
		await bench.redial();
		await until(() => host.cursors.length === 5);
		expect(host.cursors[4]).toBe(6);
	});

	test("and can't be received is also passed over if the host includes the message at the cursor in its replay", async () => {
		host.replaysInclusively = true;
		emit(3);
		host.emitUnreadable(new Uint8Array(5_000_001));
		emit(2);
		follow(0);
		for (let tries = 0; tries < 4; tries++) await bench.redial();
		await until(() => bench.delivered.includes(6));
		// The first new cursor is the seq of the unreadable message, so the host sends it once more.
		expect(host.cursors).toEqual([0, 3, 3, 4, 5]);
		expect(bench.delivered).toEqual([1, 2, 3, 3, 3, 5, 6]);
	});

	test("and has a seq far from the last one is passed over by doubling the number of seqs that are left out", async () => {
		emit(1);
		host.skipSeqs(10);
		host.emitUnreadable(new Uint8Array(5_000_001));
		emit(20);
		follow(0);
		for (let tries = 0; tries < 7; tries++) await bench.redial();
		await until(() => bench.delivered.includes(host.lastSeq));
		expect(host.cursors).toEqual([0, 1, 1, 2, 3, 5, 9, 17]);
		expect(bench.delivered.slice(0, 2)).toEqual([1, 18]);
	});

	test("and has nothing after it is passed over by going on at the live end", async () => {
		emit(1);
		host.skipSeqs(10);
		host.emitUnreadable(new Uint8Array(5_000_001));
		follow(0);
		for (let tries = 0; tries < 8; tries++) await bench.redial();
		await until(() => host.connections === 1);
		emit(1);
		await until(() => bench.delivered.length === 2);
		expect(host.cursors).toEqual([0, 1, 1, 2, 3, 5, 9, 17, null]);
		expect(bench.lowWater).toBe(13);
		// FutureCursor was the answer to a cursor that the detour made up, so the host is not left alone for half an hour.
		expect(bench.faults).not.toContain("future-cursor");
	});

	test.each([
		["breaks UTF-8", webSocketFrame(0x81, Uint8Array.of(0xc3, 0x28)), "frame-text"],
		["has an opcode that is none", webSocketFrame(0x83, Uint8Array.of(0)), "frame-malformed"],
		["has a reserved bit", webSocketFrame(0xc2, Uint8Array.of(0)), "frame-malformed"],
		["continues nothing", webSocketFrame(0x80, Uint8Array.of(0)), "frame-malformed"],
		["claims 2^62 bytes", Buffer.from("827f4000000000000000", "hex"), "frame-too-large"],
		["is a ping of 200 bytes", webSocketFrame(0x89, new Uint8Array(200)), "frame-malformed"],
	] as const)("as a WebSocket frame that %s is got past too", async (_what, bytes, reason) => {
		const raw = new RawHost([bytes]);
		await raw.start();
		follow(10, raw.hostname);
		for (let tries = 0; tries < 4; tries++) await bench.redial();
		await until(() => raw.paths.length === 5);
		expect(raw.paths.map((path) => new URLSearchParams(path.split("?")[1]).get("cursor"))).toEqual([
			"10",
			"10",
			"10",
			"11",
			"12",
		]);
		expect(bench.rejected[reason]).toBeGreaterThanOrEqual(4);
		expect(bench.gaps).toEqual([[reason, 10]]);
		raw.stop();
	});

	test("is no reason to leave anything out if the connection just broke", async () => {
		emit(1);
		follow(1);
		for (let tries = 0; tries < 6; tries++) {
			await until(() => host.connections === 1);
			host.closeAll(1011, "no");
			await bench.redial();
		}
		await until(() => host.connections === 1);
		expect(host.cursors).toEqual([1, 1, 1, 1, 1, 1, 1]);
	});
});

describe("a host that restarts its numbering", () => {
	test("and treats the old cursor as its live end is followed from its first message on, and the mark goes down", async () => {
		emit(1000);
		follow(990);
		await until(() => bench.delivered.length === 10);
		host.onFutureCursor = "live";
		host.wipe();
		await bench.redial();
		await until(() => host.connections === 1);
		expect(host.cursors).toEqual([990, 1000]);
		emit(5);
		await until(() => bench.delivered.length === 15);
		expect(bench.delivered.slice(10)).toEqual([1, 2, 3, 4, 5]);
		// The new place is stored before the first message can be in the log.
		expect(bench.stored).toEqual([0]);
		expect(bench.lowWater).toBe(5);
		expect(bench.gaps).toEqual([["seq-went-back", 1000]]);
		host.closeAll(1001);
		await bench.redial();
		await until(() => host.cursors.length === 3);
		expect(host.cursors[2]).toBe(5);
	});

	test("and has sent messages before it was connected is asked for all of them, at most once a day", async () => {
		emit(100);
		follow(100);
		await until(() => host.connections === 1);
		host.onFutureCursor = "live";
		host.wipe();
		emit(4);
		await bench.redial();
		await until(() => host.connections === 1);
		emit(1);
		// The first message shows that the numbering has begun anew.
		await bench.redial();
		await until(() => bench.delivered.length === 5);
		expect(host.cursors).toEqual([100, 100, 0]);
		expect(bench.faults.at(-1)).toBe("moved");
		expect(bench.delivered).toEqual([1, 2, 3, 4, 5]);
		expect([bench.stored, bench.lowWater]).toEqual([[0], 5]);
		expect(bench.gaps).toEqual([["seq-went-back", 100]]);
		// Otherwise a host that does so often would be asked for everything each time.
		host.wipe(2);
		emit(1);
		await until(() => bench.count("host_disconnects_total") === 3);
		bench.timing.pass(bench.timing.nextMs);
		await until(() => host.connections === 1);
		emit(1);
		await until(() => bench.delivered.length === 6);
		expect(host.cursors).toEqual([100, 100, 0, 5]);
		expect([bench.delivered.at(-1), bench.lowWater]).toEqual([4, 4]);
		host.wipe(1);
		emit(1);
		await until(() => bench.count("host_disconnects_total") === 4);
		bench.timing.pass(24 * HOUR_MS);
		await until(() => host.connections === 1);
		emit(1);
		await until(() => bench.count("host_disconnects_total") === 5);
		bench.timing.pass(bench.timing.nextMs);
		await until(() => bench.delivered.length === 8);
		expect(host.cursors).toEqual([100, 100, 0, 5, 4, 0]);
		expect(bench.delivered.slice(-2)).toEqual([2, 3]);
	});

	test("is told from one that includes the message at the cursor in its replay, which misses nothing", async () => {
		host.replaysInclusively = true;
		emit(5);
		follow(3);
		await until(() => bench.delivered.length === 3);
		expect(bench.delivered).toEqual([3, 4, 5]);
		expect(bench.lowWater).toBe(5);
		host.closeAll(1001);
		await bench.redial();
		await until(() => bench.delivered.length === 4);
		expect(bench.delivered).toEqual([3, 4, 5, 5]);
		expect([bench.gaps, bench.rejected]).toEqual([[], {}]);
	});
});

describe("a host that answers FutureCursor", () => {
	test("is idle, asked again each half an hour, and after three answers over an hour followed from its live end", async () => {
		emit(3);
		follow(1000);
		await until(() => bench.statuses.includes("idle"));
		const startMs = bench.timing.nowMs();
		await bench.redial();
		expect(bench.timing.nowMs() - startMs).toBe(HOUR_MS / 2);
		await bench.redial();
		expect(bench.timing.nowMs() - startMs).toBe(HOUR_MS);
		await bench.redial();
		expect(bench.timing.nowMs() - startMs).toBeLessThan(HOUR_MS + 60_000);
		await until(() => host.connections === 1);
		expect(host.cursors).toEqual([1000, 1000, 1000, null]);
		expect(bench.stored).toEqual([null]);
		expect(bench.gaps).toEqual([["future-cursor", 1000]]);
		emit(2);
		await until(() => bench.delivered.length === 2);
		expect(bench.delivered).toEqual([4, 5]);
		expect(bench.stored).toEqual([null, 3]);
		expect(bench.statuses.at(-1)).toBe("active");
	});

	test("and is asked for meanwhile is dialled at once, but its cursor is still not given up before the hour", async () => {
		emit(3);
		follow(1000);
		for (let asked = 0; asked < 5; asked++) {
			await until(() => host.cursors.length === asked + 1 && bench.statuses.filter((s) => s === "idle").length > asked);
			bench.timing.pass(60_000);
			bench.driver.tell({ type: "asked", by: "operator" });
		}
		await until(() => host.cursors.length === 6);
		expect(host.cursors).not.toContain(null);
	});

	test("and has caught up meanwhile goes on at the same cursor", async () => {
		emit(3);
		follow(5);
		await until(() => bench.statuses.includes("idle"));
		emit(4);
		await bench.redial();
		await until(() => bench.delivered.length === 2);
		expect(bench.delivered).toEqual([6, 7]);
		expect(bench.gaps).toEqual([]);
	});
});

test("a host whose messages are held back is throttled after ten seconds, and active when they no longer are", async () => {
	bench = new Bench(host.hostname, 0, null, 1_000);
	bench.kept = [];
	bench.driver.tell({ type: "start" });
	await until(() => host.connections === 1);
	emit(20);
	await until(() => counted(bench.counters).of("host_pauses_total") > 0);
	bench.subscription.advance(() => 0);
	bench.timing.pass(9_999);
	bench.subscription.advance(() => 0);
	expect(bench.statuses).toEqual(["active"]);
	bench.timing.pass(1);
	for (let again = 0; again < 3; again++) bench.subscription.advance(() => 0);
	expect(bench.statuses).toEqual(["active", "throttled"]);
	expect(detailOf(bench.driver.state)).toContain("bytes");
	const { kept } = bench;
	bench.kept = null;
	for (const settle of kept) settle(REJECTED);
	bench.subscription.advance(() => 0);
	expect(bench.statuses).toEqual(["active", "throttled", "active"]);
});

describe("an operator's reset", () => {
	test("goes on from the given cursor, or from the live end, and stores it", async () => {
		emit(10);
		follow(8);
		await until(() => bench.delivered.length === 2);
		bench.subscription.resetCursor(5);
		await bench.redial();
		await until(() => bench.delivered.length === 7);
		expect(bench.delivered.slice(2)).toEqual([6, 7, 8, 9, 10]);
		bench.subscription.resetCursor(null);
		await bench.redial();
		await until(() => host.cursors.length === 3 && host.connections === 1);
		emit(1);
		await until(() => bench.delivered.at(-1) === 11);
		expect(host.cursors).toEqual([8, 5, null]);
		expect(bench.stored).toEqual([5, null, 10]);
		expect(bench.gaps).toEqual([["cursor-reset", 10]]);
		expect(bench.lowWater).toBe(11);
	});

	test("frees a host that is stuck at a message or was given up", async () => {
		emit(3);
		follow(1000);
		await until(() => bench.statuses.includes("idle"));
		bench.subscription.resetCursor(1);
		await until(() => bench.delivered.length === 2);
		expect(bench.delivered).toEqual([2, 3]);
		bench.driver.tell({ type: "banned", why: "spam" });
		await until(() => host.connections === 0);
		bench.subscription.resetCursor(2);
		bench.driver.tell({ type: "allowed" });
		await until(() => bench.delivered.length === 3);
		expect(host.cursors).toEqual([1000, 1, 2]);
	});
});

describe("time", () => {
	afterEach(() => {
		setSystemTime();
	});

	test("that the wall clock skips or repeats closes nothing", async () => {
		follow(0);
		await until(() => host.connections === 1);
		for (const stepMs of [75_001, HOUR_MS, -24 * HOUR_MS]) {
			setSystemTime(new Date(Date.now() + stepMs));
			bench.timing.pass(30_000);
			emit(1);
			await until(() => bench.delivered.length === host.lastSeq);
		}
		expect(host.cursors).toEqual([0]);
		expect(bench.count("host_disconnects_total")).toBe(0);
	});

	test("in which a host says nothing closes the connection, whatever the wall clock says", async () => {
		const raw = new RawHost();
		await raw.start();
		follow(0, raw.hostname);
		await until(() => bench.statuses.includes("active"));
		setSystemTime(new Date(Date.now() - HOUR_MS));
		bench.timing.pass(60_000);
		expect(bench.count("host_disconnects_total")).toBe(0);
		bench.timing.pass(30_000);
		expect(bench.count("host_disconnects_total")).toBe(1);
		raw.stop();
	});
});

describe("what a host can have logged", () => {
	let lines: LogRecord[];
	beforeEach(() => {
		lines = keepLines();
	});
	afterEach(() => resetSync());

	test("is one line a minute of each kind, which says how many were left out", async () => {
		follow(0);
		await until(() => host.connections === 1);
		for (let round = 0; round < 2; round++) {
			for (let i = 0; i < 50; i++) {
				host.sendRaw(encodeInfoFrame("Noise", "x".repeat(1000)));
				host.sendRaw(NO_FRAME);
				host.sendRaw(joinFrame({ op: 1, t: "#identity" }, { seq: 1 }));
				emit(1);
			}
			await until(() => bench.delivered.length === 50 * (round + 1));
			bench.timing.pass(round === 0 ? 60_000 : 0);
		}
		const of = (text: string): LogRecord[] => lines.filter(({ rawMessage }) => String(rawMessage).includes(text));
		for (const text of ["says", "may be missed", "rejected a frame"]) {
			const kinds = text === "rejected a frame" ? 2 : 1;
			expect(of(text).map(({ properties }) => properties["omitted"] ?? 0)).toEqual([
				...Array.from({ length: kinds }, () => 0),
				...Array.from({ length: kinds }, () => 49),
			]);
		}
		expect(lines.every(({ properties }) => properties["host"] === host.hostname)).toBe(true);
		expect(lines.filter(({ level }) => level === "error")).toEqual([]);
	});

	test("is not a line for each connect and disconnect", async () => {
		follow(0);
		for (let round = 0; round < 20; round++) {
			await until(() => host.connections === 1);
			bench.driver.tell({ type: "asked", by: "operator" });
			emit(1);
			await until(() => bench.delivered.length === round + 1);
			host.closeAll(1011, "no");
			await bench.redial();
		}
		const connects = lines.filter(({ rawMessage }) => String(rawMessage).startsWith("connected"));
		const elapsedMinutes = Math.ceil((bench.timing.nowMs() - 1_000_000) / 60_000);
		expect(connects.length).toBeLessThanOrEqual(1 + elapsedMinutes);
		expect(connects.length).toBeLessThan(20);
	});
});

test("an error frame, whatever its name and text, closes the connection with our own reason", async () => {
	const rng = new Rng("error names");
	const alphabet = ["a", "ß", "語", "🦋", "\0", "\n", "\u202e"];
	const text = (charsMax: number): string =>
		Array.from({ length: rng.int(charsMax) }, () => rng.pick(alphabet)).join("");
	follow(0);
	for (let round = 0; round < 60; round++) {
		await until(() => host.connections === 1);
		host.sendRaw(encodeErrorFrame(text(300), text(900)));
		await until(() => host.closes.length === round + 1);
		await bench.redial();
	}
	expect(host.closes).toEqual(Array.from({ length: 60 }, () => ({ code: 1000, reason: "error received" })));
});

test("a bug of our own in delivering a message ends the connection, holds no bytes, and the next messages pass", async () => {
	emit(2);
	follow(0);
	await until(() => bench.delivered.length === 2);
	bench.fault = new TypeError("undefined is not an object");
	emit(1);
	await until(() => host.closes.length === 1);
	expect(host.closes).toEqual([{ code: 1011, reason: "internal-error" }]);
	expect([bench.rejected, bench.lowWater, bench.count("inflight_bytes")]).toEqual([{ "internal-error": 1 }, 3, 0]);
	bench.fault = null;
	emit(1);
	await bench.redial();
	await until(() => bench.delivered.length === 3);
	expect(bench.delivered).toEqual([1, 2, 4]);
	expect(bench.lowWater).toBe(4);
});

test.each(["atproto-relay", "indigo (ATProto-Relay)"])(
	"a host that says it is a relay (%s) is given up",
	async (serverHeader) => {
		const relay = new SimHost({ serverHeader });
		relay.start();
		try {
			follow(null, relay.hostname);
			await until(() => bench.statuses.includes("banned"));
			expect(bench.statuses).not.toContain("active");
		} finally {
			await relay.stop();
		}
	},
);

describe("a host beyond its limits", () => {
	const LIMITS = { perS: 10, perHour: 1_000, perDay: 10_000 };
	/** As many messages of one account pass at once: see `AccountShares`. */
	const SHARE = 7;

	/** Waits until the host's messages have come, passed or not. */
	const come = (count: number): Promise<void> =>
		until(() => bench.delivered.length + bench.count("delayed_messages") >= count);

	test("has its messages wait, and the mark waits with them; then they pass in order, and nothing is rejected", async () => {
		follow(0, host.hostname, LIMITS);
		emit(40);
		await come(40);
		expect(bench.delivered).toEqual([1, 2, 3, 4, 5, 6, 7]);
		expect(bench.lowWater).toBe(SHARE);
		expect(bench.subscription.delays()).toMatchObject({ messages: 40 - SHARE, accounts: 1 });
		while (bench.delivered.length < 40) {
			const before = bench.delivered.length;
			bench.timing.pass(1_000);
			expect(bench.delivered.length).toBeGreaterThan(before);
			expect(bench.delivered.length).toBeLessThanOrEqual(before + 10);
			expect(bench.lowWater).toBe(bench.delivered.length);
		}
		expect(bench.delivered).toEqual(Array.from({ length: 40 }, (_, at) => at + 1));
		expect(bench.rejected).toEqual({});
		expect(bench.count("inflight_bytes")).toBe(0);
		expect(bench.subscription.delays()).toBeNull();
	});

	test("is paused when its budget is full, and read again when messages have passed", async () => {
		bench = new Bench(host.hostname, 0, LIMITS, 64 * 1024);
		bench.driver.tell({ type: "start" });
		// Of many accounts, so that none of them is left out for having too many.
		for (let account = 0; account < 300; account++) {
			const did = `did:plc:${`${account}`.padStart(24, "a")}`;
			host.emit({ ...message, did, body: { ...message.body, did } });
		}
		await until(() => bench.count("host_pauses_total") > 0);
		await until(() => {
			bench.timing.pass(1_000);
			return bench.delivered.length === 300;
		});
		expect(bench.delivered.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 300 }, (_, at) => at + 1));
		expect(bench.rejected).toEqual({});
	});

	test("that is stopped waits no longer, and is asked again for what waited", async () => {
		follow(0, host.hostname, LIMITS);
		emit(30);
		await come(30);
		expect(bench.tallies.read(1)).toMatchObject({ events: 30, rejected: SHARE });
		expect(bench.tallies.read(1)?.waitingSinceMs).toBeGreaterThan(0);
		bench.driver.tell({ type: "banned", why: "spam" });
		expect(bench.tallies.read(1)).toEqual({ events: 30, rejected: SHARE, waitingSinceMs: 0 });
		expect(bench.count("delayed_messages")).toBe(0);
		expect(bench.count("inflight_bytes")).toBe(0);
		expect(bench.lowWater).toBe(SHARE);
		expect(bench.subscription.window.size).toBe(0);
		expect(bench.timing.waiting).toBe(0);
		bench.timing.pass(60_000);
		expect(bench.delivered).toHaveLength(SHARE);
		bench.subscription.setLimits(null);
		bench.driver.tell({ type: "allowed" });
		await until(() => bench.delivered.length === 30);
		expect(host.cursors).toEqual([0, SHARE]);
		expect(bench.delivered).toEqual(Array.from({ length: 30 }, (_, at) => at + 1));
		expect(bench.lowWater).toBe(30);
	});

	test("that disconnects is dialled again, and asked for what has not come", async () => {
		follow(0, host.hostname, LIMITS);
		emit(30);
		await come(30);
		host.closeAll(1001);
		await until(() => bench.count("host_disconnects_total") > 0);
		expect(bench.count("delayed_messages")).toBeGreaterThan(0);
		for (let s = 0; s < 30; s++) bench.timing.pass(1_000);
		expect(bench.delivered).toEqual(Array.from({ length: 30 }, (_, at) => at + 1));
		emit(3);
		await until(() => host.cursors.length === 2);
		await come(33);
		expect(host.cursors).toEqual([0, 30]);
	});

	test("may repeat as much as it likes: what the log has already does not count", async () => {
		bench = new Bench(host.hostname, 0, { perS: 3, perHour: 5, perDay: 5 });
		bench.outcome = REPEATED;
		emit(500);
		bench.driver.tell({ type: "start" });
		await until(() => {
			bench.timing.pass(0);
			return bench.delivered.length === 500;
		});
		bench.outcome = REJECTED;
		emit(20);
		await come(520);
		expect(bench.delivered.length).toBeLessThanOrEqual(505);
		expect(bench.tallies.read(1)).toMatchObject({ events: 520, rejected: bench.delivered.length - 500 });
	});

	test("gets new limits at once", async () => {
		follow(0, host.hostname, LIMITS);
		emit(100);
		await come(100);
		bench.subscription.setLimits({ perS: 50, perHour: 1_000, perDay: 10_000 });
		expect(bench.delivered.length).toBeGreaterThan(20);
		bench.subscription.setLimits(null);
		expect(bench.delivered).toHaveLength(100);
	});

	test("has each of its messages settled, if a bug of our own keeps one from being delivered", async () => {
		follow(0, host.hostname, LIMITS);
		emit(9);
		await come(9);
		bench.fault = new TypeError("undefined is not an object");
		bench.timing.pass(1_000);
		bench.fault = null;
		bench.timing.pass(5_000);
		expect(bench.count("delayed_messages")).toBe(0);
		expect(bench.count("inflight_bytes")).toBe(0);
	});
});
