import { join } from "node:path";
import { openIndexPlace } from "../index/saving.ts";
import { logOccupant, openRestoredLog } from "../log/access.ts";
import type { LogNumbers } from "../log/log.ts";
import type { BackupStep, RelayPlaces } from "./backup.ts";
import { BackupError } from "./backup-error.ts";
import { checkFile, checkRoom, sumOfFile } from "./folder.ts";
import { INDEX_FILE, LOG_FOLDER, type Manifest, readManifest } from "./manifest.ts";
import { usedSince } from "./numbers.ts";

export interface RestoreOptions {
	onStep: (step: BackupStep) => void;
	/** Milliseconds since 1970. */
	nowMs: number;
	/** The greatest seq that the lost relay has given out, if the operator knows; else null. */
	seqUsed: number | null;
}

/** What was restored. */
export interface Restored {
	readonly manifest: Manifest;
	/** The log goes on after these numbers. */
	readonly used: LogNumbers;
}

/**
 * Puts a backup in the places of a log and an index that are lost. The log goes on after every number that the lost relay can have given
 * out. If this fails before its last moment, there is neither a log nor an index. If the process ends meanwhile, a start finds no log and
 * no index, or refuses the index: its log's id comes last.
 *
 * @throws BackupError if it is no backup, or if it is damaged, or if there is something in those places
 * @throws CopyChanged, StoreBroken, Unavailable, or an error of the system
 */
export async function restoreBackup(
	folder: string,
	{ persistDir, databaseUrl }: RelayPlaces,
	{ onStep, nowMs, seqUsed }: RestoreOptions,
): Promise<Restored> {
	const manifest = readManifest(folder);
	const used = usedSince(manifest, nowMs, seqUsed);
	const occupant = logOccupant(persistDir);
	if (occupant !== null)
		throw new BackupError(
			`${join(persistDir, occupant)} is there already: a backup is restored to an empty folder only`,
		);
	const indexPath = join(folder, INDEX_FILE);
	const from = join(folder, LOG_FOLDER);
	for (const { name, bytes } of manifest.segments) checkFile(join(from, name), bytes);
	checkIndex(indexPath, manifest);
	const place = await openIndexPlace(databaseUrl);
	try {
		const bytesTotal = manifest.segments.reduce((sum, { bytes }) => sum + bytes, 0);
		let bytes = 0;
		const onBytes = (count: number): void => {
			bytes += count;
			onStep({ phase: "log", bytes, bytesTotal });
		};
		const log = openRestoredLog({ from, to: persistDir, files: manifest.segments, onBytes }, used);
		try {
			checkRoom(persistDir, bytesTotal, persistDir, 0);
			log.copy();
			onStep({ phase: "index", bytes: 0, bytesTotal: manifest.index.bytes });
			await place.putBack(indexPath);
			onStep({ phase: "index", bytes: manifest.index.bytes, bytesTotal: manifest.index.bytes });
			log.commit(manifest.logId);
		} catch (error) {
			log.undo();
			throw error;
		} finally {
			log.close();
		}
		return { manifest, used };
	} finally {
		await place.close();
	}
}

function checkIndex(path: string, { index }: Manifest): void {
	checkFile(path, index.bytes);
	const { bytes, sha256 } = sumOfFile(path);
	if (bytes !== index.bytes || sha256 !== index.sha256)
		throw new BackupError(`${path} is not what it was when the backup was made: it is damaged`);
}
