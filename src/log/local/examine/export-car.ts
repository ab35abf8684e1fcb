import { fromUint8Array, writeCarStream } from "@atcute/car";
import type { CidLink } from "@atcute/cid";
import type { LogFs } from "../log-fs.ts";
import { type ExportCounts, type ExportedMessage, type ExportRange, exportLog } from "./export.ts";

/** Commits that a CAR may have. Its header names each of them, and comes first. */
export const CAR_COMMITS_MAX = 100_000;

/** The range has more commits than a CAR may have. */
export class TooManyCommits extends Error {
	override readonly name = "TooManyCommits";
}

/**
 * Writes the blocks of the messages of a range as one CAR (version 1). Its roots are the commits, in order; blocks that several
 * messages have come several times.
 *
 * @throws TooManyCommits before anything is written
 * @throws Error if the log can't be read, or has another format
 */
export async function exportCar(
	fs: LogFs,
	directory: string,
	range: ExportRange,
	write: (bytes: Uint8Array) => void,
): Promise<ExportCounts> {
	const roots: CidLink[] = [];
	exportLog(fs, directory, range, (message) => {
		roots.push(...rootsOf(message));
		return roots.length <= CAR_COMMITS_MAX;
	});
	if (roots.length > CAR_COMMITS_MAX) throw new TooManyCommits(`the range has more than ${CAR_COMMITS_MAX} commits`);
	for await (const bytes of writeCarStream(roots, [])) write(bytes);
	return exportLog(fs, directory, range, (message) => {
		const { blocks } = message;
		// The entries of a message's CAR are those of ours.
		if (blocks !== null)
			for (const { entryStart, entryEnd } of fromUint8Array(blocks)) write(blocks.subarray(entryStart, entryEnd));
		return true;
	});
}

function rootsOf({ blocks }: ExportedMessage): CidLink[] {
	return blocks === null ? [] : fromUint8Array(blocks).roots;
}
