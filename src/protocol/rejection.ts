import { REJECTION_REASONS, type RejectionReason } from "./reasons.ts";

/** A message breaks a rule. The message is dropped, and if the rule says so the connection is closed. */
export class Rejection extends Error {
	override readonly name = "Rejection";
	/** The stable name of the rule that was broken. */
	readonly reason: RejectionReason;

	/** @param detail what exactly was wrong, for the log; contains at most a few words from the sender's bytes */
	constructor(reason: RejectionReason, detail?: string) {
		super(`${reason}: ${REJECTION_REASONS[reason].meaning}${detail === undefined ? "" : ` (${detail})`}`);
		this.reason = reason;
	}
}
