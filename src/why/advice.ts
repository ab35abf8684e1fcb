import type { RejectionReason } from "../protocol/reasons.ts";

const SOFTWARE = "the PDS's software makes messages that break the protocol: update it, or tell its makers";
const DOCUMENT = "correct the account's DID document";
const MOVED = "if the account has moved, set its new PDS in the DID document; if not, stop the old PDS";
const KEY = "the PDS must sign with the key that the DID document names: set the PDS's own key there";
const CLOCK = "set the clock of the PDS";
const REV =
	"the PDS may have been restored from a backup: its commits pass again once their `rev` is above the last one that was accepted";
const CHAIN =
	"this relay and the PDS disagree on the repo before the commit: a #sync message, which the PDS sends after an import or a repair, sets it right";

/** What the owner of a PDS can do when a message is rejected for this reason. */
export const REJECTION_ADVICE: Readonly<Record<RejectionReason, string>> = {
	"internal-error": "the fault is this relay's own: tell its operator",
	"frame-text": SOFTWARE,
	"frame-too-large": SOFTWARE,
	"frame-malformed": SOFTWARE,
	"frame-header": SOFTWARE,
	"link-malformed": SOFTWARE,
	"seq-not-increasing":
		"the PDS's seqs must increase: after a restored backup, continue above the last one that was sent",
	"message-schema": SOFTWARE,
	"did-syntax": SOFTWARE,
	"did-method": "accounts need a did:plc, or a did:web with a domain and nothing more",
	"host-mismatch": MOVED,
	"identity-not-found": DOCUMENT,
	"identity-tombstoned": DOCUMENT,
	"identity-unresolvable": "see that the DID document can be fetched from outside",
	"identity-malformed": DOCUMENT,
	"account-inactive": "have the PDS send an #account message that says that the account is active",
	"account-throttled": "delete accounts that are not used, or write to the operator of this relay for a higher limit",
	"blocks-empty": SOFTWARE,
	"blocks-too-large": SOFTWARE,
	"ops-too-many": SOFTWARE,
	"rev-syntax": SOFTWARE,
	"rev-future": CLOCK,
	"rev-stale": REV,
	"sync-fork": REV,
	"car-malformed": SOFTWARE,
	"car-root-mismatch": SOFTWARE,
	"car-block-missing": SOFTWARE,
	"car-block-hash": SOFTWARE,
	"commit-malformed": SOFTWARE,
	"commit-did-mismatch": SOFTWARE,
	"commit-rev-mismatch": SOFTWARE,
	"signature-encoding": SOFTWARE,
	"signature-high-s": SOFTWARE,
	"signature-invalid": KEY,
	"op-malformed": SOFTWARE,
	"op-duplicate-path": SOFTWARE,
	"record-missing": SOFTWARE,
	"record-malformed": SOFTWARE,
	"record-too-large": SOFTWARE,
	"mst-malformed": SOFTWARE,
	"mst-partial": SOFTWARE,
	"op-tree-mismatch": SOFTWARE,
	"prev-data-missing": SOFTWARE,
	"prev-data-mismatch": CHAIN,
	"too-big-flag": SOFTWARE,
	"rebase-flag": SOFTWARE,
	"time-syntax": SOFTWARE,
	"status-syntax": SOFTWARE,
};
