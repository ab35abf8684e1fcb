import { describe, expect, test } from "bun:test";
import { BLOCK_BYTES } from "../../../../src/log/local/log-fs.ts";
import {
	PIECE_BYTES,
	PREPARE_RETRY_MS,
	PreparedFile,
	type PreparedFileOptions,
} from "../../../../src/log/local/segment/prepared-file.ts";
import { Rng } from "../../../../src/sim/rng.ts";
import { MemoryFs } from "../memory-fs.ts";

const DIRECTORY = "/log";
const PATH = `${DIRECTORY}/prepared`;
const SEGMENT_BYTES = 4 * PIECE_BYTES;
/** With the slack of 256 KiB. */
const WHOLE_BYTES = SEGMENT_BYTES + 256 * 1024;

/** An error as the system gives it. */
function systemError(code: string): Error {
	return Object.assign(new Error(`${code}: by the test`), { code });
}

/** A prepared file on a disk in memory, and the clock that it waits by. */
class Rig {
	readonly fs: MemoryFs;
	readonly prepared: PreparedFile;
	nowMs = 0;

	constructor(changes: Partial<PreparedFileOptions> = {}, fs = new MemoryFs()) {
		this.fs = fs;
		this.prepared = new PreparedFile({
			fs,
			directory: DIRECTORY,
			segmentBytes: SEGMENT_BYTES,
			isWanted: true,
			diskReserveBytes: 0,
			elapsedMs: () => this.nowMs,
			...changes,
		});
	}

	/** Prepares as the log does after each batch, and waits for the work in the background. */
	async prepareUpTo(share: number): Promise<void> {
		this.prepared.claim(share);
		this.prepared.prepare(share);
		while (this.prepared.isBusy) await Promise.resolve();
	}

	get bytes(): number | null {
		return this.fs.files.get(PATH)?.content.length ?? null;
	}

	/** What a segment made of the file holds after this header. */
	take(name: string, header = Buffer.from("header")): Buffer {
		const file = this.prepared.take(name, (file) => {
			this.fs.write(file, header, 0);
			return file;
		});
		this.fs.close(file);
		return this.fs.content(`${DIRECTORY}/${name}`);
	}
}

