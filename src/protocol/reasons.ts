/**
 * The closed list of why a message is not re-emitted. A name is the same in code, in metrics and in the API, and stays
 * once it is published. The numbers in brackets are the checks of the rulebook's table 2.6.
 */
export const REJECTION_REASONS = {
	// A fault of ours, which a message brought to light.
	"internal-error": "the relay failed on this message, by a fault of its own",
	// [0] Framing. Such a message is skipped. One that can't be received closes the connection, and so do 100 in a row.
	"frame-text": "a text message arrived where only binary ones are allowed",
	"frame-too-large": "the message is longer than 5,000,000 bytes",
	"frame-malformed": "the message is not two DAG-CBOR objects, header and payload",
	"frame-header": "the header has no valid `op`, or lacks the `t` that op 1 asks for",
	// What of the framing is sound, but would stop those who decode the message after us.
	"link-malformed": "a link in header or payload is not a whole CIDv1 of dag-cbor or raw bytes and sha-256",
	// [1]
	"seq-not-increasing": "`seq` is not greater than the last one on this connection",
	// [2]
	"message-schema": "a required field is absent or of the wrong type",
	// [3]
	"did-syntax": "the DID is malformed",
	"did-method": "the DID's method is neither plc nor web",
	// [4]
	"host-mismatch": "the DID document names another PDS than the host that sent this",
	"identity-not-found": "the DID does not resolve: it is not registered",
	"identity-tombstoned": "the DID is tombstoned in the PLC directory",
	"identity-unresolvable":
		"the DID document can't be fetched, and the fault lies with this DID or its did:web host alone",
	"identity-malformed": "the DID document is invalid, or lacks a usable #atproto key or #atproto_pds service",
	// [5]
	"account-inactive": "the account is not active here or at its PDS",
	// [6]
	"blocks-empty": "`blocks` is empty",
	"blocks-too-large": "`blocks` is longer than the limit for this message type",
	"ops-too-many": "more than 200 ops",
	// [7]
	"rev-syntax": "`rev` is not a TID",
	"rev-future": "`rev` lies more than 5 minutes in the future",
	// [8]
	"rev-stale": "`rev` is not greater than the last accepted one of this account",
	"sync-fork": "`#sync` has the `rev` of the last accepted commit, but is another commit",
	// [9]
	"car-malformed": "the CAR is malformed",
	"car-root-mismatch": "the CAR's first root is not `commit`",
	"car-block-missing": "the commit block is not in the CAR",
	"car-block-hash": "a block's bytes do not hash to its CID",
	// [10]
	"commit-malformed": "the commit object is malformed, not canonical, or not of version 3",
	"commit-did-mismatch": "the commit object's `did` is not the message's",
	"commit-rev-mismatch": "the commit object's `rev` is not the message's",
	// [11]
	"signature-encoding": "the signature is not 64 bytes of r and s within the curve's order",
	"signature-high-s": "the signature's s is above half of the curve's order",
	"signature-invalid": "the signature does not verify with the account's current key",
	// [12]
	"op-malformed": "an op's action, path, cid or prev breaks the op rules",
	"op-duplicate-path": "two ops have the same path",
	"record-missing": "the block of a created or updated record is not in the CAR",
	"record-malformed": "a record block is not a CBOR map within the limits",
	"record-too-large": "a record block is longer than 1,048,576 bytes",
	// [13]
	"mst-malformed": "an MST node breaks the tree's rules",
	"mst-partial": "the CAR lacks an MST node that checking the ops needs",
	"op-tree-mismatch": "an op does not agree with the tree it claims to have made",
	"prev-data-missing": "`prevData` is absent and this is not the account's first commit",
	"prev-data-mismatch": "undoing the ops does not give the tree that `prevData` names",
	"too-big-flag": "`tooBig` is set",
	"rebase-flag": "`rebase` is set",
	"time-syntax": "`time` is not a valid datetime",
} as const;

/** The stable name of a rejection. */
export type RejectionReason = keyof typeof REJECTION_REASONS;

/** Every name, in the order of the checks. */
export const REJECTION_REASON_NAMES = Object.keys(REJECTION_REASONS) as RejectionReason[];

/**
 * Reasons for which a message's seq can't be known, with the WebSocket close code for when the connection is closed for them
 * (rulebook 1.4).
 */
export const CLOSE_CODES: Partial<Record<RejectionReason, number>> = {
	"frame-text": 1003,
	"frame-too-large": 1009,
	"frame-malformed": 1002,
	"frame-header": 1002,
	"internal-error": 1011,
};
