import { describe, expect, test } from "bun:test";
import type { DiskFaultReason } from "../../../src/disk/fault.ts";
import { RETRY_MS, TOO_MANY_FILES_RETRY_MS } from "../../../src/disk/stall.ts";
import type { SyncMode } from "../../../src/log/local/write/log-writer.ts";
import { entryBytes, writeEntry } from "../../../src/log/record/entry.ts";
import { messageEntry, readAll, START_MS, segmentFile, segmentPath, TestLog, temporaryDirectory } from "../harness.ts";
import { MemoryFs } from "./memory-fs.ts";

/** An error as the system gives it. */
function systemError(code: string): Error {
	return Object.assign(new Error(`${code}: by the test`), { code });
}

/** A log on a disk that can be made to fail, and a clock for what waits. */
class FaultyDisk {
	readonly fs = new MemoryFs();
	readonly log: TestLog;
	readonly reasons: (DiskFaultReason | null)[] = [];
	nowMs = START_MS;

	constructor(changes: ConstructorParameters<typeof TestLog>[2] = {}) {
		this.log = new TestLog(temporaryDirectory(), this.fs, {
			clock: () => this.nowMs,
			onStall: (reason) => this.reasons.push(reason),
			...changes,
		});
	}

	/** Makes every call that `matches` fail from now on. */
	fail(code: string, matches: (call: string) => boolean): void {
		this.fs.fault = (call) => {
			if (matches(call)) throw systemError(code);
		};
	}

	heal(): void {
		this.fs.fault = () => {};
	}

	/** The next step after the time in which nothing is tried again. */
	retry(): boolean {
		this.nowMs += RETRY_MS;
		return this.log.step();
	}

	get isAcknowledged(): boolean {
		return this.log.ring.acknowledged() === this.log.ring.position;
	}

	/** All that readers get of a copy that is opened now, as after a crash. */
	recovered(how: "afterKill" | "afterPowerCut"): string[] {
		const elsewhere = temporaryDirectory();
		const copy = new TestLog(elsewhere, this.fs[how]().moved(this.log.options.directory, elsewhere), {
			syncMode: this.log.options.syncMode,
		});
		// A seq of a batch that failed before its first write is nowhere yet.
		expect(copy.writer.nextSeq).toBeGreaterThan(this.log.position.snapshot().seqUsedMax);
		const seen = readAll(copy.reader());
		copy.kill();
		return seen;
	}
}

const BATCHES = 7;
const LABELS = Array.from({ length: BATCHES }, (_, i) => [`${i}-a`, `${i}-b`]);
const ALL = LABELS.flat().map((label, i) => `${i + 1} ${label}`);

interface Fault {
	code: string;
	/** The first call that fails, counted from when the log is open. */
	from: number;
	calls: number;
	writesHalf: boolean;
}

/** Writes batches over several segments while `fault` strikes. Returns how many calls it took. */
async function writeThrough(syncMode: SyncMode, fault: Fault): Promise<number> {
	const disk = new FaultyDisk({ syncMode, segmentBytes: 1_500 });
	const { log, fs } = disk;
	let calls = 0;
	let hits = 0;
	fs.failedWriteShare = fault.writesHalf ? 0.5 : 0;
	fs.fault = () => {
		calls += 1;
		if (calls < fault.from || calls >= fault.from + fault.calls) return;
		hits += 1;
		throw systemError(fault.code);
	};
	const reader = log.reader();
	const seen: string[] = [];
	const read = (): void => void seen.push(...readAll(reader, Number(seen.at(-1)?.split(" ")[0] ?? 0)));
	let hitsChecked = 0;
	for (const [at, batch] of LABELS.entries()) {
		log.handOver(...batch.map((label) => messageEntry(label, 300)));
		for (let tries = 0; log.position.snapshot().lastSeq < 2 * at + 2; tries++) {
			expect(tries).toBeLessThan(fault.calls + 2);
			disk.retry();
			read();
			expect(seen).toEqual(ALL.slice(0, seen.length));
			expect(seen.length >= 2 * at).toBe(true);
			if (hits === hitsChecked) continue;
			hitsChecked = hits;
			// The process may die while the disk fails, and so may the machine.
			for (const how of ["afterKill", "afterPowerCut"] as const) {
				const found = disk.recovered(how);
				expect(found).toEqual(ALL.slice(0, found.length));
				expect(found.length).toBeGreaterThanOrEqual(log.position.snapshot().durableLsn);
				if (syncMode === "always" || how === "afterKill") expect(found.length).toBeGreaterThanOrEqual(seen.length);
			}
		}
		expect(seen).toEqual(ALL.slice(0, 2 * at + 2));
		expect(disk.isAcknowledged).toBe(log.position.snapshot().durableLsn === 2 * at + 2);
		if (log.writer.isUnsynced && at % 2 === 1) await log.writer.syncInBackground();
	}
	for (let tries = 0; disk.reasons.at(-1) != null; tries++) {
		expect(tries).toBeLessThan(fault.calls + 2);
		disk.retry();
	}
	reader.close();
	const late = log.reader();
	expect(readAll(late)).toEqual(ALL);
	late.close();
	expect(log.count("log_stalled")).toBe(0);
	expect(log.count("log_stalls_total") > 0).toBe(disk.reasons.length > 0);
	expect(log.count("log_gaps_total")).toBe(0);
	log.stop();
	expect(hits > 0).toBe(Number.isFinite(fault.from));
	// A fault that strikes at the clean stop leaves it unclean; nothing is lost by that.
	for (const how of ["afterKill", "afterPowerCut"] as const) {
		if (syncMode === "always" || hits === 0 || calls > fault.from + fault.calls)
			expect(disk.recovered(how)).toEqual(ALL);
	}
	expect(fs.openFiles).toBe(0);
	return calls;
}