describe("a prepared file", () => {
	test("is not begun before the active segment is half full, grows with it, and is whole before it ends", async () => {
		const rig = new Rig();
		let before = 0;
		for (let share = 0; share < 1; share += 1 / 64) {
			await rig.prepareUpTo(share);
			const bytes = rig.bytes ?? 0;
			expect(rig.bytes !== null).toBe(share > 0.5);
			expect(bytes).toBeGreaterThanOrEqual(before);
			expect(bytes).toBeLessThanOrEqual(Math.max(WHOLE_BYTES * (share - 0.5) * 2.5, 0) + PIECE_BYTES);
			if (share >= 0.9 || share < 0.8) expect(rig.prepared.isWhole).toBe(share >= 0.9);
			before = bytes;
		}
		expect(rig.bytes).toBe(WHOLE_BYTES);
		expect(WHOLE_BYTES % BLOCK_BYTES).toBe(0);
		expect(rig.fs.openFiles).toBe(0);
		// Each piece is synced by itself.
		const pieces = rig.fs.calls.filter((call) => call === "write prepared").length;
		expect(rig.fs.calls.filter((call) => call === "sync prepared")).toHaveLength(pieces);
		expect(pieces).toBe(Math.ceil(WHOLE_BYTES / PIECE_BYTES));
	});

	test("is counted as whole from its beginning, and not before", async () => {
		const { prepared, ...rig } = new Rig();
		expect(prepared.bytes).toBe(0);
		expect(prepared.claim(0.49)).toBe(false);
		expect(prepared.claim(0.5)).toBe(true);
		expect(prepared.claim(0.6)).toBe(false);
		expect(prepared.bytes).toBe(WHOLE_BYTES);
		expect(rig.fs.files.size).toBe(0);
	});

	test("becomes a file of another name: what is written, then old bytes, durable before it has that name", async () => {
		const rig = new Rig();
		await rig.prepareUpTo(1);
		rig.fs.calls.length = 0;
		const content = rig.take("a.seg");
		expect(content.subarray(0, 6).toString()).toBe("header");
		expect(content.length).toBe(WHOLE_BYTES);
		expect(rig.fs.calls).toEqual(["write prepared", "sync prepared", "rename a.seg", "syncDirectory log"]);
		expect(rig.fs.afterPowerCut().content(`${DIRECTORY}/a.seg`)).toEqual(content);
		expect(rig.prepared).toMatchObject({ isWhole: false, bytes: 0 });
		expect(() => rig.take("b.seg")).toThrow(RangeError);
		await rig.prepareUpTo(1);
		expect(rig.take("b.seg").length).toBe(WHOLE_BYTES);
	});

	test("left by an earlier process is used, whatever size it has", async () => {
		for (const bytes of [0, 1, PIECE_BYTES, WHOLE_BYTES - 1, WHOLE_BYTES, WHOLE_BYTES + 1, 3 * WHOLE_BYTES]) {
			const fs = new MemoryFs();
			fs.put(PATH, Buffer.alloc(bytes, 7));
			const rig = new Rig({}, fs);
			expect(rig.prepared.bytes).toBe(bytes);
			await rig.prepareUpTo(1);
			const kept = Math.min(bytes, WHOLE_BYTES);
			const content = rig.take("a.seg");
			expect(content.length).toBe(WHOLE_BYTES);
			expect(content.subarray(6, kept).equals(Buffer.alloc(Math.max(kept - 6, 0), 7))).toBe(true);
			expect(content.subarray(Math.max(kept, 6)).every((byte) => byte === 0)).toBe(true);
			expect(fs.openFiles).toBe(0);
		}
	});

	test("is removed at the start if none is wanted, and none is made", async () => {
		const fs = new MemoryFs();
		fs.put(PATH, Buffer.alloc(10));
		fs.put(`${PATH}-next`, Buffer.alloc(10));
		const rig = new Rig({ isWanted: false }, fs);
		await rig.prepareUpTo(1);
		fs.put(`${DIRECTORY}/old.seg`, Buffer.alloc(WHOLE_BYTES));
		expect(rig.prepared.adopt("old.seg", WHOLE_BYTES, Number.POSITIVE_INFINITY)).toBe(false);
		expect([...fs.files.keys()]).toEqual([`${DIRECTORY}/old.seg`]);
	});
});

