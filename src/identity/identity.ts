import type { DidDocumentParts } from "./did-document.ts";

/** What a relay needs of an account's DID document. */
export interface Identity extends DidDocumentParts {
	did: string;
	/** Name of the PDS's host: a lower-case DNS name, or `localhost:PORT`. Null if `pds` is null. */
	pdsHost: string | null;
	/** When the lookup that found this began, in milliseconds since 1970. */
	resolvedAtMs: number;
}

/**
 * How a lookup ended. An identity without a key or a PDS is `resolved` too: the account is broken, but the lookup worked.
 * `malformed` is a fault of the DID or its document, which asking again soon would not change. `unavailable` is a fault that
 * may pass.
 */
export type Resolution =
	| { outcome: "resolved"; identity: Identity }
	| { outcome: "not-found" }
	| { outcome: "tombstoned" }
	| { outcome: "malformed"; detail: string }
	| Unavailable;

/** Every outcome. */
export const OUTCOMES = [
	"resolved",
	"not-found",
	"tombstoned",
	"malformed",
	"unavailable",
] as const satisfies readonly Resolution["outcome"][];

export interface Unavailable {
	outcome: "unavailable";
	detail: string;
	/** How long the server asked us to wait; null if it did not. */
	retryAfterMs: number | null;
}

/** Whether two resolutions say the same about a DID. The first may be missing. */
export function sameIdentity(before: Resolution | null, after: Resolution): boolean {
	if (before?.outcome !== "resolved" || after.outcome !== "resolved") return before?.outcome === after.outcome;
	const { pds, signingKeyDidKey } = before.identity;
	return pds === after.identity.pds && signingKeyDidKey === after.identity.signingKeyDidKey;
}
