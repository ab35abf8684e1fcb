import { existsSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Glob } from "bun";

/** Where Debian's package libfaketime puts the library, for whatever architecture. */
const LIBRARIES = new Glob("lib/*/faketime/libfaketimeMT.so.1");
const SHARED_MEMORY = "/dev/shm";
const LEFT_BEHIND = new Glob("{faketime_shm,sem.faketime_sem}_*");

const HASTE_MS = 1_000;

/**
 * A clock that the test sets and that the relay goes by: its date, its monotonic clock and its timers. Debian's libfaketime, loaded into the
 * relay's process, reads from a file how far it is ahead of the system's.
 */
export class RelayClock {
	readonly #library: string;
	readonly #folder = mkdtempSync(join(tmpdir(), "standpipe-clock-"));
	#aheadS = 0;

	private constructor(library: string) {
		this.#library = library;
		this.#write();
	}

	/** A clock that shows the system's time so far; null if the machine does not have libfaketime. */
	static create(): RelayClock | null {
		const [library] = LIBRARIES.scanSync("/usr");
		return library === undefined ? null : new RelayClock(join("/usr", library));
	}

	/** The environment of a relay that goes by it. */
	get environment(): Record<string, string> {
		return {
			LD_PRELOAD: this.#library,
			FAKETIME_TIMESTAMP_FILE: this.#path,
			// The file is read at each look at the clock.
			FAKETIME_NO_CACHE: "1",
		};
	}

	/** Milliseconds since 1970. */
	get nowMs(): number {
		return Date.now() + 1000 * this.#aheadS;
	}

	/** Sets it forward, to the next whole second. */
	advance(ms: number): void {
		this.#aheadS += Math.ceil(ms / 1000);
		this.#write();
	}

	/** Lets the relay's time pass ten times as fast until something has happened. */
	async hasten(happens: Promise<unknown>): Promise<void> {
		let isOver = false;
		const over = happens.finally(() => {
			isOver = true;
		});
		while (!isOver) {
			this.advance(HASTE_MS);
			await Promise.race([over, Bun.sleep(HASTE_MS / 10)]);
		}
		await over;
	}

	/** Removes its files, and what the library has left of processes that are gone: it leaves two names of each. */
	remove(): void {
		rmSync(this.#folder, { recursive: true, force: true });
		for (const name of LEFT_BEHIND.scanSync(SHARED_MEMORY)) {
			const pid = name.slice(name.lastIndexOf("_") + 1);
			if (!existsSync(`/proc/${pid}`)) rmSync(join(SHARED_MEMORY, name), { force: true });
		}
	}

	get #path(): string {
		return join(this.#folder, "ahead");
	}

	/** Replaces the file, since a file that is being written could be read half. */
	#write(): void {
		writeFileSync(`${this.#path}.new`, `+${this.#aheadS}\n`);
		renameSync(`${this.#path}.new`, this.#path);
	}
}