describe("a removed segment's file", () => {
	function withSegments(...names: string[]): Rig {
		const fs = new MemoryFs();
		for (const [at, name] of names.entries()) fs.put(`${DIRECTORY}/${name}`, Buffer.alloc(SEGMENT_BYTES, at + 1));
		return new Rig({}, fs);
	}

	test("is used as it is; a second one waits its turn; a third has to be removed", async () => {
		const rig = withSegments("a.seg", "b.seg", "c.seg");
		const { prepared, fs } = rig;
		expect(
			["a.seg", "b.seg", "c.seg"].map((name) => prepared.adopt(name, SEGMENT_BYTES, Number.POSITIVE_INFINITY)),
		).toEqual([true, true, false]);
		expect([...fs.files.keys()].sort()).toEqual([`${DIRECTORY}/c.seg`, PATH, `${PATH}-next`]);
		expect(prepared.bytes).toBe(2 * SEGMENT_BYTES);
		for (const value of [1, 2]) {
			expect(prepared.isWhole).toBe(false);
			await rig.prepareUpTo(1);
			const content = rig.take(`new-${value}.seg`);
			expect(content.subarray(6, SEGMENT_BYTES).every((byte) => byte === value)).toBe(true);
			expect(content.length).toBe(WHOLE_BYTES);
		}
		expect(prepared.bytes).toBe(0);
		expect(prepared.adopt("c.seg", SEGMENT_BYTES, Number.POSITIVE_INFINITY)).toBe(true);
	});

	test("is not changed before its new name is durable: a power cut may bring back the old one", async () => {
		const rig = withSegments("a.seg");
		const { prepared, fs } = rig;
		const old = Buffer.from(fs.content(`${DIRECTORY}/a.seg`));
		const cuts: MemoryFs[] = [];
		fs.fault = () => void cuts.push(fs.afterPowerCut(() => true));
		prepared.adopt("a.seg", SEGMENT_BYTES, Number.POSITIVE_INFINITY);
		await rig.prepareUpTo(1);
		rig.take("b.seg");
		cuts.push(fs.afterPowerCut(() => true));
		expect(cuts.length).toBeGreaterThan(6);
		for (const cut of cuts) {
			const a = cut.files.get(`${DIRECTORY}/a.seg`);
			if (a !== undefined) expect(a.content.equals(old)).toBe(true);
			const b = cut.files.get(`${DIRECTORY}/b.seg`);
			if (b !== undefined) expect(b.content.subarray(0, 6).toString()).toBe("header");
		}
		expect(cuts.at(-1)?.files.has(`${DIRECTORY}/b.seg`)).toBe(true);
	});

	test("that is less than half as large is of no use", () => {
		const { prepared } = withSegments("a.seg");
		expect(prepared.adopt("a.seg", WHOLE_BYTES / 2 - 1, Number.POSITIVE_INFINITY)).toBe(false);
		expect(prepared.adopt("a.seg", WHOLE_BYTES / 2, Number.POSITIVE_INFINITY)).toBe(true);
	});

	test("and a second one are left to the next process", async () => {
		const before = withSegments("a.seg", "b.seg");
		before.prepared.adopt("a.seg", SEGMENT_BYTES, Number.POSITIVE_INFINITY);
		before.prepared.adopt("b.seg", SEGMENT_BYTES, Number.POSITIVE_INFINITY);
		const rig = new Rig({}, before.fs.afterKill());
		expect(rig.prepared.bytes).toBe(2 * SEGMENT_BYTES);
		await rig.prepareUpTo(1);
		rig.take("new.seg");
		const last = new Rig({}, rig.fs.afterKill());
		expect(last.prepared.bytes).toBe(SEGMENT_BYTES);
		await last.prepareUpTo(1);
		expect(last.take("newer.seg")[6]).toBe(2);
	});
});

