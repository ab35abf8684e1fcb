import { REJECTION_REASONS, type RejectionReason } from "./reasons.ts";

/** A message that breaks a rule. It costs its sender this one message, or the connection where the rule says so. */
export class Rejection extends Error {
	override readonly name = "Rejection";
	/** The stable name of the rule that was broken. */
	readonly reason: RejectionReason;

	/** @param detail what exactly was wrong, for the log; never more than a few words from the sender's bytes */
	constructor(reason: RejectionReason, detail?: string) {
		super(`${reason}: ${REJECTION_REASONS[reason].meaning}${detail === undefined ? "" : ` (${detail})`}`);
		this.reason = reason;
	}
}
