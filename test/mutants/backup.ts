import type { Mutant } from "./table.ts";

const COPY = ["log/local/copy/copy-log.test.ts"];
const BACKUP = ["backup/backup.test.ts"];

/** Faults in backups and restores. Each would lose messages, use a number twice, or write over something. */
export const BACKUP_MUTANTS: readonly Mutant[] = [
	{
		name: "a segment that was removed while it was copied stays in the copy",
		file: "log/local/copy/copy-log.ts",
		find: "if (this.#isThere(id, header)) return file;",
		replace: "return file;",
		tests: COPY,
	},
	{
		name: "a copy keeps segments before one that is gone",
		file: "log/local/copy/copy-log.ts",
		find: "for (const { id } of this.#copied) this.#remove(id);",
		replace: "if (this.#copied.length > 0) return;",
		tests: COPY,
	},
	{
		name: "a copy may have a hole after a segment that is gone",
		file: "log/local/copy/copy-log.ts",
		find: "if (!found.some(({ firstLsn }) => firstLsn === last)) this.#drop();",
		replace: "if (last === -1) this.#drop();",
		tests: COPY,
	},
	{
		name: "a copy has records that nobody has seen",
		file: "log/local/last-used.ts",
		find: "return used?.isExact === true && used.epoch === epoch ? used.end : null;",
		replace: "return used !== null && used.epoch === epoch - 1 ? used.end : null;",
		tests: COPY,
	},
	{
		name: "a restored log does not know which numbers are used",
		file: "log/local/copy/restored-log.ts",
		find: "			noteUsed(fs, to, used);\n",
		replace: "			noteUsed(fs, to, { lsn: 0, seq: 0 * used.seq });\n",
		tests: COPY,
	},
	{
		name: "segments have their names before all are there",
		file: "log/local/copy/restored-log.ts",
		find: `const target = join(to, \`\${name}\${TEMPORARY_SUFFIX}\`);`,
		replace: "const target = join(to, name);",
		tests: COPY,
	},
	{
		name: "a copy is restored whatever its files hold",
		file: "log/local/copy/restored-log.ts",
		find: "if (copied.bytes !== bytes || copied.sha256 !== sha256)",
		replace: "if (copied.bytes < bytes)",
		tests: COPY,
	},
	{
		name: "the time since a backup does not count",
		file: "backup/numbers.ts",
		find: "Math.ceil((nowMs - beganAtMs) / 1000) * SEQS_PER_S_MAX + SEQS_LEFT_OUT",
		replace: "SEQS_PER_S_MAX + SEQS_LEFT_OUT",
		tests: ["backup/numbers.test.ts"],
	},
	{
		name: "a backup may lack records between its index and its log",
		file: "backup/backup.ts",
		find: "if (checkpoint > 0 && log.firstLsn > checkpoint + 1) return null;",
		replace: "",
		tests: BACKUP,
	},
	{
		name: "an index is saved again after the log was copied",
		file: "backup/backup.ts",
		find: "	const faults = checkLog(logFolder, log.files, hooks);\n",
		replace: `	const faults = checkLog(logFolder, log.files, hooks);\n	await saveIndex(databaseUrl, \`\${indexPath}.late\`).then(({ checkpoint }) => { index.checkpoint = checkpoint; });\n`,
		tests: BACKUP,
	},
	{
		name: "a backup that fails leaves its files",
		file: "backup/backup.ts",
		find: "		emptyFolder(folder);\n		throw error;",
		replace: "		throw error;",
		tests: BACKUP,
	},
	{
		name: "a log is restored over another",
		file: "backup/restore.ts",
		find: "if (occupant !== null)",
		replace: "if (occupant === '')",
		tests: BACKUP,
	},
	{
		name: "an index is restored beside the files of another",
		file: "index/sqlite/saved-file.ts",
		find: `["", "-wal", "-shm", "-journal"]`,
		replace: `[""]`,
		tests: BACKUP,
	},
];