describe("while the disk has no room or fails", () => {
	test("nothing is begun that would leave no room for a segment above the reserve", async () => {
		const rig = new Rig({ diskReserveBytes: 1_000 });
		const needed = 1_000 + WHOLE_BYTES + SEGMENT_BYTES;
		rig.fs.freeDiskBytes = needed - 1;
		await rig.prepareUpTo(1);
		rig.fs.freeDiskBytes = needed;
		await rig.prepareUpTo(1);
		expect([rig.bytes, rig.prepared.bytes]).toEqual([null, 0]);
		rig.nowMs += PREPARE_RETRY_MS;
		await rig.prepareUpTo(1);
		expect(rig.prepared.isWhole).toBe(true);
	});

	test("it is removed on demand, also while it is being written, and comes back later", async () => {
		for (const steps of [0, 1, 2, 3, 4, 5, 50]) {
			const rig = new Rig();
			const { prepared, fs } = rig;
			prepared.claim(1);
			prepared.prepare(1);
			for (let step = 0; step < steps; step++) await Promise.resolve();
			prepared.remove();
			expect([prepared.bytes, rig.bytes]).toEqual([0, null]);
			while (prepared.isBusy) await Promise.resolve();
			await rig.prepareUpTo(1);
			expect([prepared.bytes, rig.bytes, fs.openFiles]).toEqual([0, null, 0]);
			rig.nowMs += PREPARE_RETRY_MS;
			await rig.prepareUpTo(1);
			expect(rig.take("a.seg").length).toBe(WHOLE_BYTES);
		}
	});

	test("a fault at any call stops nothing else: the file is given up, and is whole some time later", async () => {
		const rng = new Rng("prepared-file/faults");
		for (let round = 0; round < 100; round++) {
			const fs = new MemoryFs();
			for (const name of ["a.seg", "b.seg"]) fs.put(`${DIRECTORY}/${name}`, Buffer.alloc(SEGMENT_BYTES, 9));
			const rig = new Rig({}, fs);
			const code = rng.pick(["ENOSPC", "EIO", "EMFILE"]);
			const share = rng.int(100) / 100;
			let taken = 0;
			fs.failedWriteShare = rng.int(3) / 2;
			fs.fault = () => {
				if (rng.int(100) < 100 * share) throw systemError(code);
			};
			for (let step = 0; step < 30; step++) {
				if (step === 20) fs.fault = () => {};
				rig.nowMs += PREPARE_RETRY_MS;
				await rig.prepareUpTo(rng.int(100) / 100);
				const use = rng.pick(["adopt", "take", "remove", "none"]);
				if (use === "adopt") for (const name of ["a.seg", "b.seg"]) adoptIfThere(rig, name);
				if (use === "remove" && step < 20) rig.prepared.remove();
				if (use === "take" && rig.prepared.isWhole) taken += takeIfPossible(rig, `${step}.seg`) ? 1 : 0;
			}
			await rig.prepareUpTo(1);
			rig.nowMs += PREPARE_RETRY_MS;
			await rig.prepareUpTo(1);
			expect(rig.take("last.seg").length).toBe(WHOLE_BYTES);
			expect(fs.openFiles).toBe(0);
			expect([...fs.files.keys()].filter((path) => /\/\d+\.seg$/.test(path)).length).toBeGreaterThanOrEqual(taken);
		}
	});

	test("a file whose sync failed never becomes a segment's, since no later sync would report what is lost", async () => {
		for (const failing of [1, 2, 5]) {
			const rig = new Rig();
			let syncs = 0;
			rig.fs.fault = (call) => {
				if (call === "sync prepared" && ++syncs === failing) throw systemError("EIO");
			};
			await rig.prepareUpTo(1);
			rig.nowMs += PREPARE_RETRY_MS;
			await rig.prepareUpTo(1);
			const content = rig.take("a.seg");
			expect(rig.fs.afterPowerCut().content(`${DIRECTORY}/a.seg`).equals(content)).toBe(true);
		}
	});

	test("a file that failed and can't be removed becomes no segment's, and is made anew when it can be", async () => {
		for (const failing of ["sync prepared", "write prepared", "rename a.seg"]) {
			const rig = new Rig();
			if (failing.startsWith("rename")) await rig.prepareUpTo(1);
			rig.fs.fault = (call) => {
				if (call === failing || call === "remove prepared") throw systemError("EIO");
			};
			if (failing.startsWith("rename")) expect(takeIfPossible(rig, "a.seg")).toBe(false);
			for (let tries = 0; tries < 3; tries++) {
				await rig.prepareUpTo(1);
				rig.nowMs += PREPARE_RETRY_MS;
				expect(rig.prepared.isWhole).toBe(false);
			}
			const spoiled = rig.fs.files.get(PATH);
			expect(spoiled).toBeDefined();
			rig.fs.fault = () => {};
			await rig.prepareUpTo(1);
			expect(rig.prepared.isWhole).toBe(true);
			expect(rig.fs.files.get(PATH)).not.toBe(spoiled);
			const content = rig.take("a.seg");
			expect(rig.fs.afterPowerCut().content(`${DIRECTORY}/a.seg`).equals(content)).toBe(true);
		}
	});

	test("a failure that is no fault of the disk is thrown", async () => {
		const rig = new Rig();
		rig.fs.fault = () => {
			throw new TypeError("a mistake of ours");
		};
		await rig.prepareUpTo(1);
		expect(() => rig.prepared.prepare(1)).toThrow("a mistake of ours");
	});
});

function adoptIfThere({ prepared, fs }: Rig, name: string): void {
	if (fs.files.has(`${DIRECTORY}/${name}`)) prepared.adopt(name, SEGMENT_BYTES, Number.POSITIVE_INFINITY);
}

function takeIfPossible(rig: Rig, name: string): boolean {
	try {
		rig.take(name);
		return true;
	} catch (error) {
		if (!(error instanceof Error && "code" in error)) throw error;
		return false;
	}
}
