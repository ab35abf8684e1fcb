import type { Message } from "../../protocol/kinds/table.ts";
import { COMMIT_BLOCKS_BYTES_MAX, COMMIT_OPS_MAX, SYNC_BLOCKS_BYTES_MAX } from "../../protocol/limits.ts";
import { Rejection } from "../../protocol/rejection.ts";
import { readCar } from "../../verify/portable/car.ts";
import { checkCommitOwner, readCommit } from "../../verify/portable/commit.ts";
import { linkOfBytes } from "../../verify/portable/link.ts";

/** What can be wrong with a frame, each judged by a check of its own. */
export type FrameFault = "malformed" | "unknown-type" | "blocks" | "limits" | "order" | "text";

/** The faults that were seen in frames: how many of each, and the first. */
export class FrameFaults {
	readonly #seen = new Map<FrameFault, { count: number; first: string }>();

	add(fault: FrameFault, text: string): void {
		const seen = this.#seen.get(fault);
		if (seen === undefined) this.#seen.set(fault, { count: 1, first: text });
		else seen.count++;
	}

	/** How many there were and the first one, in words; null if there was none. */
	of(fault: FrameFault): string | null {
		const seen = this.#seen.get(fault);
		return seen === undefined ? null : `${seen.count === 1 ? "" : `${seen.count} times, first: `}${seen.first}`;
	}

	/** Judges what a `#commit` or `#sync` carries. */
	addOfBlocks(frame: Buffer, message: Message): void {
		if (message.type !== "commit" && message.type !== "sync") return;
		const { type, seq, blocksStart, blocksEnd } = message;
		const bytes = blocksEnd - blocksStart;
		const bytesMax = type === "commit" ? COMMIT_BLOCKS_BYTES_MAX : SYNC_BLOCKS_BYTES_MAX;
		if (bytes > bytesMax) this.add("limits", `seq ${seq}: \`blocks\` of ${bytes} bytes, ${bytesMax} at most`);
		if (type === "commit" && message.opsCount > COMMIT_OPS_MAX)
			this.add("limits", `seq ${seq}: ${message.opsCount} ops, ${COMMIT_OPS_MAX} at most`);
		const fault = commitFault(frame, message);
		if (fault !== null) this.add("blocks", `seq ${seq}: ${fault}`);
	}
}

/** What is wrong with the commit block of a `#commit` or `#sync`; null if nothing is. */
function commitFault(frame: Buffer, message: Extract<Message, { type: "commit" | "sync" }>): string | null {
	try {
		const { root, blocks } = readCar(frame, message.blocksStart, message.blocksEnd);
		const block = blocks.get(root);
		if (block === undefined) return "the CAR lacks the commit block";
		if (message.type === "commit" && linkOfBytes(message.commit) !== root) return "the CAR's root is not `commit`";
		checkCommitOwner(readCommit(frame, block), message);
		return null;
	} catch (error) {
		if (error instanceof Rejection) return error.message;
		throw error;
	}
}
