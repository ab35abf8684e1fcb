/**
 * The runtime's `fetch`, wrapped for our own requests. Failures are said in plain words, without the runtime's advice to
 * programmers. We decompress bodies ourselves: if one is malformed, the runtime writes a message of its own to standard error.
 */

/** A `fetch` that can be replaced in tests. */
export type Fetch = (url: URL, init: BunFetchRequestInit) => Promise<Response>;

/** A request got no usable answer. The message is a few words; `code` is the system's or the runtime's name for the failure. */
export class FetchError extends Error {
	override readonly name = "FetchError";
	readonly code: string;

	/** It has no cause, since reports show those too, and the runtime's has the advice. */
	constructor(code: string) {
		super(WORDS[code] ?? (CERTIFICATE_CODE.test(code) ? `its certificate is not valid (${code})` : `failed (${code})`));
		this.code = code;
	}
}

const WORDS: Readonly<Record<string, string>> = {
	ECONNREFUSED: "the connection was refused",
	ECONNRESET: "the connection was closed before the whole answer had come",
	EPIPE: "the connection was closed before the whole answer had come",
	ETIMEDOUT: "the connection took too long",
	ENOTFOUND: "the name is not in the DNS",
	ENODATA: "the name has no address in the DNS",
	EAI_AGAIN: "the DNS does not answer",
	ESERVFAIL: "the DNS does not answer",
	ETIMEOUT: "the DNS does not answer",
	EHOSTUNREACH: "there is no route to the host",
	ENETUNREACH: "there is no route to the host",
	EADDRNOTAVAIL: "there is no route to the host",
	EPROTO: "the TLS handshake failed",
	EMFILE: "too many files are open",
	ENFILE: "too many files are open",
	UnexpectedRedirect: "it answered with a redirect, which is not followed",
	Malformed_HTTP_Response: "the answer is not HTTP",
	"unknown-encoding": "the answer has an encoding that was not asked for",
	"malformed-encoding": "the answer is not in the encoding that it names",
};

const CERTIFICATE_CODE = /CERT|SIGNATURE|ALTNAME/;

/** The one encoding that we ask for and decode. With others, a few bytes can take long to expand before a limit is noticed. */
const ENCODING = "gzip";

/**
 * Makes a request. The body of the answer is as it was sent: `readBody` decodes it.
 * @throws FetchError, or the signal's reason
 */
export const outboundFetch: Fetch = async (url, init) => {
	try {
		const headers = new Headers(init.headers);
		headers.set("Accept-Encoding", ENCODING);
		return await fetch(url, { ...init, headers, decompress: false });
	} catch (error) {
		throw inPlainWords(error);
	}
};

/**
 * Turns an error of a lookup or a request into a `FetchError`. An error without a code of the system or the runtime stays as it
 * is.
 */
export function inPlainWords(error: unknown): unknown {
	if (error instanceof FetchError || !(error instanceof Error)) return error;
	return "code" in error && typeof error.code === "string" ? new FetchError(error.code) : error;
}
