// http/: requests and answers of both ports. What an action does is not decided here; streams are in fanout/.

import type { Counters } from "../observe/counters.ts";
import { failureResponse } from "./failure.ts";
import { errorResponse } from "./response.ts";

/**
 * High on purpose. Handlers limit bodies themselves and answer in XRPC form; the runtime answers an excess of this limit
 * without an explanation.
 */
const REQUEST_BODY_BYTES_MAX = 1024 ** 3;

/** This server is no proxy, and echoes nothing. */
const METHODS_REFUSED: ReadonlySet<string> = new Set(["CONNECT", "TRACE"]);
const PROTOCOLS: ReadonlySet<string> = new Set(["http:", "https:"]);
const ORIGIN = /^https?:\/\/[^/?#]*/i;
/** Takes the place of a `Host` header that is absent or malformed. */
const PLACEHOLDER_ORIGIN = "http://localhost";

/** Answers a request for a URL. `undefined` means that the request was upgraded. */
export type Answer<SocketData, Result extends Response | undefined> = (
	request: Request,
	url: URL,
	server: Bun.Server<SocketData>,
) => Result | Promise<Result>;

/**
 * The options of `Bun.serve` on each of our ports. Whatever a stranger sends, the answer is short and in XRPC form. Without
 * these options, the runtime answers a fault with a page of our source code.
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
			// Close a refused tunnel, which the runtime would keep open.
			return errorResponse(405, "InvalidRequest", "this server answers GET, HEAD, POST and OPTIONS of a path only", {
				Allow: "GET, HEAD, POST, OPTIONS",
				Connection: "close",
			});
		},
	};
}

/**
 * The URL of a request. If the `Host` header is absent or malformed, the runtime gives only a path, or an origin that doesn't
 * parse. Probes of load balancers send no `Host`. Null if there is no path.
 */
export function targetOf(requestUrl: string): URL | null {
	const url = URL.parse(requestUrl);
	if (url !== null && PROTOCOLS.has(url.protocol)) return url;
	const path = requestUrl.replace(ORIGIN, "");
	return path.startsWith("/") ? URL.parse(`${PLACEHOLDER_ORIGIN}${path}`) : null;
}

/** The request, with a `url` that parses, since hono does not check it. */
export function withUrl(request: Request, url: URL): Request {
	return URL.canParse(request.url) ? request : new Request(url.href, request);
}
