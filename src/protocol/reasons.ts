/** One reason for which a message is rejected. */
export interface Reason {
	/** What is wrong with the message, in words for the operator. */
	meaning: string;
	/** Number of the rulebook section with the rule. */
	section: string;
	/** What a lenient relay does with such a message (rulebook 2.6.1). A strict one drops all of them. */
	leniently: "dropped" | "partly passed" | "passed";
}

/**
 * All reasons for which a message is rejected. A name is the same in code, in metrics and in the API, and must not change once
 * it is published. The numbers in brackets are the checks of the rulebook's table 2.6. docs/reasons.md shows this list. The
 * build of the Rust engine reads the names from this file, line by line (`native/verifier/build.rs`).
 */
export const REJECTION_REASONS = {
	// Our own bug, which a message brought to light.
	"internal-error": dropped("2.6.1", "the relay failed on this message, by a fault of its own"),
	// [0] Framing. Such a message is skipped. The connection is closed if a message can't be received, or after 100 in a row.
	"frame-text": dropped("1.2", "a text message arrived where only binary ones are allowed"),
	"frame-too-large": dropped("1.2", "the message is longer than 5,000,000 bytes"),
	"frame-malformed": dropped("1.2", "the message is not two DAG-CBOR objects, header and payload"),
	"frame-header": dropped("1.2", "the header has no valid `op`, or lacks the `t` that op 1 asks for"),
	// The framing is sound, but others who decode the message after us would fail on it.
	"link-malformed": dropped(
		"2.13",
		"a link in header or payload is not a whole CIDv1 of dag-cbor or raw bytes and sha-256",
	),
	// [1]
	"seq-not-increasing": dropped("1.5", "`seq` is not greater than the last one on this connection"),
	// [2]
	"message-schema": dropped("2.1", "a required field is absent or of the wrong type"),
	// [3]
	"did-syntax": dropped("4", "the DID is malformed"),
	"did-method": dropped("4", "the DID's method is neither plc nor web"),
	// [4]
	"host-mismatch": dropped("2.6", "the DID document names another PDS than the host that sent this"),
	"identity-not-found": dropped("4", "the DID does not resolve: it is not registered"),
	"identity-tombstoned": dropped("4", "the DID is tombstoned in the PLC directory"),
	"identity-unresolvable": dropped(
		"4",
		"the DID document can't be fetched, and the fault lies with this DID or its did:web host alone",
	),
	"identity-malformed": dropped(
		"4",
		"the DID document is invalid, or lacks a usable #atproto key or #atproto_pds service",
	),
	// [5]
	"account-inactive": dropped("2.6", "the account is not active here or at its PDS"),
	// [6]
	"blocks-empty": dropped("2.6", "`blocks` is empty"),
	"blocks-too-large": partlyPassed("2.1", "`blocks` is longer than the limit for this message type"),
	"ops-too-many": dropped("2.1", "more than 200 ops"),
	// [7]
	"rev-syntax": dropped("2.6", "`rev` is not a TID"),
	"rev-future": dropped("2.6", "`rev` lies more than 5 minutes in the future"),
	// [8]
	"rev-stale": dropped("2.6", "`rev` is not greater than the last accepted one of this account"),
	"sync-fork": dropped("2.9", "`#sync` has the `rev` of the last accepted commit, but is another commit"),
	// [9]
	"car-malformed": partlyPassed("2.7", "the CAR is malformed"),
	"car-root-mismatch": dropped("2.7", "the CAR's first root is not `commit`"),
	"car-block-missing": dropped("2.7", "the commit block is not in the CAR"),
	"car-block-hash": dropped("2.7", "a block's bytes do not hash to its CID"),
	// [10]
	"commit-malformed": dropped("2.8", "the commit object is malformed, not canonical, or not of version 3"),
	"commit-did-mismatch": dropped("2.8", "the commit object's `did` is not the message's"),
	"commit-rev-mismatch": dropped("2.8", "the commit object's `rev` is not the message's"),
	// [11]
	"signature-encoding": dropped("3", "the signature is not 64 bytes of r and s within the curve's order"),
	"signature-high-s": dropped("3", "the signature's s is above half of the curve's order"),
	"signature-invalid": dropped("3", "the signature does not verify with the account's current key"),
	// [12]
	"op-malformed": partlyPassed("2.10", "an op's action, path, cid or prev breaks the op rules"),
	"op-duplicate-path": passed("2.10", "two ops have the same path"),
	"record-missing": passed("2.10", "the block of a created or updated record is not in the CAR"),
	"record-malformed": dropped("2.10", "a record block is not a CBOR map within the limits"),
	"record-too-large": passed("2.1", "a record block is longer than 1,048,576 bytes"),
	// [13]
	"mst-malformed": passed("2.11", "an MST node breaks the tree's rules"),
	"mst-partial": passed("2.12", "the CAR lacks an MST node that checking the ops needs"),
	"op-tree-mismatch": passed("2.12", "an op does not agree with the tree it claims to have made"),
	"prev-data-missing": passed("2.6", "`prevData` is absent and this is not the account's first commit"),
	"prev-data-mismatch": passed("2.12", "undoing the ops does not give the tree that `prevData` names"),
	"too-big-flag": passed("2.1", "`tooBig` is set"),
	"rebase-flag": passed("2.1", "`rebase` is set"),
	"time-syntax": passed("2.13", "`time` is not a valid datetime"),
	"status-syntax": dropped("2.4", "`status` contains a NUL character"),
	// [5] too. It is last, since numbers of reasons must not change.
	"account-throttled": dropped("2.14", "the account waits, since its PDS has as many accounts as it may have here"),
} as const;

/** The stable name of a rejection. */
export type RejectionReason = keyof typeof REJECTION_REASONS;

/** Every name, in the order of the checks. */
export const REJECTION_REASON_NAMES = Object.keys(REJECTION_REASONS) as RejectionReason[];

/**
 * Reasons for which the seq of a message is unknown, with the WebSocket close code to use if the connection is closed for them
 * (rulebook 1.4).
 */
export const CLOSE_CODES: Partial<Record<RejectionReason, number>> = {
	"frame-text": 1003,
	"frame-too-large": 1009,
	"frame-malformed": 1002,
	"frame-header": 1002,
	"internal-error": 1011,
};

function dropped(section: string, meaning: string): Reason {
	return { meaning, section, leniently: "dropped" };
}

function partlyPassed(section: string, meaning: string): Reason {
	return { meaning, section, leniently: "partly passed" };
}

function passed(section: string, meaning: string): Reason {
	return { meaning, section, leniently: "passed" };
}
