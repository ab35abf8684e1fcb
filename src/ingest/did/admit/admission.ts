import type { AccountState } from "../../../account/state.ts";
import type { Resolution } from "../../../identity/identity.ts";
import type { Entry } from "../../../log/record/entry.ts";
import { encodeFact, flagsOfFact, type MessageFact } from "../../../log/record/message-facts.ts";
import { RECORD_OPS_MAX, RecordFlag, RecordKind } from "../../../log/record/record.ts";
import type { Counters } from "../../../observe/counters.ts";
import type { Message } from "../../../protocol/kinds/table.ts";
import { type FieldChanges, patchFields } from "../../../protocol/patch.ts";
import type { RejectionReason } from "../../../protocol/reasons.ts";
import { Rejection } from "../../../protocol/rejection.ts";
import { isDatetime } from "../../../protocol/syntax.ts";
import type { Engine } from "../../../verify/engine.ts";
import type { Admitted, Arrival } from "../../arrival.ts";
import { messagesLenient } from "../../rejections.ts";

/** What decides, besides the message. */
export interface AdmissionRules {
	engine: Engine;
	/** False: what only the strict rules drop is passed and counted. */
	strict: boolean;
	clock: () => number;
	counters: Counters;
}

/** How messages of a kind are admitted. */
export interface Admission<M extends Message = Message> {
	/** Whether the DID is looked up again for each message; else what is known of it will do. */
	looksUpAnew: boolean;
	/** Whether the account's host has said it before: asked only of a message whose seq is not a new one. */
	isOld(message: M, account: AccountState): boolean;
	/**
	 * Judges a message by its account (null: never seen) and its identity. Returned instead of a result are `retry`, if a refreshed
	 * identity may change the verdict, and `ask-host`, if the account's host has to be asked whether the account is active.
	 *
	 * @throws Rejection
	 */
	admit(
		arrival: Arrival<M>,
		account: AccountState | null,
		resolution: Resolution,
		rules: AdmissionRules,
	): Admitted | "retry" | "ask-host";
}

/** Rejects for a rule that only strict relays keep, or returns the flags of a record that breaks it. */
export function strictly(reason: RejectionReason, rules: AdmissionRules): number {
	if (rules.strict) throw new Rejection(reason);
	rules.counters.add(messagesLenient.of(reason));
	return RecordFlag.lenient;
}

/** The engine checks the time of commits and syncs. */
export function checkTime(time: string, rules: AdmissionRules): number {
	return isDatetime(time) ? 0 : strictly("time-syntax", rules);
}

/** `time` of a message in milliseconds since 1970; 0 where it is none. */
export function timeMsOf({ time }: Message): number {
	const timeMs = Date.parse(time);
	return Number.isNaN(timeMs) ? 0 : timeMs;
}

/** Whether the `time` of a message from the account's host is not later than all before. */
export function hasOldTime(message: Message, account: AccountState): boolean {
	return timeMsOf(message) <= account.lastTimeMs;
}

/** A message that has no offsets but those of `seq`. */
type FlatMessage = Exclude<Message, { blocksStart: number }>;

/** The message with some fields changed. */
export function withFields(arrival: Arrival<FlatMessage>, changes: FieldChanges): Arrival {
	const { frame, seqStart, seqEnd } = patchFields(arrival.frame, arrival.message, changes);
	return { ...arrival, frame, message: { ...arrival.message, seqStart, seqEnd } };
}

/** The entry for the log, with what the message says of its account. */
export function messageEntry({ frame, message, sender }: Arrival, flags: number, fact: MessageFact): Entry {
	const { type, seq, seqStart, seqEnd } = message;
	return {
		kind: RecordKind[type],
		flags: flags | flagsOfFact(fact),
		host: sender.hostId,
		upstreamSeq: seq,
		seqStart,
		seqEnd,
		ops: "opsCount" in message ? Math.min(message.opsCount, RECORD_OPS_MAX) : 0,
		facts: encodeFact(fact),
		frame,
	};
}
