import type { MiddlewareHandler } from "hono";
import { errorResponse } from "./response.ts";

/** The paths of the admin API. */
export const ADMIN_PATHS = "/admin/*";

/** Whether a path is one of the admin API, which browsers may call only from a page of the relay's own origin. */
export function isAdminPath(path: string): boolean {
	return path.startsWith("/admin/");
}

/**
 * Refuses what a page of another origin has a browser send. A browser may add a password that it has stored, so the password
 * alone does not show that the operator wants it. Programs send neither of the headers.
 */
export const sameOriginOnly: MiddlewareHandler = async ({ req }, next) => {
	if (isSameOrigin(req.header("Sec-Fetch-Site"), req.header("Origin"), req.header("Host"))) return next();
	return crossOriginRefusal();
};

export function crossOriginRefusal(): Response {
	return errorResponse(403, "CrossOriginRefused", "the admin API can't be called by pages of other origins");
}

/** Pages can set none of these headers. Older browsers, and pages without TLS, send only `Origin`. */
function isSameOrigin(site: string | undefined, origin: string | undefined, host: string | undefined): boolean {
	if (site !== undefined) return site === "same-origin" || site === "none";
	// Only the host is compared, since a proxy in front of the relay has taken TLS off.
	return origin === undefined || URL.parse(origin)?.host === host?.toLowerCase();
}
