// verify/: one commit in, one verdict out. What needs the account's history or the clock is in ingest/did/.

import type { CommitMessage } from "../protocol/kinds/commit.ts";
import type { SyncMessage } from "../protocol/kinds/sync.ts";
import type { RejectionReason } from "../protocol/reasons.ts";

/** The key that an account's commits are signed with, as its DID document gives it (rulebook 3). */
export interface SigningKey {
	curve: "k256" | "p256";
	/** Compressed point, 33 bytes, checked to lie on the curve. */
	publicKey: Uint8Array;
}

/** What an engine says of one `#commit` or `#sync`. */
export interface Verdict {
	/**
	 * The first rule broken, in the order of table 2.6, or null where the message is good. The rules that hold for everybody
	 * come before those that only a strict relay enforces.
	 */
	reason: RejectionReason | null;
	/** True where only the strict rules drop the message: a lenient relay passes and counts it. */
	strictOnly: boolean;
	/** Binary CID of the commit block (36 bytes). Set where `reason` is null or `strictOnly`. */
	commit: Uint8Array | null;
	/** Binary CID of the MST root in the commit (36 bytes). Set like `commit`. */
	data: Uint8Array | null;
	/**
	 * The collections that a commit touches, as the list that a record holds (`touched.ts`). Null where they are not known: in a
	 * `#sync`, and where the tree was not found sound. A tree that is sound says so even if the message breaks a strict rule that has
	 * nothing to do with it.
	 */
	touched: Uint8Array | null;
}

/**
 * Checks 6 and 9 to 13 of table 2.6: everything about a commit that can be decided from the frame and the account's key.
 * What needs the account's state or the clock (rev order, chain, known repo without `prevData`) is the shard's.
 *
 * An engine is synchronous, keeps nothing of the frame, and never throws because of what is in the frame.
 */
export interface Engine {
	readonly name: "portable" | "native";
	/** @param frame the whole frame, canonical, that `message` was scanned from */
	verifyCommit(frame: Uint8Array, message: CommitMessage, key: SigningKey): Verdict;
	/** Like `verifyCommit`, with the limits of a `#sync` and without ops or tree. */
	verifySync(frame: Uint8Array, message: SyncMessage, key: SigningKey): Verdict;
}
