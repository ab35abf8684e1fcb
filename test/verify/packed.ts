import { Rejection } from "../../src/protocol/rejection.ts";
import { cidBytes } from "../../src/sim/blocks.ts";
import type { Block } from "../../src/verify/portable/car.ts";
import { type Link, linkOfBytes } from "../../src/verify/portable/link.ts";

/** The form that links have inside the engine. */
export function linkOf(cid: string | { $link: string }): Link {
	return linkOfBytes(cidBytes(typeof cid === "string" ? cid : cid.$link));
}

/** Blocks in one buffer, as the engine finds them in a frame. */
export function packBlocks(blocks: Iterable<readonly [Link, Uint8Array]>): {
	frame: Buffer;
	blocks: Map<Link, Block>;
} {
	const ranges = new Map<Link, Block>();
	const chunks: Uint8Array[] = [];
	let end = 0;
	for (const [link, bytes] of blocks) {
		ranges.set(link, { start: end, end: end + bytes.length });
		chunks.push(bytes);
		end += bytes.length;
	}
	return { frame: Buffer.concat(chunks), blocks: ranges };
}

/** The reason of the `Rejection` that `run` throws, or null if it throws none. Other errors are thrown again. */
export function rejectionOf(run: () => unknown): string | null {
	try {
		run();
	} catch (error) {
		if (error instanceof Rejection) return error.reason;
		throw error;
	}
	return null;
}
