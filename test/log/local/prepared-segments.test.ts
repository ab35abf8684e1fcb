import { describe, expect, test } from "bun:test";
import { RETRY_MS } from "../../../src/disk/stall.ts";
import type { LogWriterOptions } from "../../../src/log/local/write/log-writer.ts";
import { Rng } from "../../../src/sim/rng.ts";
import { countedBy } from "../../observe/counted.ts";
import { readAll, START_MS, TestLog, temporaryDirectory } from "../harness.ts";
import { MemoryFs } from "./memory-fs.ts";

const SEGMENT_BYTES = 8_192;
/** Whole blocks, with the slack of a quarter. */
const WHOLE_BYTES = 12_288;
const PAD_BYTES = 1_500;
/** The least limit that has room for a prepared file. */
const LIMIT_BYTES = 8 * SEGMENT_BYTES;

/** A log that is filled record by record, as a relay with time to prepare between them. */
class FilledLog {
	readonly log: TestLog;
	readonly fs: MemoryFs;
	readonly directory: string;
	/** Labels of all that was appended, in order. */
	readonly labels: string[] = [];
	nowMs = START_MS;

	constructor(changes: Partial<LogWriterOptions> = {}, fs = new MemoryFs(), directory = temporaryDirectory()) {
		this.fs = fs;
		this.directory = directory;
		this.log = new TestLog(directory, fs, { segmentBytes: SEGMENT_BYTES, clock: () => this.nowMs, ...changes });
	}

	async fill(records: number, prefix = "r"): Promise<void> {
		for (let i = 0; i < records; i++) {
			this.labels.push(`${prefix}${this.labels.length + 1}`);
			this.log.appendLabels(this.labels.slice(-1), PAD_BYTES);
			this.log.setApplied(this.log.position.snapshot().lastSeq);
			await this.keepUp();
		}
	}

	async keepUp(): Promise<void> {
		this.log.writer.keepUp();
		while (this.log.writer.isBusy) await Promise.resolve();
	}

	/** Sizes of the files that are or become segments, by name. */
	get sizes(): [string, number][] {
		const files = [...this.fs.files].map(([path, { content }]): [string, number] => [
			path.slice(this.directory.length + 1),
			content.length,
		]);
		return files.filter(([name]) => /\.seg$|^prepared/.test(name)).sort(([a], [b]) => (a < b ? -1 : 1));
	}

	get prepared(): number | undefined {
		return this.sizes.find(([name]) => name === "prepared")?.[1];
	}

	begun(file: "prepared" | "growing"): number {
		return countedBy(this.log.counters, "segments_begun_total")[file] ?? 0;
	}
}

describe("a log whose next segment is prepared", () => {
	test("has none before a segment is half full, and none at all if it is small", async () => {
		const small = new FilledLog();
		await small.fill(2);
		expect(small.prepared).toBeUndefined();
		await small.fill(2);
		expect(small.prepared).toBeGreaterThan(0);
	});

	test("goes on in it when the segment is full, and ends each segment where its footer does", async () => {
		const filled = new FilledLog();
		await filled.fill(40);
		expect([filled.begun("growing"), filled.begun("prepared")]).toEqual([
			1,
			filled.sizes.length - 2 + (filled.prepared === undefined ? 1 : 0),
		]);
		const segments = filled.sizes.filter(([name]) => name.endsWith(".seg"));
		expect(segments.at(-1)?.[1]).toBe(WHOLE_BYTES);
		for (const [, bytes] of segments.slice(0, -1)) expect(bytes).toBeLessThan(SEGMENT_BYTES + 2 * PAD_BYTES);
		expect(readAll(filled.log.reader())).toEqual(filled.labels.map((label, at) => `${at + 1} ${label}`));
	});

	test("makes none on a file system that never writes in place, nor within a limit of few segments", async () => {
		for (const changes of [{ copiesOnWrite: true }, { replayBytesMax: LIMIT_BYTES - 1 }]) {
			const fs = new MemoryFs();
			fs.copiesOnWrite = changes.copiesOnWrite ?? false;
			const filled = new FilledLog({ replayBytesMax: changes.replayBytesMax ?? null }, fs);
			await filled.fill(60);
			expect([filled.prepared, filled.begun("prepared")]).toEqual([undefined, 0]);
		}
	});

	test("takes a batch that reaches past the file's end", async () => {
		const filled = new FilledLog();
		await filled.fill(10);
		filled.log.appendLabels(["long"], 2 * WHOLE_BYTES);
		await filled.fill(10, "after");
		const seen = readAll(filled.log.reader());
		expect(seen[10]).toBe("11 long");
		expect(seen).toHaveLength(21);
	});
});

