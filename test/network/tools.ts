import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

const MODULES = join(import.meta.dir, "node_modules");
const ROOT = join(import.meta.dir, "..", "..");
const DEFAULT_BINARY = join(ROOT, "dist", "standpipe");

/** The programs that the network test runs. */
export interface Tools {
	/** Path of the Node that runs the reference PDS and the consumers. */
	node: string;
	/** The relay's command, without settings. */
	relay: readonly string[];
}

/**
 * Finds what the network test needs.
 *
 * `STANDPIPE_CMD` is a command line that starts the relay in place of the compiled binary, split at spaces;
 * `STANDPIPE_BIN` is the path of another binary.
 * @returns the tools, or a sentence that says why the test can't run
 */
export function findTools(env: Readonly<Record<string, string | undefined>> = process.env): Tools | string {
	const relay = env["STANDPIPE_CMD"]?.split(" ") ?? [env["STANDPIPE_BIN"] ?? DEFAULT_BINARY, "serve"];
	if (env["STANDPIPE_CMD"] === undefined && !existsSync(relay[0] ?? "")) {
		return "there is no compiled relay: run `make build`";
	}
	const node = readNote(".ready");
	if (node === null) return readNote(".unavailable") ?? "its packages are absent: run test/network/install.sh";
	return { node, relay };
}

/** A note of install.sh: `.ready` has the path of a Node, `.unavailable` says why there is none. Null if the note does not exist. */
export function readNote(name: string): string | null {
	const path = join(MODULES, name);
	return existsSync(path) ? readFileSync(path, "utf8").trim() : null;
}
