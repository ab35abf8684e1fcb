/** Why a line of the directory's export changes nothing. Each name is the label of a metric and part of a log line. */
export const REFUSAL_REASONS = [
	"repeated",
	"outdated",
	"line-too-long",
	"line-malformed",
	"time-in-future",
	"time-too-early",
	"operation-malformed",
	"operation-too-large",
	"rotation-key",
	"cid-mismatch",
	"did-mismatch",
	"prev-unknown",
	"prev-final",
	"signature-malformed",
	"signature-invalid",
	"fork-by-weaker-key",
	"fork-too-late",
] as const;

export type RefusalReason = (typeof REFUSAL_REASONS)[number];

/**
 * Whether a refusal leaves open what the DID's state is now. An operation that is known already, or that is older than the last
 * one, does not. After any other one the mirror does not answer for the DID until it accepts an operation of it.
 */
export function castsDoubt(reason: RefusalReason): boolean {
	return reason !== "repeated" && reason !== "outdated";
}

/** An operation breaks a rule of did:plc. */
export class Refusal extends Error {
	override readonly name = "Refusal";
	readonly reason: RefusalReason;

	constructor(reason: RefusalReason, detail = "") {
		super(detail === "" ? reason : `${reason}: ${detail}`);
		this.reason = reason;
	}
}