describe("the limits", () => {
	test("of bytes: the file counts, and is the oldest segment's from then on", async () => {
		const filled = new FilledLog({ replayBytesMax: LIMIT_BYTES });
		await filled.fill(60);
		filled.fs.calls.length = 0;
		const before = filled.begun("prepared");
		for (let record = 0; record < 60; record++) {
			await filled.fill(1);
			const active = filled.sizes.findLast(([name]) => name.endsWith(".seg"))?.[0];
			const bytes = filled.sizes.reduce((sum, [name, size]) => sum + (name === active ? SEGMENT_BYTES : size), 0);
			// Footers, the slack, and the batch that exceeds the segment's size.
			expect(bytes).toBeLessThan(LIMIT_BYTES + SEGMENT_BYTES / 2);
		}
		expect(filled.begun("prepared")).toBeGreaterThan(before + 8);
		expect(filled.fs.calls.filter((call) => call === "create prepared")).toEqual([]);
		expect(filled.fs.calls.filter((call) => call.startsWith("rename prepared")).length).toBeGreaterThan(8);
	});

	test("of time: each file is used again, whenever its segment goes", async () => {
		// A segment lasts for half an hour, and ends by its age after one.
		const filled = new FilledLog({ replayWindowMs: 24 * 3_600_000 });
		const steps = async (records: number): Promise<void> => {
			for (let record = 0; record < records; record++) {
				filled.nowMs += 300_000;
				await filled.fill(1);
			}
		};
		await steps(400);
		filled.fs.calls.length = 0;
		await steps(100);
		expect(filled.fs.calls.filter((call) => call === "create prepared")).toEqual([]);
		expect(filled.fs.calls.filter((call) => /^(rename|remove) .*\.seg$/.test(call)).length).toBeGreaterThan(12);
		expect(filled.log.count("log_gaps_total")).toBe(0);
	});

	test("of the disk's reserve: the file goes first, and comes back when there is room", async () => {
		const filled = new FilledLog({ diskReserveBytes: 1_000_000 });
		await filled.fill(4);
		expect(filled.prepared).toBeGreaterThan(0);
		const segments = filled.sizes.length;
		filled.fs.freeDiskBytes = 1_000_000 - 4_096;
		filled.nowMs += 60_000;
		await filled.keepUp();
		expect(filled.prepared).toBeUndefined();
		expect(filled.sizes).toHaveLength(segments - 1);
		expect(filled.log.count("log_stalls_total")).toBe(0);
		filled.fs.freeDiskBytes = Number.POSITIVE_INFINITY;
		filled.nowMs += 60_000;
		await filled.keepUp();
		expect(filled.prepared).toBeGreaterThan(0);
	});

	test("of a disk that is full: the file is removed to make room for records", async () => {
		const filled = new FilledLog();
		await filled.fill(4);
		filled.fs.fault = (call) => {
			if (filled.prepared !== undefined && call.startsWith("write")) {
				throw Object.assign(new Error("ENOSPC: by the test"), { code: "ENOSPC" });
			}
		};
		filled.log.appendLabels(["waits"], PAD_BYTES);
		expect(filled.log.count("log_stalled")).toBe(1);
		filled.nowMs += RETRY_MS;
		expect(filled.log.step()).toBe(true);
		expect([filled.log.count("log_stalled"), filled.prepared]).toEqual([0, undefined]);
	});
});

describe("a disk that fails", () => {
	test("at calls for the prepared file only: the log does not wait for any of them", async () => {
		const rng = new Rng("prepared-segments/faults");
		let faults = 0;
		for (let round = 0; round < 30; round++) {
			const filled = new FilledLog({ replayBytesMax: LIMIT_BYTES });
			const share = rng.int(100) / 100;
			filled.fs.failedWriteShare = rng.int(3) / 2;
			filled.fs.fault = (call) => {
				if (!/ prepared/.test(call) || rng.int(100) >= 100 * share) return;
				faults += 1;
				throw Object.assign(new Error("EIO: by the test"), { code: "EIO" });
			};
			for (let step = 0; step < 80; step++) {
				filled.nowMs += 20_000;
				await filled.fill(1);
			}
			expect(filled.log.count("log_stalls_total")).toBe(0);
			const { firstSeq } = filled.log.position.snapshot();
			const expected = filled.labels.map((label, at) => `${at + 1} ${label}`).slice(firstSeq - 1);
			expect(readAll(filled.log.reader(), firstSeq - 1)).toEqual(expected);
			expect(filled.log.count("log_gaps_total")).toBe(0);
			filled.log.kill();
		}
		expect(faults).toBeGreaterThan(100);
	});
});

