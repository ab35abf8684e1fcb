import { Hono, type MiddlewareHandler } from "hono";
import { HTTPException } from "hono/http-exception";
import type { Counters } from "../observe/counters.ts";
import { SERVER_NAME } from "../version.ts";
import { failureResponse } from "./failure.ts";
import { preflight } from "./preflight.ts";
import { CORS_HEADERS, errorResponse, shortened, XrpcError } from "./response.ts";

/** What the server tells handlers about a request's sender. */
export interface ClientEnv {
	Bindings: {
		/** Where the request came from: an IPv4 or IPv6 address. */
		ip: string;
	};
}

/**
 * Makes an app with what all our HTTP apps have in common: the `Server` header, CORS for any origin, and errors in XRPC form.
 *
 * @param first runs before all else, and has the last word on the answer
 */
export function createBaseApp(counters: Counters, first?: MiddlewareHandler<ClientEnv>): Hono<ClientEnv> {
	const app = new Hono<ClientEnv>();
	if (first !== undefined) app.use(first);
	app.use(async (context, next) => {
		await next();
		context.header("Server", SERVER_NAME);
		for (const [name, value] of Object.entries(CORS_HEADERS)) context.header(name, value);
	});
	app.use(preflight);
	app.onError((error) => {
		if (error instanceof XrpcError) return error.toResponse();
		if (error instanceof HTTPException) return error.getResponse();
		return failureResponse(error, counters);
	});
	app.notFound((context) => errorResponse(404, "NotFound", `there is nothing at ${shortened(context.req.path)}`));
	return app;
}
