import { Hono } from "hono";
import { basicAuth } from "hono/basic-auth";
import type { ClientEnv } from "./base.ts";
import { crawlHandler, type RequestCrawl } from "./crawl.ts";
import { errorResponse } from "./response.ts";

export interface AdminAppOptions {
	/** Of the user `admin`; null turns the admin API off. */
	password: string | null;
	requestCrawl: RequestCrawl;
}

/** The operator's part of the API, under `/admin`. To be mounted in an app made by `createXrpcApp`. */
export function createAdminApp(options: AdminAppOptions): Hono<ClientEnv> {
	const app = new Hono<ClientEnv>();
	if (options.password === null) {
		app.all("/admin/*", () =>
			errorResponse(403, "AdminDisabled", "the admin API is off, since RELAY_ADMIN_PASSWORD is not set"),
		);
		return app;
	}
	app.use(
		"/admin/*",
		basicAuth({
			username: "admin",
			password: options.password,
			realm: "standpipe",
			invalidUserMessage: {
				error: "AuthenticationRequired",
				message: "HTTP Basic authentication as `admin`, with the password of RELAY_ADMIN_PASSWORD, is required",
			},
		}),
	);
	app.post("/admin/pds/requestCrawl", crawlHandler(options.requestCrawl, true));
	return app;
}
