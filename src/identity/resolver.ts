import type { DidDocument } from "@atcute/identity";
import {
	CompositeDidDocumentResolver,
	DidDocumentResolutionError,
	PlcDidDocumentResolver,
	WebDidDocumentResolver,
} from "@atcute/identity-resolver";
import { didMethod } from "../protocol/syntax.ts";
import { BodyTooLargeError, type Fetch, fetchBounded } from "./bounded-fetch.ts";
import { DidDocumentError, hostOfPds, parseDidDocument } from "./did-document.ts";
import { ForbiddenTargetError, guardedFetch, type Lookup } from "./guarded-fetch.ts";
import type { Resolution } from "./identity.ts";

export interface ResolverOptions {
	/** Origin of the PLC directory. It is the operator's choice, so it may be on any address. */
	plcUrl: string;
	/** Accept did:web on localhost, and PDSes on http://: for development only. */
	allowInsecure: boolean;
	/** For one whole request, name lookup and body included. */
	timeoutMs?: number;
	clock?: () => number;
	fetch?: Fetch;
	lookup?: Lookup;
}

const TIMEOUT_MS = 5_000;
/** The library takes no document beyond 20 KiB; this keeps what it is given small too. */
const BODY_BYTES_MAX = 256_000;
const DETAIL_CHARS_MAX = 200;

/** Ends a request within the library, which hands it back as the cause of its own error. */
class LookupEnd extends Error {
	override readonly name = "LookupEnd";
	readonly resolution: Resolution;

	constructor(resolution: Resolution) {
		super(resolution.outcome);
		this.resolution = resolution;
	}
}

/** Asks the network for DID documents: the PLC directory for did:plc, the host itself for did:web (rulebook 4). */
export class DidResolver {
	readonly #documents: CompositeDidDocumentResolver<"plc" | "web">;
	readonly #allowInsecure: boolean;
	readonly #timeoutMs: number;
	readonly #clock: () => number;

	constructor(options: ResolverOptions) {
		const { plcUrl, allowInsecure, lookup, timeoutMs = TIMEOUT_MS, clock = Date.now } = options;
		const fetchFrom: Fetch = options.fetch ?? fetch;
		const guard = { allowInsecure, fetch: fetchFrom, ...(lookup && { lookup }) };
		this.#allowInsecure = allowInsecure;
		this.#timeoutMs = timeoutMs;
		this.#clock = clock;
		const plcFetch = this.#libraryFetch("plc", (url, init) => fetchFrom(url, { ...init, redirect: "error" }));
		const webFetch = this.#libraryFetch("web", (url, init) => guardedFetch(url, init, guard));
		this.#documents = new CompositeDidDocumentResolver({
			methods: {
				plc: new PlcDidDocumentResolver({ apiUrl: plcUrl, fetch: plcFetch }),
				web: new WebDidDocumentResolver({ fetch: webFetch }),
			},
		});
	}

	/** Looks a DID up, once. Takes at most the timeout, and never throws because of what others answer. */
	async resolve(did: string): Promise<Resolution> {
		if (didMethod(did, { allowLocalhost: this.#allowInsecure }) === null) {
			return { outcome: "malformed", detail: "the DID is neither a did:plc nor a did:web of a public host" };
		}
		const resolvedAtMs = this.#clock();
		try {
			const document: DidDocument = await this.#documents.resolve(did as `did:plc:${string}` | `did:web:${string}`);
			const parts = parseDidDocument(did, document, { allowInsecure: this.#allowInsecure });
			return { outcome: "resolved", identity: { did, ...parts, pdsHost: hostOfPds(parts.pds), resolvedAtMs } };
		} catch (error) {
			return resolutionOfError(error);
		}
	}

	/** What the library calls as `fetch`: it only ever gets the bounded body of a 200. */
	#libraryFetch(method: "plc" | "web", send: Fetch): typeof fetch {
		const answer = async (url: string | URL | Request, init: BunFetchRequestInit = {}): Promise<Response> => {
			if (!(url instanceof URL)) throw new TypeError("the library was expected to ask for a URL object");
			const limits = { timeoutMs: this.#timeoutMs, bytesMax: BODY_BYTES_MAX };
			const { status, body } = await fetchBounded((signal) => send(url, { ...init, signal }), limits).catch(
				(error: unknown) => endOfError(method, error),
			);
			if (status === 410 && method === "plc") throw new LookupEnd({ outcome: "tombstoned" });
			if (status === 404 || status === 410) throw new LookupEnd({ outcome: "not-found" });
			if (status !== 200) throw new LookupEnd({ outcome: "unavailable", detail: `HTTP status ${status}` });
			// Static hosts often serve did.json as something else than what the library insists on.
			return new Response(body, { headers: { "Content-Type": "application/did+json" } });
		};
		return Object.assign(answer, { preconnect: fetch.preconnect });
	}
}

/** A request failed on its way. */
function endOfError(method: "plc" | "web", error: unknown): never {
	if (error instanceof BodyTooLargeError || error instanceof ForbiddenTargetError) {
		throw new LookupEnd({ outcome: "malformed", detail: error.message });
	}
	// A did:web whose name is not in the DNS does not exist; a PLC directory that is not is a matter for its operator.
	if (method === "web" && error instanceof Error && "code" in error && error.code === "ENOTFOUND") {
		throw new LookupEnd({ outcome: "not-found" });
	}
	throw new LookupEnd({ outcome: "unavailable", detail: short(error) });
}

/** What the library throws, put into our words; anything unexpected is a fault of ours and goes on. */
function resolutionOfError(error: unknown): Resolution {
	if (error instanceof DidDocumentError) return { outcome: "malformed", detail: error.message };
	if (!(error instanceof DidDocumentResolutionError)) throw error;
	if (error.cause instanceof LookupEnd) return error.cause.resolution;
	return { outcome: "malformed", detail: short(error.cause ?? error) };
}

function short(error: unknown): string {
	return (error instanceof Error ? error.message : String(error)).slice(0, DETAIL_CHARS_MAX);
}
