import { webDidToDocumentUrl } from "@atcute/identity";
import { BodyTooLargeError, type BoundedResponse, fetchBounded } from "../net/bounded-fetch.ts";
import { ForbiddenTargetError, guardedFetch, type Lookup } from "../net/guarded-fetch.ts";
import { type Fetch, outboundFetch } from "../net/outbound-fetch.ts";
import { retryAfterMs } from "../net/retry-after.ts";
import { didMethod } from "../protocol/syntax.ts";
import { DidDocumentError, hostOfPds, parseDidDocument } from "./did-document.ts";
import type { Resolution } from "./identity.ts";
import { steadyWallMs } from "./wall-clock.ts";

export interface ResolverOptions {
	/** Origin of the PLC directory. It is the operator's choice, so it may be on any address. */
	plcUrl: string;
	/** Accept did:web on localhost, and PDSes on http://: for development only. */
	allowInsecure: boolean;
	userAgent: string;
	/** Limit for one whole request, including the name lookup and the body. */
	timeoutMs?: number;
	/** Milliseconds since 1970. */
	clock?: () => number;
	fetch?: Fetch;
	lookup?: Lookup;
}

type Method = "plc" | "web";

const TIMEOUT_MS = 5_000;
const BODY_BYTES_MAX = 256_000;
const DETAIL_CHARS_MAX = 200;
const ACCEPT = "application/did+ld+json,application/did+json,application/json";

/** Asks the network for DID documents: the PLC directory for did:plc, the host itself for did:web (rulebook 4). */
export class DidResolver {
	readonly #options: ResolverOptions;
	readonly #clock: () => number;

	constructor(options: ResolverOptions) {
		this.#options = options;
		this.#clock = options.clock ?? steadyWallMs;
	}

	/** Looks a DID up, once. Takes at most the timeout, and never throws because of what others answer. */
	async resolve(did: string): Promise<Resolution> {
		const { allowInsecure } = this.#options;
		const method = didMethod(did, { allowLocalhost: allowInsecure });
		if (method === null) {
			return { outcome: "malformed", detail: "the DID is neither a did:plc nor a did:web of a public host" };
		}
		const resolvedAtMs = this.#clock();
		const response = await this.#fetch(did, method).catch((error: unknown) => resolutionOfError(method, error));
		if ("outcome" in response) return response;
		if (response.status !== 200) return resolutionOfStatus(method, response, this.#clock());
		return readDocument(did, response.body, resolvedAtMs, allowInsecure);
	}

	/** Asks the server that has the document. */
	#fetch(did: string, method: Method): Promise<BoundedResponse> {
		const { plcUrl, allowInsecure, userAgent, lookup, timeoutMs = TIMEOUT_MS } = this.#options;
		const fetchFrom: Fetch = this.#options.fetch ?? outboundFetch;
		const headers = { Accept: ACCEPT, "User-Agent": userAgent };
		const limits = { timeoutMs, bytesMax: BODY_BYTES_MAX };
		if (method === "plc") {
			const url = new URL(`/${encodeURIComponent(did)}`, plcUrl);
			return fetchBounded((signal) => fetchFrom(url, { headers, signal, redirect: "error" }), limits);
		}
		const url = webDidToDocumentUrl(did as `did:web:${string}`);
		const guard = { allowInsecure, fetch: fetchFrom, ...(lookup && { lookup }) };
		return fetchBounded((signal) => guardedFetch(url, { headers, signal }, guard), limits);
	}
}

/** Takes what we need from the document, and checks nothing else: neither its encoding nor its Content-Type. */
function readDocument(did: string, body: Uint8Array, resolvedAtMs: number, allowInsecure: boolean): Resolution {
	let document: unknown;
	try {
		document = JSON.parse(new TextDecoder().decode(body));
	} catch {
		return { outcome: "malformed", detail: "the document is not JSON" };
	}
	try {
		const parts = parseDidDocument(did, document, { allowInsecure });
		const pdsHost = hostOfPds(parts.pds, { allowInsecure });
		return { outcome: "resolved", identity: { did, ...parts, pdsHost, resolvedAtMs } };
	} catch (error) {
		if (error instanceof DidDocumentError) return { outcome: "malformed", detail: error.message };
		throw error;
	}
}

function resolutionOfStatus(method: Method, { status, headers }: BoundedResponse, nowMs: number): Resolution {
	if (status === 410 && method === "plc") return { outcome: "tombstoned" };
	if (status === 404 || status === 410) return { outcome: "not-found" };
	return {
		outcome: "unavailable",
		detail: `HTTP status ${status}`,
		retryAfterMs: retryAfterMs(status, headers, nowMs),
	};
}

/** What a failed request says about the DID. */
function resolutionOfError(method: Method, error: unknown): Resolution {
	if (error instanceof BodyTooLargeError || error instanceof ForbiddenTargetError) {
		return { outcome: "malformed", detail: error.message };
	}
	// A did:web whose name is not in the DNS does not exist. If the PLC directory's name is not, this says nothing about the DID.
	if (method === "web" && error instanceof Error && "code" in error && error.code === "ENOTFOUND") {
		return { outcome: "not-found" };
	}
	const detail = (error instanceof Error ? error.message : String(error)).slice(0, DETAIL_CHARS_MAX);
	return { outcome: "unavailable", detail, retryAfterMs: null };
}
