import { hostOfPds, parseDidDocument } from "./did-document.ts";
import type { Resolution } from "./identity.ts";

/** What a mirror of the PLC directory says about a DID. */
export interface MirroredResolution {
	/** `resolved` or `tombstoned`. */
	resolution: Resolution;
	/** All that the directory had accepted so long ago is in the mirror. Milliseconds. */
	ageMs: number;
}

/** A mirror of the PLC directory, as the cache uses it. */
export interface IdentityMirror {
	/** Null for a DID that the mirror does not know or does not answer for. Rejects only if the mirror is broken. */
	find(did: string): Promise<MirroredResolution | null>;
}

/** What the operations of a did:plc say that a relay needs. */
export interface OperationData {
	tombstoned: boolean;
	/** The did:key of `#atproto`; null if there is none. */
	signingKey: string | null;
	/** The endpoint of the `#atproto_pds` service; null if there is none. */
	pds: string | null;
}

const DID_KEY = "did:key:";

/**
 * What a DID resolves to by its operations: what the directory's document of it would give, by the same checks.
 * @param resolvedAtMs for the identity
 */
export function resolutionOfData(
	did: string,
	{ tombstoned, signingKey, pds }: OperationData,
	resolvedAtMs: number,
	options: { allowInsecure: boolean },
): Resolution {
	if (tombstoned) return { outcome: "tombstoned" };
	const document = {
		id: did,
		verificationMethod: signingKey === null ? [] : [methodOf(did, signingKey)],
		service: pds === null ? [] : [{ id: "#atproto_pds", type: "AtprotoPersonalDataServer", serviceEndpoint: pds }],
	};
	const parts = parseDidDocument(did, document, options);
	return {
		outcome: "resolved",
		identity: { did, ...parts, pdsHost: hostOfPds(parts.pds, options), resolvedAtMs },
	};
}

function methodOf(did: string, didKey: string): Record<string, string> {
	const publicKeyMultibase = didKey.startsWith(DID_KEY) ? didKey.slice(DID_KEY.length) : didKey;
	return { id: `${did}#atproto`, type: "Multikey", controller: did, publicKeyMultibase };
}
