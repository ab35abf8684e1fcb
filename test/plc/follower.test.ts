import { describe, expect, test } from "bun:test";
import { StoreBroken, StoreUnavailable } from "../../src/index/store-fault.ts";
import { PAGE_LINES, PageError } from "../../src/plc/export-page.ts";
import {
	GATHER_MS,
	PAGE_INTERVAL_MS,
	POLL_INTERVAL_MS,
	STREAM_RETRY_MS,
	UNKNOWN_PLACE_MS_MAX,
} from "../../src/plc/follower.ts";
import { Rng } from "../../src/sim/rng.ts";
import { textOf } from "./lines.ts";
import { MirrorRig } from "./mirror-rig.ts";
import { World } from "./world.ts";

const OPERATIONS = 2 * PAGE_LINES + 300;
const HOUR_MS = 3_600_000;

const world = new World(new Rng("a world of DIDs"));
world.grow(OPERATIONS);
const past = [...world.lines];

/** A rig that starts after all of the world's operations. */
function rigAfter(of: World, lines = of.lines): MirrorRig {
	const rig = new MirrorRig(of.nowMs + 100 * HOUR_MS);
	rig.directory.lines = lines;
	return rig;
}

function expectMirrors(rig: MirrorRig, of: World): void {
	const mirrored = [...of.dids.keys()].map((did) => {
		const state = rig.store.state(did);
		return [did, state?.isDoubtful, state?.data.tombstoned, state?.data.pds, state?.chain.at(-1)?.cid];
	});
	const expected = [...of.dids.values()].map(({ did, valid }) => {
		const data = of.dataOf(did);
		return [did, false, data?.tombstoned, data?.pds, valid.at(-1)?.cid];
	});
	expect(mirrored).toEqual(expected);
}

describe.each(["seq", "time"] as const)("an export whose lines have a %s", (form) => {
	test("is read to its end, page by page, with no more rows at once than a page has", async () => {
		const rig = rigAfter(world);
		rig.directory.form = form;
		await rig.start();
		await rig.untilComplete();
		expectMirrors(rig, world);
		expect(rig.counted("plc_mirror_operations_total")).toBe(OPERATIONS);
		expect(rig.refused).toEqual({});
		expect(rig.store.statesAtOnceMax).toBeLessThanOrEqual(PAGE_LINES);
		expect(rig.directory.asked[0]).toBe("0");
		await rig.stop();
	});

	test("is gone on with after a stop between any two pages", async () => {
		let rig = rigAfter(world);
		const asked: string[] = [];
		for (let round = 0; round < 4; round++) {
			rig = new MirrorRig(rig.time.nowMs, rig.store);
			rig.directory.form = form;
			rig.directory.lines = past;
			await rig.start();
			await rig.stop();
			asked.push(...rig.directory.asked);
		}
		expectMirrors(rig, world);
		expect(new Set(asked.slice(0, 3)).size).toBe(3);
		// A line at the place is given again, and it is known.
		expect(rig.refused["prev-unknown"] ?? 0).toBe(0);
	});

	test("is asked for from time to time when all is read, and what is new is taken", async () => {
		const growing = new World(new Rng("a growing world"));
		growing.grow(50);
		const rig = rigAfter(growing);
		rig.directory.form = form;
		rig.time.nowMs = growing.nowMs;
		await rig.start();
		for (let round = 0; round < 20; round++) {
			growing.grow(10);
			rig.time.nowMs = growing.nowMs;
			await rig.untilComplete();
			expectMirrors(rig, growing);
		}
		expect(rig.refused).toEqual({});
		await rig.stop();
	});
});

describe("the pace", () => {
	test("is one page in a while, and a longer while when all is read", async () => {
		const rig = rigAfter(world);
		await rig.start();
		expect(rig.directory.asked).toHaveLength(1);
		await rig.time.pass(PAGE_INTERVAL_MS - 1);
		expect(rig.directory.asked).toHaveLength(1);
		await rig.time.pass(1);
		expect(rig.directory.asked).toHaveLength(2);
		await rig.time.pass(PAGE_INTERVAL_MS);
		expect(rig.directory.asked).toHaveLength(3);
		await rig.time.pass(POLL_INTERVAL_MS - 1);
		expect(rig.directory.asked).toHaveLength(3);
		await rig.time.pass(1);
		expect(rig.directory.asked).toHaveLength(4);
		await rig.stop();
	});

	test("slows down while the directory fails, and follows its Retry-After", async () => {
		const rig = rigAfter(world);
		rig.directory.failure = new PageError("down", null);
		await rig.start();
		await rig.time.pass(HOUR_MS);
		const tries = rig.directory.asked.length;
		expect(tries).toBeGreaterThan(60);
		expect(tries).toBeLessThan(90);
		expect(rig.counted("plc_mirror_failures_total")).toBe(tries);
		rig.directory.failure = new PageError("HTTP status 429", HOUR_MS);
		await rig.time.pass(60_000);
		const after = rig.directory.asked.length;
		await rig.time.pass(HOUR_MS - 60_001);
		expect(rig.directory.asked).toHaveLength(after);
		rig.directory.failure = null;
		await rig.untilComplete();
		expectMirrors(rig, world);
		await rig.stop();
	});
});

