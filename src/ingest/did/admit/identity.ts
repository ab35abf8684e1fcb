import { next } from "../../../account/next.ts";
import type { AccountState } from "../../../account/state.ts";
import { DELETED, isDeletedAtHost } from "../../../account/status.ts";
import { type Resolution, sameIdentity } from "../../../identity/identity.ts";
import type { IdentityMessage } from "../../../protocol/kinds/identity.ts";
import type { FieldChanges } from "../../../protocol/patch.ts";
import { Rejection } from "../../../protocol/rejection.ts";
import type { Admitted, Arrival } from "../../arrival.ts";
import { type AdmissionRules, checkTime, messageEntry, timeMsOf, withFields } from "./admission.ts";

const WITHOUT_HANDLE: FieldChanges = new Map([["handle", null]]);

/**
 * Checks an `#identity`, for which the DID was just looked up again. An `#identity` says only that something may have changed. So
 * one from the account's host always passes; one from another host passes if something did change.
 */
export function admitIdentity(
	arrival: Arrival<IdentityMessage>,
	account: AccountState | null,
	resolution: Resolution,
	rules: AdmissionRules,
): Admitted {
	const { message, sender } = arrival;
	const known = account?.host === sender.hostId ? account : null;
	const isHome = resolution.outcome === "resolved" && resolution.identity.pdsHost === sender.hostname;
	if (resolution.outcome === "not-found") throw new Rejection("identity-not-found");
	if (resolution.outcome === "unavailable" && known === null) throw new Rejection("identity-unresolvable");
	if (known === null && !isHome && sameIdentity(arrival.before, resolution)) {
		throw new Rejection("host-mismatch", "and nothing changed");
	}
	const flags = checkTime(arrival, rules);
	// The relay doesn't resolve handles, so it does not pass on a handle that it can't vouch for.
	const stripped = message.handle === null ? arrival : withFields(arrival, WITHOUT_HANDLE);
	const fact = { type: "identity", did: message.did, isHome, timeMs: timeMsOf(message) } as const;
	const admitted: Admitted = { entry: messageEntry(stripped, flags, fact), fact };
	if (resolution.outcome === "tombstoned") {
		const after = next(account, fact, admitted.entry);
		// An `#identity` of any host can bring it to light that a known account's DID is tombstoned (rulebook 2.14).
		if (after !== null && !isDeletedAtHost(after)) admitted.following = { active: false, status: DELETED };
	}
	return admitted;
}
