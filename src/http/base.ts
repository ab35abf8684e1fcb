import { Hono } from "hono";
import { cors } from "hono/cors";
import { HTTPException } from "hono/http-exception";
import { logOf } from "../observe/log.ts";
import { errorResponse, XrpcError } from "./response.ts";
import { SERVER_NAME } from "./version.ts";

const PREFLIGHT_AGE_S = 86_400;

/** What all our HTTP apps have in common: the `Server` header, CORS for any origin, and errors in XRPC form. */
export function createBaseApp(): Hono {
	const app = new Hono();
	app.use(async (context, next) => {
		await next();
		context.header("Server", SERVER_NAME);
	});
	app.use(
		cors({
			origin: "*",
			allowMethods: ["GET", "HEAD", "POST", "OPTIONS"],
			allowHeaders: ["Origin", "Content-Type", "Accept", "Authorization"],
			maxAge: PREFLIGHT_AGE_S,
		}),
	);
	app.onError((error) => {
		if (error instanceof XrpcError) return error.toResponse();
		if (error instanceof HTTPException) return error.getResponse();
		logOf("http").error("a request failed: {error}", { error });
		return errorResponse(500, "InternalServerError", "the relay failed to answer this request");
	});
	app.notFound((context) => errorResponse(404, "NotFound", `there is nothing at ${context.req.path}`));
	return app;
}