describe("a segment that a sync failed of", () => {
	test("gives no file to another one, whichever sync it was: a later sync would be believed", async () => {
		const kinds = { record: 0, footer: 0 };
		for (let failing = 0; failing < 24; failing++) {
			const filled = new FilledLog({ replayBytesMax: LIMIT_BYTES });
			let syncs = 0;
			let spoiled: object | undefined;
			let isSealing = false;
			filled.fs.fault = (call) => {
				const [name = "", file = ""] = call.split(" ");
				isSealing = name === "truncate" || (isSealing && name === "sync");
				if (name !== "sync" || !/seg$/.test(file) || syncs++ !== failing) return;
				kinds[isSealing ? "footer" : "record"] += 1;
				spoiled = filled.fs.files.get(`${filled.directory}/${file}`);
				throw Object.assign(new Error("EIO: by the test"), { code: "EIO" });
			};
			for (let record = 0; record < 80; record++) {
				await filled.fill(1);
				filled.nowMs += RETRY_MS;
				while (filled.log.step()) await filled.keepUp();
				const prepared = filled.fs.files.get(`${filled.directory}/prepared`);
				if (spoiled !== undefined) expect(prepared).not.toBe(spoiled);
			}
			expect(spoiled).toBeDefined();
			expect([...filled.fs.files.values()]).not.toContain(spoiled);
			filled.log.kill();
		}
		expect(Math.min(kinds.record, kinds.footer)).toBeGreaterThan(1);
	});
});

describe("a stop and a start", () => {
	test("clean: the file is as it was, and goes on to be used, as is the segment's", async () => {
		const filled = new FilledLog();
		// Three segments, and half of one.
		await filled.fill(21);
		const before = filled.sizes;
		filled.log.stop();
		expect(filled.sizes).toEqual(before);
		const again = new FilledLog({}, filled.fs.afterKill(), filled.directory);
		expect(again.sizes).toEqual(before);
		expect(again.log.count("log_gaps_total")).toBe(0);
		again.labels.push(...filled.labels);
		await again.fill(30);
		expect(again.begun("growing")).toBe(0);
		expect(readAll(again.log.reader())).toEqual(again.labels.map((label, at) => `${at + 1} ${label}`));
	});
});

/** What a process or the machine leaves if it dies at some moment. */
interface Crash {
	fs: MemoryFs;
	/** The call that was about to be made. */
	call: string;
	/** Records that were published by then. */
	published: number;
	appended: number;
}

describe("a crash before any call", () => {
	for (const how of ["afterKill", "afterPowerCut"] as const) {
		test(`${how}: what was published is there, nothing is damaged, and the log goes on`, async () => {
			const rng = new Rng(`prepared-segments/${how}`);
			const crashes: Crash[] = [];
			const filled = new FilledLog({ replayBytesMax: LIMIT_BYTES });
			await filled.fill(50);
			filled.fs.fault = (call) => {
				const fs = how === "afterKill" ? filled.fs.afterKill() : filled.fs.afterPowerCut(() => rng.int(2) === 0);
				const { lastSeq: published } = filled.log.position.snapshot();
				crashes.push({ fs, call, published, appended: filled.labels.length });
			};
			await filled.fill(16);
			filled.fs.fault = () => {};
			const kinds = new Set(
				crashes.map(({ call }) => call.replace(/\d[\d-]+\.seg/, "segment").replace(/standpipe-.*/, "folder")),
			);
			for (const call of [
				"rename prepared",
				"rename segment",
				"write prepared",
				"truncate segment",
				"syncDirectory folder",
			]) {
				expect(kinds).toContain(call);
			}
			for (const crash of crashes) await checkAfter(crash, filled.labels);
		});
	}
});

async function checkAfter({ fs, call, published, appended }: Crash, labels: readonly string[]): Promise<void> {
	const directory = [...fs.files.keys()][0]?.replace(/\/[^/]*$/, "") ?? "";
	const elsewhere = temporaryDirectory();
	const again = new FilledLog({ replayBytesMax: LIMIT_BYTES }, fs.moved(directory, elsewhere), elsewhere);
	const { firstSeq, lastSeq } = again.log.position.snapshot();
	const expected = labels.map((label, at) => `${at + 1} ${label}`);
	const found = readAll(again.log.reader(), firstSeq - 1);
	expect({ call, found }).toEqual({ call, found: expected.slice(firstSeq - 1, lastSeq) });
	expect(lastSeq).toBeGreaterThanOrEqual(published);
	expect(lastSeq).toBeLessThanOrEqual(appended);
	expect({ call, gaps: again.log.count("log_gaps_total") }).toEqual({ call, gaps: 0 });
	again.log.setApplied(lastSeq);
	await again.fill(14, "after");
	const after = readAll(again.log.reader(), Math.max(lastSeq, again.log.position.snapshot().firstSeq - 1));
	expect(after.map((line) => line.split(" ")[1])).toEqual(again.labels.slice(-after.length));
	expect(again.begun("prepared")).toBeGreaterThan(0);
	expect(again.log.count("log_gaps_total")).toBe(0);
	again.log.stop();
}
