import { describe } from "bun:test";
import { accessSync, constants, existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** Where Debian puts each version's programs. They are not on PATH there. */
const DEBIAN = "/usr/lib/postgresql";
/** Users that may run the server in place of root, which it refuses. */
const USERS = ["postgres", "nobody"];

/** What runs a PostgreSQL server on this machine. */
export interface PostgresPrograms {
	/** The folder of `initdb`, `postgres` and `psql`. */
	bin: string;
	/** The user that runs the server; null if it is the user of this process. */
	user: { uid: number; gid: number } | null;
}

/**
 * Finds PostgreSQL. With `STANDPIPE_TEST_POSTGRES=required` in the environment it must be there.
 *
 * @returns the programs, or a sentence that says why there are none
 * @throws {Error} with that sentence if they are required
 */
export function findPostgres(
	env: Readonly<Record<string, string | undefined>> = process.env,
	debian = DEBIAN,
): PostgresPrograms | string {
	const found = lookForPostgres([...versionsIn(debian), ...(env["PATH"] ?? "").split(":")]);
	if (typeof found === "string" && env["STANDPIPE_TEST_POSTGRES"] === "required") throw new Error(found);
	return found;
}

function lookForPostgres(folders: readonly string[]): PostgresPrograms | string {
	const bin = folders.find((folder) => ["initdb", "postgres", "psql"].every((name) => isProgram(join(folder, name))));
	if (bin === undefined) return "there is no PostgreSQL on this machine: install Debian's package postgresql";
	if (process.getuid?.() !== 0) return { bin, user: null };
	const user = USERS.map(userNamed).find((known) => known !== null);
	return user ? { bin, user } : "root may not run PostgreSQL, and this machine has no other user for it";
}

/** The folders of programs in Debian's folder, the newest version's first. */
function versionsIn(debian: string): string[] {
	if (!existsSync(debian)) return [];
	const versions = readdirSync(debian).sort((a, b) => Number(b) - Number(a));
	return versions.map((version) => join(debian, version, "bin"));
}

function isProgram(path: string): boolean {
	try {
		accessSync(path, constants.X_OK);
		return true;
	} catch {
		return false;
	}
}

function userNamed(name: string): PostgresPrograms["user"] {
	const line = readFileSync("/etc/passwd", "utf8")
		.split("\n")
		.find((entry) => entry.startsWith(`${name}:`));
	if (line === undefined) return null;
	const [, , uid, gid] = line.split(":");
	return { uid: Number(uid), gid: Number(gid) };
}

/** `describe` for tests that need PostgreSQL. Without it they are skipped, and the name says why. */
export function describeWithPostgres(name: string, body: (programs: PostgresPrograms) => void): void {
	const found = findPostgres();
	if (typeof found !== "string") describe(name, () => body(found));
	else describe.skip(`${name} (skipped: ${found})`, () => body({ bin: "", user: null }));
}
