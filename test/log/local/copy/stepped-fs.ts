import type { LogFs } from "../../../../src/log/local/log-fs.ts";
import { FaultyFs } from "../faulty-fs.ts";
import { MemoryFs } from "../memory-fs.ts";

/** A file system in memory on which the file of a removed segment gets other content at once, as if another segment had it. */
export class ReusingFs extends MemoryFs {
	override remove(path: string): void {
		this.#reuse(path, () => super.remove(path));
	}

	override rename(from: string, to: string): void {
		this.#reuse(from, () => super.rename(from, to));
	}

	#reuse(path: string, remove: () => void): void {
		const file = this.files.get(path);
		remove();
		if (file !== undefined && path.endsWith(".seg")) file.content = Buffer.alloc(file.content.length, 0x5a);
	}
}

/** Lets something happen before each call, and in the middle of each read. */
export class SteppedFs extends FaultyFs {
	/** How many calls there were. */
	steps = 0;

	constructor(fs: LogFs, onStep: (step: number) => void) {
		super(fs);
		this.fault = () => onStep(++this.steps);
	}

	override list(directory: string): string[] {
		this.fault();
		return super.list(directory);
	}

	override open(path: string, mode: "read" | "update" | "create"): number {
		if (mode !== "create") this.fault();
		return super.open(path, mode);
	}

	override sizeBytes(file: number): number {
		this.fault();
		return super.sizeBytes(file);
	}

	override read(file: number, target: Buffer, position: number): number {
		const half = Math.floor(target.length / 2);
		const count = super.read(file, target.subarray(0, half), position);
		this.fault();
		return count < half ? count : count + super.read(file, target.subarray(half), position + half);
	}
}
