// http/: requests and answers of both ports. What an action does is not decided here; streams are in fanout/.

import type { Counters } from "../observe/counters.ts";
import { failureResponse } from "./failure.ts";
import { errorResponse } from "./response.ts";

/** Bodies are bounded by those who read them, with an answer in XRPC form; the runtime's own limit answers without a word. */
const REQUEST_BODY_BYTES_MAX = 1024 ** 3;

/** Nothing to proxy, and nothing to echo. */
const METHODS_REFUSED: ReadonlySet<string> = new Set(["CONNECT", "TRACE"]);
const PROTOCOLS: ReadonlySet<string> = new Set(["http:", "https:"]);
const ORIGIN = /^https?:\/\/[^/?#]*/i;
/** Stands for a `Host` that is absent or is no name of a host. */
const PLACEHOLDER_ORIGIN = "http://localhost";

/** Answers a request for a URL. `undefined` means that the request was upgraded. */
export type Answer<SocketData, Result extends Response | undefined> = (
	request: Request,
	url: URL,
	server: Bun.Server<SocketData>,
) => Result | Promise<Result>;

/**
 * What `Bun.serve` gets on each of our ports: whatever a stranger sends, the answer is short and in XRPC form. Without
 * these options the runtime answers a fault with a page of our sources.
 */
export function createEdge<SocketData, Result extends Response | undefined>(
	answer: Answer<SocketData, Result>,
	counters: Counters,
) {
	return {
		development: false as const,
		maxRequestBodySize: REQUEST_BODY_BYTES_MAX,
		error: (error: unknown): Response => failureResponse(error, counters),
		fetch(request: Request, server: Bun.Server<SocketData>): Response | Result | Promise<Result> {
			const url = METHODS_REFUSED.has(request.method) ? null : targetOf(request.url);
			if (url !== null) return answer(request, url, server);
			// A tunnel that was refused is of no use, and the runtime would keep it open.
			return errorResponse(405, "InvalidRequest", "this server answers GET, HEAD, POST and OPTIONS of a path only", {
				Allow: "GET, HEAD, POST, OPTIONS",
				Connection: "close",
			});
		},
	};
}

/**
 * The URL of a request, by what the runtime says it is: where the `Host` header is absent or malformed, that is only a
 * path, or an origin that doesn't parse. Load balancers' probes send none. Null where there is no path.
 */
export function targetOf(requestUrl: string): URL | null {
	const url = URL.parse(requestUrl);
	if (url !== null && PROTOCOLS.has(url.protocol)) return url;
	const path = requestUrl.replace(ORIGIN, "");
	return path.startsWith("/") ? URL.parse(`${PLACEHOLDER_ORIGIN}${path}`) : null;
}

/** The request, with a `url` that parses: hono takes it apart without a look. */
export function withUrl(request: Request, url: URL): Request {
	return URL.canParse(request.url) ? request : new Request(url.href, request);
}
