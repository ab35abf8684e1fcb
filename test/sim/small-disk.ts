import { closeSync, mkdtempSync, openSync, rmdirSync, unlinkSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const MIB = 1024 * 1024;

/** A disk of its own in memory, small enough to fill. */
export class SmallDisk {
	readonly path: string;

	private constructor(path: string) {
		this.path = path;
	}

	/** Mounts a disk of `bytes` at an empty folder, by default at a new one. Null if this machine does not allow to mount one. */
	static mount(bytes: number, path = mkdtempSync(join(tmpdir(), "standpipe-disk-"))): SmallDisk | null {
		const { success } = Bun.spawnSync(["mount", "-t", "tmpfs", "-o", `size=${bytes}`, "tmpfs", path]);
		if (success) return new SmallDisk(path);
		rmdirSync(path);
		return null;
	}

	/** Whether this machine allows to mount a disk. */
	static isAllowed(): boolean {
		const disk = SmallDisk.mount(MIB);
		disk?.unmount();
		return disk !== null;
	}

	/** Writes a file of `bytes`, or as much as the disk takes. */
	fill(bytes = Number.POSITIVE_INFINITY): void {
		const file = openSync(this.#ballast, "w");
		const piece = Buffer.alloc(64 * 1024, 1);
		try {
			for (let written = 0; written < bytes; ) written += writeSync(file, piece);
		} catch (error) {
			if (!(error instanceof Error) || !("code" in error) || error.code !== "ENOSPC") throw error;
		} finally {
			closeSync(file);
		}
	}

	/** Removes what `fill` has written. */
	free(): void {
		unlinkSync(this.#ballast);
	}

	unmount(): void {
		const { success } = Bun.spawnSync(["umount", this.path]);
		if (!success) throw new Error(`${this.path} could not be unmounted`);
		rmdirSync(this.path);
	}

	get #ballast(): string {
		return join(this.path, "ballast");
	}
}
