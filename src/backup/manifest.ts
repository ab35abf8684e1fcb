import { createHash } from "node:crypto";
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, statSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { isNotFound } from "../disk/fault.ts";
import { syncFile } from "../disk/sync.ts";
import { writeWhole } from "../disk/write-whole.ts";
import { BackupError } from "./backup-error.ts";

/** Files and folders of a backup. */
export const LOG_FOLDER = "log";
export const INDEX_FILE = "index.sqlite";
const MANIFEST_FILE = "manifest.json";

/** A segment takes some 200 bytes of it. */
const MANIFEST_BYTES_MAX = 64 * 1024 * 1024;
/** Another format can't be read. */
const FORMAT = 1;

const NUMBER = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const FILE = v.object({
	name: v.pipe(v.string(), v.regex(/^[\d-]{41}\.seg$/)),
	bytes: NUMBER,
	sha256: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
});
const INDEX = v.object({
	bytes: NUMBER,
	sha256: FILE.entries.sha256,
	/** Lsn of the last record that it has. */
	checkpoint: NUMBER,
});
const CONTENT = v.object({
	/** The release that made it. */
	version: v.string(),
	/** When it was begun, milliseconds since 1970: nothing that the relay did before that is missing. */
	beganAtMs: NUMBER,
	logId: v.string(),
	firstLsn: NUMBER,
	lastLsn: NUMBER,
	lastSeq: NUMBER,
	/** The greatest numbers that the relay may have given out when the backup ended. */
	lsnUsedMax: NUMBER,
	seqUsedMax: NUMBER,
	/** What was wrong with the log already when it was copied. */
	faults: NUMBER,
	index: INDEX,
	/** The log's segments, oldest first. */
	segments: v.array(FILE),
});
const MANIFEST = v.object({ format: NUMBER, sha256: v.string(), content: v.unknown() });

/** What a backup has in it. */
export type Manifest = v.InferOutput<typeof CONTENT>;

/** Writes the manifest, which makes a folder a backup. Everything else has to be durable before. */
export function writeManifest(folder: string, content: Manifest): void {
	const path = join(folder, MANIFEST_FILE);
	const text = JSON.stringify({ format: FORMAT, sha256: sumOf(content), content }, null, "\t");
	const file = openSync(`${path}.tmp`, "wx");
	try {
		writeWhole(file, Buffer.from(`${text}\n`));
		fsyncSync(file);
	} finally {
		closeSync(file);
	}
	renameSync(`${path}.tmp`, path);
	syncFile(folder);
}

/** @throws BackupError if the folder is no backup that this program can read */
export function readManifest(folder: string): Manifest {
	const path = join(folder, MANIFEST_FILE);
	const outer = v.safeParse(MANIFEST, parsed(path));
	if (!outer.success) throw new BackupError(`${path} is damaged`);
	if (outer.output.format !== FORMAT)
		throw new BackupError(`${path} is of format ${outer.output.format}; this program reads format ${FORMAT}`);
	const content = v.safeParse(CONTENT, outer.output.content);
	if (!content.success || outer.output.sha256 !== sumOf(outer.output.content))
		throw new BackupError(`${path} is damaged: it is not what it was when the backup was made`);
	return content.output;
}

function parsed(path: string): unknown {
	try {
		// A pipe or a device in its place could be read for ever.
		const found = statSync(path);
		if (!found.isFile() || found.size > MANIFEST_BYTES_MAX) throw new BackupError(`${path} is damaged`);
		return JSON.parse(readFileSync(path, "utf8"));
	} catch (error) {
		if (isNotFound(error))
			throw new BackupError(`${path} does not exist: the folder holds no backup, or one that was not finished`);
		if (error instanceof SyntaxError) throw new BackupError(`${path} is damaged`);
		throw error;
	}
}

function sumOf(content: unknown): string {
	return createHash("sha256").update(JSON.stringify(content)).digest("hex");
}
