import type { StoredIdentity } from "../index/store.ts";
import type { DidDocumentFacts } from "../log/record/control.ts";
import { hostOfPds } from "./did-document.ts";
import type { Resolution } from "./identity.ts";
import { signingKeyOfDidKey } from "./signing-key.ts";

/**
 * What is written to the log of a resolution; null for a failure.
 *
 * @param askedAtMs when the lookup began, in milliseconds since 1970
 */
export function factsOf(did: string, resolution: Resolution, askedAtMs: number): DidDocumentFacts | null {
	switch (resolution.outcome) {
		case "resolved": {
			const { signingKeyDidKey, pds, resolvedAtMs } = resolution.identity;
			return { did, signingKey: signingKeyDidKey, pds, tombstoned: false, resolvedAtMs };
		}
		case "tombstoned":
			return { did, signingKey: null, pds: null, tombstoned: true, resolvedAtMs: askedAtMs };
		default:
			return null;
	}
}

/** The resolution that a row of the index describes. */
export function resolutionOfStored(stored: StoredIdentity, allowInsecure: boolean): Resolution {
	const { did, signingKey, pds, tombstoned, resolvedAtMs } = stored;
	if (tombstoned) return { outcome: "tombstoned" };
	return {
		outcome: "resolved",
		identity: {
			did,
			signingKey: signingKey === null ? null : signingKeyOfDidKey(signingKey),
			signingKeyDidKey: signingKey,
			pds,
			pdsFault: pds === null ? "there was no usable PDS when it was looked up" : null,
			pdsHost: hostOfPds(pds, { allowInsecure }),
			resolvedAtMs,
		},
	};
}
