import type { LogFs } from "../../../src/log/local/log-fs.ts";

/** A file system that fails on demand, over another. */
export class FaultyFs implements LogFs {
	/** Asked before each call that changes something; what it throws, the call throws. */
	fault: () => void = () => {};
	readonly #fs: LogFs;

	constructor(fs: LogFs) {
		this.#fs = fs;
	}

	makeDirectory(path: string): void {
		this.#fs.makeDirectory(path);
	}

	list(directory: string): string[] {
		return this.#fs.list(directory);
	}

	open(path: string, mode: "read" | "update" | "create"): number {
		if (mode === "create") this.fault();
		return this.#fs.open(path, mode);
	}

	close(file: number): void {
		this.#fs.close(file);
	}

	sizeBytes(file: number): number {
		return this.#fs.sizeBytes(file);
	}

	read(file: number, target: Buffer, position: number): number {
		return this.#fs.read(file, target, position);
	}

	readInBackground(file: number, target: Buffer, position: number): Promise<number> {
		return this.#fs.readInBackground(file, target, position);
	}

	write(file: number, bytes: Buffer, position: number): void {
		this.fault();
		this.#fs.write(file, bytes, position);
	}

	overwrite(file: number, bytes: Buffer, position: number): void {
		this.fault();
		this.#fs.overwrite(file, bytes, position);
	}

	async writeInBackground(file: number, bytes: Buffer, position: number): Promise<void> {
		this.fault();
		await this.#fs.writeInBackground(file, bytes, position);
	}

	truncate(file: number, lengthBytes: number): void {
		this.fault();
		this.#fs.truncate(file, lengthBytes);
	}

	sync(file: number): void {
		this.fault();
		this.#fs.sync(file);
	}

	async syncInBackground(file: number): Promise<void> {
		this.fault();
		await this.#fs.syncInBackground(file);
	}

	syncDirectory(path: string): void {
		this.fault();
		this.#fs.syncDirectory(path);
	}

	rename(from: string, to: string): void {
		this.fault();
		this.#fs.rename(from, to);
	}

	remove(path: string): void {
		this.fault();
		this.#fs.remove(path);
	}

	freeBytes(directory: string): number {
		return this.#fs.freeBytes(directory);
	}

	writesInPlace(directory: string): boolean {
		return this.#fs.writesInPlace(directory);
	}
}
