import { encode } from "@atcute/cbor";
import { atHost } from "../../../account/next.ts";
import type { AccountState } from "../../../account/state.ts";
import { type EffectiveStatus, effectiveStatus } from "../../../account/status.ts";
import type { Resolution } from "../../../identity/identity.ts";
import { encodeFrame, scanFrame } from "../../../protocol/frame.ts";
import type { AccountMessage } from "../../../protocol/kinds/account.ts";
import type { Message } from "../../../protocol/kinds/table.ts";
import type { FieldChanges } from "../../../protocol/patch.ts";
import type { Admitted, Arrival, UpstreamStatus } from "../../arrival.ts";
import { type AdmissionRules, checkStatus, checkTime, messageEntry, timeMsOf, withFields } from "./admission.ts";
import { keyAtHome } from "./home.ts";

/** Checks an `#account`, which only the account's own host may send, and gives it the effective status (rulebook 2.14). */
export function admitAccount(
	arrival: Arrival<AccountMessage>,
	account: AccountState | null,
	resolution: Resolution,
	rules: AdmissionRules,
): Admitted | "retry" {
	const { message, sender } = arrival;
	// A tombstoned DID names no host any more. The host that we know may still send the account's last status.
	const isLast = resolution.outcome === "tombstoned" && account?.host === sender.hostId;
	if (!isLast && keyAtHome(arrival, resolution) === "retry") return "retry";
	const { did, active, status } = message;
	const flags = checkTime(arrival, rules);
	checkStatus(status);
	const { localStatus, waitingSinceUs } = atHost(account, sender.hostId);
	const effective = effectiveStatus({ localStatus, waitingSinceUs, upstreamActive: active, upstreamStatus: status });
	const isOurs = localStatus !== null || waitingSinceUs !== null;
	const changed = isOurs ? withFields(arrival, statusChanges(effective)) : arrival;
	const fact = { type: "status", did, active, status, timeMs: timeMsOf(message) } as const;
	return { entry: messageEntry(changed, flags, fact), fact };
}

/**
 * An `#account` that the relay makes itself. Consumers get the effective status. In the log it belongs to the account's host, with the
 * last upstream seq that we have for the account. So it neither moves the account nor makes a later message of the host look like a
 * repeat.
 *
 * @param upstream the account's status at its host; `waits` says whether it waits from now on for room in its host's account limit
 */
export function ownAccountMessage(
	did: string,
	{ host, hostSeq, localStatus, ...account }: Pick<AccountState, "host" | "hostSeq" | "localStatus" | "waitingSinceUs">,
	{ active, status, waits }: UpstreamStatus & { waits?: boolean },
	clock: () => number,
): Admitted {
	const time = new Date(clock()).toISOString();
	const waitingSinceUs = waits === undefined ? account.waitingSinceUs : waits ? 0 : null;
	const effective = effectiveStatus({ localStatus, waitingSinceUs, upstreamActive: active, upstreamStatus: status });
	// The sequencer gives the frame its seq. Until then it needs a valid one.
	const frame = encodeFrame("account", { seq: 1, did, time, ...effective });
	// The frame's time is ours, so the fact has none: the times of a host's messages are compared only with each other.
	const told = { type: "status", did, active, status, timeMs: 0 } as const;
	const fact = waits === undefined ? told : { ...told, waits };
	const entry = messageEntry({ ...rescan(frame), sender: { hostId: host } }, 0, fact);
	return { entry: { ...entry, upstreamSeq: hostSeq }, fact };
}

function rescan(frame: Uint8Array): { frame: Uint8Array; message: Message } {
	const scanned = scanFrame(frame);
	if (scanned.kind !== "message") throw new Error("a frame of our own does not scan");
	return { frame, message: scanned.message };
}

function statusChanges({ active, status }: EffectiveStatus): FieldChanges {
	return new Map([
		["active", encode(active)],
		["status", status === undefined ? null : encode(status)],
	]);
}