describe("a disk that fails at any call", () => {
	const never = { code: "EIO", from: Number.POSITIVE_INFINITY, calls: 0, writesHalf: false };
	for (const syncMode of ["always", "write"] as const) {
		for (const fault of [
			{ code: "ENOSPC", calls: 1, writesHalf: true },
			{ code: "EIO", calls: 3, writesHalf: false },
		]) {
			test(`mode ${syncMode}, ${fault.calls} × ${fault.code}: all records come through, once, in order, and are durable when the log says so`, async () => {
				const calls = await writeThrough(syncMode, never);
				expect(calls).toBeGreaterThan(20);
				for (let from = 1; from <= calls; from++) await writeThrough(syncMode, { ...fault, from });
			});
		}
	}
});

describe("while the disk fails", () => {
	const CODES = { ENOSPC: "disk-full", EDQUOT: "disk-full", EFBIG: "disk-full", EIO: "io-error", EROFS: "read-only" };
	test.each(Object.entries(CODES))("%s is said to be %s, once, and its end too", (code, reason) => {
		const disk = new FaultyDisk();
		const { log } = disk;
		log.appendLabels(["a"]);
		disk.fail(code, (call) => call.startsWith("write"));
		log.appendLabels(["b"]);
		expect(disk.retry()).toBe(false);
		expect(disk.retry()).toBe(false);
		expect(disk.reasons).toEqual([reason as DiskFaultReason]);
		expect([log.count("log_stalled"), log.count("log_stalls_total")]).toEqual([1, 1]);
		expect(readAll(log.reader())).toEqual(["1 a"]);
		expect(disk.isAcknowledged).toBe(false);
		expect(log.position.snapshot()).toMatchObject({ lastSeq: 1, seqUsedMax: 1 });
		disk.heal();
		expect(disk.retry()).toBe(true);
		expect(disk.reasons).toEqual([reason as DiskFaultReason, null]);
		expect([log.count("log_stalled"), log.count("log_stalls_total")]).toEqual([0, 1]);
		expect(readAll(log.reader())).toEqual(["1 a", "2 b"]);
	});

	test.each(["EMFILE", "ENFILE"])(
		"too many open files (%s) are no fault of the disk, and are tried again soon",
		(code) => {
			const disk = new FaultyDisk({ segmentBytes: 1_500 });
			const { log } = disk;
			log.appendLabels(Array.from({ length: 200 }, (_, at) => `${at}`));
			disk.fail(code, (call) => call.startsWith("create"));
			log.appendLabels(["b"]);
			expect(disk.reasons).toEqual(["too-many-files"]);
			disk.heal();
			disk.nowMs += TOO_MANY_FILES_RETRY_MS;
			expect(log.sequencer.step()).toBe(true);
			expect(disk.reasons).toEqual(["too-many-files", null]);
			expect(readAll(log.reader())).toHaveLength(201);
		},
	);

	test("the next attempt waits for its time, however often the doorbell rings", () => {
		const disk = new FaultyDisk();
		let failures = 0;
		disk.log.appendLabels(["a"]);
		disk.fail("EIO", () => {
			failures += 1;
			return true;
		});
		disk.log.appendLabels(["b"]);
		for (let i = 0; i < 10; i++) expect(disk.log.sequencer.step()).toBe(false);
		expect(failures).toBe(1);
		disk.retry();
		expect(failures).toBe(2);
		disk.log.writer.retryNow();
		disk.log.sequencer.step();
		expect(failures).toBe(3);
	});

	test("the ring fills up and takes nothing more, and all of it comes through when the disk is back", () => {
		const disk = new FaultyDisk();
		const { log } = disk;
		disk.fail("ENOSPC", (call) => call.startsWith("write"));
		const expected: string[] = [];
		for (;;) {
			const entry = messageEntry(`m${expected.length}`, 1_000_000);
			const target = log.ring.reserve(entryBytes(entry));
			if (target === null) break;
			writeEntry(target, entry);
			log.ring.publish();
			expected.push(`${expected.length + 1} m${expected.length}`);
			expect(disk.retry()).toBe(false);
		}
		expect(log.ring.acknowledged()).toBe(0);
		expect(log.position.snapshot().lastSeq).toBe(0);
		disk.heal();
		while (disk.retry());
		expect(disk.isAcknowledged).toBe(true);
		expect(readAll(log.reader())).toEqual(expected);
	});

	test("a stop ends, keeps what was acknowledged, and leaves the rest to be sent again", () => {
		for (const failing of ["write", "sync"]) {
			const disk = new FaultyDisk();
			const { log } = disk;
			log.appendLabels(["a"]);
			disk.fail("EIO", (call) => call.startsWith(failing));
			log.appendLabels(["b"]);
			expect(disk.isAcknowledged).toBe(false);
			log.stop();
			for (const how of ["afterKill", "afterPowerCut"] as const) expect(disk.recovered(how)).toEqual(["1 a"]);
		}
	});
});

