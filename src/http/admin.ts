import { type Handler, Hono, type MiddlewareHandler } from "hono";
import * as v from "valibot";
import type { Control } from "../control/api.ts";
import type { Counters } from "../observe/counters.ts";
import { INTEGER_MAX } from "../protocol/limits.ts";
import type { Timing } from "../runtime/timing.ts";
import { adminAuth } from "./admin-auth.ts";
import { addReportRoutes } from "./admin-reports.ts";
import type { ClientEnv } from "./base.ts";
import { crawlHandler, refusalResponse, requester } from "./crawl.ts";
import { addListRoutes } from "./host-lists.ts";
import { hostnameParameter, readBody } from "./parameters.ts";
import { addPolicyRoutes } from "./policy.ts";
import { errorResponse } from "./response.ts";
import { ADMIN_PATHS, sameOriginOnly } from "./same-origin.ts";

export interface AdminAppOptions {
	/** Passwords of the user `admin`. None turns the admin API off. */
	passwords: readonly string[];
	control: Control;
	counters: Counters;
	/** Sees each request of an admin, and its answer. */
	forward?: MiddlewareHandler<ClientEnv>;
	/** The time of answers to wrong passwords. */
	timing?: Timing;
}

const CURSOR_RULE = "`cursor` must be an integer from 0 to 2^53-1, or be left out for the host's live end";

const RESET_BODY = v.object(
	{
		hostname: hostnameParameter,
		cursor: v.optional(
			v.pipe(
				v.number(CURSOR_RULE),
				v.integer(CURSOR_RULE),
				v.minValue(0, CURSOR_RULE),
				v.maxValue(INTEGER_MAX, CURSOR_RULE),
			),
		),
	},
	"the body must be an object with a string `hostname`, and a `cursor` unless the host is to go on from its live end",
);

/** The operator's part of the API, under `/admin`. It is mounted in an app made by `createXrpcApp`. */
export function createAdminApp(options: AdminAppOptions): Hono<ClientEnv> {
	const { passwords, control } = options;
	const app = new Hono<ClientEnv>();
	if (passwords.length === 0) {
		app.all(ADMIN_PATHS, () =>
			errorResponse(403, "AdminDisabled", "the admin API is off, since RELAY_ADMIN_PASSWORD is not set"),
		);
		return app;
	}
	app.use(ADMIN_PATHS, sameOriginOnly, adminAuth(options));
	if (options.forward !== undefined) app.use(ADMIN_PATHS, options.forward);
	app.post("/admin/pds/requestCrawl", crawlHandler(control, true));
	app.post("/admin/pds/resetCursor", resetHandler(control));
	addPolicyRoutes(app, control);
	addListRoutes(app, control);
	addReportRoutes(app, control);
	return app;
}

function resetHandler(control: Control): Handler<ClientEnv> {
	return async (context) => {
		const { hostname, cursor } = await readBody(RESET_BODY, context);
		const result = await control.resetCursor(hostname, cursor ?? null, requester(context, true));
		if (!result.ok) return refusalResponse(result);
		return context.json({ success: "true" });
	};
}
