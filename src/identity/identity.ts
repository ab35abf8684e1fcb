import type { DidDocumentParts } from "./did-document.ts";

/** What a relay needs of an account's DID document. */
export interface Identity extends DidDocumentParts {
	did: string;
	/** The PDS as hosts are named: a lower-case DNS name, or `localhost:PORT`. Null where `pds` is. */
	pdsHost: string | null;
	/** When the lookup that found this began, in milliseconds since 1970. */
	resolvedAtMs: number;
}

/**
 * How a lookup ended. An identity without key or PDS is resolved all the same: its account is broken, the lookup is not.
 * `malformed` is a fault of the DID or its document that asking again at once won't mend; `unavailable` is one that it may.
 */
export type Resolution =
	| { outcome: "resolved"; identity: Identity }
	| { outcome: "not-found" }
	| { outcome: "tombstoned" }
	| { outcome: "malformed"; detail: string }
	| Unavailable;

export interface Unavailable {
	outcome: "unavailable";
	detail: string;
	/** How long the server wants to be left alone, where it says so. */
	retryAfterMs: number | null;
}

/** Whether two resolutions, of which the first may be missing, say the same of a DID. */
export function sameIdentity(before: Resolution | null, after: Resolution): boolean {
	if (before?.outcome !== "resolved" || after.outcome !== "resolved") return before?.outcome === after.outcome;
	const { pds, signingKeyDidKey } = before.identity;
	return pds === after.identity.pds && signingKeyDidKey === after.identity.signingKeyDidKey;
}
