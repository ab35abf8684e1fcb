import { readFileSync, statSync } from "node:fs";
import { PASSWORDS_MAX } from "../config/setting.ts";
import type { Config } from "../config/settings.ts";
import { StartError, startOnPath } from "../runtime/start-error.ts";

const FILE_BYTES_MAX = 100_000;

/**
 * The passwords of the admin API: those of the settings, and those of the file, one a line. Lines that are empty don't count.
 *
 * @throws StartError if the file can't be read, or has no password, which is hardly what the operator wants
 */
export async function adminPasswordsOf({
	adminPasswords,
	adminPasswordFile: file,
}: Config): Promise<readonly string[]> {
	if (file === null) return adminPasswords;
	const passwords = await startOnPath("adminPasswordFile", file, () => readPasswords(file));
	if (passwords.length === 0) throw fault(`${file} has no password`);
	if (passwords.length > PASSWORDS_MAX) throw fault(`${file} has more than ${PASSWORDS_MAX} passwords`);
	return [...adminPasswords, ...passwords];
}

function readPasswords(file: string): string[] {
	if (statSync(file, { throwIfNoEntry: false }) === undefined) throw fault(`${file} does not exist`);
	const bytes = readFileSync(file);
	if (bytes.length > FILE_BYTES_MAX) throw fault(`${file} has more than ${FILE_BYTES_MAX} bytes`);
	return bytes
		.toString()
		.split(/\r?\n/)
		.filter((line) => line !== "");
}

function fault(text: string): StartError {
	return new StartError("adminPasswordFile", text);
}
