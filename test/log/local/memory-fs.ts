import { BLOCK_BYTES, type LogFs } from "../../../src/log/local/log-fs.ts";

interface MemoryFile {
	content: Buffer;
	/** What a power cut leaves of it. */
	durable: Buffer;
	/** A sync of it failed: the system takes the pages for written, and never makes them durable. */
	isGivenUp: boolean;
}

/** The start of all files in memory. */
function newFile(content: Buffer): MemoryFile {
	return { content: Buffer.from(content), durable: Buffer.from(content), isGivenUp: false };
}

/** A file system in memory that records its calls, fails on demand, and can lose what was never synced. */
export class MemoryFs implements LogFs {
	readonly files = new Map<string, MemoryFile>();
	/** Calls that change something, in order, such as `write 00…1.seg`. */
	readonly calls: string[] = [];
	/** Asked before each such call; what it throws, the call throws. */
	fault: (call: string) => void = () => {};
	/** How much of its bytes a write that fails has written, from 0 to 1: those in one sector as a whole or not at all. */
	failedWriteShare = 0;
	freeDiskBytes = Number.POSITIVE_INFINITY;
	/** If true, it is like a file system on which a prepared file is of no use. */
	copiesOnWrite = false;
	readonly #open = new Map<number, { path: string; file: MemoryFile }>();
	#durableEntries = new Map<string, MemoryFile>();
	#nextFile = 3;

	get openFiles(): number {
		return this.#open.size;
	}

	/**
	 * What is there after a power cut.
	 *
	 * @param isWritten called for each sector that was written and not synced: whether the system has brought it to the disk
	 */
	afterPowerCut(isWritten: () => boolean = () => false): MemoryFs {
		const fs = new MemoryFs();
		for (const [path, file] of this.#durableEntries) fs.put(path, withSectors(file, isWritten));
		return fs;
	}

	/** A copy, as after the death of the process. */
	afterKill(): MemoryFs {
		const fs = new MemoryFs();
		for (const [path, file] of this.files) fs.put(path, file.content);
		return fs;
	}

	/** A copy in which the directory has another name, so that it can be opened beside this one. */
	moved(from: string, to: string): MemoryFs {
		const fs = new MemoryFs();
		for (const [path, file] of this.files) fs.put(path.replace(from, to), file.content);
		return fs;
	}

	put(path: string, content: Buffer): void {
		const file = newFile(content);
		this.files.set(path, file);
		this.#durableEntries.set(path, file);
	}

	content(path: string): Buffer {
		const file = this.files.get(path);
		if (file === undefined) throw notFound(path);
		return file.content;
	}

	makeDirectory(): void {}

	list(directory: string): string[] {
		const prefix = `${directory}/`;
		return [...this.files.keys()].filter((path) => path.startsWith(prefix)).map((path) => path.slice(prefix.length));
	}

	open(path: string, mode: "read" | "update" | "create"): number {
		if (mode === "create") {
			this.#call("create", path);
			if (this.files.has(path)) throw new Error(`EEXIST: ${path}`);
			this.files.set(path, newFile(Buffer.alloc(0)));
		}
		const file = this.files.get(path);
		if (file === undefined) throw notFound(path);
		this.#open.set(this.#nextFile, { path, file });
		return this.#nextFile++;
	}

	close(file: number): void {
		if (!this.#open.delete(file)) throw new Error("EBADF");
	}

	sizeBytes(file: number): number {
		return this.#opened(file).file.content.length;
	}

	read(file: number, target: Buffer, position: number): number {
		const { content } = this.#opened(file).file;
		return content.copy(target, 0, Math.min(position, content.length));
	}

	async readInBackground(file: number, target: Buffer, position: number): Promise<number> {
		return this.read(file, target, position);
	}

	write(file: number, bytes: Buffer, position: number): void {
		const opened = this.#opened(file);
		try {
			this.#call("write", opened.path);
		} catch (error) {
			const isInSector =
				Math.floor(position / SECTOR_BYTES) === Math.floor((position + bytes.length - 1) / SECTOR_BYTES);
			const share = isInSector ? Math.round(this.failedWriteShare) : this.failedWriteShare;
			const part = bytes.subarray(0, Math.floor(bytes.length * share));
			if (part.length > 0) this.#put(opened.file, part, position);
			throw error;
		}
		this.#put(opened.file, bytes, position);
	}

	overwrite(file: number, bytes: Buffer, position: number): void {
		const padding = -(position + bytes.length) & (BLOCK_BYTES - 1);
		this.write(file, Buffer.concat([bytes, Buffer.alloc(padding)]), position);
	}

	async writeInBackground(file: number, bytes: Buffer, position: number): Promise<void> {
		this.write(file, bytes, position);
	}

	#put(file: MemoryFile, bytes: Buffer, position: number): void {
		const content = Buffer.alloc(Math.max(file.content.length, position + bytes.length));
		file.content.copy(content);
		content.set(bytes, position);
		file.content = content;
	}

	truncate(file: number, lengthBytes: number): void {
		const opened = this.#opened(file);
		this.#call("truncate", opened.path);
		const content = Buffer.alloc(lengthBytes);
		opened.file.content.copy(content);
		opened.file.content = content;
	}

	sync(file: number): void {
		const opened = this.#opened(file);
		try {
			this.#call("sync", opened.path);
		} catch (error) {
			opened.file.isGivenUp = true;
			throw error;
		}
		// As on Linux, where a sync after a failed one has nothing left to write.
		if (!opened.file.isGivenUp) opened.file.durable = Buffer.from(opened.file.content);
	}

	async syncInBackground(file: number): Promise<void> {
		this.sync(file);
	}

	syncDirectory(path: string): void {
		this.#call("syncDirectory", path);
		this.#durableEntries = new Map(this.files);
	}

	rename(from: string, to: string): void {
		this.#call("rename", to);
		const file = this.files.get(from);
		if (file === undefined) throw notFound(from);
		this.files.delete(from);
		this.files.set(to, file);
		for (const opened of this.#open.values()) if (opened.file === file) opened.path = to;
	}

	remove(path: string): void {
		if (!this.files.has(path)) throw notFound(path);
		this.#call("remove", path);
		this.files.delete(path);
	}

	freeBytes(): number {
		return this.freeDiskBytes;
	}

	writesInPlace(): boolean {
		return !this.copiesOnWrite;
	}

	#opened(file: number): { path: string; file: MemoryFile } {
		const opened = this.#open.get(file);
		if (opened === undefined) throw new Error("EBADF");
		return opened;
	}

	#call(name: string, path: string): void {
		const call = `${name} ${path.slice(path.lastIndexOf("/") + 1)}`;
		this.fault(call);
		this.calls.push(call);
	}
}

const SECTOR_BYTES = 512;

/** A file's durable content, and those sectors of its other content that reached the disk. What lies between is zeros. */
function withSectors({ durable, content }: MemoryFile, isWritten: () => boolean): Buffer {
	let result = durable;
	for (let start = 0; start < content.length; start += SECTOR_BYTES) {
		const sector = content.subarray(start, start + SECTOR_BYTES);
		if (sector.equals(durable.subarray(start, start + SECTOR_BYTES)) || !isWritten()) continue;
		const grown = Buffer.alloc(Math.max(result.length, start + sector.length));
		grown.set(result);
		grown.set(sector, start);
		result = grown;
	}
	return result;
}

function notFound(path: string): Error {
	return Object.assign(new Error(`ENOENT: ${path}`), { code: "ENOENT" });
}
