import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Makes a folder that is removed when the process ends, however it does but by SIGKILL: a bench's log is gigabytes. */
export function scratchDirectory(): string {
	const directory = mkdtempSync(join(tmpdir(), "standpipe-bench-"));
	process.on("exit", () => rmSync(directory, { recursive: true, force: true, maxRetries: 10 }));
	// `exit` says nothing of signals that nobody listens to.
	for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => process.exit(1));
	return directory;
}
