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
import { isStorable } from "../../../protocol/text.ts";
import type { Engine } from "../../../verify/engine.ts";
import type { Admitted, Arrival, Sender } from "../../arrival.ts";

/** What an admission depends on besides the message. */
export interface AdmissionRules {
	engine: Engine;
	/** If false, messages that only the strict rules would drop are passed and counted. */
	strict: boolean;
	clock: () => number;
	counters: Counters;
}

/** How messages of a kind are admitted. */
export interface Admission<M extends Message = Message> {
	/** Whether the DID is looked up again for each message. If not, a known identity is used. */
	looksUpAnew: boolean;
	/** Whether the account's host has sent the message before. Called only if the message's seq is not a new one. */
	isOld(message: M, account: AccountState): boolean;
	/**
	 * Judges a message by its account (null: never seen) and its identity. Returns `retry` if a refreshed identity may change the
	 * result, and `ask-host` if the account's host must first be asked whether the account is active.
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

/**
 * For a message that breaks a strict rule: rejects it if this relay is strict with its host. Else notes that in the arrival, so that it is
 * counted when it passes, and returns its record's flags.
 */
export function strictly(reason: RejectionReason, arrival: Arrival, { strict }: AdmissionRules): number {
	if (strict) throw new Rejection(reason);
	arrival.lenientReason = reason;
	return RecordFlag.lenient;
}

/** Checks the `time` of an `#identity` or `#account`; the engine checks that of commits and syncs. Returns record flags. */
export function checkTime(arrival: Arrival, rules: AdmissionRules): number {
	return isDatetime(arrival.message.time) ? 0 : strictly("time-syntax", arrival, rules);
}

/** Checks the `status` of an `#account`, which the index stores. @throws Rejection `status-syntax` */
export function checkStatus(status: string | null): void {
	if (status !== null && !isStorable(status)) throw new Rejection("status-syntax");
}

/** `time` of a message in milliseconds since 1970; 0 if it is not a time. */
export function timeMsOf({ time }: Message): number {
	const timeMs = Date.parse(time);
	return Number.isNaN(timeMs) ? 0 : timeMs;
}

/** Whether the `time` of a message from the account's host is not later than the latest one before. */
export function hasOldTime(message: Message, account: AccountState): boolean {
	return timeMsOf(message) <= account.lastTimeMs;
}

/** A message whose only offsets are those of `seq`. */
type FlatMessage = Exclude<Message, { blocksStart: number }>;

/** The message with some fields changed. */
export function withFields(arrival: Arrival<FlatMessage>, changes: FieldChanges): Arrival {
	const { frame, seqStart, seqEnd } = patchFields(arrival.frame, arrival.message, changes);
	return { ...arrival, frame, message: { ...arrival.message, seqStart, seqEnd } };
}

/** The entry for the log, with what the message says about its account. */
export function messageEntry(
	{ frame, message, sender }: Pick<Arrival, "frame" | "message"> & { sender: Pick<Sender, "hostId"> },
	flags: number,
	fact: MessageFact,
): Entry {
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
