import * as v from "valibot";
import { HostnameError, parseHostname } from "../net/hostname.ts";
import type { SigningKey } from "../verify/engine.ts";
import { didKeyOf, SigningKeyError, signingKeyOfMethod } from "./signing-key.ts";

/** What a relay needs of a DID document. */
export interface DidDocumentParts {
	/** The #atproto key, or null if there is no usable one. */
	signingKey: SigningKey | null;
	/** The same key as did:key. */
	signingKeyDidKey: string | null;
	/** Origin of the #atproto_pds service, or null if there is no usable one. */
	pds: string | null;
	/** Why `pds` is null; null if it is not. */
	pdsFault: string | null;
}

/** A DID document is not an object, or not the one of the DID that was asked for. */
export class DidDocumentError extends Error {
	override readonly name = "DidDocumentError";
}

/** Only the parts that we read. A fault in another part of the document does not make these unusable (rulebook 4). */
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
 * Reads the key and the PDS from a DID document that a stranger wrote, by the checks of rulebook 4. Each is null if it is
 * missing or unusable. Throws `DidDocumentError`.
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
		...pdsOf(firstNamed(did, "#atproto_pds", service), options.allowInsecure),
	};
}

/**
 * The name of a PDS's host, from its origin: a DNS name without its port, or `localhost:PORT`. Null if `pds` is null, or for a
 * host that this relay would not connect to.
 */
export function hostOfPds(pds: string | null, options: { allowInsecure: boolean }): string | null {
	const url = pds === null ? null : URL.parse(pds);
	return url !== null && hostFault(url, options.allowInsecure) === null ? nameOfHost(url) : null;
}

/** A DNS name identifies a host. Hosts on localhost differ only by their ports. */
function nameOfHost({ hostname, host }: URL): string {
	return hostname === "localhost" ? host : hostname;
}

/** The rule for host names that the URL's host breaks, or null. */
function hostFault(url: URL, allowInsecure: boolean): string | null {
	try {
		parseHostname(nameOfHost(url), { allowLocalhost: allowInsecure });
		return null;
	} catch (error) {
		if (error instanceof HostnameError) return error.message;
		throw error;
	}
}

/**
 * The first entry with this fragment as its id, relative or absolute. Later ones don't count, even if the first is unusable.
 */
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

function pdsOf(service: unknown, allowInsecure: boolean): Pick<DidDocumentParts, "pds" | "pdsFault"> {
	if (service === undefined) return withoutPds("there is no #atproto_pds service");
	if (!v.is(serviceSchema, service)) return withoutPds("the #atproto_pds service lacks its type or endpoint");
	if (service.type !== "AtprotoPersonalDataServer") return withoutPds("the #atproto_pds service is of another type");
	const url = URL.parse(service.serviceEndpoint);
	if (url === null) return withoutPds("the PDS's endpoint is no URL");
	if (url.protocol !== "https:" && !(url.protocol === "http:" && allowInsecure)) {
		return withoutPds("the PDS's endpoint is not on https");
	}
	const clean =
		url.username === "" && url.password === "" && url.pathname === "/" && url.search === "" && url.hash === "";
	if (!clean) return withoutPds("the PDS's endpoint is more than an origin");
	const fault = hostFault(url, allowInsecure);
	return fault === null ? { pds: url.origin, pdsFault: null } : withoutPds(`the PDS's host: ${fault}`);
}

function withoutPds(pdsFault: string): Pick<DidDocumentParts, "pds" | "pdsFault"> {
	return { pds: null, pdsFault };
}
