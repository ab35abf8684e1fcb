import type { MiddlewareHandler } from "hono";
import type { ClientEnv } from "./base.ts";
import { isOwnName } from "./own-name.ts";
import { CORS_HEADERS, errorResponse } from "./response.ts";

/** All browsers send one of these with each request. A page can change the first, but not leave it out. Probes and Prometheus send none. */
const BROWSER_HEADERS = ["Accept-Language", "Sec-Fetch-Site", "Origin"] as const;
/** What they say is no secret, and a probe must not fail of anything else. */
const PROBES: ReadonlySet<string> = new Set(["/_healthz", "/_readyz"]);

/**
 * Keeps pages of others from reading what a port says that asks for no password, in the browser of somebody who reaches it. Without CORS
 * headers, a page of another origin can't. And a page whose own name leads to this machine is refused by that name. To be used first, since
 * it takes off what other handlers have set.
 */
export const privateOnly: MiddlewareHandler<ClientEnv> = async (context, next) => {
	const { req } = context;
	const isOfBrowser = BROWSER_HEADERS.some((name) => req.header(name) !== undefined);
	if (isOfBrowser && !PROBES.has(req.path) && !isOwnName(req.header("Host"))) {
		const rule =
			"in a browser, open this port by an IP address, as localhost, or by a name that only your own network has";
		context.res = errorResponse(421, "MisdirectedRequest", rule);
	} else await next();
	for (const name of Object.keys(CORS_HEADERS)) context.res.headers.delete(name);
};
