import * as v from "valibot";
import type { SigningKey } from "../verify/engine.ts";
import { didKeyOf, SigningKeyError, signingKeyOfMethod } from "./signing-key.ts";

/** What a relay needs of a DID document. */
export interface DidDocumentParts {
	/** The #atproto key, or null where there is no usable one. */
	signingKey: SigningKey | null;
	/** The same key as did:key. */
	signingKeyDidKey: string | null;
	/** Origin of the #atproto_pds service, or null where there is no usable one. */
	pds: string | null;
}

/** A DID document is not an object, or not the one of the DID that was asked for. */
export class DidDocumentError extends Error {
	override readonly name = "DidDocumentError";
}

/** Only what is read; a fault in another part of the document does not make these parts unusable (rulebook 4). */
const documentSchema = v.object({
	id: v.string(),
	verificationMethod: v.optional(v.array(v.unknown())),
	service: v.optional(v.array(v.unknown())),
});

const methodSchema = v.object({
	id: v.string(),
	type: v.string(),
	controller: v.string(),
	publicKeyMultibase: v.string(),
});

const serviceSchema = v.object({ id: v.string(), type: v.string(), serviceEndpoint: v.string() });

const identified = v.object({ id: v.string() });

/**
 * Takes key and PDS from a DID document that a stranger wrote, by the checks of rulebook 4. Each is null where it is missing or
 * unusable. Throws `DidDocumentError`.
 *
 * @param document any JSON value
 * @param options.allowInsecure accept a PDS on http://
 */
export function parseDidDocument(
	did: string,
	document: unknown,
	options: { allowInsecure: boolean },
): DidDocumentParts {
	const parsed = v.safeParse(documentSchema, document);
	if (!parsed.success) throw new DidDocumentError("the document is not an object with `id` and lists");
	const { id, verificationMethod = [], service = [] } = parsed.output;
	if (id !== did) throw new DidDocumentError("the document's `id` is not the DID");
	const signingKey = signingKeyOf(did, firstNamed(did, "#atproto", verificationMethod));
	return {
		signingKey,
		signingKeyDidKey: signingKey === null ? null : didKeyOf(signingKey),
		pds: pdsOf(firstNamed(did, "#atproto_pds", service), options.allowInsecure),
	};
}

/** The name of a PDS's host, from its origin: a DNS name without its port, or `localhost:PORT`. */
export function hostOfPds(pds: string | null): string | null {
	if (pds === null) return null;
	const { hostname, host } = new URL(pds);
	return hostname === "localhost" ? host : hostname;
}

/** The first entry with this fragment as its id, relative or absolute: whether it is usable or not, no later one counts. */
function firstNamed(did: string, fragment: string, entries: readonly unknown[]): unknown {
	return entries.find((entry) => v.is(identified, entry) && (entry.id === fragment || entry.id === did + fragment));
}

function signingKeyOf(did: string, method: unknown): SigningKey | null {
	if (!v.is(methodSchema, method) || method.controller !== did) return null;
	try {
		return signingKeyOfMethod(method.type, method.publicKeyMultibase);
	} catch (error) {
		if (error instanceof SigningKeyError) return null;
		throw error;
	}
}

function pdsOf(service: unknown, allowInsecure: boolean): string | null {
	if (!v.is(serviceSchema, service) || service.type !== "AtprotoPersonalDataServer") return null;
	const url = URL.parse(service.serviceEndpoint);
	if (url === null || (url.protocol !== "https:" && !(url.protocol === "http:" && allowInsecure))) return null;
	const clean =
		url.username === "" && url.password === "" && url.pathname === "/" && url.search === "" && url.hash === "";
	return clean ? url.origin : null;
}
