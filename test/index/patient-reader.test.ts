import { describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RETRY_MS, Stall } from "../../src/disk/stall.ts";
import { PatientReader, RETRY_MS_MAX } from "../../src/index/patient-reader.ts";
import { DatabaseFiles } from "../../src/index/sqlite/database-files.ts";
import { type StoreFaultReason, storeFaultReason } from "../../src/index/store-fault.ts";
import { Counters } from "../../src/observe/counters.ts";
import { Rng } from "../../src/sim/rng.ts";
import { MemoryIndex } from "../http/memory-index.ts";
import { counted } from "../observe/counted.ts";

function errorWith(code: string): Error {
	return Object.assign(new Error(code), { code });
}

/** An index whose reads fail when the test says so. The test also ends the waits. */
class Bench {
	readonly index = new MemoryIndex();
	readonly counters = new Counters();
	readonly reasons: (StoreFaultReason | null)[] = [];
	readonly slept: number[] = [];
	readonly #sleepers: (() => void)[] = [];
	readonly reader: PatientReader;
	/** The error with which the database's files can't be read, and how often that was tried. */
	filesFault: Error | null = null;
	wholeReads = 0;
	/** Called at each read of the database. */
	fault: () => Error | null = () => null;

	constructor() {
		const files = new DatabaseFiles(async () => {
			this.wholeReads++;
			if (this.filesFault !== null) throw this.filesFault;
		});
		const failing = new Proxy(this.index, {
			get: (target, name, receiver) => {
				const method: unknown = Reflect.get(target, name, receiver);
				if (typeof method !== "function") return method;
				return (...args: unknown[]) =>
					files.attempt(() => {
						const error = this.fault();
						if (error !== null) throw error;
						return method.apply(target, args);
					});
			},
		});
		const onChange = (reason: StoreFaultReason | null): void => void this.reasons.push(reason);
		this.reader = new PatientReader(failing, {
			stall: new Stall({
				part: "index_reads",
				counters: this.counters,
				reasonOf: storeFaultReason,
				clock: () => 0,
				onChange,
			}),
			sleep: (ms) => {
				this.slept.push(ms);
				return new Promise((resolve) => this.#sleepers.push(resolve));
			},
		});
	}

	/** Lets all reads that wait try again. */
	async wake(): Promise<void> {
		for (const wake of this.#sleepers.splice(0)) wake();
		await new Promise(setImmediate);
	}

	get stalls(): [now: number, total: number] {
		const counts = counted(this.counters);
		return [counts.of("index_reads_stalled"), counts.of("index_reads_stalls_total")];
	}
}

describe("reads that fail because of the disk", () => {
	test("are tried again, less and less often, and return what they would have returned", async () => {
		const bench = new Bench();
		const account = bench.index.addAccount("did:plc:a");
		const host = bench.index.addHost("a.example");
		bench.fault = () => errorWith("SQLITE_IOERR_READ");
		const reads = Promise.all([
			bench.reader.account("did:plc:a"),
			bench.reader.account("did:plc:b"),
			bench.reader.identity("did:plc:a"),
			bench.reader.hostByName("a.example"),
			bench.reader.hosts(0, 10),
			bench.reader.repos(0, 10),
			bench.reader.checkpoint(),
			bench.reader.hostIdMax(),
		]);
		await new Promise(setImmediate);
		for (let tries = 0; tries < 6; tries++) {
			expect(bench.stalls).toEqual([1, 1]);
			await bench.wake();
		}
		bench.fault = () => null;
		await bench.wake();
		expect(await reads).toEqual([account, null, null, host, [host], [account], 1, 1]);
		expect(bench.stalls).toEqual([0, 1]);
		expect(bench.reasons).toEqual(["io-error", null]);
		const delays = bench.slept.filter((_, at) => at % 8 === 0);
		expect(delays).toEqual([1, 2, 4, 8, 8, 8, 8].map((times) => times * RETRY_MS));
		expect(RETRY_MS_MAX).toBe(8 * RETRY_MS);
	});

	test("wait independently, in whatever order they fail; the stall ends with the last of them", async () => {
		for (let run = 0; run < 50; run++) {
			const rng = new Rng(`reads ${run}`);
			const bench = new Bench();
			for (let id = 0; id < 5; id++) bench.index.addAccount(`did:plc:${id}`);
			const faults = ["SQLITE_IOERR", "SQLITE_CANTOPEN", "EIO", "SQLITE_FULL"];
			bench.fault = () => (rng.int(3) > 0 ? errorWith(faults[rng.int(faults.length)] ?? "EIO") : null);
			let done = 0;
			const reads: Promise<void>[] = [];
			for (let step = 0; step < 60; step++) {
				if (rng.int(2) === 0) {
					const did = `did:plc:${rng.int(8)}`;
					const expected = bench.index.accountRows.find((row) => row.did === did) ?? null;
					reads.push(
						bench.reader.account(did).then((found) => {
							done++;
							expect(found).toEqual(expected);
						}),
					);
				} else {
					await bench.wake();
				}
				await new Promise(setImmediate);
				expect(bench.stalls[0]).toBe(done < reads.length ? 1 : 0);
			}
			bench.fault = () => null;
			while (done < reads.length) await bench.wake();
			await Promise.all(reads);
			expect(bench.stalls[0]).toBe(0);
			expect(bench.reasons.at(-1) ?? null).toBeNull();
		}
	});
});

describe("a read that SQLite calls malformed", () => {
	test("is waited for if the files can't be read either: the system said EIO", async () => {
		const bench = new Bench();
		const account = bench.index.addAccount("did:plc:a");
		bench.fault = () => errorWith("SQLITE_CORRUPT");
		bench.filesFault = errorWith("EIO");
		const reads = Promise.all([bench.reader.account("did:plc:a"), bench.reader.account("did:plc:b")]);
		await new Promise(setImmediate);
		// All reads that fail at once share one reading of the files.
		expect(bench.wholeReads).toBe(1);
		await bench.wake();
		expect(bench.wholeReads).toBe(2);
		expect(bench.stalls).toEqual([1, 1]);
		bench.fault = () => null;
		await bench.wake();
		expect(await reads).toEqual([account, null]);
		expect(bench.reasons).toEqual(["io-error", null]);
	});

	test("is tried once more if the files can be read", async () => {
		const bench = new Bench();
		const account = bench.index.addAccount("did:plc:a");
		let faults = 1;
		bench.fault = () => (faults-- > 0 ? errorWith("SQLITE_CORRUPT_INDEX") : null);
		expect(await bench.reader.account("did:plc:a")).toEqual(account);
		expect(bench.wholeReads).toBe(1);
		expect(bench.stalls).toEqual([0, 0]);
	});

	test("becomes the system's error in reading the files", async () => {
		const folder = mkdtempSync(join(tmpdir(), "standpipe-files-"));
		const path = join(folder, "index.sqlite");
		const malformed = async (): Promise<never> => {
			throw errorWith("SQLITE_CORRUPT");
		};
		writeFileSync(path, Buffer.alloc(3_000_000));
		await expect(DatabaseFiles.at(path).attempt(malformed)).rejects.toThrow("SQLITE_CORRUPT");
		// The system fails reads of a process's lowest memory with EIO, as it does reads of a bad sector.
		symlinkSync("/proc/self/mem", `${path}-wal`);
		await expect(DatabaseFiles.at(path).attempt(malformed)).rejects.toMatchObject({ code: "EIO" });
		rmSync(folder, { recursive: true });
	});
});

test("damage to the database is reported at once, also when it shows during a wait", async () => {
	const bench = new Bench();
	for (const code of ["SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_ERROR"]) {
		bench.fault = () => errorWith(code);
		await expect(bench.reader.account("did:plc:a")).rejects.toThrow(code);
		expect(bench.stalls).toEqual([0, 0]);
	}
	bench.fault = () => errorWith("SQLITE_IOERR");
	const read = bench.reader.account("did:plc:a");
	await new Promise(setImmediate);
	bench.fault = () => errorWith("SQLITE_CORRUPT");
	const failed = read.catch((error: unknown) => error);
	await bench.wake();
	expect(await failed).toMatchObject({ code: "SQLITE_CORRUPT" });
	expect(bench.stalls).toEqual([0, 1]);
});
