import { lookup } from "node:dns/promises";
import { accessSync, constants, statSync } from "node:fs";
import { isIP } from "node:net";
import type { Bind } from "../config/setting.ts";
import { type SettingName, settingLabel } from "../config/settings.ts";
import { Unavailable } from "../disk/fault.ts";
import { messageOf } from "../observe/log-value.ts";

/**
 * The relay can't start with its settings on this machine; the program itself is not at fault. The message is one sentence that
 * begins with the setting's names.
 */
export class StartError extends Error {
	override readonly name = "StartError";

	constructor(setting: SettingName, fault: string, options?: ErrorOptions) {
		super(`${settingLabel(setting)}: ${fault}`, options);
	}
}

/** What the codes of the system and of SQLite mean for a path, in words that follow the path in a message. */
const PATH_FAULTS: Readonly<Record<string, string>> = {
	EACCES: "may not be used by this process: permission denied",
	EPERM: "may not be used by this process: permission denied",
	EROFS: "is on a read-only file system",
	ENOENT: "can't be created",
	ENOTDIR: "is below something that is not a folder",
	EEXIST: "exists, but is not a folder",
	EISDIR: "is a folder, not a file",
	ELOOP: "is a circle of symbolic links",
	ENAMETOOLONG: "is too long for a path",
	ENOSPC: "can't be written: the disk is full",
	EDQUOT: "can't be written: the disk quota is used up",
	EFBIG: "can't be written: the process may not make files so large",
	EIO: "can't be used: the disk fails",
	EMFILE: "can't be opened: the process has too many files open",
	ENFILE: "can't be opened: the system has too many files open",
	SQLITE_NOTADB: "is not an SQLite database",
	SQLITE_CORRUPT: "is a damaged SQLite database",
	SQLITE_READONLY: "may not be written by this process",
	SQLITE_FULL: "can't be written: the disk is full",
	SQLITE_IOERR: "can't be used: the disk fails",
	SQLITE_BUSY: "is in use by another program",
	SQLITE_CANTOPEN: "can't be opened",
};

/**
 * Runs a part of the start that uses the path of a setting.
 *
 * @throws StartError if the path can't be used; an error that shows a mistake in the program is passed on as it is
 */
export async function startOnPath<T>(setting: SettingName, path: string, work: () => T | Promise<T>): Promise<T> {
	try {
		return await work();
	} catch (error) {
		if (error instanceof StartError || isMistake(error)) throw error;
		const code = error instanceof Unavailable || hasCode(error) ? codeOf(error) : null;
		// Our own errors say in words what is wrong.
		if (code === null) throw new StartError(setting, ownMessageOf(error), { cause: error });
		const fault = code === "SQLITE_CANTOPEN" ? unopenable(path) : PATH_FAULTS[code];
		throw new StartError(setting, `${path} ${fault ?? `can't be used: ${messageOf(error)}`}`, { cause: error });
	}
}

/**
 * Opens a server at the address of a setting. If the machine has no IPv6, `::` means all its IPv4 addresses.
 *
 * @throws StartError if the address can't be listened at
 */
export async function startListening<T>(
	setting: SettingName,
	bind: Bind,
	serve: (hostname: string) => T | Promise<T>,
): Promise<T> {
	const hostname = bind.host === "::" && !hasIpv6() ? "0.0.0.0" : bind.host;
	try {
		return await serve(hostname);
	} catch (error) {
		if (error instanceof StartError) throw error;
		const code = codeOf(error);
		if (code === null) throw error;
		throw new StartError(setting, await listenFault(bind, code, error), { cause: error });
	}
}

/**
 * Says why the address can't be listened at. The runtime gives EADDRINUSE also for a name that has no address, so names are
 * looked up first.
 */
async function listenFault({ host, port }: Bind, code: string, error: unknown): Promise<string> {
	if (isIP(host) === 0 && !(await isResolvable(host))) return `the name "${host}" does not resolve`;
	if (code === "EADDRNOTAVAIL") return `this machine has no address ${host}`;
	if (code === "EACCES" || code === "EPERM") return `this process may not listen on port ${port}: permission denied`;
	if (code === "EADDRINUSE") return `port ${port} is in use by another program`;
	return `port ${port} can't be listened on: ${messageOf(error)}`;
}

async function isResolvable(host: string): Promise<boolean> {
	try {
		await lookup(host);
		return true;
	} catch {
		return false;
	}
}

function hasIpv6(): boolean {
	if (process.platform !== "linux") return true;
	try {
		return statSync("/proc/net/if_inet6").isFile();
	} catch {
		return false;
	}
}

/** Finds out why SQLite can't open a file, which SQLite itself does not say. */
function unopenable(path: string): string {
	try {
		const isFolder = statSync(path).isDirectory();
		accessSync(path, constants.R_OK | constants.W_OK);
		if (isFolder) return "is a folder, not a file";
	} catch (error) {
		const code = codeOf(error);
		if (code !== null && code !== "ENOENT") return PATH_FAULTS[code] ?? "can't be opened";
	}
	return "can't be opened: this process may not create files in its folder";
}

/** SQLite's codes may say more after the name: `SQLITE_IOERR_WRITE`. */
const SQLITE_CODE = /^SQLITE_[A-Z]+/;

/** The code that the system or SQLite gave an error or one of its causes; null if none did. */
function codeOf(error: unknown): string | null {
	for (let at = error; at instanceof Error; at = at.cause)
		if (hasCode(at)) return SQLITE_CODE.exec(at.code)?.[0] ?? at.code;
	return null;
}

function ownMessageOf(error: unknown): string {
	return error instanceof Error ? error.message : messageOf(error);
}

function hasCode(error: unknown): error is Error & { code: string } {
	return error instanceof Error && "code" in error && typeof error.code === "string";
}

/** What the language throws for a mistake in the program. A system call's error has a code even if it is one of these. */
function isMistake(error: unknown): boolean {
	const isBuiltIn = error instanceof TypeError || error instanceof RangeError || error instanceof ReferenceError;
	return !(error instanceof Error) || (isBuiltIn && !hasCode(error));
}
