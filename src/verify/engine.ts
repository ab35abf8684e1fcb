// verify/: one commit in, one verdict out. Checks that need the account's history or the clock are in ingest/did/.

import type { CommitMessage } from "../protocol/kinds/commit.ts";
import type { SyncMessage } from "../protocol/kinds/sync.ts";
import type { RejectionReason } from "../protocol/reasons.ts";

/** The key that an account's commits are signed with, as its DID document gives it (rulebook 3). */
export interface SigningKey {
	curve: "k256" | "p256";
	/** Compressed point, 33 bytes, already checked to lie on the curve. */
	publicKey: Uint8Array;
}

/** An engine's result for one `#commit` or `#sync`. */
export interface Verdict {
	/**
	 * The first rule that the message breaks, in the order of table 2.6, or null if it is good. The rules that every relay
	 * enforces come before those that only a strict relay enforces.
	 */
	reason: RejectionReason | null;
	/** True if only the strict rules drop the message. A lenient relay passes and counts it. */
	strictOnly: boolean;
	/** Binary CID of the commit block (36 bytes). Set if `reason` is null or `strictOnly` is true. */
	commit: Uint8Array | null;
	/** Binary CID of the MST root in the commit (36 bytes). Set like `commit`. */
	data: Uint8Array | null;
	/**
	 * The collections that a commit touches, as the encoded list of `touched.ts`. Null if they are not known: for a `#sync`, and for
	 * a commit whose tree was not found sound. Set for a sound tree even if the message breaks a strict rule that is not about the
	 * tree.
	 */
	touched: Uint8Array | null;
}

/**
 * Makes the checks 6 and 9 to 13 of table 2.6: all that can be decided from the frame and the account's key. The checks that
 * need the account's state or the clock (order of revs, chain, known repo without `prevData`) are made by the shard.
 *
 * An engine is synchronous, keeps no reference to the frame, and never throws because of the frame's contents.
 */
export interface Engine {
	readonly name: "portable" | "native";
	/** @param frame the whole frame, canonical, that `message` was scanned from */
	verifyCommit(frame: Uint8Array, message: CommitMessage, key: SigningKey): Verdict;
	/** Like `verifyCommit`, with the limits of a `#sync` and without ops or tree. */
	verifySync(frame: Uint8Array, message: SyncMessage, key: SigningKey): Verdict;
}