describe("a failed sync", () => {
	test("is not followed by a second one: the batch goes to a new segment, with the same seq", () => {
		const disk = new FaultyDisk();
		const { log, fs } = disk;
		log.appendLabels(["a"]);
		disk.fail("EIO", (call) => call === `sync ${segmentFile(1)}`);
		log.appendLabels(["b"]);
		expect(disk.reasons).toEqual(["sync-failed"]);
		fs.calls.length = 0;
		// The fault is still there, but no call meets it.
		expect(disk.retry()).toBe(true);
		expect(fs.calls.filter((call) => call.endsWith(segmentFile(1)))).toEqual([`truncate ${segmentFile(1)}`]);
		expect(readAll(log.reader())).toEqual(["1 a", "2 b"]);
		expect(disk.recovered("afterPowerCut")).toEqual(["1 a", "2 b"]);
		expect(log.active.snapshot()).toMatchObject({ activeFirstLsn: 2, lastSeq: 2 });
	});

	test("of a segment without a durable record: the new one takes its name, and its readers follow", () => {
		const disk = new FaultyDisk();
		const { log } = disk;
		disk.fail("EIO", (call) => call === `sync ${segmentFile(1)}`);
		log.appendLabels(["a"]);
		expect(disk.retry()).toBe(true);
		expect(readAll(log.reader())).toEqual(["1 a"]);
		expect(disk.recovered("afterPowerCut")).toEqual(["1 a"]);
	});

	test("mode write, in the background: what was published since the last good one is appended again, and readers notice nothing", async () => {
		for (const good of [[], ["a", "b"]]) {
			const disk = new FaultyDisk({ syncMode: "write" });
			const { log } = disk;
			const reader = log.reader();
			const seen: string[] = [];
			const read = (): void => void seen.push(...readAll(reader, seen.length));
			for (const label of good) log.appendLabels([label]);
			if (good.length > 0) await log.writer.syncInBackground();
			log.appendLabels(["c", "d"]);
			log.appendLabels(["e"]);
			read();
			disk.fail("EIO", (call) => call === `sync ${segmentFile(1)}`);
			await log.writer.syncInBackground();
			expect(disk.reasons).toEqual(["sync-failed"]);
			expect(log.writer.isUnsynced).toBe(false);
			log.handOver(messageEntry("f"));
			expect(disk.retry()).toBe(true);
			log.appendLabels(["g"]);
			read();
			const expected = [...good, "c", "d", "e", "f", "g"].map((label, i) => `${i + 1} ${label}`);
			expect(seen).toEqual(expected);
			expect(readAll(log.reader())).toEqual(expected);
			expect(disk.recovered("afterKill")).toEqual(expected);
			disk.heal();
			await log.writer.syncInBackground();
			expect(disk.recovered("afterPowerCut")).toEqual(expected);
			expect(log.count("log_gaps_total")).toBe(0);
		}
	});

	test("mode write: if published records can't be read back, the log stays stalled and says so", async () => {
		const disk = new FaultyDisk({ syncMode: "write" });
		const { log, fs } = disk;
		log.appendLabels(["a"]);
		await log.writer.syncInBackground();
		log.appendLabels(["b"]);
		disk.fail("EIO", (call) => call === `sync ${segmentFile(1)}`);
		await log.writer.syncInBackground();
		disk.heal();
		const content = fs.content(segmentPath(log.options.directory, 1));
		content.fill(0, content.length - 20);
		log.handOver(messageEntry("c"));
		for (let i = 0; i < 3; i++) expect(disk.retry()).toBe(false);
		expect(disk.reasons).toEqual(["sync-failed"]);
		expect(readAll(log.reader())).toEqual(["1 a", "gap to 3"]);
		expect(disk.isAcknowledged).toBe(false);
	});

	test("mode write: a segment does not end while its sync is under way, since two syncs at once hide a failure", async () => {
		const disk = new FaultyDisk({ syncMode: "write", segmentBytes: 1_000 });
		const { log, fs } = disk;
		log.appendLabels(["a"], 2_000);
		const started = Promise.withResolvers<void>();
		fs.syncInBackground = () => started.promise;
		const syncing = log.writer.syncInBackground();
		log.handOver(messageEntry("b"));
		expect(log.sequencer.step()).toBe(false);
		expect(disk.reasons).toEqual([]);
		started.resolve();
		await syncing;
		expect(log.sequencer.step()).toBe(true);
		expect(log.active.snapshot().activeFirstLsn).toBe(2);
	});

	test("mode write: when a segment ends, its unsynced records are appended to the next, and not left to its footer's sync", () => {
		const disk = new FaultyDisk({ syncMode: "write", segmentBytes: 1_000 });
		const { log } = disk;
		log.appendLabels(["a"], 2_000);
		disk.fail("EIO", (call) => call === `sync ${segmentFile(1)}`);
		log.handOver(messageEntry("b"));
		expect(log.sequencer.step()).toBe(false);
		expect(disk.reasons).toEqual(["sync-failed"]);
		expect(disk.retry()).toBe(true);
		disk.heal();
		expect(readAll(log.reader())).toEqual(["1 a", "2 b"]);
		expect(disk.recovered("afterPowerCut")[0]).toBe("1 a");
	});

	test("what is left in a segment that was given up never counts instead of the new one's records, whatever a crash brings back", () => {
		const disk = new FaultyDisk();
		const { log, fs } = disk;
		const { directory } = log.options;
		log.appendLabels(["a"]);
		const before = fs.content(segmentPath(directory, 1)).length;
		let stray: Buffer = Buffer.alloc(0);
		disk.fail("EIO", (call) => {
			if (call !== `sync ${segmentFile(1)}`) return false;
			stray = Buffer.from(fs.content(segmentPath(directory, 1)));
			return true;
		});
		log.appendLabels(["b", "c"]);
		disk.heal();
		expect(disk.retry()).toBe(true);
		log.appendLabels(["d"]);
		expect(stray.length).toBeGreaterThan(before);
		// The power cut undoes the truncation: the old records are whole again, or cut short, or damaged.
		const cuts: Buffer[] = [];
		for (let at = before; at <= stray.length; at += 7) {
			cuts.push(stray.subarray(0, at), Buffer.from(stray).fill(0, before, at));
		}
		for (const content of cuts) {
			const found = fs.afterKill();
			found.put(segmentPath(directory, 1), content);
			const elsewhere = temporaryDirectory();
			const again = new TestLog(elsewhere, found.moved(directory, elsewhere));
			expect(readAll(again.reader())).toEqual(["1 a", "2 b", "3 c", "4 d"]);
			expect(again.count("log_gaps_total")).toBe(0);
			again.kill();
		}
	});
});

describe("retention on a failing disk", () => {
	test("a segment that can't be removed is gone for readers, and its removal is tried again", () => {
		const disk = new FaultyDisk({ segmentBytes: 500 });
		const { log, fs } = disk;
		for (const label of ["a", "b", "c"]) log.appendLabels([label], 600);
		log.setApplied(3);
		disk.nowMs += 100 * 3_600_000;
		disk.fail("EIO", (call) => call.startsWith("remove"));
		log.writer.maintain();
		expect(log.position.snapshot().firstSeq).toBe(3);
		expect(readAll(log.reader(), 2)).toEqual(["3 c"]);
		expect(fs.files.has(segmentPath(log.options.directory, 1))).toBe(true);
		disk.heal();
		log.writer.maintain();
		for (const firstSeq of [1, 2]) expect(fs.files.has(segmentPath(log.options.directory, firstSeq))).toBe(false);
		expect(log.count("segments_removed_total")).toBe(2);
	});
});
