import { rmSync } from "node:fs";
import { join } from "node:path";
import { DirectoryLock, LOCK_FILES } from "./lock.ts";
import type { LogFs } from "./log-fs.ts";

/** The folder, within that of the log, in which a log is made. */
const STAGING = "staging";
/** Moved last: without it the other files are not the log that an index may be of. */
const ID = "id";

/** There is a log already, or a relay that writes one. */
export class LogTaken extends Error {
	override readonly name = "LogTaken";
}

/** A log that is made aside, and gets its place when it is whole. Until `close`, no relay can start in that place. */
export class StagedLog {
	/** Where the log is made. */
	readonly directory: string;
	readonly #fs: LogFs;
	readonly #target: string;
	readonly #lock: DirectoryLock;

	/**
	 * @param target the folder that the log is to be in. It is made if it is absent
	 * @throws LogTaken if it holds anything, except what an attempt has left that was killed
	 */
	constructor(fs: LogFs, target: string) {
		fs.makeDirectory(target);
		const found = fs.list(target).filter((name) => name !== STAGING && !LOCK_FILES.has(name));
		if (found.length > 0)
			throw new LogTaken(
				`${target} is not empty, it has ${found.sort()[0]}: name an empty folder, or none that exists`,
			);
		this.#lock = new DirectoryLock(target);
		this.#fs = fs;
		this.#target = target;
		this.directory = join(target, STAGING);
		this.#clear();
		fs.makeDirectory(this.directory);
	}

	/** Gives the log its place. It must be closed, with everything durable. If this is interrupted, no index is taken for this log's. */
	install(): void {
		const names = this.#fs.list(this.directory).filter((name) => !LOCK_FILES.has(name) && name !== ID);
		for (const name of [...names, ID]) {
			this.#fs.rename(join(this.directory, name), join(this.#target, name));
			if (name === names.at(-1)) this.#fs.syncDirectory(this.#target);
		}
		this.#fs.syncDirectory(this.#target);
	}

	/** Removes what was not installed, and lets others use the place. */
	close(): void {
		this.#clear();
		this.#lock.release();
	}

	#clear(): void {
		rmSync(this.directory, { recursive: true, force: true });
	}
}