describe("the lag", () => {
	test("is the age of the last operation at first, then of the state", async () => {
		const rig = rigAfter(world, past.slice(0, PAGE_LINES));
		const mirror = await rig.start();
		const lastMs = past[PAGE_LINES - 1]?.createdAtMs ?? 0;
		expect(rig.counted("plc_mirror_lag_seconds")).toBeCloseTo((rig.time.nowMs - lastMs) / 1000);
		await rig.untilComplete();
		rig.directory.failure = new PageError("down", null);
		await rig.time.pass(1_000_000);
		mirror.noteLag();
		expect(rig.counted("plc_mirror_lag_seconds")).toBeGreaterThan(990);
		expect(rig.counted("plc_mirror_lag_seconds")).toBeLessThan(1_010);
		await rig.stop();
	});
});

describe("the stream", () => {
	async function streaming() {
		const growing = new World(new Rng("a streaming world"));
		growing.grow(20);
		const rig = rigAfter(growing);
		rig.time.nowMs = growing.nowMs;
		rig.directory.lines = [...growing.lines];
		rig.directory.hasStream = true;
		await rig.start();
		const [stream] = rig.directory.streams;
		if (stream === undefined) throw new Error("no stream was asked for");
		/** Sends what is new in the world. */
		const send = (operations: number): void => {
			const known = growing.lines.length;
			growing.grow(operations);
			rig.time.nowMs = growing.nowMs;
			stream.send(growing.lines.slice(known).map((line) => textOf(line, "seq")));
		};
		return { rig, growing, stream, send };
	}

	test("is followed after the last line, and asks for no page meanwhile", async () => {
		const { rig, growing, stream, send } = await streaming();
		expect(stream.seq).toBe(growing.lines.at(-1)?.seq ?? 0);
		const asked = rig.directory.asked.length;
		for (let round = 0; round < 10; round++) {
			send(15);
			await rig.time.pass(GATHER_MS);
			expectMirrors(rig, growing);
		}
		expect(rig.directory.asked).toHaveLength(asked);
		expect(rig.store.writes).toBe(asked + 10);
		await rig.stop();
	});

	test("shows by its pings that the mirror is complete", async () => {
		const { rig, stream } = await streaming();
		const saidMs = rig.time.nowMs + 1_000;
		await rig.time.pass(5_000);
		stream.send([], saidMs);
		await rig.time.pass(GATHER_MS);
		expect(rig.store.current?.completeUntilMs).toBe(saidMs);
		await rig.stop();
	});

	test("is asked for again after a page if it ends", async () => {
		const { rig, growing, stream, send } = await streaming();
		send(5);
		stream.end("closed with 1000 ConsumerTooSlow");
		growing.grow(5);
		rig.time.nowMs = growing.nowMs;
		rig.directory.lines = [...growing.lines];
		await rig.time.pass(2 * POLL_INTERVAL_MS);
		expectMirrors(rig, growing);
		expect(rig.directory.streams.at(-1)?.seq).toBe(growing.lines.at(-1)?.seq ?? 0);
		expect(rig.refused).toEqual({});
		await rig.stop();
	});

	test("that the directory does not have is asked for rarely", async () => {
		const rig = rigAfter(world);
		await rig.start();
		await rig.untilComplete();
		expect(rig.directory.streams).toHaveLength(1);
		await rig.time.pass(STREAM_RETRY_MS - 60_000);
		expect(rig.directory.streams).toHaveLength(1);
		await rig.time.pass(120_000);
		expect(rig.directory.streams).toHaveLength(2);
		await rig.stop();
	});

	test("of a directory that has given out no such seq leads back to the first line", async () => {
		const { rig, growing, stream } = await streaming();
		stream.end("closed with 1000 FutureCursor");
		await rig.time.pass(2 * POLL_INTERVAL_MS);
		expect(rig.directory.asked).toContain("0");
		expect(rig.directory.asked.indexOf("0", 1)).toBeGreaterThan(0);
		await rig.untilComplete();
		expectMirrors(rig, growing);
		await rig.stop();
	});
});

