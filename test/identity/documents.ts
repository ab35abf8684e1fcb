import type { SigningKey } from "../../src/verify/engine.ts";

export const DID = "did:plc:7iza6de2dwap2sbkpav7c6c6";
/** From the shared did:key vectors. */
export const K256_DID_KEY = "did:key:zQ3shokFTS3brHcDQrn82RUDfCZESWL1ZdCEJwekUDPQiYBme";
export const K256_MULTIKEY = K256_DID_KEY.slice("did:key:".length);

/** A DID document as the PLC directory serves it, with parts replaced. */
export function didDocument(did = DID, parts: Record<string, unknown> = {}): Record<string, unknown> {
	return {
		"@context": ["https://www.w3.org/ns/did/v1", "https://w3id.org/security/multikey/v1"],
		id: did,
		alsoKnownAs: ["at://alice.example.com"],
		verificationMethod: [verificationMethod(did)],
		service: [pdsService()],
		...parts,
	};
}

export function verificationMethod(did = DID, parts: Record<string, unknown> = {}): Record<string, unknown> {
	return { id: `${did}#atproto`, type: "Multikey", controller: did, publicKeyMultibase: K256_MULTIKEY, ...parts };
}

export function pdsService(parts: Record<string, unknown> = {}): Record<string, unknown> {
	return {
		id: "#atproto_pds",
		type: "AtprotoPersonalDataServer",
		serviceEndpoint: "https://pds.example.com",
		...parts,
	};
}

/** A key in a form that is readable when a comparison fails. */
export function keyText(key: SigningKey | null): string | null {
	return key === null ? null : `${key.curve}:${Buffer.from(key.publicKey).toString("hex")}`;
}
