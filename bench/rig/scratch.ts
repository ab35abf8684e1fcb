import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Makes a folder that is removed when the process ends, except by SIGKILL. A bench's log has gigabytes. */
export function scratchDirectory(): string {
	const directory = mkdtempSync(join(tmpdir(), "standpipe-bench-"));
	process.on("exit", () => rmSync(directory, { recursive: true, force: true, maxRetries: 10 }));
	// Without these listeners, a signal would end the process without an `exit` event.
	for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => process.exit(1));
	return directory;
}