describe("a directory that has lost the last line", () => {
	test("says nothing about what comes next, and after an hour is read from its beginning", async () => {
		const rig = rigAfter(world);
		await rig.start();
		await rig.untilComplete();
		const complete = rig.store.current?.completeUntilMs ?? 0;
		rig.directory.lines = past.slice(0, -1);
		await rig.time.pass(UNKNOWN_PLACE_MS_MAX / 2);
		expect(rig.store.current?.completeUntilMs).toBeLessThan(complete + 10_000);
		expect(rig.directory.asked.lastIndexOf("0")).toBe(0);
		await rig.time.pass(UNKNOWN_PLACE_MS_MAX);
		expect(rig.directory.asked.lastIndexOf("0")).toBeGreaterThan(0);
		await rig.untilComplete();
		expectMirrors(rig, world);
		await rig.stop();
	});

	test("a directory of another origin is read from its first line, and what is known stays", async () => {
		const rig = rigAfter(world);
		await rig.start();
		await rig.untilComplete();
		await rig.stop();
		const progress = rig.store.current;
		if (progress === null) throw new Error("nothing was written");
		await rig.store.write([], { ...progress, directory: "https://other.test" });
		const again = new MirrorRig(rig.time.nowMs, rig.store);
		again.directory.lines = past;
		await again.start();
		await again.untilComplete();
		expect(again.directory.asked[0]).toBe("0");
		expect(again.counted("plc_mirror_operations_total")).toBe(0);
		expect(Object.keys(again.refused).sort()).toEqual(["outdated", "repeated"]);
		expectMirrors(again, world);
		await again.stop();
	});
});

test("after a clock that was set back, a mirror is complete up to the present at most, and takes what is new", async () => {
	const rig = rigAfter(world);
	await rig.start();
	await rig.untilComplete();
	await rig.stop();
	const back = new MirrorRig(rig.time.nowMs - 24 * HOUR_MS, rig.store);
	const growing = new World(new Rng("a world of DIDs"));
	growing.grow(OPERATIONS);
	growing.nowMs = back.time.nowMs - HOUR_MS / 2;
	growing.grow(1);
	back.directory.lines = growing.lines;
	back.time.nowMs = growing.nowMs;
	await back.start();
	await back.untilComplete();
	expect(back.refused).toEqual({});
	expectMirrors(back, growing);
	await back.stop();
});

describe("the mirror's database", () => {
	test("is waited for if it fails for now, and nothing is left out", async () => {
		const rig = rigAfter(world);
		rig.store.failure = new StoreUnavailable("disk-full", "the disk is full");
		await rig.start();
		expect(rig.store.writes).toBe(0);
		await rig.untilComplete();
		expectMirrors(rig, world);
		expect(rig.counted("plc_mirror_failures_total")).toBe(1);
		await rig.stop();
	});

	test("that has gone back, even to before the start, gets again what it has lost", async () => {
		const rng = new Rng("a database that goes back");
		const growing = new World(new Rng("a world beside a failing database"));
		growing.grow(PAGE_LINES + 100);
		const rig = rigAfter(growing, [...growing.lines]);
		let goBack = rig.store.remember();
		await rig.start();
		await rig.time.pass(PAGE_INTERVAL_MS);
		expect(rig.store.writes).toBeGreaterThan(0);
		goBack();
		await rig.untilComplete();
		expectMirrors(rig, growing);
		for (let round = 0; round < 5; round++) {
			goBack = rig.store.remember();
			for (let more = rng.int(3); more >= 0; more--) {
				growing.nowMs = rig.time.nowMs;
				growing.grow(1);
				await rig.time.pass(growing.nowMs - rig.time.nowMs);
				rig.directory.lines = [...growing.lines];
				await rig.untilComplete();
			}
			expectMirrors(rig, growing);
			goBack();
			await rig.untilComplete();
			expectMirrors(rig, growing);
		}
		expect(rig.refused).toEqual({});
		await rig.stop();
	});

	test("ends the follower if it is broken", async () => {
		const rig = rigAfter(world);
		rig.store.failure = new StoreBroken("something else writes to it");
		await rig.start();
		expect(await rig.running.catch((error: unknown) => error)).toBeInstanceOf(StoreBroken);
	});
});
