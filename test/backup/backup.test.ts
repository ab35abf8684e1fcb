import { Database } from "bun:sqlite";
import { beforeEach, describe, expect, test } from "bun:test";
import {
	existsSync,
	mkdirSync,
	readdirSync,
	readFileSync,
	renameSync,
	rmSync,
	symlinkSync,
	writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";
import { type BackupStep, makeBackup, type RelayPlaces } from "../../src/backup/backup.ts";
import { BackupError } from "../../src/backup/backup-error.ts";
import { claim } from "../../src/backup/folder.ts";
import { type Manifest, readManifest } from "../../src/backup/manifest.ts";
import { restoreBackup } from "../../src/backup/restore.ts";
import { logIdOf, verifyLogFiles } from "../../src/log/access.ts";
import { DirectoryLock } from "../../src/log/local/lock.ts";
import { systemLogFs } from "../../src/log/local/log-fs.ts";
import { Rng } from "../../src/sim/rng.ts";
import { FilePlace } from "../index/sqlite/place.ts";
import { messageEntry, onCleanup, TestLog, temporaryDirectory } from "../log/harness.ts";

const SEGMENT_BYTES = 8 * 1024;
const NOW_MS = 1_700_000_000_000;

let at: string;
let backup: string;
beforeEach(() => {
	at = temporaryDirectory();
	backup = join(at, "backup");
});

/** A log and its index that go on while they are copied. */
class Relay {
	readonly places: RelayPlaces;
	readonly log: TestLog;
	readonly #index: Database;

	private constructor(places: RelayPlaces, log: TestLog, index: Database) {
		this.places = places;
		this.log = log;
		this.#index = index;
	}

	static async start(): Promise<Relay> {
		const persistDir = join(at, "log");
		mkdirSync(persistDir);
		const replayBytesMax = 4 * SEGMENT_BYTES;
		const log = new TestLog(persistDir, systemLogFs, { segmentBytes: SEGMENT_BYTES, replayBytesMax });
		const path = join(at, "index", "index.sqlite");
		mkdirSync(join(at, "index"));
		const { store } = await new FilePlace(path).writer({ id: logIdOf(persistDir), lsnUsedMax: 0, initialSeq: 1 });
		await store.close();
		const index = new Database(path);
		onCleanup(() => index.close());
		return new Relay({ persistDir, databaseUrl: `sqlite://${path}`, diskReserveBytes: 0 }, log, index);
	}

	/** Appends so many messages. Each is larger than a fourth of a segment. */
	write(messages: number): void {
		for (let left = messages; left > 0; left--) this.log.append(messageEntry("message", SEGMENT_BYTES / 3));
	}

	/** Lets the index apply all of the log, and the log remove what it has too much. */
	apply(): void {
		this.#index.run("UPDATE checkpoint SET lsn = ?", [this.log.position.snapshot().lastLsn]);
		this.remove();
	}

	/** Lets the log remove what it has too much. */
	remove(): void {
		this.log.setApplied(this.log.position.snapshot().lastLsn);
		this.log.writer.maintain();
	}
}

function backUp({ places }: Relay, onStep: (step: BackupStep) => void = () => {}): Promise<Manifest> {
	return makeBackup(places, backup, { onStep, onFault: () => {}, clock: () => NOW_MS });
}

/** Places for a restore that are free. */
function newPlaces(): RelayPlaces {
	const restored = join(temporaryDirectory(), "restored");
	return { persistDir: join(restored, "log"), databaseUrl: `sqlite://${restored}/index.sqlite`, diskReserveBytes: 0 };
}

const restore = (places: RelayPlaces, onStep: (step: BackupStep) => void = () => {}): Promise<unknown> =>
	restoreBackup(backup, places, { onStep, nowMs: NOW_MS, seqUsed: null });

/** The error of what must fail. */
async function failureOf(failing: Promise<unknown>): Promise<Error> {
	try {
		await failing;
	} catch (error) {
		if (error instanceof Error) return error;
	}
	throw new Error("nothing has failed");
}

const pathOf = ({ databaseUrl }: RelayPlaces): string => databaseUrl.slice("sqlite://".length);

describe("a backup", () => {
	test("has an index that the log continues, whatever the relay does between its steps", async () => {
		const rng = new Rng("backup");
		for (let round = 0; round < 8; round++) {
			at = temporaryDirectory();
			backup = join(at, "backup");
			const relay = await Relay.start();
			relay.write(5 + rng.int(20));
			relay.apply();
			const { index, firstLsn, lastLsn } = await backUp(relay, () => {
				relay.write(rng.int(3));
				if (rng.int(2) === 0) relay.apply();
			});
			expect(index.checkpoint).toBeGreaterThanOrEqual(firstLsn - 1);
			expect(index.checkpoint).toBeLessThanOrEqual(lastLsn);
			const places = newPlaces();
			await restore(places);
			const { faults } = verifyLogFiles(places.persistDir, { onFault: () => {}, onSegment: () => {} });
			expect(faults).toBe(0);
			expect((await new FilePlace(pathOf(places)).dump()).checkpoint).toBe(index.checkpoint);
		}
	});

	test("that fails at any step leaves an empty folder, which is no backup", async () => {
		const relay = await Relay.start();
		relay.write(12);
		relay.apply();
		for (let failAt = 1, isDone = false; !isDone; failAt++) {
			let steps = 0;
			try {
				await backUp(relay, () => {
					// Until then there is no manifest, so an end of the process leaves no backup either.
					expect(existsSync(join(backup, "manifest.json"))).toBe(false);
					if (++steps === failAt) throw new Error("the disk fails");
				});
				isDone = true;
			} catch (error) {
				expect(String(error)).toContain("the disk fails");
				expect(readdirSync(backup)).toEqual([]);
				expect((await failureOf(restore(newPlaces()))).message).toContain("holds no backup");
			}
		}
		expect(readManifest(backup).lastSeq).toBe(12);
	});

	test("is made again if the log no longer reaches back to the index, and not for ever", async () => {
		const relay = await Relay.start();
		relay.write(20);
		relay.apply();
		let attempts = 0;
		const overtaken = (attemptsMax: number): Promise<Manifest> =>
			backUp(relay, ({ phase, bytes }) => {
				if (phase !== "index" || bytes === 0 || ++attempts > attemptsMax) return;
				relay.write(40);
				relay.remove();
				relay.apply();
			});
		const { index, firstLsn } = await overtaken(1);
		expect(attempts).toBe(2);
		expect(index.checkpoint).toBeGreaterThanOrEqual(firstLsn - 1);
		rmSync(backup, { recursive: true });
		attempts = 0;
		expect(await failureOf(overtaken(Number.POSITIVE_INFINITY))).toBeInstanceOf(BackupError);
		expect(attempts).toBeLessThan(10);
		expect(readdirSync(backup)).toEqual([]);
	});

	test("keeps another out that found the folder empty too, and loses nothing by it", async () => {
		const relay = await Relay.start();
		relay.write(12);
		relay.apply();
		let rivals = 0;
		await backUp(relay, () => {
			rivals += 1;
			expect(() => claim(backup, "log")).toThrow("another backup");
		});
		expect(rivals).toBeGreaterThan(4);
		await restore(newPlaces());
	});

	test("needs an empty folder, and the index of its log", async () => {
		const relay = await Relay.start();
		relay.write(3);
		relay.apply();
		mkdirSync(backup);
		writeFileSync(join(backup, "notes"), "mine");
		expect((await failureOf(backUp(relay))).message).toContain("is not empty: notes is in it");
		expect(readdirSync(backup)).toEqual(["notes"]);
		rmSync(backup, { recursive: true });
		writeFileSync(join(relay.places.persistDir, "id"), `${crypto.randomUUID()}\n`);
		expect((await failureOf(backUp(relay))).message).toContain("set both to those of one relay");
		expect((await failureOf(backUp({ ...relay, places: newPlaces() } as Relay))).message).toContain("does not exist");
		const places = { ...relay.places, diskReserveBytes: Number.MAX_SAFE_INTEGER };
		expect((await failureOf(backUp({ ...relay, places } as Relay))).message).toContain("too little room");
	});

	test("of a log with damage has all that the log has, and says so", async () => {
		const relay = await Relay.start();
		relay.write(12);
		relay.apply();
		const { persistDir } = relay.places;
		const [name = ""] = readdirSync(persistDir)
			.filter((file) => file.endsWith(".seg"))
			.sort();
		const content = readFileSync(join(persistDir, name));
		content[content.length >> 1] = (content[content.length >> 1] ?? 0) ^ 1;
		writeFileSync(join(persistDir, name), content);
		const faults: string[] = [];
		const hooks = { onStep: () => {}, clock: () => NOW_MS };
		const manifest = await makeBackup(relay.places, backup, {
			...hooks,
			onFault: ({ fault }) => void faults.push(fault),
		});
		expect(faults).toEqual(["records-damaged"]);
		expect(manifest).toMatchObject({ faults: 1, lastSeq: 12 });
		expect(readFileSync(join(backup, "log", name)).equals(content)).toBe(true);
	});
});

describe("a restore", () => {
	async function made(): Promise<void> {
		const relay = await Relay.start();
		relay.write(12);
		relay.apply();
		await backUp(relay);
	}

	test("writes over nothing, wherever it is", async () => {
		await made();
		for (const name of ["log/id", "log/any", "index.sqlite", "index.sqlite-wal", "index.sqlite-shm"]) {
			const places = newPlaces();
			const path = join(places.persistDir, "..", name);
			mkdirSync(join(path, ".."), { recursive: true });
			writeFileSync(path, "mine");
			expect((await failureOf(restore(places))).message).toContain(`${path} is there already`);
			expect(readFileSync(path, "utf8")).toBe("mine");
			const left = readdirSync(join(path, ".."));
			expect(left).toEqual([basename(path)]);
		}
	});

	test("goes to a folder in which another was killed before it copied anything", async () => {
		await made();
		const places = newPlaces();
		const { persistDir } = places;
		mkdirSync(persistDir, { recursive: true });
		const lock = new DirectoryLock(persistDir);
		const left = readdirSync(persistDir).map((name) => ({ name, content: readFileSync(join(persistDir, name)) }));
		lock.release();
		expect(left.length).toBe(2);
		for (const { name, content } of left) writeFileSync(join(persistDir, name), content);
		await restore(places);
	});

	test("that fails at any step leaves places that are free, and can be tried again", async () => {
		await made();
		let steps = 0;
		await restore(newPlaces(), () => void steps++);
		expect(steps).toBeGreaterThan(4);
		// At the last step the index is there, and only the names of the segments are missing.
		for (let failAt = 1; failAt < steps; failAt++) {
			const places = newPlaces();
			let step = 0;
			const failing = restore(places, () => {
				if (++step === failAt) throw new Error("the disk fails");
			});
			expect(String(await failureOf(failing))).toContain("the disk fails");
			await restore(places);
			expect(verifyLogFiles(places.persistDir, { onFault: () => {}, onSegment: () => {} }).lastSeq).toBe(12);
		}
	});

	test("is refused if any file of the backup is not what it was, and leaves free places", async () => {
		await made();
		const rng = new Rng("changed backups");
		const names = ["index.sqlite", ...readdirSync(join(backup, "log")).map((name) => join("log", name))];
		for (const name of names)
			for (let round = 0; round < 5; round++) {
				const path = join(backup, name);
				const content = readFileSync(path);
				const changed = Buffer.from(content);
				const byte = rng.int(changed.length);
				changed[byte] = (changed[byte] ?? 0) ^ (1 << rng.int(8));
				writeFileSync(path, changed);
				const places = newPlaces();
				expect((await failureOf(restore(places))).message).toContain(`${path} is not what it was`);
				expect(existsSync(pathOf(places))).toBe(false);
				writeFileSync(path, content);
				await restore(places);
			}
	});

	test("is refused, and not read for ever, if there is something else in the place of a file", async () => {
		await made();
		const names = [
			"manifest.json",
			"index.sqlite",
			...readdirSync(join(backup, "log")).map((name) => join("log", name)),
		];
		const others: Record<string, (path: string) => void> = {
			"a pipe": (path) => void Bun.spawnSync(["mkfifo", path]),
			"a device": (path) => symlinkSync("/dev/zero", path),
			"a folder": (path) => mkdirSync(path),
			nothing: () => {},
		};
		for (const name of names)
			for (const [what, put] of Object.entries(others)) {
				const path = join(backup, name);
				renameSync(path, join(at, "away"));
				put(path);
				const places = newPlaces();
				const failure = await failureOf(restore(places));
				expect([what, failure]).toEqual([what, expect.any(BackupError)]);
				expect(failure.message).toStartWith(path);
				expect(existsSync(join(places.persistDir, ".."))).toBe(false);
				rmSync(path, { recursive: true, force: true });
				renameSync(join(at, "away"), path);
			}
		await restore(newPlaces());
	});
});
