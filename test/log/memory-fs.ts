import type { LogFs } from "../../src/log/log-fs.ts";

interface MemoryFile {
	content: Buffer;
	/** What a power cut leaves of it. */
	durable: Buffer;
}

/** A file system in memory that records its calls, fails on demand, and can lose what was never synced. */
export class MemoryFs implements LogFs {
	readonly files = new Map<string, MemoryFile>();
	/** Calls that change something, in order, such as `write 00…1.seg`. */
	readonly calls: string[] = [];
	/** Asked before each such call; what it throws, the call throws. */
	fault: (call: string) => void = () => {};
	readonly #open = new Map<number, { path: string; file: MemoryFile }>();
	#durableEntries = new Map<string, MemoryFile>();
	#nextFile = 3;

	get openFiles(): number {
		return this.#open.size;
	}

	/** What is there after a power cut. */
	afterPowerCut(): MemoryFs {
		const fs = new MemoryFs();
		for (const [path, file] of this.#durableEntries) fs.put(path, file.durable);
		return fs;
	}

	/** A copy, as after the death of the process. */
	afterKill(): MemoryFs {
		const fs = new MemoryFs();
		for (const [path, file] of this.files) fs.put(path, file.content);
		return fs;
	}

	put(path: string, content: Buffer): void {
		const file = { content: Buffer.from(content), durable: Buffer.from(content) };
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
			this.files.set(path, { content: Buffer.alloc(0), durable: Buffer.alloc(0) });
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
		return this.#opened(file).file.content.copy(target, 0, position);
	}

	write(file: number, bytes: Buffer, position: number): void {
		const opened = this.#opened(file);
		this.#call("write", opened.path);
		const content = Buffer.alloc(Math.max(opened.file.content.length, position + bytes.length));
		opened.file.content.copy(content);
		content.set(bytes, position);
		opened.file.content = content;
	}

	truncate(file: number, lengthBytes: number): void {
		const opened = this.#opened(file);
		this.#call("truncate", opened.path);
		opened.file.content = Buffer.from(opened.file.content.subarray(0, lengthBytes));
	}

	sync(file: number): void {
		const opened = this.#opened(file);
		this.#call("sync", opened.path);
		opened.file.durable = Buffer.from(opened.file.content);
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
	}

	remove(path: string): void {
		this.#call("remove", path);
		if (!this.files.delete(path)) throw notFound(path);
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

function notFound(path: string): Error {
	return Object.assign(new Error(`ENOENT: ${path}`), { code: "ENOENT" });
}
