import type { MiddlewareHandler } from "hono";
import { CORS_HEADERS } from "./response.ts";
import { crossOriginRefusal, isAdminPath } from "./same-origin.ts";

const PREFLIGHT_AGE_S = 86_400;
/** Length of the list of header names that a browser asks to send. No client has more than a dozen names. */
const REQUESTED_CHARS_MAX = 1_000;
const HEADER_NAMES = /^[\w!#$%&'*+.^`|~-]+(?:[ \t]*,[ \t]*[\w!#$%&'*+.^`|~-]+)*$/;
const HEADERS_BY_DEFAULT = "Authorization, Content-Type";

/**
 * Answers every preflight. It allows any origin to send the headers that it asks for, but not to the admin API. Clients send headers of their own, such
 * as `atproto-accept-labelers`, and nothing here depends on cookies.
 */
export const preflight: MiddlewareHandler = async (context, next) => {
	if (context.req.method !== "OPTIONS") return next();
	if (isAdminPath(context.req.path)) return crossOriginRefusal();
	const requested = context.req.header("Access-Control-Request-Headers") ?? "";
	const isNames = requested.length <= REQUESTED_CHARS_MAX && HEADER_NAMES.test(requested);
	return context.body(null, 204, {
		...CORS_HEADERS,
		"Access-Control-Allow-Methods": "GET, HEAD, POST, OPTIONS",
		"Access-Control-Allow-Headers": isNames ? requested : HEADERS_BY_DEFAULT,
		"Access-Control-Max-Age": String(PREFLIGHT_AGE_S),
		Vary: "Access-Control-Request-Headers",
	});
};
