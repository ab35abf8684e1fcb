// backup/: a log and its index in one folder, as they were at one moment, and how they are put back. The files' bytes are known elsewhere.

import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { syncFile } from "../disk/sync.ts";
import { saveIndex } from "../index/saving.ts";
import { type CopiedLog, copyLogFiles, type LogFault, verifyLogFiles } from "../log/access.ts";
import { VERSION } from "../version.ts";
import { BackupError } from "./backup-error.ts";
import { bytesOf, checkRoom, claim, emptyFolder, makeEmptyFolder, sumOfFile } from "./folder.ts";
import { INDEX_FILE, LOG_FOLDER, type Manifest, writeManifest } from "./manifest.ts";

/** What a relay's state is made of, by its settings. */
export interface RelayPlaces {
	/** The log's folder. */
	persistDir: string;
	databaseUrl: string;
	/** Bytes of the log's disk that are to stay free. */
	diskReserveBytes: number;
}

/** How far a backup or a restore is. */
export interface BackupStep {
	readonly phase: "index" | "log" | "check";
	readonly bytes: number;
	/** About, while a relay writes. */
	readonly bytesTotal: number;
}

export interface BackupHooks {
	onStep: (step: BackupStep) => void;
	/** Called with what was wrong with the log already. */
	onFault: (fault: LogFault) => void;
	/** Milliseconds since 1970. */
	clock: () => number;
}

/** The index and the log are copied again if the log no longer reached back to the index when its copy began. */
const ATTEMPTS_MAX = 3;

/**
 * Copies a log and its index to a folder, while a relay may be writing to them. The index comes first, so what it has applied is in the
 * copied log: a start with both applies the rest. Both copies are checked. The manifest comes last, when all else is durable. If anything
 * fails, nothing is left in the folder.
 *
 * @throws BackupError, StoreBroken, Unavailable, InspectError, Damage, CopyOvertaken, or an error of the system
 */
export async function makeBackup(places: RelayPlaces, folder: string, hooks: BackupHooks): Promise<Manifest> {
	makeEmptyFolder(folder);
	claim(folder, LOG_FOLDER);
	try {
		for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
			const content = await copyOnce(places, folder, hooks);
			if (content !== null) {
				writeManifest(folder, content);
				return content;
			}
			emptyFolder(join(folder, LOG_FOLDER));
			rmSync(join(folder, INDEX_FILE));
		}
		throw new BackupError(
			"the relay removed parts of the log that its index had not applied when the index was copied: give the log more time or space " +
				"(RELAY_REPLAY_WINDOW, RELAY_REPLAY_BYTES)",
		);
	} catch (error) {
		emptyFolder(folder);
		throw error;
	}
}

/** Null if the copies don't fit together, since the copied log begins after what the index has. */
async function copyOnce(places: RelayPlaces, folder: string, hooks: BackupHooks): Promise<Manifest | null> {
	const { persistDir, databaseUrl, diskReserveBytes } = places;
	const beganAtMs = hooks.clock();
	const indexPath = join(folder, INDEX_FILE);
	hooks.onStep({ phase: "index", bytes: 0, bytesTotal: 0 });
	const { checkpoint, logId } = await saveIndex(databaseUrl, indexPath);
	syncFile(indexPath);
	const index = { ...sumOfFile(indexPath), checkpoint };
	hooks.onStep({ phase: "index", bytes: index.bytes, bytesTotal: index.bytes });

	const logFolder = join(folder, LOG_FOLDER);
	const bytesTotal = bytesOf(readdirSync(persistDir).map((name) => join(persistDir, name)));
	checkRoom(folder, bytesTotal, persistDir, diskReserveBytes);
	let bytes = 0;
	const onBytes = (count: number): void => {
		bytes += count;
		hooks.onStep({ phase: "log", bytes, bytesTotal: Math.max(bytesTotal, bytes) });
	};
	const log = copyLogFiles({ from: persistDir, to: logFolder, onBytes });
	if (logId !== null && logId !== log.id)
		throw new BackupError(
			`the index is of the log ${logId}, and the log in ${persistDir} is ${log.id}: set both to those of one relay`,
		);
	// An index that has applied nothing yet misses nothing.
	if (checkpoint > 0 && log.firstLsn > checkpoint + 1) return null;
	const faults = checkLog(logFolder, log.files, hooks);
	const { firstLsn, last, used } = log;
	return {
		...{ version: VERSION, beganAtMs, logId: log.id, firstLsn, lastLsn: last.lsn, lastSeq: last.seq },
		...{ lsnUsedMax: used.lsn, seqUsedMax: used.seq, faults, index, segments: [...log.files] },
	};
}

/**
 * Returns how many faults the copy has, which are the log's own.
 * @throws BackupError if what was copied can't be read back
 */
function checkLog(logFolder: string, files: CopiedLog["files"], { onStep, onFault }: BackupHooks): number {
	const bytesTotal = files.reduce((sum, { bytes }) => sum + bytes, 0);
	const { faults } = verifyLogFiles(logFolder, {
		onFault,
		onSegment: ({ bytes }) => onStep({ phase: "check", bytes, bytesTotal }),
	});
	if (faults === 0) return 0;
	for (const { name, sha256 } of files)
		if (sumOfFile(join(logFolder, name)).sha256 !== sha256)
			throw new BackupError(`${join(logFolder, name)} does not hold what was written to it: the disk is damaged`);
	return faults;
}
