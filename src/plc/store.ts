import type { OperationData } from "../identity/mirror.ts";
import type { DidState } from "./chain.ts";

/** How far the mirror has followed a directory. */
export interface Progress {
	/** Origin of the directory. */
	directory: string;
	/** After which line to ask on: a seq, or the time of a line if the directory gives no seqs. "0" for the first line. */
	after: string;
	/** When the last line was accepted by the directory, as it says. Milliseconds since 1970; 0 before the first. */
	readUntilMs: number;
	/**
	 * By the clock of this machine: all that the directory had accepted by then is in the mirror. 0 until all of the export has been
	 * read once.
	 */
	completeUntilMs: number;
}

/** What the mirror knows of a DID. */
export interface Mirrored {
	data: OperationData;
	/** `Progress.completeUntilMs` */
	completeUntilMs: number;
}

/**
 * Reads the mirror. Its errors are those of the index: `StoreUnavailable` for a failure that may pass, and `StoreBroken`.
 */
export interface MirrorReader {
	/** Null for a DID that the mirror does not know, or that it does not answer for. */
	find(did: string): Promise<Mirrored | null>;
	close(): Promise<void>;
}

/** The tables of the mirror. There may be one writer. Its errors are those of `MirrorReader`. */
export interface MirrorStore {
	/** Null for a new mirror. What is written next goes on from there. */
	progress(): Promise<Progress | null>;
	/** The states of these DIDs, as far as they are known. */
	load(dids: ReadonlySet<string>): Promise<Map<string, DidState>>;
	/**
	 * Writes states and the progress, all or nothing.
	 * @throws StoreBroken if something else has written to the mirror
	 * @throws StoreUnavailable with the reason `database-behind` if the progress is not what it was after the last write, since a crash or a
	 *   failover has undone something, or since a write was done that seemed to fail: read the progress, and go on from there
	 */
	write(states: readonly DidState[], progress: Progress): Promise<void>;
	close(): Promise<void>;
}
